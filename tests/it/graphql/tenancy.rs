//! Tenants do not see each other: what is another's is not found, and nothing tells that it exists.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use crate::harness::server::open_webhook;
use crate::harness::{Client, Socket};
use crate::on_both_databases;
use crate::sdl::Sdl;

const SECOND: &str = "globex";

/// A datasource with a version, a secret, a sample and events.
async fn full(client: &Client, name: &str) -> String {
    let id = client.webhook(name, open_webhook(json!({ "total": "$.amount" }))).await;
    let secret = json!({ "id": id, "key": "token", "value": "of no use" });
    client.mutate("setDatasourceSecret", secret, "secret { key }").await;
    let test = json!({ "id": id, "payload": { "id": 1 }, "saveSampleAs": "first" });
    client.mutate("testDatasource", test, "run { success }").await;
    id
}

async fn assert_hidden(caller: &Client, id: &str) {
    assert_hidden_as(&["viewer", "operator", "admin"], caller, id).await;
}

/// Every operation of the schema that takes the id of a datasource and needs one of these roles, with this one.
pub async fn assert_hidden_as(roles: &[&str], caller: &Client, id: &str) {
    let operations = Sdl::of_this_build().operations(&|operation, pointer| match pointer {
        "/id" | "/input/id" | "/ids/0" => Some(json!(id)),
        "/config" | "/input/config" => Some(open_webhook(json!({}))),
        "/input/range/file" => Some(json!("payloads.jsonl")),
        "/input/value" => Some(json!("of no use")),
        "/input/payload" if operation.ends_with("testDatasource") => Some(json!({})),
        _ => None,
    });
    let mut asked = 0;
    let operations = operations.iter().filter(|o| roles.contains(&o.role.as_str()));
    for operation in operations.filter(|o| o.variables.to_string().contains(id)) {
        asked += 1;
        if operation.name == "Subscription.datasourceStates" {
            continue;
        }
        if operation.name.starts_with("Subscription") {
            let mut socket = Socket::subscribe(caller, &operation.query, operation.variables.clone()).await;
            assert_eq!(socket.error_code().await, "NOT_FOUND", "{}", operation.name);
            continue;
        }
        let answer = caller.send(&operation.query, operation.variables.clone()).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        // A nullable look-up answers null; everything else says that there is nothing.
        let null =
            answer.get("errors").is_none() && answer["data"].as_object().is_some_and(|d| d.values().all(nothing));
        // Endpoints of notifications are the whole organisation's, whatever id is given.
        let not_theirs = operation.name.contains("Notification") && code == Some("FORBIDDEN");
        assert!(code == Some("NOT_FOUND") || null || not_theirs, "{}: {answer:#}", operation.name);
    }
    assert!(asked > 15, "the operations with an id are found: {asked}");
}

fn nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

async fn names(client: &Client, filter: Value) -> Vec<String> {
    let query = "query($f: DatasourceFilterInput) {
        datasources(filter: $f, orderBy: { field: NAME }) { totalCount nodes { name } } }";
    let data = client.data(query, json!({ "f": filter })).await;
    let nodes = data["datasources"]["nodes"].as_array().expect("nodes");
    assert_eq!(data["datasources"]["totalCount"], nodes.len(), "the count is of the same rows");
    nodes.iter().map(|n| n["name"].as_str().expect("a name").to_owned()).collect()
}

