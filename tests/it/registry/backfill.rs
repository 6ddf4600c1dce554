//! A part of a source, read again beside the live worker.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::dead_letters::{ended, letters};
use super::source::{HttpSource, page, poller, poller_datasource};
use super::{events, numbered_webhook, numbers};
use crate::connectors::inbox::Inbox;
use crate::harness::server::{delivered, mutation};
use crate::harness::{Client, Database, Kind, Process, Socket, TestServer, eventually};
use crate::on_both_databases;

/// Asks for a backfill; answers with the id of its job.
async fn backfill(client: &Client, id: &str, range: Value) -> Value {
    let input = json!({ "id": id, "range": range, "reason": "a gap in March" });
    client.mutate("backfillDatasource", input, "job { id }").await["job"]["id"].take()
}

/// A webhook that is slow enough for a job to be caught in the middle.
async fn slow_webhook(client: &Client) -> String {
    let mut config = numbered_webhook();
    config["runtime"] = json!({ "rate_limit": { "records_per_second": 20 } });
    let id = client.webhook("slow", config).await;
    client.publish(&id).await;
    id
}

async fn begun(client: &Client, job: &Value) {
    eventually("the job has begun", || async {
        let query = "query($id: ID!) { job(id: $id) { progress { read } } }";
        let job = client.data(query, json!({ "id": job })).await;
        (job["job"]["progress"]["read"].as_i64() > Some(0)).then_some(())
    })
    .await;
}

/// Writes numbered payloads where a backfill may read them.
fn write_numbers(data_dir: &std::path::Path, name: &str, upto: i64) {
    let text = (1..=upto).fold(String::new(), |mut text, n| {
        writeln!(text, "{}", json!({ "id": n, "n": n })).expect("a line");
        text
    });
    let directory = data_dir.join("in/acme");
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join(name), text).expect("a file");
}

