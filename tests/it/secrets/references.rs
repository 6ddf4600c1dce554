//! Secrets that are kept elsewhere: named here, allowed by who runs the server, fetched when a worker starts.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::vault_server::{Mood, TOKEN, VaultServer};
use crate::harness::server::mutation;
use crate::harness::{Client, Database, Kind, Process, TestServer, eventually};
use crate::on_both_databases;

const VALUE: &str = "kept-elsewhere-4d1f";

fn guarded() -> Value {
    json!({
        "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "token" } } },
        "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": { "a": "$.a" } }] },
    })
}

async fn refer(admin: &Client, id: &str, reference: &str) -> Value {
    let input = json!({ "id": id, "key": "token", "reference": reference });
    admin.send(&mutation("setDatasourceSecret", "secret { version reference }"), json!({ "input": input })).await
}

async fn call(url: &str, id: &str, token: &str) -> u16 {
    let request = reqwest::Client::new().post(format!("{url}/hooks/{id}")).bearer_auth(token).json(&json!({ "id": 1 }));
    request.send().await.expect("an answer").status().as_u16()
}

on_both_databases! {
    async fn nothing_may_be_named_until_somebody_allows_it(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded()).await;
        for (reference, says) in [
            ("env://HOME", "STUDIO_SECRET_ENV_PREFIX"),
            ("vault://kv/data/acme/feed#token", "STUDIO_SECRET_VAULT_PATHS"),
            ("file:///etc/passwd", "vault://path#field"),
        ] {
            let answer = refer(&admin, &id, reference).await;
            let error = &answer["errors"][0]["extensions"];
            assert_eq!((&error["code"], &error["problems"][0]["pointer"]), (&json!("VALIDATION_FAILED"), &json!("/reference")));
            assert!(error["problems"][0]["message"].as_str().is_some_and(|m| m.contains(says)), "{reference}: {answer}");
        }
        let set = mutation("setDatasourceSecret", "secret { version }");
        for input in [json!({ "id": id, "key": "k" }), json!({ "id": id, "key": "k", "value": "v", "reference": "env://X" })] {
            assert_eq!(admin.code(&set, json!({ "input": input })).await, "VALIDATION_FAILED");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_variable_of_the_environment_is_read_and_stored_nowhere() {
    let database = Database::create(Kind::Sqlite).await;
    let data_dir = database.data_dir.path();
    let environment = [("FEED_TOKEN", VALUE), ("STUDIO_SECRET_ENV_PREFIX", "FEED_")];
    let process = Process::spawn_with(std::process::Stdio::null(), &database, data_dir, &[], &environment);
    process.ready().await;
    let admin = process.client(Role::Admin);
    let id = admin.webhook("guarded", guarded()).await;
    let answer = refer(&admin, &id, "env://STUDIO_MASTER_KEY").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "VALIDATION_FAILED", "{answer}");
    let answer = refer(&admin, &id, "env://FEED_TOKEN").await;
    assert_eq!(answer["data"]["setDatasourceSecret"]["secret"]["reference"], "env://FEED_TOKEN");
    admin.publish(&id).await;
    assert_eq!((call(&process.url, &id, VALUE).await, call(&process.url, &id, "env://FEED_TOKEN").await), (202, 401));
    assert!(process.terminate());
    let mut files = vec![data_dir.to_path_buf()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("a directory").map(|e| e.expect("an entry").path()));
        } else {
            let bytes = std::fs::read(&path).expect("a readable file");
            assert!(!bytes.windows(VALUE.len()).any(|w| w == VALUE.as_bytes()), "the value is in {}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_of_a_vault_is_fetched_at_each_start() {
    let vault = VaultServer::start().await;
    vault.put("kv/data/acme/feed", json!({ "data": { "token": "one", "number": 7 }, "metadata": { "version": 1 } }));
    vault.put("old/acme/default/feed", json!({ "token": "plain" }));
    let flags = [
        "--vault-addr",
        &vault.url,
        "--vault-token",
        TOKEN,
        "--secret-vault-paths",
        "kv/data/{org}/,old/{org}/{project}/",
        "--secret-env-prefix",
        "FEED_",
    ];
    let server = TestServer::start_with(Kind::Postgres, &flags).await;
    let admin = server.admin();
    let id = admin.webhook("guarded", guarded()).await;
    for (wrong, says) in [
        ("vault://kv/data/globex/feed#token", "kv/data/acme/"),
        ("vault://kv/data/acme/../globex/feed#token", "letters, digits"),
        ("vault://sys/raw#x", "kv/data/acme/"),
    ] {
        let answer = refer(&admin, &id, wrong).await;
        assert!(answer["errors"].to_string().contains(says), "{wrong}: {answer}");
    }
    refer(&admin, &id, "vault://kv/data/acme/feed#token").await;
    let version = admin.publish(&id).await;
    assert_eq!(call(&server.url, &id, "one").await, 202);
    let asked = vault.asked();
    let request = asked.iter().find(|request| request.path == "/v1/kv/data/acme/feed").expect("asked");
    assert_eq!(
        (request.method.as_str(), request.headers.get("x-vault-token").map(String::as_str)),
        ("GET", Some(TOKEN))
    );

    vault.put("kv/data/acme/feed", json!({ "data": { "token": "two" }, "metadata": { "version": 2 } }));
    assert_eq!(call(&server.url, &id, "one").await, 202, "a worker that runs goes on with what it has");
    admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
    eventually("the new value counts", || async { (call(&server.url, &id, "two").await == 202).then_some(()) }).await;

    // What cannot be fetched leaves what runs as it is, says why, and is tried again.
    vault.feel(Mood::Sealed);
    admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
    let message = eventually("the failure is told", || async {
        admin.state(&id).await["errorMessage"].as_str().map(str::to_owned)
    })
    .await;
    assert!(message.contains("sealed"), "{message}");
    assert_eq!(call(&server.url, &id, "two").await, 202);
    vault.feel(Mood::Well);
    vault.put("kv/data/acme/feed", json!({ "data": { "other": "x" }, "metadata": {} }));
    eventually("the field that is missing is told", || async {
        let message = admin.state(&id).await["errorMessage"].as_str().map(str::to_owned)?;
        (message.contains("vault://kv/data/acme/feed#token") && message.contains("no such field")).then_some(())
    })
    .await;
    vault.put("kv/data/acme/feed", json!({ "data": { "token": "three" }, "metadata": {} }));
    eventually("it is found", || async { (call(&server.url, &id, "three").await == 202).then_some(()) }).await;
    admin.running(&id, version).await;

    // The first version of the KV engine has its fields right there.
    let input = json!({ "id": id, "key": "token", "reference": "vault://old/acme/default/feed#token", "repin": true });
    admin.mutate("setDatasourceSecret", input, "secret { version }").await;
    eventually("it is found there too", || async { (call(&server.url, &id, "plain").await == 202).then_some(()) })
        .await;
    let rotated = admin.mutate("rotateKeys", json!({ "kind": "DATA_KEY" }), "rotation { id }").await;
    assert!(rotated["rotation"]["id"].is_string());
    eventually("a reference moves to a new key like a value", || async {
        let keys = admin.data("{ encryptionKeys { rotations { status done } } }", json!({})).await;
        (keys["encryptionKeys"]["rotations"][0]["status"] == "SUCCEEDED").then_some(())
    })
    .await;
    admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
    eventually("it still opens", || async {
        let state = admin.state(&id).await;
        (state["workerStatus"] == "RUNNING"
            && state["errorCode"].is_null()
            && call(&server.url, &id, "plain").await == 202)
            .then_some(())
    })
    .await;
}
