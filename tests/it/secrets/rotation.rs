//! Keys change while everything goes on: secrets can be read throughout, and nothing is lost wherever it is cut off.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use datasource_studio::domain::{Role, WrappedDataKey};
use datasource_studio::secrets::{Keyring, LocalKeys, MasterKey, SecretAddress};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::server::{JWT_SECRET, MASTER_KEY, open_webhook};
use crate::harness::{Client, Database, Kind, Process, eventually};
use crate::on_both_databases;

const NEW_MASTER_KEY: &str = "RkVEQ0JBOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

async fn set(admin: &Client, id: &str, key: &str, value: &str) {
    admin.mutate("setDatasourceSecret", json!({ "id": id, "key": key, "value": value }), "secret { key }").await;
}

async fn keys(admin: &Client) -> Value {
    let query = "{ encryptionKeys { provider masterKey dataKeys { id active secrets held masterKey }
        rotations { id kind status total done error } } }";
    admin.data(query, json!({})).await["encryptionKeys"].take()
}

/// Asks for a rotation and waits for its end.
async fn rotate(admin: &Client, kind: &str) -> Value {
    let asked = admin.mutate("rotateKeys", json!({ "kind": kind, "reason": "a test" }), "rotation { id }").await;
    ended(admin, &asked["rotation"]["id"]).await
}

async fn ended(admin: &Client, id: &Value) -> Value {
    eventually("the rotation ended", || async {
        let keys = keys(admin).await;
        let rotation = keys["rotations"].as_array()?.iter().find(|r| r["id"] == *id)?.clone();
        (rotation["status"] != "RUNNING").then_some(rotation)
    })
    .await
}

/// Every stored value, opened from what is in the tables by these master keys.
async fn values(database: &Database, master_keys: &[&str]) -> BTreeMap<String, String> {
    let mut masters = master_keys.iter().map(|text| MasterKey::from_base64(text).expect("a key"));
    let local = LocalKeys::new(masters.next().expect("one at least"), masters.collect());
    let keyring = Keyring::new(Box::new(local), Vec::new(), Duration::ZERO);
    let sql = database.sql().await;
    let of = |column: &str| format!("SELECT {column} FROM data_keys WHERE org_id = 'acme' ORDER BY id");
    let ids = sql.column::<Uuid>(&of("id")).await;
    let wrapped = sql.column::<Vec<u8>>(&of("wrapped")).await;
    let masters = sql.column::<String>(&of("master_key_id")).await;
    let mut data_keys = BTreeMap::new();
    for ((id, wrapped), master_key_id) in ids.into_iter().zip(wrapped).zip(masters) {
        let stored = WrappedDataKey { id, wrapped, provider: "local".into(), master_key_id, master_key_version: None };
        data_keys.insert(id, keyring.unwrap_data_key("acme", &stored).await.expect("unwraps"));
    }
    let of = |column: &str| format!("SELECT {column} FROM datasource_secrets WHERE ciphertext IS NOT NULL ORDER BY id");
    let names = sql.column::<String>(&of("secret_key")).await;
    let versions = sql.column::<i32>(&of("version")).await;
    let datasources = sql.column::<Uuid>(&of("datasource_id")).await;
    let used = sql.column::<Uuid>(&of("data_key_id")).await;
    let sealed = sql.column::<Vec<u8>>(&of("ciphertext")).await;
    sql.close().await;
    let mut opened = BTreeMap::new();
    for (i, key) in names.iter().enumerate() {
        let address =
            SecretAddress { org: "acme", datasource_id: datasources[i], key, version: versions[i], reference: false };
        let value = data_keys[&used[i]].open(&address, &sealed[i]).unwrap_or_else(|e| panic!("{key}: {e}"));
        opened.insert(format!("{key}@{}", versions[i]), value.expose_secret().to_owned());
    }
    opened
}