on_both_databases! {
    /// The source is asked for March only, and the live position stays where it is.
    async fn a_poller_reads_a_range_of_time_again(server: TestServer) {
        let source = HttpSource::start(|visit| match visit.query.get("begin") {
            Some(_) => page([101, 102]),
            None if visit.query.contains_key("since") => page([]),
            None => page([1, 2, 3]),
        }).await;
        let admin = server.admin();
        let mut config = poller(&source.url);
        config["connector"]["backfill"] = json!({ "from_param": "begin", "to_param": "end" });
        let id = poller_datasource(&admin, "alerts", config).await;
        admin.publish(&id).await;
        eventually("the poller has its position", || async {
            (admin.state(&id).await["checkpoint"]["cursor"] == 3).then_some(())
        }).await;

        let march = json!({ "from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z" });
        let job = ended(&admin, &backfill(&admin, &id, march).await).await;
        assert_eq!((&job["kind"], &job["status"]), (&json!("BACKFILL"), &json!("SUCCEEDED")), "{job}");
        assert_eq!(job["progress"]["delivered"], 2);
        let asked = source.visits().into_iter().find(|v| v.query.contains_key("begin")).expect("a visit");
        assert_eq!(asked.query["begin"], "2026-03-01T00:00:00Z");
        assert_eq!(asked.query["end"], "2026-04-01T00:00:00Z");
        assert_eq!(admin.state(&id).await["checkpoint"]["cursor"], 3, "the live checkpoint did not move");
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 2, 3, 101, 102]);
        let told: Vec<_> = events(&admin, &id).await.into_iter().map(|e| e["eventType"].clone()).collect();
        assert_eq!(told[told.len() - 2..], ["BACKFILL", "BACKFILL_ENDED"]);
    }

    /// Every connector takes a file: here payloads that a webhook missed. Whoever asked can watch.
    async fn a_webhook_takes_a_file_of_payloads(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("missed", numbered_webhook()).await;
        admin.publish(&id).await;
        write_numbers(server.database.data_dir.path(), "missed.jsonl", 1_000);
        let job = backfill(&admin, &id, json!({ "file": "missed.jsonl" })).await;
        let query = "subscription($id: ID!) { datasourceJob(id: $id) { status progress { read total } } }";
        let mut socket = Socket::subscribe(&server.viewer(), query, json!({ "id": job })).await;
        let (mut read, mut status) = (0, Value::Null);
        while status != "SUCCEEDED" {
            let job = socket.next().await["datasourceJob"].take();
            let now = job["progress"]["read"].as_i64().expect("a number");
            assert!(now >= read, "it never goes back");
            (read, status) = (now, job["status"].clone());
        }
        assert_eq!(socket.message().await["type"], "complete", "the watch ends with the job");
        assert_eq!(ended(&admin, &job).await["progress"], json!({ "read": 1_000, "total": 1_000, "delivered": 1_000, "failed": 0, "skipped": 0 }));
        assert_eq!(numbers(&server.delivered("acme", &id)), (1..=1_000).collect::<Vec<_>>());
    }

    async fn a_file_outside_of_its_directory_is_not_read(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("feed", numbered_webhook()).await;
        admin.publish(&id).await;
        let data_dir = server.database.data_dir.path();
        write_numbers(data_dir, "there.jsonl", 1);
        std::fs::write(data_dir.join("in/outside.jsonl"), "{}\n").expect("a file of somebody else");
        std::os::unix::fs::symlink(data_dir.join("in/outside.jsonl"), data_dir.join("in/acme/link.jsonl")).expect("a link");
        std::fs::write(data_dir.join("in/acme/broken.jsonl"), "{\"n\":1}\n{oops\n{\"n\":2}\n").expect("a file");
        for (name, code) in [
            ("../outside.jsonl", "file_unreadable"),
            ("/etc/passwd", "file_unreadable"),
            ("link.jsonl", "file_unreadable"),
            ("absent.jsonl", "file_unreadable"),
            (".", "file_unreadable"),
        ] {
            let job = ended(&admin, &backfill(&admin, &id, json!({ "file": name })).await).await;
            assert_eq!((&job["status"], &job["errorCode"]), (&json!("FAILED"), &json!(code)), "{name}: {job}");
        }
        // A line that is no payload is a dead letter, and the others are read.
        let job = ended(&admin, &backfill(&admin, &id, json!({ "file": "broken.jsonl" })).await).await;
        assert_eq!(job["status"], "SUCCEEDED");
        assert_eq!((&job["progress"]["delivered"], &job["progress"]["failed"]), (&json!(2), &json!(1)), "{job}");
        let kept = letters(&admin, &id, json!({})).await;
        assert_eq!((&kept[0]["payload"], &kept[0]["errorCode"]), (&json!("{oops\n"), &json!("decode_failed")));
        assert!(kept[0]["errorMessage"].as_str().is_some_and(|m| m.starts_with("line 2: ")), "{kept:?}");
    }

    async fn a_range_that_the_connector_cannot_read_is_refused(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("feed", numbered_webhook()).await;
        let query = mutation("backfillDatasource", "job { id }");
        let ask = |range: Value| json!({ "input": { "id": id, "range": range } });
        assert_eq!(admin.code(&query, ask(json!({ "file": "x" }))).await, "CONFLICT", "nothing is published yet");
        admin.publish(&id).await;
        for range in [
            json!({}),
            json!({ "prefix": "2026/" }),
            json!({ "file": "x", "prefix": "y" }),
            json!({ "from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z" }),
        ] {
            assert_eq!(admin.code(&query, ask(range.clone())).await, "VALIDATION_FAILED", "{range}");
        }
        let answer = admin.send(&query, ask(json!({ "prefix": "2026/" }))).await;
        let problem = answer["errors"][0]["extensions"]["problems"][0]["message"].as_str().expect("a message");
        assert!(problem.ends_with("by: file"), "{problem}");
    }

    async fn a_job_is_cancelled(server: TestServer) {
        let admin = server.admin();
        let id = slow_webhook(&admin).await;
        write_numbers(server.database.data_dir.path(), "many.jsonl", 10_000);
        let job = backfill(&admin, &id, json!({ "file": "many.jsonl" })).await;
        begun(&admin, &job).await;
        let asked = admin.mutate("cancelJob", json!({ "id": job }), "job { cancelRequested }").await;
        assert_eq!(asked["job"]["cancelRequested"], true);
        let job = ended(&admin, &job).await;
        assert_eq!(job["status"], "CANCELLED");
        assert_eq!(job["progress"]["read"], server.delivered("acme", &id).len(), "what it counts is what it delivered");
    }

    /// Those that run and those that wait.
    async fn the_jobs_of_an_archived_datasource_are_cancelled(server: TestServer) {
        const JOBS: usize = 6;
        let admin = server.admin();
        let id = slow_webhook(&admin).await;
        write_numbers(server.database.data_dir.path(), "many.jsonl", 10_000);
        let mut jobs = Vec::new();
        for _ in 0..JOBS {
            jobs.push(backfill(&admin, &id, json!({ "file": "many.jsonl" })).await);
        }
        begun(&admin, &jobs[0]).await;
        admin.mutate("archiveDatasource", json!({ "id": id }), "datasource { id }").await;
        let mut read = 0;
        for job in &jobs {
            let job = ended(&admin, job).await;
            assert_eq!(job["status"], "CANCELLED");
            read += job["progress"]["read"].as_u64().expect("a number");
        }
        assert_eq!(server.delivered("acme", &id).len() as u64, read, "nothing is delivered after their end");
        let told = events(&admin, &id).await.into_iter().find(|e| e["eventType"] == "ARCHIVED").expect("an event");
        assert_eq!(told["payload"]["cancelledJobs"], json!(jobs));
    }

    /// Whoever archived it did not tell its job, such as an older build that shares the database.
    async fn a_job_does_not_go_on_when_its_datasource_is_archived(server: TestServer) {
        let admin = server.admin();
        let id = slow_webhook(&admin).await;
        write_numbers(server.database.data_dir.path(), "many.jsonl", 10_000);
        let job = backfill(&admin, &id, json!({ "file": "many.jsonl" })).await;
        begun(&admin, &job).await;
        let sql = server.database.sql().await;
        assert_eq!(sql.run("UPDATE datasources SET archived_at = created_at").await, 1);
        sql.close().await;
        assert_eq!(ended(&admin, &job).await["status"], "CANCELLED");
    }

    async fn what_cannot_be_decoded_counts_as_read_and_failed(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("feed", numbered_webhook()).await;
        admin.publish(&id).await;
        let directory = server.database.data_dir.path().join("in/acme");
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join("garbage.jsonl"), "{oops\n".repeat(450)).expect("a file");
        std::fs::write(directory.join("mixed.jsonl"), "{oops\n{\"id\":1,\"n\":1}\n").expect("a file");

        let job = ended(&admin, &backfill(&admin, &id, json!({ "file": "garbage.jsonl" })).await).await;
        assert_eq!((&job["status"], &job["errorCode"]), (&json!("FAILED"), &json!("all_records_failed")), "{job}");
        assert_eq!(job["errorMessage"], "all 450 records failed; their dead letters say why");
        assert_eq!(job["progress"], json!({ "read": 450, "total": 450, "delivered": 0, "failed": 450, "skipped": 0 }));
        assert_eq!(count_letters(&admin, &id).await, 450, "each is kept, and once");
        let end = events(&admin, &id).await.pop().expect("an event");
        let counts = json!({ "total": 450, "delivered": 0, "failed": 450, "skipped": 0 });
        assert_eq!((&end["payload"]["status"], &end["payload"]["counts"]), (&json!("failed"), &counts));

        let job = ended(&admin, &backfill(&admin, &id, json!({ "file": "mixed.jsonl" })).await).await;
        assert_eq!(job["status"], "SUCCEEDED", "{job}");
        assert_eq!(job["progress"], json!({ "read": 2, "total": 2, "delivered": 1, "failed": 1, "skipped": 0 }));
    }
}

