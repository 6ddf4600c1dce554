//! Backfill on the real systems: a part of the source, while the live position stays where it is.

use std::collections::HashMap;

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::kafka::{cluster, committed, orders, produce_at};
use super::nats::{jetstream, outstanding};
use super::nats_server::NatsServer;
use super::object_store::{lines, s3};
use super::s3_server::{KEY_ID, S3Server};
use super::sql::{Shop, query};
use super::{arrive, datasource, numbers, set_secret};
use crate::harness::server::{delivered, mutation};
use crate::harness::{Client, Database, Kind, Process, TestServer, eventually};
use crate::on_both_databases;

/// Asks for a backfill; answers with the id of its job.
async fn begin(client: &Client, id: &str, range: Value) -> Value {
    let input = json!({ "id": id, "range": range, "reason": "a gap" });
    client.mutate("backfillDatasource", input, "job { id }").await["job"]["id"].take()
}

async fn ended(client: &Client, job: &Value) -> Value {
    let query = "query($id: ID!) { job(id: $id) { status errorCode errorMessage progress { read total delivered } } }";
    eventually("the job ends", || async {
        let job = client.data(query, json!({ "id": job })).await["job"].take();
        (!["QUEUED", "RUNNING"].contains(&job["status"].as_str().expect("a status"))).then_some(job)
    })
    .await
}

/// What a backfill delivers beside the numbers that the live worker already did, sorted, and its total.
async fn again(server: &TestServer, id: &str, range: Value) -> (Vec<i64>, Value) {
    let admin = server.admin();
    let live = numbers(server, id).len();
    let checkpoint = admin.state(id).await["checkpoint"].clone();
    let job = ended(&admin, &begin(&admin, id, range.clone()).await).await;
    assert_eq!(job["status"], "SUCCEEDED", "{range}: {job}");
    assert_eq!(admin.state(id).await["checkpoint"], checkpoint, "the live checkpoint did not move");
    let mut found = numbers(server, id).split_off(live);
    assert_eq!(job["progress"]["delivered"], found.len());
    found.sort_unstable();
    (found, job["progress"]["total"].clone())
}

/// The code of a job that ends without reading.
async fn refused(server: &TestServer, id: &str, range: Value) -> Value {
    let admin = server.admin();
    let job = ended(&admin, &begin(&admin, id, range).await).await;
    assert_eq!(job["status"], "FAILED", "{job}");
    job["errorCode"].clone()
}

/// Waits until the live worker stored its position.
async fn settled(client: &Client, id: &str, expected: Value) {
    eventually("the live position is stored", || async {
        (client.state(id).await["checkpoint"] == expected).then_some(())
    })
    .await;
}

