//! `nats`, connector and sink, on a real server.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use super::inbox::Inbox;
use super::nats_server::NatsServer;
use super::{arrive, check, datasource, fails_with, numbered, numbers, publish_again, set_secret};
use crate::harness::server::open_webhook;
use crate::harness::{Kind, TestServer, eventually};
use crate::on_both_databases;

pub(super) fn jetstream(nats: &NatsServer, stream: &str) -> Value {
    let subscription = json!({ "type": "jetstream", "stream": stream, "durable": "studio" });
    numbered(json!({ "type": "nats", "servers": [nats.address()], "subscription": subscription }))
}

/// How many messages wait for their acknowledgement, and how many are still to be sent.
pub(super) async fn outstanding(nats: &NatsServer, stream: &str) -> (usize, u64) {
    let info = nats.stream(stream).await.consumer_info("studio").await.expect("a consumer");
    (info.num_ack_pending, info.num_pending)
}

on_both_databases! {
    async fn each_message_of_a_stream_is_delivered_and_then_acknowledged(server: TestServer) {
        let nats = NatsServer::start(&[]).await;
        nats.stream("orders").await;
        nats.publish("orders.eu", 1..=20).await;
        let admin = server.admin();
        let id = datasource(&admin, jetstream(&nats, "orders")).await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=20).await;
        eventually("all are acknowledged", || async {
            (outstanding(&nats, "orders").await == (0, 0)).then_some(())
        })
        .await;

        let server = TestServer::on(server.stop().await, &[]).await;
        nats.publish("orders.us", 21..=25).await;
        arrive(&server, &id, 1..=25).await;
        eventually("the position is shown", || async {
            (server.admin().state(&id).await["checkpoint"] == json!({ "stream_sequence": 25 })).then_some(())
        })
        .await;
    }

    async fn a_broker_that_dies_is_waited_for(server: TestServer) {
        let mut nats = NatsServer::start(&[]).await;
        nats.stream("orders").await;
        let admin = server.admin();
        let id = datasource(&admin, jetstream(&nats, "orders")).await;
        admin.publish(&id).await;
        nats.publish("orders.eu", 1..=3).await;
        arrive(&server, &id, 1..=3).await;

        nats.kill();
        nats.revive().await;
        nats.stream("orders").await;
        nats.publish("orders.eu", 4..=6).await;
        eventually("the later ones arrive", || async { numbers(&server, &id).contains(&6).then_some(()) }).await;
        let mut kept = numbers(&server, &id);
        kept.sort_unstable();
        assert!(kept.len() <= 9, "only what the broker had not yet written down comes twice: {kept:?}");
        kept.dedup();
        assert_eq!(kept, [1, 2, 3, 4, 5, 6], "none is lost");
    }
}

/// What is not in the sink stays with the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_delivered_is_not_acknowledged() {
    let server = TestServer::start(Kind::Sqlite).await;
    let nats = NatsServer::start(&[]).await;
    nats.stream("orders").await;
    nats.publish("orders.eu", [1]).await;
    nats.publish_raw("orders.eu", "not json").await;
    nats.publish("orders.eu", [3]).await;

    let admin = server.admin();
    let mut config = jetstream(&nats, "orders");
    config["connector"]["subscription"]["ack_wait"] = json!("1s");
    config["delivery"] = json!({ "on_error": "stop" });
    let id = datasource(&admin, config.clone()).await;
    admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
    let message = fails_with(&admin, &id, "decode_failed").await;
    assert!(message.contains("not JSON") && !message.contains("not json"), "{message}");
    assert_eq!(outstanding(&nats, "orders").await.0, 3, "the server keeps them all");
    assert_eq!(numbers(&server, &id), [0; 0]);

    config["delivery"] = json!({ "on_error": "dead_letter" });
    publish_again(&admin, &id, config).await;
    arrive(&server, &id, [1, 3]).await;
    eventually("all are acknowledged", || async { (outstanding(&nats, "orders").await == (0, 0)).then_some(()) }).await;
    let letters = server.database.sql().await.number("SELECT count(*) FROM dead_letters").await;
    assert_eq!(letters, 1, "what is no JSON is set aside");
}

