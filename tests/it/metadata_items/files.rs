//! Export and import, in both directions.

use std::path::Path;

use serde_json::{Value, json};

use super::{item, save, save_with, template, versions, view};
use crate::gitops::{Run, files, put, run};
use crate::harness::{Database, Kind, TestServer};
use crate::on_both_databases;

async fn export(database: &Database, tree: &Path, flags: &[&str]) -> Run {
    let tree = tree.to_str().expect("UTF-8");
    run(database, &[&["metadata", "export", tree], flags].concat()).await
}

async fn import(database: &Database, tree: &Path, flags: &[&str]) -> Run {
    let tree = tree.to_str().expect("UTF-8");
    run(database, &[&["metadata", "import", tree, "--json"], flags].concat()).await
}

fn manifest(name: &str, spec: &Value) -> String {
    let metadata = json!({ "type": "saved_view", "name": name, "visibility": "shared" });
    json!({ "apiVersion": "datasource.studio/v1", "kind": "MetadataItem", "metadata": metadata, "spec": spec })
        .to_string()
}

on_both_databases! {
    async fn what_is_exported_comes_back_the_same_bytes(server: TestServer) {
        let (admin, viewer) = (server.admin(), server.viewer());
        save_with(&admin, "CONNECTOR_TEMPLATE", "Orders: all", template(), json!({ "tags": ["b", "a"] })).await;
        save(&viewer, "SAVED_VIEW", "mine", view("a")).await;
        save_with(&admin, "SAVED_VIEW", "ours", view("b"), json!({ "visibility": "SHARED" })).await;
        let tree = tempfile::tempdir().expect("a directory");
        let done = export(&server.database, tree.path(), &["--json"]).await;
        assert_eq!(done.code, Some(0), "{}", done.err);
        let written = files(tree.path());
        let names: Vec<_> = written.keys().map(String::as_str).collect();
        assert_eq!((names.len(), &names[1..]), (3, ["saved_view/mine.yaml", "saved_view/ours.yaml"].as_slice()));
        assert!(names[0].starts_with("connector_template/orders--all-"), "{names:?}");
        insta::assert_snapshot!(written["saved_view/mine.yaml"], @"
        apiVersion: datasource.studio/v1
        kind: MetadataItem
        metadata:
          type: saved_view
          name: mine
          owner: viewer@acme
          visibility: private
        spec:
          filter:
            tags:
              - a
          list: datasources
        ");

        // Into an empty database of the other kind, and out of it again.
        let kind = if server.database.kind == Kind::Sqlite { Kind::Postgres } else { Kind::Sqlite };
        let other = TestServer::start(kind).await;
        let plan = import(&other.database, tree.path(), &["--dry-run"]).await;
        assert_eq!((plan.code, &plan.report()["summary"]), (Some(0), &json!({ "create": 3 })), "{}", plan.err);
        assert!(item(&other.admin(), "SAVED_VIEW", "ours").await.is_null(), "a plan writes nothing");
        let done = import(&other.database, tree.path(), &[]).await;
        assert_eq!((done.code, &done.report()["summary"]), (Some(0), &json!({ "create": 3 })), "{}", done.out);
        let again = tempfile::tempdir().expect("a directory");
        assert_eq!(export(&other.database, again.path(), &[]).await.code, Some(0));
        assert_eq!(files(again.path()), written);
        let check = import(&other.database, tree.path(), &["--mode", "check"]).await;
        assert_eq!((check.code, &check.report()["summary"]), (Some(0), &json!({ "unchanged": 3 })));
        let sql = other.database.sql().await;
        let sources = sql.column::<String>("SELECT DISTINCT source FROM metadata_items").await;
        assert_eq!(sources, ["filesystem"]);

        // One type leaves the files of others alone.
        let some = export(&server.database, tree.path(), &["--type", "saved_view", "--json"]).await;
        assert_eq!(some.out.trim().replace(['\n', ' '], ""), r#"{"written":[],"removed":[],"unchanged":2}"#, "{}", some.err);
        assert_eq!(files(tree.path()), written);
    }

    async fn a_bootstrap_keeps_what_is_there_and_a_sync_changes_it(server: TestServer) {
        let admin = server.admin();
        save_with(&admin, "SAVED_VIEW", "ours", view("stored"), json!({ "visibility": "SHARED" })).await;
        let tree = tempfile::tempdir().expect("a directory");
        put(tree.path(), "ours.yaml", manifest("ours", &view("file")));
        put(tree.path(), "feed.yaml", crate::gitops::webhook("a-datasource", "x"));
        let kept = import(&server.database, tree.path(), &[]).await;
        assert_eq!((kept.code, kept.actions()), (Some(0), json!({ "ours": "kept" })), "{}", kept.err);
        let check = import(&server.database, tree.path(), &["--mode", "check"]).await;
        assert_eq!((check.code, check.actions()), (Some(1), json!({ "ours": "update" })));
        assert_eq!(check.report()["items"][0]["changes"], json!(["data/filter/tags/0"]));
        assert_eq!(item(&admin, "SAVED_VIEW", "ours").await["data"], view("stored"));
        let done = import(&server.database, tree.path(), &["--mode", "sync"]).await;
        assert_eq!((done.code, done.actions()), (Some(0), json!({ "ours": "update" })), "{}", done.out);
        let all = versions(&admin, "SAVED_VIEW", "ours").await;
        assert_eq!((all.len(), &all[0]["source"], &all[0]["createdBy"]), (2, &json!("FILESYSTEM"), &json!("system:import")));
        // An import of datasources leaves items alone, as that of items left the datasource.
        let feeds = crate::gitops::import(&server.database, tree.path(), &["--mode", "check"]).await;
        assert_eq!(feeds.actions(), json!({ "a-datasource": "create" }));
        crate::harness::eventually("the server knows of it", || async {
            (item(&admin, "SAVED_VIEW", "ours").await["data"] == view("file")).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn hostile_files_are_told_and_stop_no_other() {
    use std::os::unix::fs::symlink;

    let database = Database::create(Kind::Sqlite).await;
    let (tree, outside) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let at = tree.path();
    put(outside.path(), "secret.yaml", manifest("outside", &view("x")));
    put(at, "fine.yaml", manifest("fine", &view("x")));
    put(at, "huge.json", " ".repeat(2 * 1024 * 1024));
    put(at, "long.yaml", manifest("long", &json!({ "list": "datasources", "title": "x".repeat(300 * 1024) })));
    put(at, "one.yaml", manifest("twice", &view("1")));
    put(at, "two.yaml", manifest("twice", &view("2")));
    put(at, "wrong.yaml", manifest("wrong", &json!({ "list": "datasources", "filter": { "colour": "red" } })));
    put(at, "type.yaml", manifest("type", &view("x")).replace("saved_view", "recipe"));
    put(at, "other.yaml", "services: { web: { image: x } }\n");
    put(at, "kind.yaml", manifest("kind", &view("x")).replace("MetadataItem", "MetadataItm"));
    symlink(outside.path().join("secret.yaml"), at.join("link.yaml")).expect("a link");
    let done = import(&database, at, &[]).await;
    let expected =
        json!({ "fine": "create", "long": "refused", "twice": "conflict", "wrong": "refused", "type": "refused" });
    assert_eq!((done.code, done.actions()), (Some(1), expected), "{}", done.err);
    let report = done.report();
    let pointer = |name: &str| {
        let items = report["items"].as_array().expect("items");
        let found = items.iter().find(|item| item["name"] == name).expect("an item");
        (found["findings"][0]["pointer"].clone(), found["findings"][0]["line"].clone())
    };
    assert_eq!(pointer("wrong"), (json!("/spec/filter/colour"), json!(1)));
    assert_eq!(pointer("long").0, "/spec");
    assert_eq!(pointer("type").0, "/metadata/type");
    let findings = report["findings"].as_array().expect("findings");
    for (name, words) in [
        ("huge.json", "longer than 1048576 bytes"),
        ("other.yaml", "no metadata item"),
        ("kind.yaml", "no metadata item"),
        ("link.yaml", "out of the tree"),
    ] {
        let found = findings.iter().find(|f| f["file"].as_str().is_some_and(|file| file.ends_with(name)));
        let message = found.and_then(|f| f["message"].as_str()).unwrap_or_else(|| panic!("{name}: {findings:#?}"));
        assert!(message.contains(words), "{name}: {message}");
    }
    assert_eq!(findings.len(), 4, "{findings:#?}");
    let missing = run(&database, &["metadata", "import", "/nowhere/at/all"]).await;
    assert_eq!(missing.code, Some(2), "{}", missing.err);
}

/// What the repository shows as examples can be imported as it is.
#[tokio::test]
async fn the_examples_can_be_imported() {
    let database = Database::create(Kind::Sqlite).await;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/metadata");
    let done = import(&database, &examples, &[]).await;
    assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
    let actions = done.actions();
    assert!(actions.as_object().is_some_and(|all| all.len() >= 3 && all.values().all(|a| a == "create")), "{actions}");
}