on_both_databases! {
    async fn kafka_reads_offsets_and_times_again_outside_of_the_group(server: TestServer) {
        let cluster = cluster();
        produce_at(&cluster, 0, (1..=10).map(|n| (n, n * 1_000))).await;
        produce_at(&cluster, 1, (11..=15).map(|n| (n, n * 1_000))).await;
        let admin = server.admin();
        let id = datasource(&admin, orders(&cluster)).await;
        admin.publish(&id).await;
        eventually("all arrive", || async { (numbers(&server, &id).len() == 15).then_some(()) }).await;
        settled(&admin, &id, json!({ "orders": { "0": 10, "1": 5 } })).await;
        // The messages are of 1970, and the end of both partitions is reached.
        let lag = format!("datasource_lag_seconds{{datasource=\"{id}\"}} 0");
        eventually("nothing is behind", || async { server.metrics().await.lines().any(|l| l == lag).then_some(()) }).await;
        eventually("the last offset is committed", || async {
            (committed(&cluster, 0).await == Some(10) && committed(&cluster, 1).await == Some(5)).then_some(())
        }).await;

        let named = again(&server, &id, json!({ "fromCursor": "0:2,1:1", "toCursor": "0:4" })).await;
        assert_eq!(named, (vec![3, 4, 5, 12, 13, 14, 15], json!(7)), "both ends are within it");
        let all = again(&server, &id, json!({ "fromCursor": "0:0,1:0" })).await;
        assert_eq!(all, ((1..=15).collect(), json!(15)));
        // The mock cluster finds no offset for a time, so here the time of each message decides.
        let (until, _) = again(&server, &id, json!({ "to": "1970-01-01T00:00:04Z" })).await;
        assert_eq!(until, [1, 2, 3]);
        assert_eq!((committed(&cluster, 0).await, committed(&cluster, 1).await), (Some(10), Some(5)));
        assert_eq!(refused(&server, &id, json!({ "fromCursor": "7:0" })).await, "range_unsupported");
        assert_eq!(refused(&server, &id, json!({ "fromCursor": "yesterday" })).await, "range_unsupported");
    }

    async fn nats_reads_sequences_and_times_again_without_an_acknowledgement(server: TestServer) {
        let nats = NatsServer::start(&[]).await;
        let stream = nats.stream("orders").await;
        nats.publish("orders.eu", 1..=5).await;
        nats.publish("orders.us", 6..=10).await;
        let mut config = jetstream(&nats, "orders");
        config["connector"]["subscription"]["subject"] = json!("orders.eu");
        let admin = server.admin();
        let id = datasource(&admin, config).await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=5).await;
        let middle = stream.get_raw_message(3).await.expect("a message").time;
        nats.publish("orders.eu", 11..=13).await;
        arrive(&server, &id, (1..=5).chain(11..=13)).await;
        settled(&admin, &id, json!({ "stream_sequence": 13 })).await;
        eventually("all are acknowledged", || async { (outstanding(&nats, "orders").await == (0, 0)).then_some(()) }).await;

        let sequences = again(&server, &id, json!({ "fromCursor": "2", "toCursor": "11" })).await;
        assert_eq!(sequences, (vec![2, 3, 4, 5, 11], json!(5)), "both ends are within it");
        let from = again(&server, &id, json!({ "from": middle })).await;
        assert_eq!(from, (vec![3, 4, 5, 11, 12, 13], json!(6)));
        let until = again(&server, &id, json!({ "to": middle })).await;
        assert_eq!(until, (vec![1, 2], json!(2)));
        let nothing = again(&server, &id, json!({ "fromCursor": "500" })).await;
        assert_eq!(nothing, (vec![], json!(0)));
        assert_eq!(refused(&server, &id, json!({ "fromCursor": "-1" })).await, "range_unsupported");
        assert_eq!(outstanding(&nats, "orders").await, (0, 0));
        let mut stream = nats.stream("orders").await;
        assert_eq!(stream.info().await.expect("its state").state.consumer_count, 1, "none is left behind");
    }

    async fn an_object_store_reads_a_prefix_and_a_time_again(server: TestServer) {
        let store = S3Server::start().await;
        let day = |n: u32| format!("2025-03-{n:02}T12:00:00Z");
        for n in 1..=5 {
            store.put_at(&format!("orders/{}/{n}.jsonl", if n < 4 { "a" } else { "ab" }), lines([i64::from(n)]), day(n).parse().expect("a time"));
        }
        store.put("orders/a/readme.txt", "not for us");
        let admin = server.admin();
        let id = datasource(&admin, s3(&store)).await;
        set_secret(&admin, &id, "key_id", KEY_ID).await;
        set_secret(&admin, &id, "key", "a-secret-key").await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=5).await;

        assert_eq!(again(&server, &id, json!({ "prefix": "orders/a/" })).await.0, [1, 2, 3]);
        assert_eq!(again(&server, &id, json!({ "prefix": "orders/a" })).await.0, [1, 2, 3, 4, 5], "what begins so");
        assert_eq!(again(&server, &id, json!({ "from": day(2), "to": day(4) })).await.0, [2, 3], "without the end");
        assert_eq!(again(&server, &id, json!({ "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z" })).await.0, [0; 0]);
        assert_eq!(refused(&server, &id, json!({ "prefix": "returns/" })).await, "range_unsupported");
        assert_eq!(refused(&server, &id, json!({ "prefix": "ordersX" })).await, "range_unsupported");
    }

    async fn a_query_reads_cursors_and_times_again(server: TestServer) {
        let shop = Shop::open().await;
        shop.insert(1, 10).await;
        shop.run("UPDATE items SET at = timestamptz '2025-03-01 00:00:00+00' + (n - 1) * interval '1 day'").await;
        let (connection, password) = shop.connection();
        let admin = server.admin();
        let mut by_number = query(connection.clone(), "SELECT * FROM items", json!({ "column": "n" }));
        by_number["connector"]["batch"] = json!(2);
        let id = datasource(&admin, by_number).await;
        set_secret(&admin, &id, "db", &password).await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=10).await;
        settled(&admin, &id, json!({ "cursor": "10" })).await;
        let within = again(&server, &id, json!({ "fromCursor": "3", "toCursor": "7" })).await;
        assert_eq!(within, (vec![3, 4, 5, 6, 7], json!(5)), "both ends are within it");
        assert_eq!(refused(&server, &id, json!({ "from": "2025-03-02T00:00:00Z" })).await, "range_unsupported");
        assert_eq!(refused(&server, &id, json!({ "fromCursor": "yesterday" })).await, "query_failed");

        let by_time = query(connection.clone(), "SELECT * FROM items", json!({ "column": "at", "key": "n" }));
        let id = datasource(&admin, by_time).await;
        set_secret(&admin, &id, "db", &password).await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=10).await;
        let days = again(&server, &id, json!({ "from": "2025-03-02T00:00:00Z", "to": "2025-03-05T00:00:00Z" })).await;
        assert_eq!(days, (vec![2, 3, 4], json!(3)), "without the end");

        let whole = datasource(&admin, query(connection, "SELECT 1 AS n", Value::Null)).await;
        set_secret(&admin, &whole, "db", &password).await;
        admin.publish(&whole).await;
        let ask = json!({ "input": { "id": whole, "range": { "fromCursor": "1" } } });
        assert_eq!(admin.code(&mutation("backfillDatasource", "job { id }"), ask).await, "VALIDATION_FAILED");
    }
}