/// Eighty messages of nearly a megabyte are more than one request may bring: they come in several, live and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_are_read_within_bounds() {
    let server = TestServer::start(Kind::Sqlite).await;
    let nats = NatsServer::start(&[]).await;
    nats.stream("orders").await;
    let jetstream_of = nats.jetstream().await;
    let padding = "x".repeat(1_000_000);
    for n in 1..=80 {
        let payload = json!({ "n": n, "padding": padding }).to_string();
        let sent = jetstream_of.publish("orders.eu", payload.into()).await.expect("it is sent");
        sent.await.expect("it is stored");
    }
    let admin = server.admin();
    let id = datasource(&admin, jetstream(&nats, "orders")).await;
    admin.publish(&id).await;
    arrive(&server, &id, 1..=80).await;
    let input = json!({ "id": id, "range": { "fromCursor": "1" } });
    admin.mutate("backfillDatasource", input, "job { id }").await;
    arrive(&server, &id, (1..=80).chain(1..=80)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_subjects_are_read_while_a_worker_listens() {
    let server = TestServer::start(Kind::Sqlite).await;
    let nats = NatsServer::start(&[]).await;
    let subscription = json!({ "type": "core", "subject": "sensors.*.temperature" });
    let config = numbered(json!({ "type": "nats", "servers": [nats.address()], "subscription": subscription }));
    let admin = server.admin();
    let id = datasource(&admin, config).await;
    admin.publish(&id).await;
    let client = async_nats::connect(nats.address()).await.expect("a connection");
    eventually("the worker listens", || async {
        client.publish("sensors.hall.temperature", r#"{"n":1}"#.into()).await.expect("it is sent");
        (!numbers(&server, &id).is_empty()).then_some(())
    })
    .await;
    client.publish("sensors.hall.humidity", r#"{"n":2}"#.into()).await.expect("it is sent");
    client.publish("sensors.attic.temperature", r#"{"n":3}"#.into()).await.expect("it is sent");
    eventually("the later one arrives", || async { numbers(&server, &id).contains(&3).then_some(()) }).await;
    assert!(!numbers(&server, &id).contains(&2), "another subject is not read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_and_a_sample_take_nothing_away() {
    let server = TestServer::start(Kind::Sqlite).await;
    let nats = NatsServer::start(&["--user", "studio", "--pass", "let-me-in"]).await;
    let admin = server.admin();
    let mut config = jetstream(&nats, "orders");
    config["connector"]["auth"] =
        json!({ "type": "password", "username": "studio", "password": { "$secret": "nats" } });
    let id = datasource(&admin, config).await;
    set_secret(&admin, &id, "nats", "wrong-password").await;
    let (steps, run) = check(&admin, &id).await;
    assert_eq!(steps, ["connect!unauthorized"], "{run}");
    assert!(!run.to_string().contains("wrong-password"), "{run}");

    set_secret(&admin, &id, "nats", "let-me-in").await;
    assert_eq!(check(&admin, &id).await.0, ["connect", "stream!stream_missing"]);

    let options = async_nats::ConnectOptions::with_user_and_password("studio".into(), "let-me-in".into());
    let client = options.connect(nats.address()).await.expect("a connection");
    let jetstream = async_nats::jetstream::new(client);
    let stream = async_nats::jetstream::stream::Config {
        name: "orders".into(),
        subjects: vec!["orders.>".into()],
        ..Default::default()
    };
    jetstream.create_stream(stream).await.expect("a stream");
    jetstream.publish("orders.eu", r#"{"n":7}"#.into()).await.expect("sent").await.expect("stored");
    let (steps, run) = check(&admin, &id).await;
    assert_eq!(steps, ["connect", "stream", "consumer"], "{run}");

    let fetched = admin.mutate("testDatasource", json!({ "id": id, "fetch": true }), "run { outputs { data } }").await;
    assert_eq!(fetched["run"]["outputs"], json!([{ "data": { "n": 7 } }]));
    let mut stream = jetstream.get_stream("orders").await.expect("the stream");
    assert_eq!(stream.info().await.expect("its state").state.consumer_count, 0, "no consumer was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_verified_against_the_authority_that_is_named() {
    let server = TestServer::start(Kind::Sqlite).await;
    let directory = tempfile::tempdir().expect("a directory");
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("it is written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("it is written");
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let flags = ["--tls".to_owned(), "--tlscert".to_owned(), path(&certificate), "--tlskey".to_owned(), path(&key)];
    let nats = NatsServer::start(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;

    let admin = server.admin();
    let subscription = json!({ "type": "core", "subject": "a.b" });
    let connector =
        |tls: Value| json!({ "type": "nats", "servers": [nats.address()], "tls": tls, "subscription": subscription });
    let distrustful = datasource(&admin, numbered(connector(json!({})))).await;
    let (steps, run) = check(&admin, &distrustful).await;
    assert_eq!(run["success"], false, "{run}");
    assert!(steps[0].starts_with("connect!"), "{run}");

    let trusting = datasource(&admin, numbered(connector(json!({ "ca": made.cert.pem() })))).await;
    let (steps, run) = check(&admin, &trusting).await;
    assert_eq!(steps, ["connect", "subscribe"], "{run}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_published_once_and_acknowledged_before_the_sender_is() {
    let server = TestServer::start(Kind::Sqlite).await;
    let mut nats = NatsServer::start(&[]).await;
    nats.stream("out").await;
    let mut config = open_webhook(json!({ "n": "$.n" }));
    config["delivery"] = json!({ "sink": { "type": "nats", "servers": [nats.address()], "subject": "out.{kind}" } });
    let admin = server.admin();
    let id = admin.webhook("to nats", config).await;
    admin.publish(&id).await;
    for payload in [json!({ "id": "a", "n": 1 }), json!({ "id": "a", "n": 1 }), json!({ "id": "a", "n": 2 })] {
        assert_eq!(server.post_hook(&id, &payload).await.0, 202);
    }
    let stored = messages(&nats, 2).await;
    let data: Vec<_> = stored.iter().map(|m| m["data"]["n"].clone()).collect();
    assert_eq!(data, [1, 2], "a repetition is dropped, a change is not");
    assert_eq!(stored[0]["kind"], "event");

    nats.kill();
    let (status, answer) = server.post_hook(&id, &json!({ "id": "b", "n": 3 })).await;
    assert_eq!(status, 503, "nothing is answered with success that is not stored: {answer}");
    nats.revive().await;
    eventually("the sink connects anew", || async {
        (server.post_hook(&id, &json!({ "id": "b", "n": 3 })).await.0 == 202).then_some(())
    })
    .await;
    assert_eq!(messages(&nats, 3).await[2]["data"]["n"], 3);
}

/// The first of a batch waits for others, as the version says; nothing is acknowledged before all are delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_gathered_up_to_the_records_of_a_batch() {
    let server = TestServer::start(Kind::Sqlite).await;
    let (nats, inbox) = (NatsServer::start(&[]).await, Inbox::start().await);
    nats.stream("orders").await;
    let mut config = jetstream(&nats, "orders");
    config["connector"]["subscription"]["ack_wait"] = json!("10m");
    config["delivery"] = json!({
        "sink": { "type": "http", "url": inbox.url }, "batch": { "max_records": 3, "max_wait": "60s" },
    });
    let admin = server.admin();
    let id = datasource(&admin, config).await;
    admin.publish(&id).await;
    nats.publish("orders.eu", [1]).await;
    eventually("it is fetched", || async { (outstanding(&nats, "orders").await.0 == 1).then_some(()) }).await;
    assert_eq!(inbox.taken(), [""; 0], "it waits");
    nats.publish("orders.eu", [2, 3]).await;
    eventually("all are acknowledged", || async { (outstanding(&nats, "orders").await == (0, 0)).then_some(()) }).await;
    assert_eq!((inbox.taken(), inbox.requests().len()), (["1", "2", "3"].map(str::to_owned).to_vec(), 1));
}

/// The stream says which message is too large for it; the others of the batch are stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_for_the_stream_does_not_hold_up_the_others() {
    let server = TestServer::start(Kind::Sqlite).await;
    let nats = NatsServer::start(&[]).await;
    let mut narrow = nats.stream("out").await.get_info().await.expect("its settings").config;
    narrow.max_message_size = 1_000;
    nats.jetstream().await.update_stream(narrow).await.expect("updated");
    let sink = json!({ "type": "nats", "servers": [nats.address()], "subject": "out.{kind}" });
    let id = super::sinks::webhook(&server, sink).await;
    server.admin().publish(&id).await;
    let items = json!([{ "id": "a", "n": 1 }, { "id": "b", "note": "x".repeat(2_000) }, { "id": "c", "n": 3 }]);
    let (status, receipt) = server.post_hook(&id, &items).await;
    assert_eq!((status, &receipt["records"], &receipt["failed"]), (202, &json!(2), &json!(1)), "{receipt}");
    let stored = messages(&nats, 2).await;
    assert_eq!(stored.iter().map(|m| m["id"].clone()).collect::<Vec<_>>(), ["a", "c"]);
    super::refusals::kept(&server, &id, &[("record_too_large", "b")]).await;
}

/// The records in the stream `out`, of which there are `count`.
async fn messages(nats: &NatsServer, count: u64) -> Vec<Value> {
    let mut stream = nats.stream("out").await;
    assert_eq!(stream.info().await.expect("its state").state.messages, count);
    let config = async_nats::jetstream::consumer::pull::Config::default();
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let fetched = consumer.fetch().max_messages(100).expires(Duration::from_secs(5)).messages().await;
    let messages = fetched.expect("messages").map(|m| m.expect("a message"));
    messages.map(|m| serde_json::from_slice(&m.payload).expect("JSON")).collect().await
}