fn guarded() -> Value {
    json!({
        "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "token" } } },
        "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": { "a": "$.a" } }] },
    })
}

async fn call(url: &str, id: &str, token: &str) -> u16 {
    let request = reqwest::Client::new().post(format!("{url}/hooks/{id}")).bearer_auth(token).json(&json!({ "id": 1 }));
    request.send().await.expect("an answer").status().as_u16()
}

on_both_databases! {
    async fn secrets_move_to_a_new_data_key_and_the_old_one_is_retired(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded()).await;
        set(&admin, &id, "token", "one").await;
        for i in 0..60 {
            set(&admin, &id, &format!("spare_{i:02}"), &format!("value {i}")).await;
        }
        admin.mutate("deleteDatasourceSecret", json!({ "id": id, "key": "spare_59" }), "secret { key }").await;
        admin.publish(&id).await;
        let before = values(&server.database, &[MASTER_KEY]).await;

        let rotation = rotate(&admin, "DATA_KEY").await;
        assert_eq!((&rotation["status"], &rotation["total"], &rotation["done"]), (&json!("SUCCEEDED"), &json!(60), &json!(60)));
        assert_eq!(values(&server.database, &[MASTER_KEY]).await, before, "each is what it was");
        let after = keys(&admin).await;
        let uses: Vec<_> = after["dataKeys"].as_array().expect("keys").iter().map(|k| (k["active"] == true, k["secrets"].as_u64())).collect();
        assert_eq!(uses, [(false, Some(0)), (true, Some(60))], "the old one is kept until it is retired");

        let retired = admin.mutate("retireKeys", json!({ "reason": "a test" }), "retired").await;
        assert_eq!(retired["retired"], json!([after["dataKeys"][0]["id"]]));
        assert_eq!(keys(&admin).await["dataKeys"].as_array().map(Vec::len), Some(1));
        let again = admin.mutate("retireKeys", json!({}), "retired").await;
        assert_eq!(again["retired"], json!([]), "what is in use stays");
        admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
        eventually("the worker runs by the new key", || async { (call(&server.url, &id, "one").await == 202).then_some(()) }).await;

        let audit = admin.data("{ auditLog(first: 100) { nodes { action actor reason outcome newValue } } }", json!({})).await;
        let of = |action: &str| audit["auditLog"]["nodes"].as_array().expect("entries").iter().find(|e| e["action"] == action).cloned();
        let started = of("key_rotation_started").expect("audited");
        assert_eq!((&started["actor"], &started["reason"]), (&json!("admin@acme"), &json!("a test")));
        let over = of("key_rotation_ended").expect("audited");
        assert_eq!((&over["actor"], &over["outcome"]), (&json!("system:registry"), &json!("SUCCESS")));
        assert!(of("data_key_retired").is_some());
        let series = "key_rotations_total{kind=\"data_key\",outcome=\"ok\"}";
        assert_eq!(server.metric(series).await, Some(1.0));
    }

    /// Writers and readers go on while keys change under them, again and again.
    async fn secrets_are_set_and_used_while_keys_rotate(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded()).await;
        set(&admin, &id, "token", "one").await;
        admin.publish(&id).await;
        let writing = async {
            for i in 0..40 {
                set(&admin, &id, "moving", &format!("value {i}")).await;
                assert_eq!(call(&server.url, &id, "one").await, 202);
            }
        };
        let rotating = async {
            for kind in ["DATA_KEY", "MASTER_KEY", "DATA_KEY", "DATA_KEY"] {
                let rotation = rotate(&admin, kind).await;
                assert_eq!(rotation["status"], "SUCCEEDED", "{rotation}");
                admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
            }
        };
        tokio::join!(writing, rotating);
        // A value that was being sealed when its key was replaced is behind; the next rotation takes it along.
        rotate(&admin, "DATA_KEY").await;
        let values = values(&server.database, &[MASTER_KEY]).await;
        let expected = (0..40).map(|i| (format!("moving@{}", i + 1), format!("value {i}")));
        assert_eq!(values, expected.chain([("token@1".to_owned(), "one".to_owned())]).collect());
        let keys = keys(&admin).await;
        let active = keys["dataKeys"].as_array().expect("keys").iter().find(|k| k["active"] == true);
        assert_eq!(active.expect("one")["secrets"], 41);
    }

    async fn what_cannot_be_opened_is_told_and_left_where_it_is(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        for key in ["good", "damaged", "fine"] {
            set(&admin, &id, key, "value").await;
        }
        let sql = server.database.sql().await;
        sql.run("UPDATE datasource_secrets SET version = 7 WHERE secret_key = 'damaged'").await;
        let rotation = rotate(&admin, "DATA_KEY").await;
        assert_eq!((&rotation["status"], &rotation["done"]), (&json!("FAILED"), &json!(2)));
        let error = rotation["error"].as_str().expect("a reason");
        assert!(error.contains("damaged version 7") && error.contains("1 could not be moved"), "{error}");
        assert_eq!(admin.mutate("retireKeys", json!({}), "retired").await["retired"], json!([]), "its key stays");

        sql.run("UPDATE datasource_secrets SET version = 1 WHERE secret_key = 'damaged'").await;
        sql.close().await;
        assert_eq!(rotate(&admin, "DATA_KEY").await["status"], "SUCCEEDED");
        assert_eq!(admin.mutate("retireKeys", json!({}), "retired").await["retired"].as_array().map(Vec::len), Some(2));
    }

    async fn a_data_key_that_is_damaged_holds_up_no_other(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        set(&admin, &id, "token", "one").await;
        rotate(&admin, "DATA_KEY").await;
        let before = keys(&admin).await;
        let sql = server.database.sql().await;
        // What was wrapped for one key does not open as another.
        sql.run("UPDATE data_keys SET wrapped = (SELECT d.wrapped FROM data_keys d WHERE d.org_id = 'acme' AND d.active)
            WHERE org_id = 'acme' AND NOT active").await;
        let wrapped = "SELECT wrapped FROM data_keys WHERE org_id = 'acme' ORDER BY id";
        let stored = sql.column::<Vec<u8>>(wrapped).await;
        let rotation = rotate(&admin, "MASTER_KEY").await;
        assert_eq!((&rotation["status"], &rotation["total"], &rotation["done"]), (&json!("FAILED"), &json!(2), &json!(1)));
        let error = rotation["error"].as_str().expect("a reason");
        let old = before["dataKeys"][0]["id"].as_str().expect("an id");
        assert!(error.contains("1 could not be moved") && error.contains(old), "{error}");
        let after = sql.column::<Vec<u8>>(wrapped).await;
        assert!(after[0] == stored[0] && after[1] != stored[1], "the first stays as it is, the second was wrapped anew");
        sql.close().await;
        // Nothing waits for it: it seals nothing, so it can go, and the next rotation is whole.
        assert_eq!(admin.mutate("retireKeys", json!({}), "retired").await["retired"], json!([old]));
        assert_eq!(rotate(&admin, "MASTER_KEY").await["status"], "SUCCEEDED");
        assert_eq!(values(&server.database, &[MASTER_KEY]).await["token@1"], "one");
    }

    async fn keys_are_the_whole_organisations(server: TestServer) {
        let rotate = crate::harness::server::mutation("rotateKeys", "rotation { id }");
        let input = json!({ "input": { "kind": "DATA_KEY" } });
        let limited = server.limited_to(Role::Admin, &["default"]);
        assert_eq!(limited.code(&rotate, input.clone()).await, "FORBIDDEN");
        assert_eq!(limited.code("{ encryptionKeys { provider } }", json!({})).await, "FORBIDDEN");
        let other = server.client(Role::Admin, "globex");
        let id = other.webhook("orders", open_webhook(json!({}))).await;
        set(&other, &id, "token", "theirs").await;
        assert_eq!(keys(&server.admin()).await["dataKeys"], json!([]), "no key of another organisation is seen");
    }
}

