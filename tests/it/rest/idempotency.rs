//! `Idempotency-Key`: a request is done once, however often and from wherever it is sent.

use std::collections::BTreeSet;
use std::time::Duration;

use datasource_studio::domain::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::server::open_webhook;
use crate::harness::{Answer, Client, Database, Kind, Process, TestServer, eventually};
use crate::on_both_databases;
use crate::registry::source::{HttpSource, page, poller, poller_datasource, status};

async fn once(client: &Client, key: &str, path: &str, body: &Value) -> Answer {
    client.call(Method::POST, path).header("idempotency-key", key).json(body).send().await
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == "true"
}

async fn total(client: &Client) -> String {
    client.get("/datasources").await.header("x-total-count").to_owned()
}

on_both_databases! {
    async fn a_repeated_request_gets_the_same_answer_and_has_one_effect(server: TestServer) {
        let admin = server.admin();
        let new = json!({ "name": "doors", "type": "webhook", "config": open_webhook(json!({ "a": "$.a" })) });
        let first = once(&admin, "create", "/datasources", &new).await;
        // The other mount leads to the same operation.
        let again = once(&admin, "create", "/api/v1/datasources", &new).await;
        assert!(!replayed(&first) && replayed(&again));
        for header in ["location", "etag"] {
            assert!(!first.header(header).is_empty());
            assert_eq!(first.header(header), again.header(header), "{header}");
        }
        let made = first.ok(201);
        assert_eq!(again.ok(201), made);
        assert_eq!(total(&admin).await, "1");

        let path = format!("/datasources/{}", made["id"].as_str().expect("an id"));
        for (verb, body) in [
            ("versions", json!({ "config": open_webhook(json!({ "b": "$.b" })) })),
            ("secrets", json!({ "key": "spare", "value": "hunter2" })),
            ("test", json!({ "payload": { "id": "1" } })),
            ("publish", json!({ "version": 1 })),
            ("publish", json!({ "version": 2 })),
            ("rollback", json!({})),
            ("stop", json!({})),
            ("start", json!({})),
            ("restart", json!({})),
            ("repin-secrets", json!({})),
            ("clone", json!({ "name": "copy" })),
        ] {
            let (path, key) = (format!("{path}/{verb}"), format!("{verb} {body}").replace(' ', "-"));
            let first = once(&admin, &key, &path, &body).await;
            let events = admin.get("/api/v1/audit-log?limit=1&outcome=success").await.ok(200)[0]["id"].clone();
            let again = once(&admin, &key, &path, &body).await;
            assert!(!replayed(&first) && replayed(&again), "{verb}");
            assert_eq!((first.status, &first.body), (again.status, &again.body), "{verb}");
            assert!(first.status == 200 || first.status == 201, "{verb}: {first:?}");
            assert_eq!(admin.get("/api/v1/audit-log?limit=1&outcome=success").await.ok(200)[0]["id"], events, "{verb} was done twice");
        }
    }

    async fn a_key_belongs_to_one_request_of_one_caller(server: TestServer) {
        let (admin, operator) = (server.admin(), server.operator());
        let new = json!({ "name": "doors", "type": "webhook" });
        let made = once(&admin, "key", "/datasources", &new).await.ok(201);
        let path = format!("/datasources/{}/clone", made["id"].as_str().expect("an id"));
        let other = json!({ "name": "other", "type": "webhook" });
        for (path, body) in [("/datasources", &other), (path.as_str(), &json!({ "name": "copy" }))] {
            let refusal = once(&admin, "key", path, body).await.refused(422, "VALIDATION_FAILED");
            assert!(refusal["detail"].as_str().is_some_and(|d| d.contains("new key")), "{refusal:#}");
        }
        // Of the same subject, but with a token that sees less.
        once(&server.limited_to(Role::Admin, &["default"]), "key", "/datasources", &new).await.refused(422, "VALIDATION_FAILED");
        // Others have keys of their own, and so have other organisations.
        once(&operator, "key", "/datasources", &other).await.ok(201);
        once(&server.client(Role::Admin, "other"), "key", "/datasources", &new).await.ok(201);
        // A role that was taken away replays nothing.
        once(&server.viewer(), "key", "/datasources", &new).await.refused(403, "FORBIDDEN");
    }

    async fn an_error_is_not_kept_and_what_changed_nothing_is(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let path = format!("/datasources/{id}");
        once(&admin, "start", &format!("{path}/start"), &json!({})).await.refused(409, "CONFLICT");
        admin.post(&format!("{path}/publish"), json!({})).await.ok(200);
        admin.post(&format!("{path}/stop"), json!({})).await.ok(200);
        let started = once(&admin, "start", &format!("{path}/start"), &json!({})).await;
        assert!(!replayed(&started), "the error before was not its answer");
        assert_eq!(started.ok(200)["status"], "active");

        // It runs already: nothing to do, and that is the answer from now on.
        once(&admin, "again", &format!("{path}/start"), &json!({})).await.ok(200);
        admin.post(&format!("{path}/stop"), json!({})).await.ok(200);
        let again = once(&admin, "again", &format!("{path}/start"), &json!({})).await;
        assert!(replayed(&again));
        assert_eq!(admin.get(&path).await.ok(200)["status"], "disabled", "a replay starts nothing");
    }

    async fn a_key_that_is_none_is_refused(server: TestServer) {
        let admin = server.admin();
        let new = json!({ "name": "doors", "type": "webhook" });
        for key in ["", "two words", &"x".repeat(256), "schl\u{fc}ssel"] {
            let call = admin.call(Method::POST, "/datasources").header("idempotency-key", key).json(&new);
            let refusal = call.send().await.refused(400, "VALIDATION_FAILED");
            assert_eq!(refusal["problems"][0]["pointer"], "/headers/idempotency-key", "{key:.20}");
        }
        let twice = admin.call(Method::POST, "/datasources").header("idempotency-key", "a").header("idempotency-key", "b");
        twice.json(&new).send().await.refused(400, "VALIDATION_FAILED");
        assert_eq!(total(&admin).await, "0");
        once(&admin, &"x".repeat(255), "/datasources", &new).await.ok(201);
    }

    /// Many at once, under one key: one does it, and all say the same.
    async fn requests_at_the_same_time_have_one_effect(server: TestServer) {
        let admin = server.admin();
        for round in 0..5 {
            let new = json!({ "name": format!("doors {round}"), "type": "webhook" });
            let key = format!("round-{round}");
            let all = futures::future::join_all((0..12).map(|_| once(&admin, &key, "/datasources", &new))).await;
            let ids: BTreeSet<_> = all.iter().map(|a| a.body["id"].to_string()).collect();
            assert!(all.iter().all(|a| a.status == 201) && ids.len() == 1, "{all:#?}");
            assert_eq!(all.iter().filter(|a| !replayed(a)).count(), 1);
            assert_eq!(total(&admin).await, (round + 1).to_string());
        }
    }

    /// A run leaves nothing that could be looked up, so that those who come meanwhile wait for its answer.
    async fn runs_at_the_same_time_are_one_run(server: TestServer) {
        let source = HttpSource::start(|_| page([1, 2])).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&source.url)).await;
        for (verb, body) in [("test", json!({ "fetch": true })), ("check", json!({}))] {
            let path = format!("/datasources/{id}/{verb}");
            let before = source.visits().len();
            let all = futures::future::join_all((0..6).map(|_| once(&admin, verb, &path, &body))).await;
            assert!(all.iter().all(|a| a.status == 200 && a.body == all[0].body), "{all:#?}");
            assert_eq!(all.iter().filter(|a| !replayed(a)).count(), 1, "{verb}");
            assert_eq!(source.visits().len(), before + 1, "{verb}");
        }
    }

    async fn a_run_that_failed_gives_its_key_back(server: TestServer) {
        let source = HttpSource::start(|_| status(500, &[])).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&source.url)).await;
        let path = format!("/datasources/{id}/test");
        once(&admin, "key", &path, &json!({ "fetch": true })).await.refused(422, "TEST_FAILED");
        source.answers(|_| page([1]));
        let again = once(&admin, "key", &path, &json!({ "fetch": true })).await;
        assert!(!replayed(&again), "the error before was not its answer");
        assert_eq!(again.ok(200)["success"], true);
    }

    async fn a_run_that_takes_long_is_in_progress(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let path = format!("/datasources/{id}/test");
        let answer = once(&admin, "key", &path, &json!({})).await.ok(200);
        let sql = server.database.sql().await;
        sql.run("UPDATE idempotency_keys SET status = NULL").await;
        let early = once(&admin, "key", &path, &json!({})).await;
        assert_eq!(early.header("retry-after"), "5");
        let refusal = early.refused(409, "CONFLICT");
        assert!(refusal["detail"].as_str().is_some_and(|d| d.contains("in progress")), "{refusal:#}");
        sql.run("UPDATE idempotency_keys SET status = 200").await;
        assert_eq!(once(&admin, "key", &path, &json!({})).await.ok(200), answer);
    }

    /// The process ended after the change and before its answer was kept: the answer is made anew.
    async fn an_answer_that_was_not_kept_is_made_anew(server: TestServer) {
        let admin = server.admin();
        let sql = server.database.sql().await;
        let new = json!({ "name": "doors", "type": "webhook", "config": open_webhook(json!({ "a": "$.a" })) });
        let made = once(&admin, "create", "/datasources", &new).await.ok(201);
        let path = format!("/datasources/{}", made["id"].as_str().expect("an id"));
        let config = json!({ "config": open_webhook(json!({ "b": "$.b" })), "comment": "two" });
        let draft = once(&admin, "draft", &format!("{path}/versions"), &config).await.ok(201);
        let secret = json!({ "key": "spare", "value": "hunter2" });
        let set = once(&admin, "secret", &format!("{path}/secrets"), &secret).await.ok(200);
        once(&admin, "publish", &format!("{path}/publish"), &json!({})).await.ok(200);
        once(&admin, "test", &format!("{path}/test"), &json!({})).await.ok(200);
        sql.run("UPDATE idempotency_keys SET status = NULL, location = NULL, etag = NULL, body = NULL").await;
        sql.run("UPDATE idempotency_keys SET created_at = '2020-01-01 00:00:00+00:00' WHERE idempotency_key = 'test'").await;

        let again = once(&admin, "create", "/datasources", &new).await;
        assert_eq!(again.header("location"), path);
        assert!(replayed(&again));
        let now = again.ok(201);
        assert_eq!((&now["id"], &now["currentVersion"]), (&made["id"], &json!(2)), "as it is now");
        assert_eq!(once(&admin, "secret", &format!("{path}/secrets"), &secret).await.ok(200), set);
        let again = once(&admin, "draft", &format!("{path}/versions"), &config).await;
        assert_eq!(again.header("location"), format!("{path}/versions/2"));
        assert_eq!(again.ok(201)["id"], draft["id"]);
        assert_eq!(once(&admin, "publish", &format!("{path}/publish"), &json!({})).await.ok(200)["currentVersion"], 2);
        let lost = once(&admin, "test", &format!("{path}/test"), &json!({})).await.refused(409, "CONFLICT");
        assert!(lost["detail"].as_str().is_some_and(|d| d.contains("new Idempotency-Key")), "{lost:#}");
        assert_eq!(total(&admin).await, "1");
    }

    /// A day later, or at the next start after it.
    async fn old_keys_are_forgotten(server: TestServer) {
        let admin = server.admin();
        for key in ["old", "new"] {
            once(&admin, key, "/datasources", &json!({ "name": key, "type": "webhook" })).await.ok(201);
        }
        let sql = server.database.sql().await;
        sql.run("UPDATE idempotency_keys SET created_at = '2020-01-01 00:00:00+00:00' WHERE idempotency_key = 'old'").await;
        sql.close().await;
        let server = TestServer::on(server.stop().await, &[]).await;
        let sql = server.database.sql().await;
        let left = eventually("the old key is forgotten", || async {
            let keys = sql.column::<String>("SELECT idempotency_key FROM idempotency_keys").await;
            (keys.len() == 1).then_some(keys)
        });
        assert_eq!(left.await, ["new"]);
    }
}

