//! Receivers that are slow, endless, or lead elsewhere; and addresses that are out of bounds.

use std::convert::Infallible;
use std::process::Stdio;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{becomes, change, endpoint, messages, settled, test, told, with};
use crate::harness::server::mutation;
use crate::harness::{Database, Kind, Process, eventually};
use crate::on_both_databases;

/// Attempts that are given up soon, and many of them.
const HASTY: [&str; 4] =
    ["--notification-timeout", "2s", "--notification-retry", "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s"];

fn redirect(to: String) -> Response {
    Response::builder().status(307).header("location", to).body(Body::empty()).expect("a response")
}

on_both_databases! {
    async fn an_endless_answer_is_read_a_little(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        receiver.answers_by(|_| async {
            let endless = futures::stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1_000])));
            Body::from_stream(endless).into_response()
        });
        let (hook, _) = told(&admin, &receiver).await;
        test(&admin, &hook).await;
        let message = becomes(&admin, &hook, "DELIVERED").await;
        let response = message["attempts"][0]["response"].as_str().expect("the beginning");
        assert_eq!(response.len(), 4_096);
    }

    async fn an_answer_of_any_bytes_can_be_shown(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        receiver.answers_by(|_| async { Bytes::from_static(b"\0\xff<script>\x1b[2J").into_response() });
        let (hook, _) = told(&admin, &receiver).await;
        test(&admin, &hook).await;
        let message = becomes(&admin, &hook, "DELIVERED").await;
        assert_eq!(message["attempts"][0]["response"], "\u{fffd}\u{fffd}<script>\u{fffd}[2J");
    }

    async fn a_receiver_that_never_answers_holds_up_no_other(server: TestServer) {
        let server = with(server, &HASTY).await;
        let admin = server.admin();
        let (silent, quick) = (Receiver::start().await, Receiver::start().await);
        silent.answers_by(|_| std::future::pending::<Response>());
        let (hole, _) = told(&admin, &silent).await;
        let (hook, _) = told(&admin, &quick).await;
        let id = change(&admin, "orders").await;
        settled(&server, "acme", &admin, &hook).await;
        assert!(quick.visits().iter().any(|visit| visit.json()["data"]["datasource"]["id"] == id));
        let waited = eventually("the other one is given its time", || async {
            let all = messages(&admin, &hole).await;
            all.into_iter().find(|message| message["attempts"][0]["error"].is_string())
        })
        .await;
        let attempt = &waited["attempts"][0];
        assert!(attempt["error"].as_str().expect("a reason").contains("did not answer within 2s"), "{attempt}");
        assert_eq!((&waited["status"], &attempt["status"]), (&json!("PENDING"), &Value::Null));
        assert!(waited["nextAttemptAt"].is_string());
    }

    async fn a_redirect_is_not_followed(server: TestServer) {
        let admin = server.admin();
        let (door, room) = (Receiver::start().await, Receiver::start().await);
        let target = room.url("/inside");
        door.answers_by(move |_| {
            let target = target.clone();
            async move { redirect(target) }
        });
        let (hook, _) = told(&admin, &door).await;
        test(&admin, &hook).await;
        let message = eventually("it was tried", || async {
            messages(&admin, &hook).await.into_iter().find(|message| message["attempts"][0].is_object())
        })
        .await;
        assert_eq!(message["attempts"][0]["status"], 307);
        let error = message["attempts"][0]["error"].as_str().expect("a reason");
        assert!(error.contains("a redirect is not followed"), "{error}");
        assert_eq!(room.visits().len(), 0);
    }

    async fn private_addresses_and_odd_urls_are_refused(server: TestServer) {
        let admin = server.admin();
        for (url, why) in [
            ("http://10.0.0.1/hook", "not a public address"),
            ("http://169.254.169.254/latest/meta-data", "not a public address"),
            ("http://[::1]:8080/", "not a public address"),
            ("ftp://example.com/", "https://"),
            ("https://ada:secret@example.com/", "credentials"),
            ("https://example.com/#part", "fragment"),
            ("not a url", "absolute URL"),
        ] {
            for (name, input) in [
                ("createNotificationEndpoint", json!({ "url": url })),
                ("updateNotificationEndpoint", json!({ "id": uuid::Uuid::nil(), "url": url })),
            ] {
                let answer = admin.send(&mutation(name, "__typename"), json!({ "input": input })).await;
                let problem = &answer["errors"][0]["extensions"]["problems"][0];
                assert_eq!(problem["pointer"], "/url", "{url}: {answer}");
                let message = problem["message"].as_str().expect("a message");
                assert!(message.contains(why) && !message.contains("secret"), "{url}: {message}");
            }
        }
        let long = format!("https://example.com/{}", "x".repeat(3_000));
        let input = json!({ "input": { "url": long } });
        assert_eq!(admin.code(&mutation("createNotificationEndpoint", "secret"), input).await, "VALIDATION_FAILED");
    }
}

/// A name is judged when it is resolved, for every attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_inside_is_refused_when_it_is_used() {
    let database = Database::create(Kind::Sqlite).await;
    // A server that is allowed to go elsewhere, and not here.
    let environment = [("STUDIO_EGRESS_ALLOW", "192.0.2.1")];
    let process = Process::spawn_with(Stdio::null(), &database, database.data_dir.path(), &[], &environment);
    process.ready().await;
    let admin = process.client(Role::Admin);
    let receiver = Receiver::start().await;
    let named = receiver.url("/hook").replace("127.0.0.1", "localhost");
    let (hook, _) = endpoint(&admin, &named, json!({})).await;
    test(&admin, &hook).await;
    let message = eventually("it was tried", || async {
        messages(&admin, &hook).await.into_iter().find(|message| message["attempts"][0].is_object())
    })
    .await;
    let error = message["attempts"][0]["error"].as_str().expect("a reason");
    assert!(error.contains("not a public address"), "{error}");
    assert_eq!(receiver.visits().len(), 0);
}
