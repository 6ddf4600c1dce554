//! Datasources from templates.

use serde_json::{Value, json};

use super::{pointers, refusal, save, template};
use crate::harness::Client;
use crate::harness::server::open_webhook;
use crate::on_both_databases;

const MADE: &str = "datasource { id type template { name version checksum mapping { name version checksum } } latestVersion { config state } }";

async fn create(client: &Client, name: &str, template: Value) -> Value {
    let input = json!({ "name": name, "type": "webhook", "template": template });
    client.mutate("createDatasource", input, MADE).await["datasource"].take()
}

/// The code of a refusal and the pointers of its problems.
async fn refused(client: &Client, template: Value) -> (String, Vec<String>, String) {
    let input = json!({ "name": "refused", "type": "webhook", "template": template });
    let (code, message, problems) = refusal(client, "createDatasource", input).await;
    (code, pointers(&problems), message)
}

fn mapping() -> Value {
    json!({
        "parameters": { "id": { "type": "string", "default": "$.key" } },
        "mapping": { "outputs": [{ "kind": "mapped", "id": "{{param.id}}", "fields": { "all": "$" } }] },
    })
}

on_both_databases! {
    async fn a_template_makes_the_first_draft_and_is_remembered(server: TestServer) {
        let (admin, operator) = (server.admin(), server.operator());
        let saved = save(&admin, "CONNECTOR_TEMPLATE", "orders", template()).await;
        let parameters = json!({ "path": "$.sum", "batch": 5 });
        let made = create(&operator, "orders", json!({ "name": "orders", "parameters": parameters })).await;
        let origin = &made["template"];
        assert_eq!((&origin["name"], &origin["version"], &origin["checksum"]), (&json!("orders"), &json!(1), &saved["checksum"]));
        assert_eq!(origin["mapping"], Value::Null);
        let draft = &made["latestVersion"];
        assert_eq!(draft["state"], "DRAFT");
        let output = &draft["config"]["mapping"]["outputs"][0];
        assert_eq!(output, &json!({ "kind": "order", "id": "$.id", "fields": { "total": "$.sum", "about": "a order of 5" } }));
        assert_eq!(draft["config"]["delivery"]["batch"]["max_records"], 5, "a number stays one");

        // It works, and the timeline tells where it came from.
        let id = made["id"].as_str().expect("an id");
        operator.mutate("testDatasource", json!({ "id": id, "payload": { "id": "1", "sum": 7 } }), "run { success outputs { data } }").await;
        let events = operator.data("query($id: ID!) { datasourceEvents(id: $id, types: [CREATED]) { nodes { payload } } }", json!({ "id": id })).await;
        assert_eq!(events["datasourceEvents"]["nodes"][0]["payload"]["template"]["name"], "orders");
        // A later version of the template changes nothing of the datasource.
        let mut newer = template();
        newer["title"] = json!("newer");
        save(&admin, "CONNECTOR_TEMPLATE", "orders", newer).await;
        let seen = operator.data("query($id: ID!) { datasource(id: $id) { template { version } } }", json!({ "id": id })).await;
        assert_eq!(seen["datasource"]["template"]["version"], 1);
        let old = json!({ "name": "orders", "version": 1, "parameters": { "path": "$.a" } });
        assert_eq!(create(&operator, "old", old).await["template"]["version"], 1);
        let new = json!({ "name": "orders", "parameters": { "path": "$.a" } });
        assert_eq!(create(&operator, "new", new).await["template"]["version"], 2);
        // In REST too.
        let body = json!({ "name": "rest", "type": "webhook", "template": { "name": "orders", "parameters": { "path": "$.a" } } });
        let made = operator.post("/api/v1/datasources", body).await.ok(201);
        assert_eq!((&made["template"]["name"], &made["template"]["version"], &made["latestVersion"]), (&json!("orders"), &json!(2), &json!(1)));
        let plain = operator.post("/api/v1/datasources", json!({ "name": "plain", "type": "webhook" })).await.ok(201);
        assert_eq!(plain["template"], Value::Null);
    }

    async fn what_is_wrong_is_said_at_the_parameter(server: TestServer) {
        let (admin, operator) = (server.admin(), server.operator());
        save(&admin, "CONNECTOR_TEMPLATE", "orders", template()).await;
        let of = |parameters: Value| json!({ "name": "orders", "parameters": parameters });
        let (code, at, _) = refused(&operator, of(json!({ "kind": "ORDER", "batch": 0, "colour": 1 }))).await;
        assert_eq!(code, "VALIDATION_FAILED");
        assert_eq!(at, ["/template/parameters/batch", "/template/parameters/colour", "/template/parameters/kind", "/template/parameters/path"]);
        // The parameter is what it may be, and the configuration is not valid with it.
        let (code, at, message) = refused(&operator, of(json!({ "path": "$.a[" }))).await;
        assert_eq!((code.as_str(), at), ("CONFIG_INVALID", vec!["/template/parameters/path".to_owned()]));
        assert!(message.contains("/mapping/outputs/0/fields/total"), "{message}");
        assert_eq!(refused(&operator, of(json!([1]))).await.1, ["/template/parameters"]);
        assert_eq!(refused(&operator, json!({ "name": "none" })).await.1, ["/template/name"]);
        assert_eq!(refused(&operator, json!({ "name": "orders", "version": 7, "parameters": { "path": "$.a" } })).await.1, ["/template/version"]);
        // A connector of another type.
        let other = json!({ "name": "http-json-poller", "parameters": { "url": "https://api.example.com/" } });
        let (_, at, message) = refused(&operator, other).await;
        assert!(at == ["/type"] && message.contains("http_poller"), "{message}");
        let both = json!({ "name": "x", "type": "webhook", "config": open_webhook(json!({})), "template": { "name": "orders" } });
        assert_eq!(pointers(&refusal(&operator, "createDatasource", both).await.2), ["/config"]);
        let listed = operator.data("{ datasources { totalCount } }", Value::Null).await;
        assert_eq!(listed["datasources"]["totalCount"], 0, "what was refused left nothing");
    }

    async fn a_mapping_template_gives_the_mapping(server: TestServer) {
        let admin = server.admin();
        save(&admin, "CONNECTOR_TEMPLATE", "orders", template()).await;
        save(&admin, "MAPPING_TEMPLATE", "all", mapping()).await;
        let asked = json!({ "name": "orders", "parameters": { "path": "$.a" }, "mapping": { "name": "all", "parameters": { "id": "$.number" } } });
        let made = create(&admin, "asked", asked).await;
        assert_eq!(made["latestVersion"]["config"]["mapping"]["outputs"][0]["id"], "$.number");
        assert_eq!((&made["template"]["mapping"]["name"], &made["template"]["mapping"]["version"]), (&json!("all"), &json!(1)));

        // A template may name one, and the request its parameters.
        let mut named = template();
        named["mapping_template"] = json!("all");
        save(&admin, "CONNECTOR_TEMPLATE", "named", named).await;
        let made = create(&admin, "named", json!({ "name": "named", "parameters": { "path": "$.a" } })).await;
        assert_eq!(made["latestVersion"]["config"]["mapping"]["outputs"][0]["id"], "$.key");
        let (code, at, _) = refused(&admin, json!({ "name": "named", "parameters": { "path": "$.a" }, "mapping": { "parameters": { "id": "$.a[" } } })).await;
        assert_eq!((code.as_str(), at), ("CONFIG_INVALID", vec!["/template/mapping/parameters/id".to_owned()]));
        let nameless = json!({ "name": "orders", "parameters": { "path": "$.a" }, "mapping": {} });
        assert_eq!(refused(&admin, nameless).await.1, ["/template/mapping/name"]);
        let shipped = json!({ "name": "orders", "parameters": { "path": "$.a" }, "mapping": { "name": "cloudevents" } });
        let made = create(&admin, "events", shipped).await;
        assert_eq!(made["latestVersion"]["config"]["mapping"]["outputs"][0]["kind"], "cloudevent");
    }

    async fn every_template_that_ships_makes_a_datasource(server: TestServer) {
        let operator = server.operator();
        for (kind, name, parameters) in [
            ("webhook", "generic-webhook", json!({})),
            ("http_poller", "http-json-poller", json!({ "url": "https://api.example.com/items", "input": "$.items[*]" })),
            ("nats", "nats-jetstream", json!({ "servers": ["nats.example.com"], "stream": "ORDERS" })),
            ("kafka", "kafka-topic", json!({ "brokers": ["kafka.example.com"], "topic": "orders", "start": "latest" })),
        ] {
            let template = json!({ "name": name, "parameters": parameters, "mapping": { "name": "whole-document" } });
            let input = json!({ "name": name, "type": kind, "template": template });
            let made = operator.mutate("createDatasource", input, MADE).await;
            assert_eq!(made["datasource"]["template"]["name"], name);
            assert_eq!(made["datasource"]["latestVersion"]["config"]["connector"]["type"], kind);
        }
    }

    async fn a_template_that_could_never_be_used_is_not_saved(server: TestServer) {
        let admin = server.admin();
        let refused = async |change: &dyn Fn(&mut Value)| {
            let mut data = template();
            change(&mut data);
            let input = json!({ "type": "CONNECTOR_TEMPLATE", "name": "wrong", "data": data });
            let (code, _, problems) = refusal(&admin, "saveMetadataItem", input).await;
            assert_eq!(code, "VALIDATION_FAILED", "{problems:#}");
            pointers(&problems)
        };
        assert_eq!(refused(&|data| data["colour"] = json!("red")).await, ["/data/colour"]);
        assert_eq!(refused(&|data| data["connector"] = json!("telepathy")).await, ["/data/connector"]);
        assert_eq!(refused(&|data| data["config"]["mapping"]["outputs"][0]["id"] = json!("{{param.missing}}")).await,
            ["/data/config/mapping/outputs/0/id"]);
        assert_eq!(refused(&|data| data["parameters"]["batch"]["default"] = json!("ten")).await, ["/data/parameters/batch/default"]);
        assert_eq!(refused(&|data| data["parameters"]["kind"]["pattern"] = json!("(")).await, ["/data/parameters/kind"]);
        assert_eq!(refused(&|data| data["parameters"]["path"]["examples"] = json!(["$.a["])).await,
            ["/data/config/mapping/outputs/0/fields/total"]);
        // A secret is stored as one, not in a template; nor does it come in by a parameter.
        let bearer = json!({ "type": "bearer", "token": "canary-of-a-template" });
        assert_eq!(refused(&|data| data["config"]["connector"]["auth"] = bearer.clone()).await, ["/data/config/connector/auth/token"]);
        let given = json!({ "type": "bearer", "token": "{{param.path}}" });
        assert_eq!(refused(&|data| data["config"]["connector"]["auth"] = given.clone()).await, ["/data/config/connector/auth/token"]);
        for url in ["https://admin:canary@example.com/", "https://example.com/?page=1&api_key=canary"] {
            assert!(refused(&|data| data["config"]["connector"]["proxy"] = json!(url)).await.contains(&"/data/config/connector/proxy".to_owned()), "{url}");
        }
        let sql = server.database.sql().await;
        assert_eq!(sql.number("SELECT count(*) FROM metadata_items").await, 0);
    }
}