async fn count_letters(client: &Client, id: &str) -> i64 {
    let query = "query($id: ID!) { deadLetters(id: $id, first: 1) { totalCount } }";
    client.data(query, json!({ "id": id })).await["deadLetters"]["totalCount"].as_i64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_does_not_wait_for_a_sink_that_hangs_on_sqlite() {
    a_job_does_not_wait_for_a_sink_that_hangs(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_does_not_wait_for_a_sink_that_hangs_on_postgres() {
    a_job_does_not_wait_for_a_sink_that_hangs(Kind::Postgres).await;
}

/// Neither a cancelled one nor a node that goes down has more patience than the grace.
async fn a_job_does_not_wait_for_a_sink_that_hangs(kind: Kind) {
    // A lease that would not end by itself within this test.
    let flags = ["--drain-grace", "200ms", "--lease-ttl", "10m"];
    let server = TestServer::start_with(kind, &flags).await;
    let (admin, inbox) = (server.admin(), Inbox::start().await);
    let mut config = numbered_webhook();
    config["delivery"] = json!({ "sink": { "type": "http", "url": inbox.url, "timeout": "10m" } });
    let id = admin.webhook("hanging", config).await;
    admin.publish(&id).await;
    write_numbers(server.database.data_dir.path(), "few.jsonl", 3);
    inbox.hangs(true);
    let job = backfill(&admin, &id, json!({ "file": "few.jsonl" })).await;
    eventually("the job writes", || async { (inbox.arrived() == 1).then_some(()) }).await;
    admin.mutate("cancelJob", json!({ "id": job }), "job { id }").await;
    assert_eq!(ended(&admin, &job).await["status"], "CANCELLED");

    let job = backfill(&admin, &id, json!({ "file": "few.jsonl" })).await;
    eventually("the next one writes", || async { (inbox.arrived() == 2).then_some(()) }).await;
    let database = tokio::time::timeout(Duration::from_secs(30), server.stop()).await.expect("the server ends");
    inbox.hangs(false);
    let server = TestServer::on(database, &flags).await;
    assert_eq!(ended(&server.admin(), &job).await["status"], "SUCCEEDED", "it went back to the queue");
    assert_eq!(inbox.taken(), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backfill_goes_on_on_sqlite() {
    a_killed_backfill_goes_on(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backfill_goes_on_on_postgres() {
    a_killed_backfill_goes_on(Kind::Postgres).await;
}

/// After a crash in the middle every number is there, and no more is read again than one delivery.
async fn a_killed_backfill_goes_on(kind: Kind) {
    const NUMBERS: i64 = 20_000;
    let database = Database::create(kind).await;
    let data_dir = database.data_dir.path();
    write_numbers(data_dir, "numbers.jsonl", NUMBERS);
    let flags = ["--lease-ttl", "2s", "--heartbeat-interval", "500ms"];
    let process = Process::start(&database, data_dir, &flags).await;
    let admin = process.client(Role::Admin);
    let id = admin.webhook("numbers", numbered_webhook()).await;
    admin.publish(&id).await;
    let job = backfill(&admin, &id, json!({ "file": "numbers.jsonl" })).await;
    let sink = data_dir.join("out").join("acme").join(&id);
    eventually("some are delivered", || async { (delivered(&sink).len() > 1_000).then_some(()) }).await;
    process.kill();

    let process = Process::start(&database, data_dir, &flags).await;
    let job = ended(&process.client(Role::Admin), &job).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job}");
    assert_eq!(job["progress"]["read"], NUMBERS);
    let kept = numbers(&delivered(&sink));
    let distinct: HashSet<_> = kept.iter().copied().collect();
    assert_eq!(distinct, (1..=NUMBERS).collect(), "every number arrives");
    assert!(kept.len() - distinct.len() <= 200, "{} duplicates", kept.len() - distinct.len());
}
