//! `kafka`, connector and sink, on the mock cluster of librdkafka: real sockets and the real protocol, in this process.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use serde_json::{Value, json};

use super::inbox::Inbox;
use super::{arrive, check, datasource, fails_with, numbered, numbers, publish_again};
use crate::harness::server::open_webhook;
use crate::harness::{Kind, TestServer, eventually};
use crate::on_both_databases;

pub(super) type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A cluster of three brokers with the topic `orders` of two partitions.
pub(super) fn cluster() -> Cluster {
    let cluster = MockCluster::new(3).expect("a cluster");
    cluster.create_topic("orders", 2, 3).expect("a topic");
    cluster
}

fn brokers(cluster: &Cluster) -> Value {
    json!(cluster.bootstrap_servers().split(',').collect::<Vec<_>>())
}

pub(super) fn orders(cluster: &Cluster) -> Value {
    numbered(json!({ "type": "kafka", "brokers": brokers(cluster), "topics": ["orders"], "group": "studio" }))
}

/// Writes `{"n": n}` to a partition, each acknowledged when this returns.
async fn produce(cluster: &Cluster, partition: i32, numbers: impl IntoIterator<Item = i64>) {
    for n in numbers {
        produce_raw(cluster, partition, &json!({ "n": n }).to_string()).await;
    }
}

/// Writes `{"n": n}` with the time of each message, in milliseconds.
pub(super) async fn produce_at(cluster: &Cluster, partition: i32, numbers: impl IntoIterator<Item = (i64, i64)>) {
    let producer = producer(cluster);
    let sent: Vec<_> = numbers
        .into_iter()
        .map(|(n, millis)| {
            let payload = json!({ "n": n }).to_string();
            let record =
                FutureRecord::<str, str>::to("orders").partition(partition).payload(&payload).timestamp(millis);
            producer.send_result(record).map_err(|(error, _)| error).expect("it is queued")
        })
        .collect();
    for stored in sent {
        stored.await.expect("the producer lives").map_err(|(error, _)| error).expect("it is acknowledged");
    }
}

pub(super) fn producer(cluster: &Cluster) -> FutureProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    // A broker that was down a moment ago is asked again soon, and no message waits for ever.
    config.set("reconnect.backoff.max.ms", "500").set("message.timeout.ms", "30000");
    config.create().expect("a producer")
}

async fn produce_raw(cluster: &Cluster, partition: i32, payload: &str) {
    let producer = producer(cluster);
    let record = FutureRecord::<str, str>::to("orders").partition(partition).payload(payload);
    producer.send(record, Duration::from_secs(10)).await.expect("it is acknowledged");
}

/// The offset that the group committed for a partition of `orders`.
pub(super) async fn committed(cluster: &Cluster, partition: i32) -> Option<i64> {
    let servers = cluster.bootstrap_servers();
    let asking = tokio::task::spawn_blocking(move || {
        let mut config = ClientConfig::new();
        let probe: BaseConsumer =
            config.set("bootstrap.servers", servers).set("group.id", "studio").create().expect("a client");
        let mut place = rdkafka::TopicPartitionList::new();
        place.add_partition("orders", partition);
        let found = probe.committed_offsets(place, Duration::from_secs(5)).ok()?;
        found.find_partition("orders", partition)?.offset().to_raw()
    });
    asking.await.expect("an answer").filter(|offset| *offset >= 0)
}

on_both_databases! {
    async fn each_message_is_delivered_and_its_offset_committed_after_it(server: TestServer) {
        let cluster = cluster();
        produce(&cluster, 0, 1..=5).await;
        let admin = server.admin();
        let id = datasource(&admin, orders(&cluster)).await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=5).await;
        eventually("the offset is committed", || async { (committed(&cluster, 0).await == Some(5)).then_some(()) }).await;

        let server = TestServer::on(server.stop().await, &[]).await;
        produce(&cluster, 1, 6..=8).await;
        arrive(&server, &id, 1..=8).await;
        eventually("the position is shown", || async {
            let state = server.admin().state(&id).await;
            (state["checkpoint"] == json!({ "orders": { "1": 3 } })).then_some(())
        })
        .await;
    }
}

