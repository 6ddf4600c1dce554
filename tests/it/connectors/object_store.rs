//! `object_store` on a directory and on an S3 endpoint.

use serde_json::{Value, json};

use super::s3_server::{BUCKET, KEY_ID, S3Server};
use super::{arrive, check, datasource, fails_with, numbered, numbers, set_secret};
use crate::harness::{Kind, TestServer, eventually};
use crate::on_both_databases;

/// Lines of JSON with these numbers.
pub(super) fn lines(numbers: impl IntoIterator<Item = i64>) -> String {
    numbers.into_iter().map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

pub(super) fn s3(store: &S3Server) -> Value {
    numbered(json!({
        "type": "object_store",
        "store": {
            "type": "s3", "bucket": BUCKET, "endpoint": store.url,
            "access_key_id": { "$secret": "key_id" }, "secret_access_key": { "$secret": "key" },
        },
        "prefix": "orders", "schedule": "every 1s", "min_age": "0s",
    }))
}

on_both_databases! {
    async fn files_of_a_directory_are_read_once_through_a_restart(server: TestServer) {
        let feed = server.database.data_dir.path().join("in/acme/feed");
        std::fs::create_dir_all(&feed).expect("made");
        std::fs::write(feed.join("1.jsonl"), lines(1..=1_200)).expect("written");
        let config = numbered(json!({
            "type": "object_store", "store": { "type": "local", "path": "feed" }, "schedule": "every 1s", "min_age": "0s",
        }));
        let admin = server.admin();
        let id = datasource(&admin, config).await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=1_200).await;
        std::fs::write(feed.join("2.jsonl"), lines(1_201..=1_203)).expect("written");
        arrive(&server, &id, 1..=1_203).await;

        let server = TestServer::on(server.stop().await, &[]).await;
        std::fs::write(feed.join("0.jsonl"), lines([1_204])).expect("written");
        arrive(&server, &id, 1..=1_204).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_a_bucket_are_read_once_each() {
    let server = TestServer::start(Kind::Sqlite).await;
    let store = S3Server::start().await;
    for n in 1..=5 {
        store.put(&format!("orders/{n}.jsonl"), lines([n]));
    }
    store.put("returns/1.jsonl", lines([99]));
    store.put("orders/readme.txt", "not for us");
    let admin = server.admin();
    let id = datasource(&admin, s3(&store)).await;
    set_secret(&admin, &id, "key_id", KEY_ID).await;
    set_secret(&admin, &id, "key", "a-secret-key").await;
    admin.publish(&id).await;
    let sorted = |server: &TestServer| {
        let mut all = numbers(server, &id);
        all.sort_unstable();
        all
    };
    eventually("all arrive", || async { (sorted(&server) == [1, 2, 3, 4, 5]).then_some(()) }).await;
    store.put("orders/6.jsonl", lines([6]));
    eventually("the new one arrives", || async { (sorted(&server) == [1, 2, 3, 4, 5, 6]).then_some(()) }).await;
    // What is replaced is another object.
    store.put("orders/1.jsonl", lines([7]));
    eventually("the replaced one arrives", || async { (sorted(&server) == [1, 2, 3, 4, 5, 6, 7]).then_some(()) }).await;
    let reads = store.reads();
    assert_eq!(reads.iter().filter(|key| *key == "orders/2.jsonl").count(), 1, "{reads:?}");
    assert!(!reads.iter().any(|key| key.starts_with("returns") || key.ends_with(".txt")), "{reads:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_looks_at_the_bucket_and_shows_no_key() {
    let server = TestServer::start(Kind::Sqlite).await;
    let store = S3Server::start().await;
    store.put("orders/1.jsonl", lines([7]));
    let admin = server.admin();
    let id = datasource(&admin, s3(&store)).await;
    set_secret(&admin, &id, "key_id", "AKIDWRONG").await;
    set_secret(&admin, &id, "key", "a-secret-key").await;
    let (steps, run) = check(&admin, &id).await;
    assert_eq!(steps, ["open", "list!unauthorized"], "{run}");
    assert!(!run.to_string().contains("AKIDWRONG") && !run.to_string().contains("a-secret-key"), "{run}");
    admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
    fails_with(&admin, &id, "unauthorized").await;

    set_secret(&admin, &id, "key_id", KEY_ID).await;
    let (steps, run) = check(&admin, &id).await;
    assert_eq!(steps, ["open", "list", "read"], "{run}");
    let fetched = admin.mutate("testDatasource", json!({ "id": id, "fetch": true }), "run { outputs { data } }").await;
    assert_eq!(fetched["run"]["outputs"], json!([{ "data": { "n": 7 } }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_endpoint_is_out_of_bounds_unless_it_is_allowed() {
    let server = TestServer::start_with(Kind::Sqlite, &["--egress-allow", "192.0.2.1"]).await;
    let config = numbered(json!({
        "type": "object_store", "store": { "type": "s3", "bucket": BUCKET, "endpoint": "http://10.0.0.1:9000" },
    }));
    let id = datasource(&server.admin(), config).await;
    let (steps, run) = check(&server.admin(), &id).await;
    assert_eq!(steps, ["open", "list!egress_denied"], "{run}");
    assert!(run.to_string().contains("STUDIO_EGRESS_ALLOW"), "{run}");
}
