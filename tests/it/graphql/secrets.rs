//! Secrets go in and never come out.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use crate::harness::{Database, Kind, Process, TestServer};
use crate::on_both_databases;

const CANARY: &str = "canary-7f3a91-do-not-sing";

fn guarded() -> Value {
    json!({
        "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "token" } } },
        "secrets": { "token": "hook_token" },
        "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": { "a": "$.a" } }] },
    })
}

async fn call(server: &TestServer, id: &str, token: &str) -> u16 {
    let request = server.http.post(format!("{}/hooks/{id}", server.url)).bearer_auth(token).json(&json!({ "id": 1 }));
    request.send().await.expect("an answer").status().as_u16()
}

on_both_databases! {
    async fn a_version_runs_with_the_values_that_it_was_published_with(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded()).await;
        let answer = admin.send(&crate::harness::server::mutation("publishDatasource", "version { version }"), json!({ "input": { "id": id } })).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "SECRET_MISSING");
        assert!(error["message"].as_str().is_some_and(|m| m.contains("hook_token")), "the key is named: {error}");

        let set = |value: &'static str, repin: bool| {
            let (admin, id) = (&admin, &id);
            async move {
                let input = json!({ "id": id, "key": "hook_token", "value": value, "repin": repin });
                admin.mutate("setDatasourceSecret", input, "secret { key version rotatedAt } repinRequired").await
            }
        };
        let first = set("one", false).await;
        assert_eq!((&first["secret"]["version"], &first["repinRequired"]), (&json!(1), &json!(false)));
        admin.publish(&id).await;
        assert_eq!((call(&server, &id, "one").await, call(&server, &id, "two").await), (202, 401));

        let second = set("two", false).await;
        assert_eq!((&second["secret"]["version"], &second["repinRequired"]), (&json!(2), &json!(true)));
        assert_eq!(call(&server, &id, "one").await, 202, "the published version is pinned to the value that it was published with");

        admin.mutate("repinDatasourceSecrets", json!({ "id": id, "reason": "rotation" }), "datasource { id }").await;
        crate::harness::eventually("the new value counts", || async {
            (call(&server, &id, "two").await == 202).then_some(())
        }).await;
        assert_eq!(call(&server, &id, "one").await, 401);

        set("three", true).await;
        crate::harness::eventually("a rotation with repin counts at once", || async {
            (call(&server, &id, "three").await == 202).then_some(())
        }).await;
    }

    async fn a_secret_in_use_is_not_deleted_without_force(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded()).await;
        let set = json!({ "id": id, "key": "hook_token", "value": "one" });
        admin.mutate("setDatasourceSecret", set.clone(), "secret { version }").await;
        admin.publish(&id).await;
        let delete = crate::harness::server::mutation("deleteDatasourceSecret", "secret { key version }");
        let input = json!({ "id": id, "key": "hook_token" });
        assert_eq!(admin.code(&delete, json!({ "input": input })).await, "CONFLICT");
        admin.mutate("deleteDatasourceSecret", json!({ "id": id, "key": "hook_token", "force": true }), "secret { key }").await;
        assert_eq!(admin.code(&delete, json!({ "input": input })).await, "NOT_FOUND");
        // A number is never used twice, so no old pin can come to mean a new value.
        let again = admin.mutate("setDatasourceSecret", set, "secret { version }").await;
        assert_eq!(again["secret"]["version"], 2);
    }

    async fn a_value_shows_nowhere(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded()).await;
        for _ in 0..2 {
            admin.mutate("setDatasourceSecret", json!({ "id": id, "key": "hook_token", "value": CANARY }), "secret { key }").await;
        }
        admin.publish(&id).await;
        assert_eq!(call(&server, &id, CANARY).await, 202);
        let everything = "query($id: ID!) {
            datasource(id: $id) { secrets { key version createdBy } currentVersion { config secretPins { key version } }
                state { errorMessage checkpoint } events { nodes { payload actor } } }
            auditLog { nodes { oldValue newValue reason field action } }
        }";
        let seen = admin.data(everything, json!({ "id": id })).await.to_string();
        assert!(seen.contains("hook_token") && !seen.contains(CANARY));
        assert!(!server.metrics().await.contains(CANARY));

        let sql = server.database.sql().await;
        let stored = sql.column::<Vec<u8>>("SELECT ciphertext FROM datasource_secrets ORDER BY version").await;
        assert_eq!(stored.len(), 2);
        assert_ne!(stored[0], stored[1], "the same value is never the same ciphertext");
        assert!(stored.iter().all(|c| !String::from_utf8_lossy(c).contains(CANARY)));
        sql.close().await;
    }

    async fn only_an_admin_and_only_good_keys(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded()).await;
        let set = crate::harness::server::mutation("setDatasourceSecret", "secret { key }");
        for (key, value) in [("", "v"), ("a b", "v"), ("ключ", "v"), ("k", "")] {
            let input = json!({ "id": id, "key": key, "value": value });
            assert_eq!(admin.code(&set, json!({ "input": input })).await, "VALIDATION_FAILED", "{key:?}={value:?}");
        }
        let input = json!({ "id": id, "key": "k", "value": "x".repeat(64 * 1024 + 1) });
        assert_eq!(admin.code(&set, json!({ "input": input })).await, "VALIDATION_FAILED");
        let input = json!({ "id": id, "key": "k", "value": "v" });
        assert_eq!(server.operator().code(&set, json!({ "input": input })).await, "FORBIDDEN");
    }
}