/// Killed with a batch that is stored and one that is not; the next process does the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_is_killed_in_the_middle_is_gone_on_with() {
    let database = Database::create(Kind::Postgres).await;
    let server = Process::start(&database, database.data_dir.path(), &["--lease-ttl", "6s"]).await;
    let admin = server.client(Role::Admin);
    let id = admin.webhook("orders", open_webhook(json!({}))).await;
    for i in 0..60 {
        set(&admin, &id, &format!("key_{i:02}"), &format!("value {i}")).await;
    }
    let before = values(&database, &[MASTER_KEY]).await;
    assert_eq!(before.len(), 60);
    let sql = database.sql().await;
    sql.run("BEGIN; SELECT 1 FROM datasource_secrets WHERE secret_key = 'key_40' FOR UPDATE").await;
    let asked = admin.mutate("rotateKeys", json!({ "kind": "DATA_KEY" }), "rotation { id }").await;
    let beside = database.sql().await;
    eventually("the first batch is stored and the second one waits", || async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%datasource_secrets%'";
        (beside.number(waits).await > 0).then_some(())
    })
    .await;
    server.kill();
    sql.run("ROLLBACK").await;
    sql.close().await;
    let moved = "SELECT count(DISTINCT data_key_id) FROM datasource_secrets";
    assert_eq!(beside.number(moved).await, 2, "it was in the middle");
    assert_eq!(values(&database, &[MASTER_KEY]).await, before, "all can be read in between");
    beside.close().await;

    let server = Process::start(&database, database.data_dir.path(), &["--lease-ttl", "6s"]).await;
    let rotation = ended(&server.client(Role::Admin), &asked["rotation"]["id"]).await;
    assert_eq!((&rotation["status"], &rotation["done"]), (&json!("SUCCEEDED"), &json!(60)));
    assert_eq!(values(&database, &[MASTER_KEY]).await, before);
}