const MANY: i64 = 2_000;

/// Kills the server while it reads all numbers again: each arrives at least twice, and few of them more often.
async fn survives_a_crash(config: Value, secrets: &[(&str, &str)], range: Value, most_repeated: usize) {
    let database = Database::create(Kind::Sqlite).await;
    let data_dir = database.data_dir.path();
    let flags = ["--lease-ttl", "2s", "--heartbeat-interval", "500ms"];
    let process = Process::start(&database, data_dir, &flags).await;
    let admin = process.client(Role::Admin);
    let mut config = config;
    config["runtime"]["rate_limit"] = json!({ "records_per_second": 1_000 });
    let id = datasource(&admin, config).await;
    for (key, value) in secrets {
        set_secret(&admin, &id, key, value).await;
    }
    admin.publish(&id).await;
    let sink = data_dir.join("out").join("acme").join(&id);
    let many = usize::try_from(MANY).expect("a count");
    eventually("all arrive", || async { (delivered(&sink).len() == many).then_some(()) }).await;
    let job = begin(&admin, &id, range).await;
    eventually("some arrive again", || async { (delivered(&sink).len() > many + 100).then_some(()) }).await;
    process.kill();

    let process = Process::start(&database, data_dir, &flags).await;
    let job = ended(&process.client(Role::Admin), &job).await;
    assert_eq!((&job["status"], &job["progress"]["read"]), (&json!("SUCCEEDED"), &json!(MANY)), "{job}");
    let mut times: HashMap<i64, usize> = HashMap::new();
    for record in delivered(&sink) {
        *times.entry(record["data"]["n"].as_i64().expect("a number")).or_default() += 1;
    }
    assert!((1..=MANY).all(|n| times.get(&n).is_some_and(|times| *times >= 2)), "every number arrives again");
    let repeated = times.values().filter(|times| **times > 2).count();
    assert!(repeated <= most_repeated, "{repeated} numbers were repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backfill_of_kafka_goes_on() {
    let cluster = cluster();
    produce_at(&cluster, 0, (1..=MANY / 2).map(|n| (n, n))).await;
    produce_at(&cluster, 1, (MANY / 2 + 1..=MANY).map(|n| (n, n))).await;
    let mut config = orders(&cluster);
    config["connector"]["batch"] = json!(100);
    // The batch under way when it was killed, and one of the live worker whose offset was not committed.
    survives_a_crash(config, &[], json!({ "fromCursor": "0:0,1:0" }), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backfill_of_nats_goes_on() {
    let nats = NatsServer::start(&[]).await;
    nats.stream("orders").await;
    nats.publish("orders.eu", 1..=MANY).await;
    let mut config = jetstream(&nats, "orders");
    config["connector"]["subscription"]["batch"] = json!(100);
    survives_a_crash(config, &[], json!({ "fromCursor": "1" }), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backfill_of_one_large_object_goes_on_within_it() {
    let store = S3Server::start().await;
    store.put("orders/all.jsonl", lines(1..=MANY));
    let config = s3(&store);
    let secrets = [("key_id", KEY_ID), ("key", "a-secret-key")];
    survives_a_crash(config, &secrets, json!({ "prefix": "orders/" }), 500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backfill_of_a_query_goes_on() {
    let shop = Shop::open().await;
    shop.insert(1, MANY).await;
    let (connection, password) = shop.connection();
    let mut config = query(connection, "SELECT * FROM items", json!({ "column": "n" }));
    config["connector"]["batch"] = json!(100);
    survives_a_crash(config, &[("db", &password)], json!({ "fromCursor": "1" }), 100).await;
}
