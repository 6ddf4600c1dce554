//! What each mode may do, through the real program.

use serde_json::{Value, json};

use super::{empty, export, files, import, put, run, run_in, webhook};
use crate::harness::{Client, Database, Kind, TestServer};

async fn listed(client: &Client) -> Value {
    let query = "{ datasources(orderBy: { field: NAME }) { nodes { name description status managedBy } } }";
    client.data(query, Value::Null).await["datasources"]["nodes"].take()
}

/// A server with a datasource that a program made, and a tree that has two, one of that name.
async fn beside(kind: Kind) -> (TestServer, tempfile::TempDir) {
    let server = TestServer::start(kind).await;
    server.admin().webhook("taken", json!({ "connector": { "type": "webhook", "auth": { "type": "none" } } })).await;
    let tree = tempfile::tempdir().expect("a directory");
    put(tree.path(), "a/taken.yaml", webhook("taken", "from the tree"));
    put(tree.path(), "b/fresh.yaml", webhook("fresh", "from the tree"));
    (server, tree)
}

async fn a_bootstrap_creates_and_never_overwrites(kind: Kind) {
    let (server, tree) = beside(kind).await;
    let plan = import(&server.database, tree.path(), &["--dry-run"]).await;
    assert_eq!(plan.actions(), json!({ "taken": "kept", "fresh": "create" }), "{}", plan.err);
    assert_eq!(listed(&server.admin()).await.as_array().map(Vec::len), Some(1), "a plan writes nothing");

    let done = import(&server.database, tree.path(), &[]).await;
    assert_eq!((done.code, done.actions()), (Some(0), json!({ "taken": "kept", "fresh": "create" })));
    let expected = json!([
        { "name": "fresh", "description": "from the tree", "status": "ACTIVE", "managedBy": "git:main" },
        { "name": "taken", "description": "", "status": "DRAFT", "managedBy": "api" },
    ]);
    assert_eq!(listed(&server.admin()).await, expected);

    put(tree.path(), "b/fresh.yaml", webhook("fresh", "edited"));
    let again = import(&server.database, tree.path(), &[]).await;
    assert_eq!((again.code, again.actions()), (Some(0), json!({ "taken": "kept", "fresh": "kept" })));
    assert_eq!(listed(&server.admin()).await, expected, "not even its own");
}

async fn a_sync_follows_its_own_and_touches_nothing_else(kind: Kind) {
    let (server, tree) = beside(kind).await;
    let admin = server.admin();
    let first = import(&server.database, tree.path(), &["--mode", "sync"]).await;
    assert_eq!((first.code, first.actions()), (Some(1), json!({ "taken": "conflict", "fresh": "create" })));
    let reason = first.report()["items"][0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("api") && reason.contains("--adopt"), "{reason}");

    // Somebody edits what the tree owns: that is drift, and a sync undoes it.
    let id = first.report()["items"][1]["id"].clone();
    admin
        .mutate("updateDatasource", json!({ "id": id, "team": "night shift", "tags": ["x"] }), "datasource { id }")
        .await;
    admin.mutate("stopDatasource", json!({ "id": id }), "datasource { id }").await;
    let config = json!({ "connector": { "type": "webhook", "auth": { "type": "none" }, "max_body": 9 } });
    admin.mutate("createDatasourceVersion", json!({ "id": id, "config": config }), "version { version }").await;
    admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
    let check = import(&server.database, tree.path(), &["--mode", "check"]).await;
    assert_eq!(check.code, Some(1));
    assert_eq!(check.report()["items"][1]["changes"], json!(["team", "tags", "config/connector/max_body"]));

    let second = import(&server.database, tree.path(), &["--mode", "sync", "--adopt"]).await;
    assert_eq!((second.code, second.actions()), (Some(0), json!({ "taken": "update", "fresh": "update" })));
    assert_eq!(second.report()["items"][0]["changes"], json!(["description", "managedBy", "publish"]));
    // The file does not say whether it runs, so it stays as the people on duty left it.
    let expected = json!([
        { "name": "fresh", "description": "from the tree", "status": "DISABLED", "managedBy": "git:main" },
        { "name": "taken", "description": "from the tree", "status": "ACTIVE", "managedBy": "git:main" },
    ]);
    assert_eq!(listed(&admin).await, expected);
    let check = import(&server.database, tree.path(), &["--mode", "check"]).await;
    assert_eq!((check.code, check.actions()), (Some(0), json!({ "taken": "unchanged", "fresh": "unchanged" })));
}