/// What is not in the sink is not committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_delivered_is_not_committed() {
    let server = TestServer::start(Kind::Sqlite).await;
    let cluster = cluster();
    produce(&cluster, 0, [1]).await;
    produce_raw(&cluster, 0, "not json").await;
    produce(&cluster, 0, [3]).await;
    let admin = server.admin();
    let mut config = orders(&cluster);
    config["delivery"] = json!({ "on_error": "stop" });
    let id = datasource(&admin, config.clone()).await;
    admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
    fails_with(&admin, &id, "decode_failed").await;
    assert!(committed(&cluster, 0).await.is_none_or(|offset| offset <= 1), "nothing beyond the bad one");

    config["delivery"] = json!({ "on_error": "dead_letter" });
    publish_again(&admin, &id, config).await;
    eventually("the last one arrives", || async { numbers(&server, &id).contains(&3).then_some(()) }).await;
    eventually("all are committed", || async { (committed(&cluster, 0).await == Some(3)).then_some(()) }).await;
    let letters = server.database.sql().await.number("SELECT count(*) FROM dead_letters").await;
    assert_eq!(letters, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_go_down_are_waited_for() {
    let server = TestServer::start(Kind::Sqlite).await;
    let cluster = cluster();
    produce(&cluster, 0, 1..=3).await;
    let admin = server.admin();
    let id = datasource(&admin, orders(&cluster)).await;
    admin.publish(&id).await;
    arrive(&server, &id, 1..=3).await;
    for broker in 1..=3 {
        cluster.broker_down(broker).expect("down");
    }
    for broker in 1..=3 {
        cluster.broker_up(broker).expect("up");
    }
    produce(&cluster, 0, 4..=6).await;
    eventually("the later ones arrive", || async { numbers(&server, &id).contains(&6).then_some(()) }).await;
    let mut kept = numbers(&server, &id);
    kept.sort_unstable();
    kept.dedup();
    assert_eq!(kept, [1, 2, 3, 4, 5, 6], "none is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_and_a_sample_join_no_group() {
    let server = TestServer::start(Kind::Sqlite).await;
    let cluster = cluster();
    let admin = server.admin();
    let id = datasource(&admin, orders(&cluster)).await;
    let (steps, run) = check(&admin, &id).await;
    assert_eq!(steps, ["connect", "topics"], "{run}");
    produce(&cluster, 1, [7]).await;
    let fetched = admin.mutate("testDatasource", json!({ "id": id, "fetch": true }), "run { outputs { data } }").await;
    assert_eq!(fetched["run"]["outputs"], json!([{ "data": { "n": 7 } }]));
    assert_eq!(committed(&cluster, 1).await, None, "no offset moved");

    let mut elsewhere = orders(&cluster);
    elsewhere["connector"]["brokers"] = json!(["127.0.0.1:1"]);
    let id = datasource(&admin, elsewhere).await;
    let (steps, run) = check(&admin, &id).await;
    assert_eq!(steps, ["connect!connect_failed"], "{run}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_acknowledged_by_the_cluster_before_the_sender_is() {
    let server = TestServer::start(Kind::Sqlite).await;
    let cluster = cluster();
    let mut config = open_webhook(json!({ "n": "$.n" }));
    config["delivery"] = json!({ "sink": { "type": "kafka", "brokers": brokers(&cluster), "topic": "orders" } });
    let admin = server.admin();
    let id = admin.webhook("to kafka", config).await;
    admin.publish(&id).await;
    for n in 1..=3 {
        assert_eq!(server.post_hook(&id, &json!({ "id": "a", "n": n })).await.0, 202);
    }
    let servers = cluster.bootstrap_servers();
    let reading = tokio::task::spawn_blocking(move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("group.id", "reader").set("auto.offset.reset", "earliest");
        let reader: BaseConsumer = config.create().expect("a client");
        reader.subscribe(&["orders"]).expect("subscribed");
        let (mut found, began) = (Vec::new(), std::time::Instant::now());
        while found.len() < 3 {
            // It also returns when the group has changed and there is no message yet.
            let Some(message) = reader.poll(Duration::from_secs(1)) else {
                assert!(began.elapsed() < Duration::from_secs(30), "waited in vain: {found:?}");
                continue;
            };
            let message = message.expect("a message");
            let record: Value = serde_json::from_slice(message.payload().expect("a value")).expect("JSON");
            found.push((message.partition(), message.key().expect("a key").to_vec(), record["data"]["n"].clone()));
        }
        found
    });
    let found = reading.await.expect("messages");
    assert!(found.iter().all(|(partition, key, _)| *partition == found[0].0 && key == b"a"), "{found:?}");
    assert_eq!(found.iter().map(|(_, _, n)| n.clone()).collect::<Vec<_>>(), [1, 2, 3], "in order, for one key");
}

/// More than a message may have: the client says which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_for_a_message_does_not_hold_up_the_others() {
    let server = TestServer::start(Kind::Sqlite).await;
    let cluster = cluster();
    let sink = json!({ "type": "kafka", "brokers": brokers(&cluster), "topic": "orders" });
    let id = super::sinks::webhook(&server, sink).await;
    server.admin().publish(&id).await;
    let items = json!([{ "id": "a", "n": 1 }, { "id": "b", "note": "x".repeat(1_000_000) }, { "id": "c", "n": 3 }]);
    let (status, receipt) = server.post_hook(&id, &items).await;
    assert_eq!((status, &receipt["records"], &receipt["failed"]), (202, &json!(2), &json!(1)), "{receipt}");
    super::refusals::kept(&server, &id, &[("record_too_large", "b")]).await;
}

/// The first of a batch waits for others, as the version says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_gathered_up_to_the_records_of_a_batch() {
    let server = TestServer::start(Kind::Sqlite).await;
    let (cluster, inbox) = (cluster(), Inbox::start().await);
    let mut config = orders(&cluster);
    config["delivery"] = json!({
        "sink": { "type": "http", "url": inbox.url }, "batch": { "max_records": 3, "max_wait": "60s" },
    });
    let admin = server.admin();
    let id = datasource(&admin, config).await;
    admin.publish(&id).await;
    // Each comes on its own; without the wait the first would be sent alone.
    for n in 1..=3 {
        produce(&cluster, 0, [n]).await;
    }
    eventually("the batch is full", || async { (inbox.taken().len() == 3).then_some(()) }).await;
    assert_eq!(inbox.requests().len(), 1);
    eventually("it is committed", || async { (committed(&cluster, 0).await == Some(3)).then_some(()) }).await;
}
