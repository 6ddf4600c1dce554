//! `envelope`: what is known of a message, around its value, live, in a test and in a backfill.

use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use serde_json::{Value, json};

use super::kafka::{cluster, orders, producer};
use super::nats::jetstream;
use super::nats_server::NatsServer;
use super::object_store::{lines, s3};
use super::s3_server::{BUCKET, KEY_ID, S3Server};
use super::{datasource, set_secret};
use crate::harness::{Client, Kind, TestServer, eventually};

/// The same datasource with envelopes, which are delivered as they are.
fn enveloped(mut config: Value) -> Value {
    config["connector"]["envelope"] = json!(true);
    config["mapping"] = json!({ "outputs": [{ "kind": "item" }] });
    config
}

async fn data(server: &TestServer, id: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} records arrive"), || async {
        let records = server.delivered("acme", id);
        (records.len() >= count).then(|| records.into_iter().map(|mut r| r["data"].take()).collect::<Vec<_>>())
    })
    .await
}

/// What a test with a fetched sample makes of it.
async fn fetched(client: &Client, id: &str) -> Value {
    let run = client.mutate("testDatasource", json!({ "id": id, "fetch": true }), "run { outputs { data } }").await;
    run["run"]["outputs"][0]["data"].clone()
}

/// What a backfill delivers after what is there.
async fn again(server: &TestServer, id: &str, range: Value, already: usize) -> Value {
    let input = json!({ "id": id, "range": range });
    server.admin().mutate("backfillDatasource", input, "job { id }").await;
    data(server, id, already + 1).await.swap_remove(already)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_tells_key_headers_place_and_time_and_delivers_tombstones() {
    let server = TestServer::start(Kind::Sqlite).await;
    let cluster = cluster();
    let producer = producer(&cluster);
    let headers = OwnedHeaders::new()
        .insert(Header { key: "trace", value: Some("abc") })
        .insert(Header { key: "raw", value: Some(&b"\xff\x00"[..]) });
    let record = FutureRecord::to("orders").partition(1).key("A-1").payload(r#"{"n":1}"#).headers(headers);
    producer.send(record.timestamp(1_741_077_067_500), Duration::from_secs(10)).await.expect("stored");
    let admin = server.admin();
    let id = datasource(&admin, enveloped(orders(&cluster))).await;
    admin.publish(&id).await;
    let expected = json!({
        "value": { "n": 1 }, "key": "A-1", "headers": { "trace": "abc", "raw": { "base64": "/wA=" } },
        "topic": "orders", "partition": 1, "offset": 0, "timestamp": "2025-03-04T08:31:07.500Z",
    });
    assert_eq!(data(&server, &id, 1).await, std::slice::from_ref(&expected));
    assert_eq!(fetched(&admin, &id).await, expected);
    assert_eq!(again(&server, &id, json!({ "fromCursor": "1:0" }), 1).await, expected);

    let tombstone = FutureRecord::<str, str>::to("orders").partition(1).key("A-1").timestamp(1_741_077_068_000);
    producer.send(tombstone, Duration::from_secs(10)).await.expect("stored");
    let last = data(&server, &id, 3).await.swap_remove(2);
    assert_eq!((&last["value"], &last["key"], &last["offset"]), (&Value::Null, &json!("A-1"), &json!(1)));
    assert_eq!(fetched(&admin, &id).await["value"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_tells_subject_headers_sequence_and_time() {
    let server = TestServer::start(Kind::Sqlite).await;
    let nats = NatsServer::start(&[]).await;
    let stream = nats.stream("orders").await;
    let mut headers = async_nats::HeaderMap::new();
    headers.append("Trace", "abc");
    headers.append("Trace", "def");
    headers.insert("Kind", "paid");
    let publisher = nats.jetstream().await;
    let sent = publisher.publish_with_headers("orders.eu", headers, r#"{"n":1}"#.into()).await;
    sent.expect("sent").await.expect("stored");
    let admin = server.admin();
    let id = datasource(&admin, enveloped(jetstream(&nats, "orders"))).await;
    admin.publish(&id).await;
    let stored = stream.get_raw_message(1).await.expect("a message").time;
    let expected = json!({
        "value": { "n": 1 }, "subject": "orders.eu", "headers": { "Trace": ["abc", "def"], "Kind": "paid" },
        "sequence": 1, "timestamp": stored.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
    });
    assert_eq!(data(&server, &id, 1).await, std::slice::from_ref(&expected));
    assert_eq!(again(&server, &id, json!({ "fromCursor": "1" }), 1).await, expected);
    // The client library keeps the last of several equal headers where it reads a message without a consumer.
    let mut shown = expected;
    shown["headers"]["Trace"] = json!("def");
    assert_eq!(fetched(&admin, &id).await, shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_store_tells_the_object_of_each_record() {
    let server = TestServer::start(Kind::Sqlite).await;
    let store = S3Server::start().await;
    store.put_at("orders/1.jsonl", lines([7, 8]), "2025-03-04T08:31:07Z".parse().expect("a time"));
    let admin = server.admin();
    let id = datasource(&admin, enveloped(s3(&store))).await;
    set_secret(&admin, &id, "key_id", KEY_ID).await;
    set_secret(&admin, &id, "key", "a-secret-key").await;
    admin.publish(&id).await;
    let record = |n: i64| {
        json!({
            "value": { "n": n }, "bucket": BUCKET, "key": "orders/1.jsonl", "last_modified": "2025-03-04T08:31:07Z",
        })
    };
    assert_eq!(data(&server, &id, 2).await, [record(7), record(8)]);
    assert_eq!(fetched(&admin, &id).await, record(7));
    assert_eq!(again(&server, &id, json!({ "prefix": "orders/1" }), 2).await, record(7));
}
