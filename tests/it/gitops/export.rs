//! What an export writes, leaves alone, and never holds.

use serde_json::{Value, json};

use super::{export, files, import, put, webhook};
use crate::harness::{Database, Kind};
use crate::on_both_databases;

on_both_databases! {
    async fn an_export_holds_the_state_and_no_secret(server: TestServer) {
        let admin = server.admin();
        let config = |path: &str| json!({
            "connector": { "type": "http_poller", "url": format!("https://api.example.org/{path}"),
                           "auth": { "type": "bearer", "token": { "$secret": "token" } } },
            "secrets": { "token": "provider_token" },
            "mapping": { "outputs": [{ "kind": "alert", "id": "$.id", "fields": { "title": "$.title" } }],
                         "transform": { "language": "rhai", "source": "record.n = 1;\nrecord\n" } },
        });
        let input = json!({ "name": "Alerts: main", "type": "http_poller", "project": "ops", "team": "night",
                            "owner": "ops", "description": "line one\nline two", "config": config("v1"), "comment": "first" });
        let made = admin.mutate("createDatasource", input, "datasource { id }").await;
        let id = made["datasource"]["id"].clone();
        let secret = json!({ "id": id, "key": "provider_token", "value": "canary-value-of-a-secret" });
        admin.mutate("setDatasourceSecret", secret, "secret { key }").await;
        admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
        admin.mutate("stopDatasource", json!({ "id": id }), "datasource { id }").await;
        let newer = json!({ "id": id, "config": config("v2"), "comment": "next" });
        admin.mutate("createDatasourceVersion", newer, "version { version }").await;

        let tree = tempfile::tempdir().expect("a directory");
        let done = export(&server.database, tree.path(), &[]).await;
        assert_eq!(done.code, Some(0), "{}", done.err);
        let files = files(tree.path());
        assert_eq!(files.keys().collect::<Vec<_>>(), ["ops/alerts--main-6372fbb0.yaml"]);
        let text = files.values().next().expect("a file");
        assert!(!text.contains("canary"), "{text}");
        insta::assert_snapshot!(text, @r#"
        apiVersion: datasource.studio/v1
        kind: Datasource
        metadata:
          name: "Alerts: main"
          project: ops
          description: |-
            line one
            line two
          owner: ops
          team: night
        spec:
          publish: true
          enabled: false
          comment: first
          secrets:
            - provider_token
          config:
            connector:
              type: http_poller
              auth:
                type: bearer
                token:
                  $secret: token
              url: https://api.example.org/v1
            secrets:
              token: provider_token
            mapping:
              outputs:
                - kind: alert
                  id: $.id
                  fields:
                    title: $.title
              transform:
                language: rhai
                source: |
                  record.n = 1;
                  record
          draft:
            comment: next
            config:
              connector:
                type: http_poller
                auth:
                  type: bearer
                  token:
                    $secret: token
                url: https://api.example.org/v2
              secrets:
                token: provider_token
              mapping:
                outputs:
                  - kind: alert
                    id: $.id
                    fields:
                      title: $.title
                transform:
                  language: rhai
                  source: |
                    record.n = 1;
                    record
        "#);

        // The same state has the same bytes, and nothing is written again.
        let again = export(&server.database, tree.path(), &["--json"]).await;
        assert_eq!(serde_json::from_str::<Value>(&again.out).expect("JSON"),
                   json!({ "written": [], "removed": [], "unchanged": 1 }));
        assert_eq!(super::files(tree.path()), files);
    }
}

#[tokio::test]
async fn what_others_wrote_is_left_alone() {
    let database = Database::create(Kind::Sqlite).await;
    let source = tempfile::tempdir().expect("a directory");
    for name in ["one", "two"] {
        put(source.path(), &format!("{name}.yaml"), webhook(name, "x"));
    }
    import(&database, source.path(), &["--mode", "sync"]).await;

    let tree = tempfile::tempdir().expect("a directory");
    put(tree.path(), "notes.txt", "mine");
    let refused = export(&database, tree.path(), &[]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("--force") && files(tree.path()).len() == 1, "{}", refused.err);
    assert_eq!(export(&database, tree.path(), &["--force"]).await.code, Some(0));
    assert_eq!(files(tree.path()).len(), 3, "and what is not of the export stays");

    // A file that was edited is not overwritten, and one whose datasource is gone is not removed.
    let one = tree.path().join("default/one.yaml");
    let edited = std::fs::read_to_string(&one).expect("a file") + "# by hand\n";
    std::fs::write(&one, &edited).expect("written");
    std::fs::remove_file(source.path().join("one.yaml")).expect("removed");
    import(&database, source.path(), &["--mode", "sync", "--prune"]).await;
    let refused = export(&database, tree.path(), &[]).await;
    assert!(refused.code == Some(1) && refused.err.contains("default/one.yaml"), "{}", refused.err);
    assert_eq!(std::fs::read_to_string(&one).expect("a file"), edited);

    std::fs::write(&one, edited.replace("# by hand\n", "")).expect("written");
    assert_eq!(export(&database, tree.path(), &[]).await.code, Some(0));
    assert_eq!(files(tree.path()).into_keys().collect::<Vec<_>>(), ["default/two.yaml", "notes.txt"]);
}

/// Two projects may have one name, and names that differ by case alone do not share a file.
#[tokio::test]
async fn every_datasource_has_a_file_of_its_own() {
    let database = Database::create(Kind::Sqlite).await;
    let source = tempfile::tempdir().expect("a directory");
    let names = ["feed", "Feed", "FEED", "fe/ed", "fe-ed", "../feed", "con"];
    for (i, name) in names.iter().enumerate() {
        put(source.path(), &format!("{i}.yaml"), webhook(name, "x"));
    }
    put(source.path(), "other.yaml", webhook("feed", "x").replace("  name:", "  project: Other/..\n  name:"));
    assert_eq!(import(&database, source.path(), &["--mode", "sync"]).await.code, Some(0));
    let tree = tempfile::tempdir().expect("a directory");
    assert_eq!(export(&database, tree.path(), &[]).await.code, Some(0));
    let written = files(tree.path());
    assert_eq!(written.len(), names.len() + 1);
    let folded: std::collections::BTreeSet<_> = written.keys().map(|path| path.to_lowercase()).collect();
    assert_eq!(folded.len(), written.len());
    let check = import(&database, tree.path(), &["--mode", "check", "--prune"]).await;
    assert_eq!(check.code, Some(0), "{}", check.out);

    // An export of one project leaves those of others alone.
    let one = export(&database, tree.path(), &["--project", "default", "--json"]).await;
    assert_eq!(one.out.trim().replace(['\n', ' '], ""), r#"{"written":[],"removed":[],"unchanged":7}"#, "{}", one.err);
    assert_eq!(files(tree.path()), written);
}

/// Whoever may write to a tree may put links there; an export writes, and removes, nothing outside of it.
#[tokio::test]
async fn an_export_follows_no_link() {
    use std::os::unix::fs::symlink;

    let database = Database::create(Kind::Sqlite).await;
    let source = tempfile::tempdir().expect("a directory");
    put(source.path(), "w1.yaml", webhook("w1", "x"));
    assert_eq!(import(&database, source.path(), &[]).await.code, Some(0));
    let outside = tempfile::tempdir().expect("a directory");
    put(outside.path(), "victim.txt", "precious");
    let victim = outside.path().join("victim.txt");

    let beside = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(beside.path().join("default")).expect("a directory");
    symlink(&victim, beside.path().join("default/.w1.yaml.new")).expect("a link");
    assert_eq!(export(&database, beside.path(), &["--force"]).await.code, Some(0));

    for link in ["default", "default/w1.yaml", ".datasource-studio.json"] {
        let tree = tempfile::tempdir().expect("a directory");
        let at = tree.path().join(link);
        std::fs::create_dir_all(at.parent().expect("a parent")).expect("a directory");
        let target = if link == "default" { outside.path() } else { victim.as_path() };
        symlink(target, &at).expect("a link");
        let refused = export(&database, tree.path(), &["--force"]).await;
        assert!(refused.code == Some(1) && refused.err.contains("symbolic link"), "{link}: {}", refused.err);
        assert!(at.is_symlink(), "{link} stays");
    }
    assert_eq!(files(outside.path()), [("victim.txt".to_owned(), "precious".to_owned())].into());
}
