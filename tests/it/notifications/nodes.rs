//! Several nodes, and nodes that end in the middle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::response::IntoResponse as _;
use datasource_studio::domain::Role;
use serde_json::json;

use super::receiver::Receiver;
use super::{QUICK, change, endpoint, messages, test, told};
use crate::harness::{Database, Kind, Process, eventually};

/// Soon taken over.
const LEASES: [&str; 4] = ["--lease-ttl", "2s", "--heartbeat-interval", "500ms"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_tell_each_change_once() {
    let database = Database::create(Kind::Postgres).await;
    let [a, b] = ["a", "b"].map(|name| {
        let flags = [&["--node-name", name][..], &QUICK[..]].concat();
        Process::spawn(&database, &database.data_dir.path().join(name), &flags)
    });
    tokio::join!(a.ready(), b.ready());
    let admins = [a.client(Role::Admin), b.client(Role::Admin)];
    let receiver = Receiver::start().await;
    let mut hooks = Vec::new();
    for n in 0..4 {
        let filter = json!({ "eventTypes": ["CREATED"] });
        hooks.push(endpoint(&admins[n % 2], &receiver.url(&format!("/{n}")), filter).await.0);
    }
    let changes = (0..20).map(|n| {
        let admin = &admins[n % 2];
        async move { change(admin, &format!("feed {n}")).await }
    });
    let mut made: Vec<_> = futures::future::join_all(changes).await;
    made.sort();
    for (n, hook) in hooks.iter().enumerate() {
        eventually("all are told", || async {
            let all = messages(&admins[0], hook).await;
            (all.len() == 20 && all.iter().all(|message| message["status"] == "DELIVERED")).then_some(())
        })
        .await;
        let told = receiver.visits_of(&format!("/{n}"));
        let mut told: Vec<_> = told
            .iter()
            .map(|visit| visit.json()["data"]["datasource"]["id"].as_str().expect("an id").to_owned())
            .collect();
        told.sort();
        assert_eq!(told, made, "each once, by whichever node");
    }
}

/// A node that ends without a word leaves its endpoints to the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_goes_on_where_one_was_killed() {
    let database = Database::create(Kind::Postgres).await;
    let flags = |name: &'static str| [&["--node-name", name][..], &LEASES[..], &QUICK[..]].concat();
    let a = Process::start(&database, &database.data_dir.path().join("a"), &flags("a")).await;
    let b = Process::start(&database, &database.data_dir.path().join("b"), &flags("b")).await;
    let admin = b.client(Role::Admin);
    let receiver = Receiver::start().await;
    let (hook, secret) = told(&admin, &receiver).await;
    change(&admin, "before").await;
    a.kill();
    let id = change(&admin, "after").await;
    eventually("it is told", || async {
        let visits = receiver.visits();
        let of_it = |visit: &&super::receiver::Visit| visit.json()["data"]["datasource"]["id"] == id;
        visits.iter().find(of_it).map(|visit| assert!(visit.is_signed_by(&secret)))
    })
    .await;
    eventually("nothing is left over", || async {
        messages(&admin, &hook).await.iter().all(|message| message["status"] == "DELIVERED").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_and_not_written_down_is_sent_again_on_sqlite() {
    sent_again(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_and_not_written_down_is_sent_again_on_postgres() {
    sent_again(Kind::Postgres).await;
}

/// Killed between the request and the note of its answer: the receiver gets the same message under the same id.
async fn sent_again(kind: Kind) {
    let database = Database::create(kind).await;
    let data_dir = database.data_dir.path();
    let process = Process::start(&database, data_dir, &["--rate-limits", "off"]).await;
    let admin = process.client(Role::Admin);
    let receiver = Receiver::start().await;
    let held = Arc::new(AtomicBool::new(true));
    let hold = Arc::clone(&held);
    receiver.answers_by(move |_| {
        let hold = hold.load(Ordering::Relaxed);
        async move {
            if hold {
                std::future::pending::<()>().await;
            }
            "ok".into_response()
        }
    });
    let (hook, secret) = told(&admin, &receiver).await;
    let id = test(&admin, &hook).await;
    eventually("the message is on its way", || async { (!receiver.visits().is_empty()).then_some(()) }).await;
    process.kill();
    held.store(false, Ordering::Relaxed);

    let process = Process::start(&database, data_dir, &["--rate-limits", "off"]).await;
    let admin = process.client(Role::Admin);
    eventually("it is delivered", || async {
        messages(&admin, &hook).await.iter().all(|message| message["status"] == "DELIVERED").then_some(())
    })
    .await;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for visit in receiver.visits() {
        assert!(visit.is_signed_by(&secret));
        *seen.entry(visit.id()).or_default() += 1;
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(id, 2)]);
}

/// A node that stops ends what it began, and gives its endpoints back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_writes_down_what_it_sent() {
    let database = Database::create(Kind::Sqlite).await;
    let data_dir = database.data_dir.path();
    let process = Process::start(&database, data_dir, &["--rate-limits", "off"]).await;
    let admin = process.client(Role::Admin);
    let receiver = Receiver::start().await;
    let go_on = Arc::new(tokio::sync::Notify::new());
    let gate = Arc::clone(&go_on);
    receiver.answers_by(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            "ok".into_response()
        }
    });
    let (hook, _) = told(&admin, &receiver).await;
    test(&admin, &hook).await;
    eventually("the message is on its way", || async { (!receiver.visits().is_empty()).then_some(()) }).await;
    let stopping = tokio::task::spawn_blocking(move || process.terminate());
    // Whether it is told before or after it hears of its end, it waits for this answer.
    go_on.notify_one();
    assert!(stopping.await.expect("it ends"));

    let process = Process::start(&database, data_dir, &["--rate-limits", "off"]).await;
    let admin = process.client(Role::Admin);
    let [message] = messages(&admin, &hook).await.try_into().expect("one message");
    assert_eq!(message["status"], "DELIVERED");
    assert_eq!(receiver.visits().len(), 1, "once");
}