/// What another keeps is a conflict only where the tree wants it otherwise; `--adopt` is the first sync of an export.
async fn an_export_of_what_others_keep_is_no_drift(kind: Kind) {
    let server = TestServer::start(kind).await;
    server.admin().webhook("theirs", json!({ "connector": { "type": "webhook", "auth": { "type": "none" } } })).await;
    let tree = tempfile::tempdir().expect("a directory");
    assert_eq!(export(&server.database, tree.path(), &[]).await.code, Some(0));
    for mode in ["check", "sync"] {
        let done = import(&server.database, tree.path(), &["--mode", mode]).await;
        assert_eq!((done.code, done.actions()), (Some(0), json!({ "theirs": "unchanged" })), "{mode}: {}", done.out);
        let reason = done.report()["items"][0]["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.contains("kept by api") && reason.contains("--adopt"), "{reason}");
    }
    assert_eq!(listed(&server.admin()).await[0]["managedBy"], "api");

    let adopted = import(&server.database, tree.path(), &["--mode", "sync", "--adopt"]).await;
    assert_eq!((adopted.code, adopted.actions()), (Some(0), json!({ "theirs": "update" })));
    assert_eq!(listed(&server.admin()).await[0]["managedBy"], "git:main");
    let check = import(&server.database, tree.path(), &["--mode", "check"]).await;
    assert_eq!((check.code, check.report()["items"][0]["reason"].clone()), (Some(0), Value::Null));
}

async fn a_prune_archives_only_what_the_source_kept(kind: Kind) {
    let (server, tree) = beside(kind).await;
    std::fs::remove_dir_all(tree.path().join("a")).expect("removed");
    let other = tempfile::tempdir().expect("a directory");
    put(other.path(), "theirs.yaml", webhook("theirs", "another source"));
    import(&server.database, other.path(), &["--mode", "sync", "--source", "team/other"]).await;
    put(tree.path(), "gone.yaml", webhook("gone", "for a while"));
    assert_eq!(import(&server.database, tree.path(), &["--mode", "sync"]).await.code, Some(0));
    std::fs::remove_file(tree.path().join("gone.yaml")).expect("removed");

    let kept = import(&server.database, tree.path(), &["--mode", "sync"]).await;
    assert_eq!(kept.actions(), json!({ "fresh": "unchanged" }), "without --prune nothing is archived");
    put(tree.path(), "broken.yaml", "apiVersion: [");
    let unread = import(&server.database, tree.path(), &["--mode", "sync", "--prune"]).await;
    assert_eq!(
        unread.actions(),
        json!({ "fresh": "unchanged" }),
        "nor while a file cannot be read: it may be that one"
    );
    assert_eq!(unread.code, Some(1));
    std::fs::remove_file(tree.path().join("broken.yaml")).expect("removed");

    let check = import(&server.database, tree.path(), &["--mode", "check", "--prune"]).await;
    assert_eq!((check.code, check.actions()), (Some(1), json!({ "fresh": "unchanged", "gone": "archive" })));
    let pruned = import(&server.database, tree.path(), &["--mode", "sync", "--prune"]).await;
    assert_eq!((pruned.code, pruned.actions()), (Some(0), json!({ "fresh": "unchanged", "gone": "archive" })));
    let names: Vec<_> =
        listed(&server.admin()).await.as_array().into_iter().flatten().map(|n| n["name"].clone()).collect();
    assert_eq!(names, ["fresh", "taken", "theirs"]);

    std::fs::remove_dir_all(tree.path().join("b")).expect("removed");
    let empty = import(&server.database, tree.path(), &["--mode", "sync", "--prune"]).await;
    assert_eq!(empty.actions(), json!({}), "a tree that says nothing archives nothing");
}

/// A tree that is suddenly small is most likely another one.
async fn a_prune_of_most_of_a_source_has_to_be_meant(kind: Kind) {
    let server = TestServer::start(kind).await;
    let tree = tempfile::tempdir().expect("a directory");
    for i in 0..9 {
        put(tree.path(), &format!("{i}.yaml"), webhook(&format!("feed-{i}"), "x"));
    }
    assert_eq!(import(&server.database, tree.path(), &["--mode", "sync"]).await.code, Some(0));
    let lose = |names: std::ops::Range<usize>| {
        names.for_each(|i| std::fs::remove_file(tree.path().join(format!("{i}.yaml"))).expect("removed"));
    };
    lose(0..5);
    put(tree.path(), "8.yaml", webhook("feed-8", "edited"));
    for flags in [&["--mode", "check", "--prune"] as &[&str], &["--mode", "sync", "--prune"]] {
        let refused = import(&server.database, tree.path(), flags).await;
        assert_eq!((refused.code, &refused.report()["summary"]), (Some(1), &json!({ "unchanged": 3, "update": 1 })));
        let why = refused.report()["pruneRefused"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("5 of the 9") && why.contains("--prune-all"), "{why}");
    }
    assert_eq!(listed(&server.admin()).await.as_array().map(Vec::len), Some(9));

    let meant = import(&server.database, tree.path(), &["--mode", "sync", "--prune", "--prune-all"]).await;
    assert_eq!((meant.code, meant.report()["summary"].clone()), (Some(0), json!({ "unchanged": 4, "archive": 5 })));
    lose(5..8);
    let few = import(&server.database, tree.path(), &["--mode", "sync", "--prune"]).await;
    assert_eq!((few.code, few.report()["summary"].clone()), (Some(0), json!({ "unchanged": 1, "archive": 3 })));
}

async fn what_needs_secrets_waits_for_them(kind: Kind) {
    let server = TestServer::start(kind).await;
    let tree = tempfile::tempdir().expect("a directory");
    let text = webhook("hooked", "signed").replace("{ type: none }", "{ type: github, secret: { $secret: hook_key } }");
    put(tree.path(), "hooked.yaml", text);
    let first = import(&server.database, tree.path(), &["--mode", "sync"]).await;
    assert_eq!((first.code, first.actions()), (Some(1), json!({ "hooked": "create" })));
    assert_eq!(first.report()["items"][0]["missingSecrets"], json!(["hook_key"]));
    let again = import(&server.database, tree.path(), &["--mode", "sync"]).await;
    assert_eq!((again.code, again.actions()), (Some(1), json!({ "hooked": "waiting" })));

    let admin = server.admin();
    let id = first.report()["items"][0]["id"].clone();
    admin
        .mutate(
            "setDatasourceSecret",
            json!({ "id": id, "key": "hook_key", "value": "s3cret-value" }),
            "secret { key }",
        )
        .await;
    let done = import(&server.database, tree.path(), &["--mode", "sync"]).await;
    assert_eq!((done.code, done.actions()), (Some(0), json!({ "hooked": "update" })));
    let versions = "query($id: ID!) { datasource(id: $id) { status versions { nodes { version state } } } }";
    let data = admin.data(versions, json!({ "id": id })).await;
    assert_eq!(data["datasource"]["versions"]["nodes"], json!([{ "version": 1, "state": "PUBLISHED" }]));
}

/// One wrong file stops no other, unless that is asked for.
#[tokio::test]
async fn a_wrong_file_stops_the_others_only_when_asked() {
    let database = Database::create(Kind::Sqlite).await;
    let tree = tempfile::tempdir().expect("a directory");
    put(tree.path(), "bad.yaml", webhook("bad", "typo").replace("auth: {", "aut: {"));
    put(tree.path(), "good.yaml", webhook("good", "fine"));
    put(tree.path(), "twice.yaml", format!("{}---\n{}", webhook("twice", "one"), webhook("twice", "two")));
    let strict = import(&database, tree.path(), &["--fail-fast"]).await;
    assert_eq!(strict.code, Some(1));
    let before = import(&database, tree.path(), &["--dry-run"]).await;
    assert_eq!(before.report()["summary"], json!({ "create": 1, "refused": 1, "conflict": 2 }));
    let done = import(&database, tree.path(), &[]).await;
    assert_eq!(
        (done.code, done.report()["summary"].clone()),
        (Some(1), json!({ "create": 1, "refused": 1, "conflict": 2 }))
    );
    let finding = &done.report()["items"][0]["findings"][0];
    assert_eq!((&finding["line"], &finding["pointer"]), (&json!(9), &json!("/spec/config/connector/aut")));
    assert!(done.err.contains("[1/1] create default/good"), "{}", done.err);
}

/// The document on the page is one.
#[tokio::test]
async fn the_documented_document_can_be_imported() {
    let page = std::fs::read_to_string("docs/gitops.md").expect("the page");
    let documents = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let document = documents.into_iter().find(|text| text.starts_with("apiVersion")).expect("a document");
    let database = empty().await;
    let tree = tempfile::tempdir().expect("a directory");
    put(tree.path(), "feed.yaml", document);
    let plan = import(&database, tree.path(), &["--dry-run"]).await;
    assert_eq!((plan.code, plan.actions()), (Some(0), json!({ "support-tickets": "create" })), "{}", plan.out);
}

/// Who may not write does not migrate either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_does_not_migrate_somebody_elses_database() {
    let database = Database::create(Kind::Postgres).await;
    let tree = tempfile::tempdir().expect("a directory");
    put(tree.path(), "feed.yaml", webhook("feed", "x"));
    for flags in [&["--mode", "check"] as &[&str], &["--dry-run"]] {
        let refused = import(&database, tree.path(), flags).await;
        assert!(refused.code == Some(1) && refused.err.contains("migrate up"), "{}", refused.err);
    }
    assert_eq!(import(&database, tree.path(), &[]).await.code, Some(0));
    assert_eq!(import(&database, tree.path(), &["--mode", "check"]).await.code, Some(0));
}

