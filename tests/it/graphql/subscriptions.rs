//! The change feed: in commit order, without gaps, resumable, and only for those who may.

use std::collections::BTreeSet;
use std::time::Duration;

use datasource_studio::domain::Role;
use datasource_studio::domain::paging::encode_cursor;
use serde_json::{Value, json};

use crate::harness::Socket;
use crate::harness::server::open_webhook;
use crate::harness::socket::Arrival;
use crate::on_both_databases;

const ALL: &str =
    "subscription($after: String) { datasourceEvents(after: $after) { id cursor eventType datasourceId payload } }";

fn sequence(event: &Value) -> i64 {
    event["datasourceEvents"]["id"].as_str().and_then(|id| id.parse().ok()).expect("a number")
}

on_both_databases! {
    /// Numbers are handed out and become visible in one order, however many write at once:
    /// a reader that goes on from the last number that it saw misses nothing.
    async fn concurrent_writers_leave_no_hole_for_a_reader(server: TestServer) {
        const WRITERS: usize = 8;
        const EACH: usize = 12;
        let mut live = Socket::subscribe(&server.viewer(), ALL, json!({ "after": encode_cursor(&0) })).await;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let admin = server.admin();
                tokio::spawn(async move {
                    for i in 0..EACH {
                        let input = json!({ "name": format!("{writer}-{i}"), "type": "webhook" });
                        admin.mutate("createDatasource", input, "datasource { id }").await;
                    }
                })
            })
            .collect();
        for expected in 1..=i64::try_from(WRITERS * EACH).expect("a small number") {
            assert_eq!(sequence(&live.next().await), expected);
        }
        for writer in writers {
            writer.await.expect("the writer ends well");
        }
    }

    async fn a_reader_goes_on_where_it_stopped(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let mut first = Socket::subscribe(&server.viewer(), ALL, json!({ "after": encode_cursor(&0) })).await;
        let cursor = first.next().await["datasourceEvents"]["cursor"].clone();
        drop(first);
        admin.publish(&id).await;
        let mut second = Socket::subscribe(&server.viewer(), ALL, json!({ "after": cursor })).await;
        let rest: Vec<_> = [second.next().await, second.next().await].iter().map(|e| e["datasourceEvents"]["eventType"].clone()).collect();
        assert_eq!(rest, [json!("VERSION_CREATED"), json!("PUBLISHED")]);
        let ahead = Socket::subscribe(&server.viewer(), ALL, json!({ "after": encode_cursor(&1_000) })).await.error_code().await;
        assert_eq!(ahead, "VALIDATION_FAILED", "a cursor from the future is nobody's");
    }

    async fn what_is_no_longer_kept_shows_as_a_gap(server: TestServer) {
        let admin = server.admin();
        for name in ["a", "b", "c", "d"] {
            admin.mutate("createDatasource", json!({ "name": name, "type": "webhook" }), "datasource { id }").await;
        }
        let sql = server.database.sql().await;
        sql.disarm().await;
        sql.run("DELETE FROM datasource_events WHERE seq <= 3").await;
        sql.run("UPDATE orgs SET event_floor = 3").await;
        sql.close().await;
        let mut feed = Socket::subscribe(&server.viewer(), ALL, json!({ "after": encode_cursor(&1) })).await;
        let gap = feed.next().await;
        assert_eq!(gap["datasourceEvents"]["eventType"], "DROPPED");
        assert_eq!(gap["datasourceEvents"]["payload"], json!({ "from": 2, "to": 3, "count": 2 }));
        assert_eq!(sequence(&feed.next().await), 4);
    }

    async fn a_feed_holds_nothing_of_another_organisation(server: TestServer) {
        let mut feed = Socket::subscribe(&server.viewer(), ALL, json!({})).await;
        // The feed is listening once it answered a first event of its own.
        let mark = |name: &'static str| {
            let admin = server.admin();
            async move { admin.mutate("createDatasource", json!({ "name": name, "type": "webhook" }), "datasource { id }").await }
        };
        let other = server.client(Role::Admin, "globex");
        tokio::join!(mark("ours"), async {
            for name in ["x", "y", "z"] {
                other.mutate("createDatasource", json!({ "name": name, "type": "webhook" }), "datasource { id }").await;
            }
        });
        let ours = mark("last").await["datasource"]["id"].clone();
        let mut seen = BTreeSet::new();
        loop {
            let event = feed.next().await;
            seen.insert(sequence(&event));
            if event["datasourceEvents"]["datasourceId"] == ours {
                break;
            }
        }
        assert!(seen.iter().all(|n| *n <= 2), "only two events are ours: {seen:?}");
    }

    async fn states_come_as_they_are_and_as_they_change(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let query = "subscription($ids: [ID!]!) { datasourceStates(ids: $ids) { datasourceId workerStatus desired } }";
        let mut states = Socket::subscribe(&server.viewer(), query, json!({ "ids": [id] })).await;
        assert_eq!(states.next().await["datasourceStates"]["workerStatus"], "STOPPED");
        admin.publish(&id).await;
        loop {
            let state = states.next().await;
            if state["datasourceStates"]["workerStatus"] == "RUNNING" {
                assert_eq!(state["datasourceStates"]["desired"], "RUNNING");
                break;
            }
        }
    }

    async fn nobody_gets_past_the_door_without_a_token(server: TestServer) {
        for payload in [json!(null), json!({}), json!({ "Authorization": "Bearer nonsense" }), json!({ "token": "" })] {
            let mut socket = Socket::open(&server.url, Some("graphql-transport-ws")).await;
            socket.send(json!({ "type": "connection_init", "payload": payload })).await;
            assert_eq!(socket.closed().await.0, 4403, "{payload}");
        }
        let mut socket = Socket::open(&server.url, Some("graphql-transport-ws")).await;
        socket.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ viewer { subject } }" } })).await;
        assert!(matches!(socket.arrival().await, Arrival::Closed(4400 | 4401, _)));
    }

    async fn a_socket_closes_when_its_token_ends(server: TestServer) {
        let token = server.token(Role::Viewer, "acme", Duration::from_secs(2));
        let mut socket = Socket::subscribe(&server.with_token(token), ALL, json!({})).await;
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 4403, "{reason}");
        assert!(reason.contains("expired"), "{reason}");
    }

    /// The same stream over plain HTTP.
    async fn server_sent_events_carry_it_too(server: TestServer) {
        let admin = server.admin();
        admin.webhook("orders", open_webhook(json!({}))).await;
        let request = server.http.post(format!("{}/graphql", server.url)).bearer_auth(&admin.token);
        let body = json!({ "query": ALL, "variables": { "after": encode_cursor(&0) } });
        let mut response = request.header("accept", "text/event-stream").json(&body).send().await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut text = String::new();
        while !text.contains("VERSION_CREATED") {
            let chunk = response.chunk().await.expect("more").expect("the stream goes on");
            text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
        assert!(text.starts_with("event: next\ndata: {"), "{text}");
        assert!(text.contains("\"eventType\":\"CREATED\""), "{text}");
    }
}