/// Wherever it was: the embedded database takes one writer at a time, so nobody can hold it in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_on_sqlite_that_is_killed_loses_nothing() {
    let database = Database::create(Kind::Sqlite).await;
    let server = Process::start(&database, database.data_dir.path(), &["--lease-ttl", "6s"]).await;
    let admin = server.client(Role::Admin);
    let id = admin.webhook("orders", open_webhook(json!({}))).await;
    for i in 0..60 {
        set(&admin, &id, &format!("key_{i:02}"), &format!("value {i}")).await;
    }
    let before = values(&database, &[MASTER_KEY]).await;
    let asked = admin.mutate("rotateKeys", json!({ "kind": "DATA_KEY" }), "rotation { id }").await;
    server.kill();
    assert_eq!(values(&database, &[MASTER_KEY]).await, before);
    let server = Process::start(&database, database.data_dir.path(), &["--lease-ttl", "6s"]).await;
    let rotation = ended(&server.client(Role::Admin), &asked["rotation"]["id"]).await;
    assert_eq!((&rotation["status"], &rotation["done"]), (&json!("SUCCEEDED"), &json!(60)));
    assert_eq!(values(&database, &[MASTER_KEY]).await, before);
}

fn studio(database: &Database, master: &str, old: &[&str], args: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
    command
        .args(args)
        .env_remove("DATABASE_URL")
        .env("STUDIO_DATA_DIR", database.data_dir.path())
        .env("STUDIO_JWT_SECRET", JWT_SECRET)
        .env("STUDIO_MASTER_KEY", master)
        .envs((!old.is_empty()).then(|| ("STUDIO_MASTER_KEYS_OLD", old.join(","))));
    if let Some(url) = &database.url {
        command.env("DATABASE_URL", url);
    }
    let output = command.output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

async fn a_master_key_is_replaced(kind: Kind) {
    let database = Database::create(kind).await;
    let start = |environment: &'static [(&'static str, &'static str)]| {
        Process::spawn_with(Stdio::null(), &database, database.data_dir.path(), &[], environment)
    };
    let server = start(&[]);
    server.ready().await;
    let admin = server.client(Role::Admin);
    let id = admin.webhook("guarded", guarded()).await;
    set(&admin, &id, "token", "one").await;
    let version = admin.publish(&id).await;
    // A request with an idempotency key, whose fingerprint is under a key that all nodes share.
    let create = || {
        let request = admin.http.post(format!("{}/api/v1/datasources", admin.url)).bearer_auth(&admin.token);
        request.header("idempotency-key", "rotation-1").json(&json!({ "name": "once", "type": "webhook" })).send()
    };
    assert_eq!(create().await.expect("an answer").status(), 201);
    assert!(server.terminate());

    // Without the old key nothing opens, and readiness says which one is missing.
    let wrong = start(&[("STUDIO_MASTER_KEY", NEW_MASTER_KEY)]);
    let told = eventually("readiness tells", || async {
        let answer = reqwest::get(format!("{}/health/ready", wrong.url)).await.ok()?;
        let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await.ok()?);
        (body["checks"]["keys"]["ok"] == false).then_some((status, body))
    })
    .await;
    assert_eq!(told.0, 503);
    assert!(told.1["checks"]["keys"]["reason"].as_str().is_some_and(|why| why.contains("does not have")), "{}", told.1);
    drop(wrong);

    let (ok, status, _) = studio(&database, NEW_MASTER_KEY, &[MASTER_KEY], &["keys", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    assert!(ok && status["masterKeys"].as_array().map(Vec::len) == Some(1), "{status}");
    assert_eq!((&status["masterKeys"][0]["current"], &status["masterKeys"][0]["held"]), (&json!(false), &json!(true)));
    let (ok, done, progress) =
        studio(&database, NEW_MASTER_KEY, &[MASTER_KEY], &["keys", "rotate", "--json", "--reason", "yearly"]);
    assert!(ok, "{progress}");
    let done: Value = serde_json::from_str(&done).expect("JSON");
    assert_eq!(
        (&done[0]["org"], &done[0]["status"], &done[0]["done"]),
        (&json!("acme"), &json!("succeeded"), &json!(1))
    );
    let (_, status, _) = studio(&database, NEW_MASTER_KEY, &[], &["keys", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let masters = status["masterKeys"].as_array().expect("keys");
    assert!(masters.iter().all(|m| m["current"] == true), "nothing needs the old key: {status}");
    let (_, text, _) = studio(&database, NEW_MASTER_KEY, &[], &["keys", "status"]);
    assert!(text.contains("current") && text.contains("acme") && !text.contains("missing"), "{text}");

    let server = start(&[("STUDIO_MASTER_KEY", NEW_MASTER_KEY)]);
    server.ready().await;
    let after = server.client(Role::Admin);
    after.running(&id, version).await;
    assert_eq!(call(&server.url, &id, "one").await, 202);
    let request = after.http.post(format!("{}/api/v1/datasources", after.url)).bearer_auth(&admin.token);
    let replay =
        request.header("idempotency-key", "rotation-1").json(&json!({ "name": "once", "type": "webhook" })).send();
    let replay = replay.await.expect("an answer");
    assert_eq!((replay.status().as_u16(), replay.headers().contains_key("idempotent-replayed")), (201, true));
    let (ok, _, error) = studio(&database, NEW_MASTER_KEY, &[], &["keys", "rotate", "--org", "nobody"]);
    assert!(!ok && error.contains("never had a secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_is_replaced_on_sqlite() {
    a_master_key_is_replaced(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_is_replaced_on_postgres() {
    a_master_key_is_replaced(Kind::Postgres).await;
}