/// A typing mistake in the place of the database is said; it makes no database, and it costs no file.
#[tokio::test]
async fn who_only_reads_makes_no_database() {
    let database = empty().await;
    let tree = tempfile::tempdir().expect("a directory");
    for name in ["one", "two"] {
        put(tree.path(), &format!("{name}.yaml"), webhook(name, "x"));
    }
    assert_eq!(import(&database, tree.path(), &[]).await.code, Some(0));
    let exported = tempfile::tempdir().expect("a directory");
    let feeds = exported.path().to_str().expect("UTF-8");
    assert_eq!(export(&database, exported.path(), &[]).await.code, Some(0));
    let before = files(exported.path());

    let nowhere = tree.path().join("typo");
    let at = nowhere.to_str().expect("UTF-8");
    for command in
        [&["export", feeds] as &[&str], &["import", feeds, "--mode", "check"], &["import", feeds, "--dry-run"]]
    {
        let refused = run(&database, &[command, &["--data-dir", at]].concat()).await;
        assert!(refused.code == Some(1) && refused.err.contains("--data-dir"), "{command:?}: {}", refused.err);
        assert!(!nowhere.exists(), "{command:?}");
    }
    let refused = run_in(&database, "typo", &["export", feeds]).await;
    assert!(refused.code == Some(1) && refused.err.contains("--org"), "{}", refused.err);
    assert_eq!(files(exported.path()), before);

    let forced = run_in(&database, "typo", &["export", feeds, "--force"]).await;
    assert_eq!((forced.code, files(exported.path()).len()), (Some(0), 0), "{}", forced.err);
}