/// Kills a server in the middle of creates, starts it again and repeats all of them.
async fn every_create_is_done_exactly_once(kind: Kind) {
    const CREATES: usize = 120;
    let database = Database::create(kind).await;
    let process = Process::start(&database, database.data_dir.path(), &[]).await;
    let admin = process.client(Role::Admin);
    let create = |client: Client, i: usize| async move {
        let new = json!({ "name": format!("feed {i:03}"), "type": "webhook" });
        let call =
            client.call(Method::POST, "/datasources").header("idempotency-key", &format!("create-{i}")).json(&new);
        let response = call.0.timeout(Duration::from_secs(30)).send().await.ok()?;
        let status = response.status().as_u16();
        let body: Value = response.json().await.ok()?;
        (status == 201).then(|| body["id"].as_str().map(str::to_owned))?
    };
    let tasks: Vec<_> = (0..CREATES).map(|i| tokio::spawn(create(admin.clone(), i))).collect();
    // Some are done and some are not: that is the moment.
    eventually("some are created", || async { (total(&admin).await.parse::<usize>().ok()? >= 10).then_some(()) }).await;
    process.kill();
    let mut answered = Vec::new();
    for task in tasks {
        answered.push(task.await.expect("no panic"));
    }

    let process = Process::start(&database, database.data_dir.path(), &[]).await;
    let admin = process.client(Role::Admin);
    let mut ids = BTreeSet::new();
    for (i, before) in answered.into_iter().enumerate() {
        let id = create(admin.clone(), i).await.unwrap_or_else(|| panic!("create {i} is not answered"));
        assert!(before.is_none_or(|before| before == id), "create {i} was done twice");
        ids.insert(id);
    }
    assert_eq!(ids.len(), CREATES);
    assert_eq!(total(&admin).await, CREATES.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_create_is_done_exactly_once_on_sqlite() {
    every_create_is_done_exactly_once(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_create_is_done_exactly_once_on_postgres() {
    every_create_is_done_exactly_once(Kind::Postgres).await;
}
