//! The database, then what the program ships, then files: the first that has a name decides.

use serde_json::{Value, json};

use super::{delete, item, names, refusal, save_with, versions, view};
use crate::gitops::put;
use crate::harness::{Kind, TestServer, eventually};
use crate::on_both_databases;

fn file(kind: &str, name: &str, spec: &Value) -> String {
    let document = json!({
        "apiVersion": "datasource.studio/v1", "kind": "MetadataItem",
        "metadata": { "type": kind, "name": name, "tags": ["ours"] }, "spec": spec,
    });
    document.to_string()
}

async fn layers(kind: Kind) {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    put(at, "views/attention.json", file("saved_view", "needs-attention", &view("file")));
    put(at, "views/ours.yaml", file("saved_view", "ours", &view("one")));
    put(at, "views/twice.yaml", file("saved_view", "ours", &view("two")));
    // What is wrong is left out, and keeps nothing else from being read.
    put(at, "wrong/type.yaml", file("recipe", "cake", &json!({})));
    put(at, "wrong/data.yaml", file("saved_view", "wrong", &json!({ "list": "cakes" })));
    put(at, "wrong/yaml.yaml", "kind: [");
    put(at, "wrong/huge.json", "x".repeat(2 * 1024 * 1024));
    put(
        at,
        "wrong/private.yaml",
        file("saved_view", "hidden", &view("x")).replace("\"tags\"", "\"visibility\":\"private\",\"tags\""),
    );
    put(at, "feeds/feed.yaml", crate::gitops::webhook("a-datasource", "x"));
    let flags = ["--metadata-dir", at.to_str().expect("UTF-8")];
    let server = TestServer::start_with(kind, &flags).await;
    let (admin, viewer) = (server.admin(), server.viewer());

    let seen = names(&viewer, "SAVED_VIEW").await;
    assert_eq!(seen, ["needs-attention", "ours", "recently-changed"]);
    let ours = item(&viewer, "SAVED_VIEW", "ours").await;
    assert_eq!(
        (&ours["layer"], &ours["source"], &ours["shadows"]),
        (&json!("FILESYSTEM"), &json!("FILESYSTEM"), &json!([]))
    );
    assert_eq!((&ours["data"], &ours["tags"], &ours["revision"]), (&view("one"), &json!(["ours"]), &json!(0)));
    let shipped = item(&viewer, "SAVED_VIEW", "needs-attention").await;
    assert_eq!(
        (&shipped["layer"], &shipped["source"], &shipped["shadows"]),
        (&json!("REGISTRY"), &json!("MIGRATION"), &json!(["FILESYSTEM"]))
    );

    let shared = json!({ "visibility": "SHARED", "expectedRevision": 0 });
    let stored = save_with(&admin, "SAVED_VIEW", "needs-attention", view("ours"), shared).await;
    assert_eq!((&stored["layer"], &stored["shadows"]), (&json!("DATABASE"), &json!(["REGISTRY", "FILESYSTEM"])));
    assert_eq!(item(&viewer, "SAVED_VIEW", "needs-attention").await["data"], view("ours"));
    delete(&admin, "SAVED_VIEW", "needs-attention").await;
    assert_eq!(item(&viewer, "SAVED_VIEW", "needs-attention").await, shipped);

    // A change of the files is taken over while the server runs.
    put(at, "views/ours.yaml", file("saved_view", "ours", &view("new")));
    std::fs::remove_file(at.join("views/twice.yaml")).expect("removed");
    put(at, "views/more.yml", file("saved_view", "more", &view("more")));
    eventually("the files are read anew", || async {
        let ours = item(&viewer, "SAVED_VIEW", "ours").await;
        (ours["data"] == view("new") && names(&viewer, "SAVED_VIEW").await.contains(&"more".to_owned())).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_layer_that_has_a_name_decides_on_sqlite() {
    layers(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_layer_that_has_a_name_decides_on_postgres() {
    layers(Kind::Postgres).await;
}

on_both_databases! {
    async fn what_is_not_stored_is_not_deleted(server: TestServer) {
        let input = json!({ "type": "CONNECTOR_TEMPLATE", "name": "generic-webhook" });
        let (code, message, _) = refusal(&server.admin(), "deleteMetadataItem", input).await;
        assert!(code == "CONFLICT" && message.contains("ships"), "{message}");
        assert!(versions(&server.admin(), "CONNECTOR_TEMPLATE", "generic-webhook").await.is_empty());
    }

    async fn every_type_has_a_schema_and_something_that_ships(server: TestServer) {
        let viewer = server.viewer();
        let data = viewer.data("{ metadataItemTypes { type title description schema } }", Value::Null).await;
        let types = data["metadataItemTypes"].as_array().expect("types").clone();
        let of: Vec<_> = types.iter().map(|t| t["type"].as_str().expect("a word")).collect();
        assert_eq!(of, ["CONNECTOR_TEMPLATE", "MAPPING_TEMPLATE", "SAVED_VIEW"]);
        for found in &types {
            assert_eq!(found["schema"]["type"], "object", "{found:#}");
            let kind = found["type"].as_str().expect("a word");
            let schema = jsonschema::draft202012::new(&found["schema"]).expect("a schema");
            let shipped = names(&viewer, kind).await;
            assert!(shipped.len() >= 2, "{kind}: {shipped:?}");
            for name in shipped {
                let found = item(&viewer, kind, &name).await;
                assert!(schema.is_valid(&found["data"]), "{name}");
                assert_eq!((&found["layer"], &found["source"]), (&json!("REGISTRY"), &json!("MIGRATION")));
            }
        }
        let templates = names(&viewer, "CONNECTOR_TEMPLATE").await;
        for name in ["generic-webhook", "http-json-poller", "nats-jetstream", "kafka-topic"] {
            assert!(templates.contains(&name.to_owned()), "{templates:?}");
        }
    }

    async fn a_list_is_narrowed_and_paged(server: TestServer) {
        let admin = server.admin();
        for name in ["a", "b", "c", "d"] {
            let tags = if name < "c" { json!(["low", "letter"]) } else { json!(["letter"]) };
            save_with(&admin, "SAVED_VIEW", name, view(name), json!({ "tags": tags })).await;
        }
        let query = "query($filter: MetadataItemFilterInput, $first: Int, $after: String) {
            metadataItems(type: SAVED_VIEW, filter: $filter, first: $first, after: $after) {
                totalCount pageInfo { hasNextPage endCursor } nodes { name } } }";
        let list = async |filter: Value, first: i64, after: Value| {
            let data = admin.data(query, json!({ "filter": filter, "first": first, "after": after })).await;
            let page = &data["metadataItems"];
            let names: Vec<_> = page["nodes"].as_array().expect("nodes").iter().map(|n| n["name"].as_str().unwrap_or_default().to_owned()).collect();
            (names, page["totalCount"].clone(), page["pageInfo"].clone())
        };
        let (found, total, info) = list(json!({ "tags": ["letter"] }), 3, Value::Null).await;
        assert_eq!((found, total, &info["hasNextPage"]), (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], json!(4), &json!(true)));
        let (found, total, info) = list(json!({ "tags": ["letter"] }), 3, info["endCursor"].clone()).await;
        assert_eq!((found, total, &info["hasNextPage"]), (vec!["d".to_owned()], json!(4), &json!(false)));
        assert_eq!(list(json!({ "tags": ["letter", "low"] }), 50, Value::Null).await.0, ["a", "b"]);
        assert_eq!(list(json!({ "layer": "REGISTRY" }), 50, Value::Null).await.0, ["needs-attention", "recently-changed"]);
        assert_eq!(list(json!({ "source": "API", "owner": "admin@acme" }), 50, Value::Null).await.0.len(), 4);
        assert_eq!(list(json!({ "search": "FAILS feeds" }), 50, Value::Null).await.0, ["needs-attention"]);
    }
}
