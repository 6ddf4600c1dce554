//! What an organisation may have at most: nobody passes it, not together either, and the refusal says what to do.

use std::process::{Command, Output};

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use crate::harness::server::open_webhook;
use crate::harness::{Client, Database, TestServer};
use crate::on_both_databases;

fn quota(database: &Database, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
    command.arg("quota").args(args).env_remove("DATABASE_URL").env("STUDIO_DATA_DIR", database.data_dir.path());
    if let Some(url) = &database.url {
        command.env("DATABASE_URL", url);
    }
    command.output().expect("the program runs")
}

fn set(server: &TestServer, name: &str, most: &str) {
    let output = quota(&server.database, &["set", "--org", "acme", name, most, "--reason", "contract"]);
    assert!(output.status.success(), "{output:?}");
}

/// The limit and the use of a quota.
async fn shown(client: &Client, name: &str) -> (Value, Value) {
    let data = client.data("{ viewer { quotas { name limit used } } }", json!({})).await;
    let all = data["viewer"]["quotas"].as_array().expect("quotas").clone();
    let own = all.iter().find(|quota| quota["name"] == name).unwrap_or_else(|| panic!("{name}: {all:?}"));
    (own["limit"].clone(), own["used"].clone())
}

/// Checks that a mutation is refused for a quota; answers with what it says.
async fn refused(client: &Client, name: &str, input: Value) -> String {
    let answer = client.send(&crate::harness::server::mutation(name, "__typename"), json!({ "input": input })).await;
    let error = &answer["errors"][0]["extensions"];
    assert_eq!(error["code"], "VALIDATION_FAILED", "{answer:#}");
    error["problems"][0]["message"].as_str().expect("a message").to_owned()
}

on_both_databases! {
    async fn the_last_place_is_given_once(server: TestServer) {
        set(&server, "datasources", "3");
        let admin = server.admin();
        let names: Vec<_> = (0..8).map(|n| json!({ "name": format!("feed {n}"), "type": "webhook" })).collect();
        let create = "mutation($input: CreateDatasourceInput!) { createDatasource(input: $input) { datasource { id } } }";
        let calls = names.iter().map(|input| admin.send(create, json!({ "input": input })));
        let answers = futures::future::join_all(calls).await;
        let ids: Vec<_> = answers.iter().filter_map(|a| a["data"]["createDatasource"]["datasource"]["id"].as_str()).collect();
        assert_eq!(ids.len(), 3, "{answers:#?}");
        assert_eq!(shown(&admin, "datasources").await, (json!(3), json!(3)));

        let full = refused(&admin, "createDatasource", json!({ "name": "one more", "type": "webhook" })).await;
        assert_eq!(
            full,
            "the quota datasources of your organisation is 3, and this would make it 4; archive one that is not needed, \
             or ask who runs the server for more"
        );
        admin.mutate("archiveDatasource", json!({ "id": ids[0] }), "datasource { id }").await;
        admin.webhook("one more", open_webhook(json!({}))).await;
        assert!(refused(&admin, "restoreDatasource", json!({ "id": ids[0] })).await.contains("datasources"));
        // Another organisation has its own.
        server.client(Role::Admin, "globex").webhook("theirs", open_webhook(json!({}))).await;
        assert_eq!(shown(&server.client(Role::Viewer, "globex"), "datasources").await, (Value::Null, json!(1)));
    }

    async fn versions_samples_keys_and_workers_have_quotas(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let other = admin.webhook("tickets", open_webhook(json!({}))).await;

        set(&server, "versions_per_datasource", "2");
        let draft = json!({ "id": id, "config": open_webhook(json!({ "a": "$.a" })) });
        admin.mutate("createDatasourceVersion", draft.clone(), "version { version }").await;
        assert!(refused(&admin, "createDatasourceVersion", draft).await.contains("versions_per_datasource"));
        assert_eq!(shown(&admin, "versions_per_datasource").await, (json!(2), json!(2)));

        set(&server, "sample_bytes", "20");
        let test = |name: &str, payload: &str| json!({ "id": id, "payload": payload, "saveSampleAs": name });
        admin.mutate("testDatasource", test("one", "{\"id\":\"é\"}"), "run { success }").await;
        assert_eq!(shown(&admin, "sample_bytes").await, (json!(20), json!(11)), "bytes, not characters");
        assert!(refused(&admin, "testDatasource", test("two", "{\"id\":\"12345\"}")).await.contains("sample_bytes"));
        let samples = admin.data("query($id: ID!) { datasourceSamples(id: $id) { name } }", json!({ "id": id })).await;
        assert_eq!(samples["datasourceSamples"], json!([{ "name": "one" }]), "what was refused is not there");

        set(&server, "api_keys", "1");
        let account = json!({ "name": "robot", "role": "VIEWER" });
        let account = admin.mutate("createServiceAccount", account, "serviceAccount { id }").await;
        let key = json!({ "serviceAccountId": account["serviceAccount"]["id"], "name": "first" });
        admin.mutate("createApiKey", key.clone(), "apiKey { id }").await;
        assert!(refused(&admin, "createApiKey", key).await.contains("api_keys"));
        assert_eq!(shown(&admin, "api_keys").await, (json!(1), json!(1)));

        set(&server, "workers", "1");
        admin.publish(&id).await;
        assert!(refused(&admin, "publishDatasource", json!({ "id": other })).await.contains("workers"));
        assert_eq!(shown(&admin, "workers").await, (json!(1), json!(1)));
        // Who has more than a new limit may still have less.
        set(&server, "workers", "0");
        admin.mutate("stopDatasource", json!({ "id": id }), "datasource { id }").await;
        assert!(refused(&admin, "startDatasource", json!({ "id": id })).await.contains("workers"));
    }

    async fn quotas_are_set_at_the_command_line_and_written_down(server: TestServer) {
        set(&server, "workers", "7");
        set(&server, "datasources", "none");
        let said = quota(&server.database, &["get", "--org", "acme", "--json"]);
        let all: Vec<Value> = serde_json::from_slice(&said.stdout).expect("JSON");
        assert!(all.contains(&json!({ "name": "workers", "limit": 7, "used": 0 })), "{all:?}");
        assert!(all.contains(&json!({ "name": "datasources", "limit": null, "used": 0 })), "{all:?}");
        set(&server, "workers", "default");
        assert_eq!(shown(&server.viewer(), "workers").await, (Value::Null, json!(0)));

        let query = "{ auditLog(filter: { action: \"quota_set\" }) { nodes { actor reason field oldValue newValue } } }";
        let data = server.admin().data(query, json!({})).await;
        assert_eq!(
            data["auditLog"]["nodes"][0],
            json!({ "actor": "system:quota", "reason": "contract", "field": "quotas.workers", "oldValue": 7, "newValue": "default" })
        );
        for wrong in [["workers", "many"], ["elephants", "1"]] {
            let output = quota(&server.database, &[["set"].as_slice(), &wrong].concat());
            assert_eq!(output.status.code(), Some(2), "{output:?}");
        }
    }

    async fn the_settings_say_what_holds_for_the_others(server: TestServer) {
        let server = TestServer::on(server.stop().await, &["--quota-datasources", "1"]).await;
        server.admin().webhook("orders", open_webhook(json!({}))).await;
        refused(&server.admin(), "createDatasource", json!({ "name": "x", "type": "webhook" })).await;
        assert_eq!(shown(&server.viewer(), "datasources").await, (json!(1), json!(1)));
    }
}
