//! A datasource as people watch it run.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::{events, numbered_webhook};
use crate::harness::{Database, Kind, Process, Socket};
use crate::on_both_databases;

const RECORDS: &str = "subscription($id: ID!) { datasourceRecords(id: $id) { id kind data version passed } }";
const LOGS: &str = "subscription($id: ID!, $level: LogLevel) {
    datasourceLogs(id: $id, level: $level) { level message version recordId } }";

on_both_databases! {
    async fn delivered_records_are_shown(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("watched", numbered_webhook()).await;
        let other = admin.webhook("other", numbered_webhook()).await;
        admin.publish(&id).await;
        admin.publish(&other).await;
        let mut socket = Socket::subscribe(&server.viewer(), RECORDS, json!({ "id": id })).await;
        let shown = async {
            let mut shown = Vec::new();
            while shown.len() < 2 {
                shown.push(socket.next().await["datasourceRecords"].take());
            }
            shown
        };
        let sending = async {
            // Who watches sees what comes after it began; its begin is not told.
            for n in 0.. {
                server.post_hook(&other, &json!({ "id": 1, "n": 99 })).await;
                server.post_hook(&id, &json!({ "id": n, "n": 7 })).await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let shown = tokio::select! { shown = shown => shown, () = sending => unreachable!("it sends for ever") };
        for record in shown {
            assert_eq!((&record["kind"], &record["data"], &record["version"]), (&json!("event"), &json!({ "n": 7 }), &json!(1)));
        }
    }

    /// Many records: some are shown, and all others are counted.
    async fn what_is_not_shown_is_counted(server: TestServer) {
        let admin = server.admin();
        let mut config = numbered_webhook();
        config["mapping"]["input"] = json!("$.items[*]");
        let id = admin.webhook("flood", config).await;
        admin.publish(&id).await;
        let mut socket = Socket::subscribe(&admin, RECORDS, json!({ "id": id })).await;
        let items: Vec<_> = (0..1_000).map(|n| json!({ "id": n, "n": n })).collect();
        let (mut seen, mut passed) = (0, 0);
        let watching = async {
            while passed < 500 {
                let record = socket.next().await["datasourceRecords"].take();
                seen += 1;
                passed += record["passed"].as_i64().expect("a number");
            }
        };
        let sending = async {
            loop {
                server.post_hook(&id, &json!({ "items": items })).await;
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::select! { () = watching => {}, () = sending => {} }
        assert!(seen < 500, "{seen} were shown, {passed} passed");
    }

    /// DEBUG is told only after somebody asked the datasource for it, and that is on its timeline.
    async fn the_log_of_one_datasource_is_raised(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("chatty", numbered_webhook()).await;
        admin.publish(&id).await;
        let mut socket = Socket::subscribe(&server.viewer(), LOGS, json!({ "id": id })).await;
        let raise = json!({ "id": id, "level": "DEBUG", "duration": "5m", "reason": "a look" });
        server.operator().mutate("setDatasourceLogLevel", raise, "datasource { id }").await;
        let line = async {
            loop {
                let line = socket.next().await["datasourceLogs"].take();
                if line["level"] == "DEBUG" {
                    return line;
                }
            }
        };
        let sending = async {
            loop {
                server.post_hook(&id, &json!({ "id": "r-1", "n": 1 })).await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        let line: Value = tokio::select! { line = line => line, () = sending => unreachable!("it sends for ever") };
        assert_eq!((&line["recordId"], &line["version"]), (&json!("r-1"), &json!(1)), "{line}");
        let last = events(&admin, &id).await.pop().expect("an event");
        assert_eq!((&last["eventType"], &last["payload"]["level"]), (&json!("LOG_LEVEL_SET"), &json!("debug")));
    }
}

/// A gateway without workers shows what another node delivers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_reaches_across_nodes() {
    let database = Database::create(Kind::Postgres).await;
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let worker = Process::start(&database, here.path(), &["--role", "worker"]).await;
    let gateway = Process::start(&database, there.path(), &["--role", "gateway"]).await;
    let admin = gateway.client(Role::Admin);
    let source = super::source::HttpSource::start(|visit| {
        // One item a poll, without end.
        super::source::page([visit.query.get("since").map_or(1, |since| since.parse::<i64>().expect("a number") + 1)])
    })
    .await;
    let id = super::source::poller_datasource(&admin, "far", super::source::poller(&source.url)).await;
    admin.publish(&id).await;
    let mut socket = Socket::subscribe(&admin, RECORDS, json!({ "id": id })).await;
    assert_eq!(socket.next().await["datasourceRecords"]["kind"], "item");
    drop(worker);
}