/// With the most talkative log there is, over its whole life: set, used, refused, rotated, deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_in_no_log_and_no_file() {
    let database = Database::create(Kind::Sqlite).await;
    let data_dir = database.data_dir.path();
    let log = data_dir.join("server.log");
    let file = std::fs::File::create(&log).expect("a log file");
    let process = Process::spawn_logging_to(file.into(), &database, data_dir, &["--log", "trace"]);
    process.ready().await;
    let admin = process.client(Role::Admin);
    let id = admin.webhook("guarded", guarded()).await;
    let set = json!({ "id": id, "key": "hook_token", "value": CANARY });
    admin.mutate("setDatasourceSecret", set.clone(), "secret { key }").await;
    admin.publish(&id).await;
    let hook = admin.http.post(format!("{}/hooks/{id}", process.url)).bearer_auth(CANARY).json(&json!({ "id": 1 }));
    assert_eq!(hook.send().await.expect("an answer").status(), 202);
    // Refused: too long a key, a value written into the document, and a variable of the wrong type.
    let mutation = crate::harness::server::mutation("setDatasourceSecret", "secret { key }");
    let wrong = json!({ "input": { "id": id, "key": "x".repeat(200), "value": CANARY } });
    assert_eq!(admin.code(&mutation, wrong).await, "VALIDATION_FAILED");
    let wrong = json!({ "input": { "id": id, "key": 7, "value": CANARY } });
    let answer = admin.send(&mutation, wrong).await;
    assert!(answer.get("errors").is_some() && !answer.to_string().contains(CANARY), "{answer:#}");
    let written = format!(
        "mutation {{ setDatasourceSecret(input: {{ id: {id:?}, key: \"k\", value: {CANARY:?} }}) {{ secret {{ key }} }} }}"
    );
    admin.data(&written, json!({})).await;
    admin.mutate("setDatasourceSecret", set, "secret { key }").await;
    admin.mutate("repinDatasourceSecrets", json!({ "id": id }), "datasource { id }").await;
    let delete = json!({ "id": id, "key": "hook_token", "force": true });
    admin.mutate("deleteDatasourceSecret", delete, "secret { key }").await;
    assert!(process.terminate(), "the server ends well");

    let mut files = vec![data_dir.to_path_buf()];
    let mut looked_at = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("a directory").map(|e| e.expect("an entry").path()));
            continue;
        }
        let bytes = std::fs::read(&path).expect("a readable file");
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!found, "the value is in {}", path.display());
        looked_at += 1;
    }
    assert!(looked_at >= 2, "the database and the log were looked at");
    let log = std::fs::read_to_string(&log).expect("text");
    assert!(log.contains("TRACE"), "the log tells all that it can");
}

on_both_databases! {
    /// Whoever chooses where a secret is sent can read it, so that choice is an admin's.
    async fn an_operator_cannot_have_a_secret_sent_elsewhere(server: TestServer) {
        let admin = server.admin();
        let config = |path: &str| {
            json!({ "connector": {
            "type": "http_poller", "url": format!("{}{path}", server.url), "auth": { "type": "bearer", "token": { "$secret": "k" } },
        } })
        };
        let input = json!({ "name": "polled", "type": "http_poller", "config": config("/health/live") });
        let made = admin.mutate("createDatasource", input, "datasource { id }").await;
        let id = made["datasource"]["id"].as_str().expect("an id");
        admin.mutate("setDatasourceSecret", json!({ "id": id, "key": "k", "value": CANARY }), "secret { key }").await;
        let test = crate::harness::server::mutation("testDatasource", "run { success }");
        let elsewhere = json!({ "input": { "id": id, "fetch": true, "configOverride": config("/elsewhere") } });
        let draft = json!({ "input": { "id": id, "fetch": true } });
        for request in [&elsewhere, &draft] {
            assert_eq!(server.operator().code(&test, request.clone()).await, "FORBIDDEN");
        }
        assert_eq!(admin.data(&test, draft.clone()).await["testDatasource"]["run"]["success"], true);
        admin.publish(id).await;
        let published = server.operator().data(&test, draft).await;
        assert_eq!(published["testDatasource"]["run"]["success"], true, "what an admin published may be asked");
        assert_eq!(server.operator().code(&test, elsewhere).await, "FORBIDDEN");
    }
}
