//! The nodes, and what runs on them, in GraphQL and in REST.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use crate::harness::Client;
use crate::harness::server::open_webhook;
use crate::on_both_databases;

const WORKERS: &str = "query($filter: WorkerFilterInput, $first: Int, $after: String, $last: Int) { registry {
    workers(filter: $filter, first: $first, after: $after, last: $last) {
        nodes { datasourceId slot node epoch leaseUntil workerStatus runningVersion lastHeartbeatAt errorCode }
        pageInfo { hasNextPage hasPreviousPage endCursor } } } }";

async fn published(client: &Client, name: &str) -> String {
    let id = client.webhook(name, open_webhook(json!({ "a": "$.a" }))).await;
    client.publish(&id).await;
    id
}

async fn workers(client: &Client, variables: Value) -> Value {
    client.data(WORKERS, variables).await["registry"]["workers"].take()
}

fn ids(workers: &Value) -> Vec<String> {
    let list = workers.as_array().expect("a list").iter();
    list.map(|worker| worker["datasourceId"].as_str().expect("an id").to_owned()).collect()
}

on_both_databases! {
    async fn it_shows_the_nodes_and_the_workers_of_the_organisation(server: TestServer) {
        let operator = server.operator();
        let mut mine = Vec::new();
        for name in ["one", "two", "three"] {
            mine.push(published(&server.admin(), name).await);
        }
        mine.sort();
        let foreign = server.client(Role::Admin, "globex");
        let theirs = published(&foreign, "theirs").await;

        let query = "query { registry { nodes { name role version alive startedAt lastHeartbeatAt workers } } }";
        let nodes = operator.data(query, json!({})).await["registry"]["nodes"].take();
        let [node] = nodes.as_array().expect("a list").as_slice() else { panic!("one node: {nodes}") };
        assert_eq!((&node["role"], &node["alive"], &node["workers"]), (&json!("all"), &json!(true), &json!(3)));
        assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));

        let first = workers(&operator, json!({ "first": 2 })).await;
        assert_eq!(ids(&first["nodes"]), mine[..2]);
        assert_eq!(first["pageInfo"]["hasNextPage"], true);
        let second = workers(&operator, json!({ "first": 2, "after": first["pageInfo"]["endCursor"] })).await;
        assert_eq!((ids(&second["nodes"]), &second["pageInfo"]["hasNextPage"]), (mine[2..].to_vec(), &json!(false)));
        assert_eq!(ids(&workers(&operator, json!({ "last": 1 })).await["nodes"]), mine[2..]);
        let worker = &second["nodes"][0];
        assert_eq!((&worker["slot"], &worker["epoch"], &worker["runningVersion"]), (&json!(0), &json!(1), &json!(1)));
        assert_eq!((&worker["node"], &worker["workerStatus"]), (&node["name"], &json!("RUNNING")));
        assert!(worker["leaseUntil"].is_string() && worker["errorCode"].is_null(), "{worker}");
        assert_eq!(ids(&workers(&foreign, json!({})).await["nodes"]), [theirs]);
        assert_eq!(ids(&workers(&server.limited_to(Role::Operator, &["elsewhere"]), json!({})).await["nodes"]), [""; 0]);

        for (filter, expected) in [
            (json!({ "node": node["name"] }), 3),
            (json!({ "node": "nobody" }), 0),
            (json!({ "status": "RUNNING" }), 3),
            (json!({ "status": "ERROR" }), 0),
        ] {
            assert_eq!(ids(&workers(&operator, json!({ "filter": filter })).await["nodes"]).len(), expected, "{filter}");
        }

        // The same over REST, where the link leads on.
        let page = operator.get("/api/v1/registry?limit=2&status=running").await.ok(200);
        assert_eq!(ids(&page["workers"]), mine[..2]);
        assert_eq!((&page["nodes"][0]["name"], &page["nodes"][0]["workers"]), (&node["name"], &json!(3)));
        let next = operator.get("/api/v1/registry?limit=2&status=running").await.link("next").expect("a link");
        let page = operator.get(&next).await.ok(200);
        assert_eq!((ids(&page["workers"]), &page["workers"][0]["workerStatus"]), (mine[2..].to_vec(), &json!("running")));
        operator.get("/api/v1/registry?status=asleep").await.refused(400, "VALIDATION_FAILED");
    }
}