/// On the command line there is no request id to quote, and the reason is no secret.
#[tokio::test]
async fn a_data_directory_that_cannot_be_is_named() {
    let database = Database::create(Kind::Sqlite).await;
    let tree = tempfile::tempdir().expect("a directory");
    put(tree.path(), "feed.yaml", webhook("feed", "x"));
    let file = tree.path().join("feed.yaml");
    let (tree, file) = (tree.path().to_str().expect("UTF-8"), file.to_str().expect("UTF-8"));
    let refused = run(&database, &["import", tree, "--data-dir", file]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains(file) && !refused.err.contains("request id"), "{}", refused.err);
}

#[tokio::test]
async fn a_wrong_command_ends_with_2() {
    let database = Database::create(Kind::Sqlite).await;
    for args in [
        &["import"] as &[&str],
        &["import", "/nowhere/at/all"],
        &["import", ".", "--mode", "maybe"],
        &["import", ".", "--source", "a b"],
        &["import", ".", "--watch", "--dry-run"],
        &["import", ".", "--prune"],
        &["import", ".", "--mode", "sync", "--prune-all"],
        &["import", ".", "--mode", "bootstrap", "--adopt"],
    ] {
        let done = run(&database, args).await;
        assert_eq!(done.code, Some(2), "{args:?}: {}", done.err);
        assert!(done.err.contains("error"), "{args:?}");
    }
}

macro_rules! both {
    ($($name:ident),+ $(,)?) => { $(mod $name {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn sqlite() { super::$name(crate::harness::Kind::Sqlite).await; }
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgres() { super::$name(crate::harness::Kind::Postgres).await; }
    })+ };
}

both!(
    a_bootstrap_creates_and_never_overwrites,
    a_sync_follows_its_own_and_touches_nothing_else,
    an_export_of_what_others_keep_is_no_drift,
    a_prune_archives_only_what_the_source_kept,
    a_prune_of_most_of_a_source_has_to_be_meant,
    what_needs_secrets_waits_for_them,
);