on_both_databases! {
    async fn another_organisation_finds_nothing_by_id(server: TestServer) {
        let owner = server.admin();
        let id = full(&owner, "orders").await;
        let before = owner.data("{ auditLog(first: 1) { nodes { id hash } } }", json!({})).await;
        assert_hidden(&server.client(Role::Admin, SECOND), &id).await;
        let after = owner.data("{ auditLog(first: 1) { nodes { id hash } } }", json!({})).await;
        assert_eq!(before, after, "nothing was written for the owner");
    }

    /// Ids of another organisation are left out, so that the stream tells of one's own only.
    async fn another_organisation_is_left_out_of_states(server: TestServer) {
        let theirs = full(&server.admin(), "orders").await;
        let stranger = server.client(Role::Admin, SECOND);
        let own = stranger.webhook("own", open_webhook(json!({}))).await;
        let query = "subscription($ids: [ID!]!) { datasourceStates(ids: $ids) { datasourceId desired } }";
        let mut socket = Socket::subscribe(&stranger, query, json!({ "ids": [theirs, own] })).await;
        assert_eq!(socket.next().await["datasourceStates"], json!({ "datasourceId": own, "desired": "STOPPED" }));
        // The other's state changes, then one's own: the next one to arrive is one's own.
        server.admin().publish(&theirs).await;
        stranger.mutate("publishDatasource", json!({ "id": own }), "version { version }").await;
        assert_eq!(socket.next().await["datasourceStates"]["datasourceId"], own.as_str());
    }

    async fn lists_and_searches_show_only_ones_own(server: TestServer) {
        full(&server.admin(), "orders of acme").await;
        let stranger = server.client(Role::Admin, SECOND);
        full(&stranger, "orders of globex").await;
        for filter in [
            json!({}), json!({ "search": "orders" }), json!({ "type": ["webhook"] }), json!({ "status": ["DRAFT"] }),
            json!({ "project": "default" }), json!({ "archived": false }),
        ] {
            assert_eq!(names(&server.viewer(), filter.clone()).await, ["orders of acme"], "{filter}");
            assert_eq!(names(&stranger, filter.clone()).await, ["orders of globex"], "{filter}");
        }
        assert_eq!(names(&stranger, json!({ "owner": "admin@acme" })).await, [""; 0]);
        let log = stranger.data("{ auditLog { nodes { actor } } }", json!({})).await;
        let actors = log["auditLog"]["nodes"].as_array().expect("entries");
        assert!(!actors.is_empty() && actors.iter().all(|e| e["actor"] == "admin@globex"), "{log}");
    }

    /// Sequence numbers are each organisation's own: they do not tell how busy another one is.
    async fn a_feed_tells_only_of_its_own_organisation(server: TestServer) {
        let stranger = server.client(Role::Viewer, SECOND);
        let query = "subscription { datasourceEvents { id actor } }";
        let mut socket = Socket::subscribe(&stranger, query, json!({})).await;
        // Known to listen before anything happens: a second subscription of the socket was answered.
        let states = json!({ "query": "{ viewer { role } }" });
        socket.send(json!({ "id": "2", "type": "subscribe", "payload": states })).await;
        assert_eq!(socket.next().await["viewer"]["role"], "VIEWER");

        full(&server.admin(), "orders").await;
        server.client(Role::Operator, SECOND).webhook("own", open_webhook(json!({}))).await;
        loop {
            let message = socket.message().await;
            if message["type"] == "complete" {
                continue;
            }
            let event = &message["payload"]["data"]["datasourceEvents"];
            assert_eq!((&event["id"], &event["actor"]), (&json!("1"), &json!("operator@globex")), "{message}");
            break;
        }
    }

    async fn names_are_unique_within_a_tenant_only(server: TestServer) {
        full(&server.admin(), "orders").await;
        full(&server.client(Role::Admin, SECOND), "orders").await;
        let other_project = json!({ "name": "orders", "type": "webhook", "project": "emea" });
        server.operator().mutate("createDatasource", other_project, "datasource { project }").await;
    }

    async fn a_token_of_some_projects_sees_only_these(server: TestServer) {
        let admin = server.admin();
        let mut ids = Vec::new();
        for project in ["emea", "apac", "amer"] {
            let input = json!({ "name": format!("orders {project}"), "type": "webhook", "project": project,
                "config": open_webhook(json!({})) });
            let made = admin.mutate("createDatasource", input, "datasource { id }").await;
            ids.push(made["datasource"]["id"].as_str().expect("an id").to_owned());
        }
        let limited = server.limited_to(Role::Admin, &["emea", "apac"]);
        assert_eq!(names(&limited, json!({})).await, ["orders apac", "orders emea"]);
        assert_eq!(names(&limited, json!({ "project": "amer" })).await, [""; 0]);
        assert_hidden(&limited, &ids[2]).await;

        // What was refused names the id that was given, by the caller alone.
        let log = limited.data("{ auditLog(filter: { outcome: SUCCESS }) { nodes { datasourceId } } }", json!({})).await.to_string();
        assert!(log.contains(&ids[0]) && log.contains(&ids[1]) && !log.contains(&ids[2]), "{log}");

        // Without a project a new one goes to the first of the token; elsewhere it may not go.
        let input = json!({ "name": "new", "type": "webhook" });
        let made = limited.mutate("createDatasource", input, "datasource { project }").await;
        assert_eq!(made["datasource"]["project"], "emea");
        let mutation = crate::harness::server::mutation("createDatasource", "datasource { id }");
        let input = json!({ "name": "newer", "type": "webhook", "project": "amer" });
        assert_eq!(limited.code(&mutation, json!({ "input": input })).await, "FORBIDDEN");
        let mutation = crate::harness::server::mutation("cloneDatasource", "datasource { id }");
        let input = json!({ "id": ids[0], "name": "copy", "project": "amer" });
        assert_eq!(limited.code(&mutation, json!({ "input": input })).await, "FORBIDDEN");

        let viewer = limited.data("{ viewer { projects org } }", json!({})).await;
        assert_eq!(viewer["viewer"], json!({ "projects": ["emea", "apac"], "org": "acme" }));
    }

    async fn a_feed_of_some_projects_leaves_the_others_out(server: TestServer) {
        let limited = server.limited_to(Role::Viewer, &["emea"]);
        for project in ["amer", "emea", "amer"] {
            let input = json!({ "name": format!("{project} {}", uuid::Uuid::now_v7()), "type": "webhook", "project": project });
            server.operator().mutate("createDatasource", input, "datasource { id }").await;
        }
        let input = json!({ "name": "last", "type": "webhook", "project": "emea" });
        server.operator().mutate("createDatasource", input, "datasource { id }").await;
        let query = "subscription { datasourceEvents(after: \"MA\") { id } }";
        let mut socket = Socket::subscribe(&limited, query, json!({})).await;
        let seen = [socket.next().await, socket.next().await];
        assert_eq!(seen.map(|e| e["datasourceEvents"]["id"].clone()), [json!("2"), json!("4")]);
    }

    /// A webhook has no token; its id and its own authentication are what counts.
    async fn webhooks_work_whatever_the_tenant(server: TestServer) {
        let stranger = server.client(Role::Admin, SECOND);
        for (client, org) in [(server.admin(), "acme"), (stranger, SECOND)] {
            let id = client.webhook("orders", open_webhook(json!({ "total": "$.amount" }))).await;
            client.publish(&id).await;
            assert_eq!(server.post_hook(&id, &json!({ "id": 1, "amount": 5 })).await.0, 202);
            assert_eq!(server.delivered(org, &id).len(), 1);
        }
    }
}
