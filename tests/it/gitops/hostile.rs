//! Files that are wrong, huge or hostile: each has a clear finding, and the others are applied.

use serde_json::{Value, json};

use super::{empty, import, put, run, webhook};
use crate::harness::{Database, Kind};

#[tokio::test]
async fn each_has_a_clear_finding_and_stops_no_other() {
    let database = Database::create(Kind::Sqlite).await;
    let tree = tempfile::tempdir().expect("a directory");
    let outside = tempfile::tempdir().expect("a directory");
    put(outside.path(), "secret.yaml", webhook("outside", "x"));
    let at = tree.path();
    put(at, "fine.yaml", webhook("fine", "x"));
    put(at, "huge.yaml", webhook("huge", &"x".repeat(1024 * 1024)));
    put(at, "latin.yaml", b"name: caf\xe9\n");
    put(at, "twice.yaml", webhook("twice", "x").replace("kind: Datasource", "kind: Datasource\nkind: Datasource"));
    put(
        at,
        "bomb.yaml",
        (0..10).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
            let next = i + 1;
            text + format!("a{next}: &a{next} [{}]\n", format!("*a{i},").repeat(9)).as_str()
        }),
    );
    put(at, "deep.yaml", format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000)));
    put(at, "other.yaml", "services: { web: { image: x } }\n");
    put(at, &format!("{}below.yaml", "d/".repeat(40)), webhook("below", "x"));
    put(at, ".git/config.yaml", "not: ours\n");
    std::os::unix::fs::symlink(outside.path().join("secret.yaml"), at.join("link.yaml")).expect("a link");
    std::os::unix::fs::symlink(outside.path(), at.join("linked")).expect("a link");
    std::os::unix::fs::symlink(at, at.join("loop")).expect("a link");
    std::os::unix::fs::symlink(at.join("fine.yaml"), at.join("same.yaml")).expect("a link");

    let done = import(&database, at, &[]).await;
    assert_eq!((done.code, done.actions()), (Some(1), json!({ "fine": "create" })));
    let report = done.report();
    let said = |name: &str| {
        let findings = report["findings"].as_array().expect("findings");
        let of_file = |f: &&Value| f["file"].as_str().is_some_and(|file| file.contains(name));
        let finding = findings.iter().find(of_file).unwrap_or_else(|| panic!("{name}: {findings:#?}"));
        (finding["message"].as_str().expect("a message").to_owned(), finding["line"].as_u64())
    };
    for (name, words, line) in [
        ("huge.yaml", "longer than 1048576 bytes", None),
        ("latin.yaml", "not UTF-8 from byte 9", None),
        ("twice.yaml", "duplicate", Some(3)),
        ("bomb.yaml", "alias", Some(5)),
        ("deep.yaml", "", Some(1)),
        ("other.yaml", "neither a datasource", Some(1)),
        ("/d/d/d", "deeper than 32 directories", None),
        ("link.yaml", "out of the tree", None),
        ("linked", "out of the tree", None),
    ] {
        let (message, at) = said(name);
        assert!(message.contains(words), "{name}: {message}");
        assert_eq!(at, line, "{name}: {message}");
    }
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(9), "{:#}", report["findings"]);
    assert_eq!(report["summary"], json!({ "create": 1, "unread": 9 }));
}

/// A credential that was typed into a header or the query is refused where it stands, and not repeated.
#[tokio::test]
async fn a_literal_credential_in_a_header_is_refused() {
    let database = empty().await;
    let tree = tempfile::tempdir().expect("a directory");
    let poller = "{ type: http_poller, url: \"https://api.example.org/items\", headers: { Authorization: Bearer typed-in }, query: { api_key: typed-in } }";
    put(tree.path(), "poller.yaml", webhook("poller", "x").replace("{ type: webhook, auth: { type: none } }", poller));
    let done = import(&database, tree.path(), &[]).await;
    assert_eq!((done.code, done.actions()), (Some(1), json!({ "poller": "refused" })), "{}", done.out);
    assert!(!done.out.contains("typed-in") && done.out.contains("setDatasourceSecret"), "{}", done.out);
    let findings = done.report()["items"][0]["findings"].as_array().cloned().unwrap_or_default();
    let at: Vec<_> = findings.iter().map(|f| f["pointer"].as_str().unwrap_or_default()).collect();
    assert_eq!(at, ["/spec/config/connector/headers/Authorization", "/spec/config/connector/query/api_key"]);
}

/// What a file says cannot steer the terminal or the log that shows it, nor begin a line of its own there.
#[tokio::test]
async fn what_the_plan_prints_steers_no_terminal() {
    let database = empty().await;
    let tree = tempfile::tempdir().expect("a directory");
    put(tree.path(), "a\u{1b}]0;owned\u{7}\n::error::.yaml", webhook("fine", "x"));
    let name = r#""\e[2Jred\u202Egnp\nplan: 0 refused""#;
    put(tree.path(), "b.yaml", webhook(name, "x").replace("auth:", r#""\e[31mkey\u009b\u2066": 1, auth:"#));
    let path = tree.path().to_str().expect("UTF-8");
    for flags in [&["--dry-run"] as &[&str], &["--dry-run", "--json"], &["--fail-fast"], &[]] {
        let done = run(&database, &[&["import", path], flags].concat()).await;
        for text in [&done.out, &done.err] {
            let raw = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c));
            assert!(!text.contains(raw), "{flags:?}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("::")), "{flags:?}: {text}");
        }
        assert!(done.out.contains("u{1b}]0;owned") || done.out.contains("\\u001b]0;owned"), "{flags:?}: {}", done.out);
    }
}

/// Every mistake in a document at once, each at its line; a literal credential is not repeated.
#[tokio::test]
async fn every_mistake_in_a_document_has_its_line() {
    let database = empty().await;
    let tree = tempfile::tempdir().expect("a directory");
    put(
        tree.path(),
        "feed.yaml",
        "apiVersion: datasource.studio/v2\nkind: Datasource\nmetadata:\n  name: 42\n  ownr: me\n  tags: [a, 1]\nspec:\n  publish: soon\n  \
         secrets: [other]\n  config:\n    connector:\n      type: webhook\n      auth: { type: github, secret: typed-in-literal }\n    mapping:\n      \
         outputs:\n        - kind: a\n          id: $.[\n",
    );
    let done = import(&database, tree.path(), &["--dry-run"]).await;
    assert_eq!(done.code, Some(1));
    assert!(!done.out.contains("typed-in-literal"));
    let report = done.report();
    let found: Vec<_> = report["items"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|f| (f["line"].as_u64().unwrap_or(0), f["pointer"].as_str().unwrap_or_default().to_owned()))
        .collect();
    for expected in [
        (1, "/apiVersion"),
        (4, "/metadata/name"),
        (5, "/metadata/ownr"),
        (6, "/metadata/tags/1"),
        (8, "/spec/publish"),
        (9, "/spec/secrets"),
        (13, "/spec/config/connector/auth/secret"),
        (17, "/spec/config/mapping/outputs/0/id"),
    ] {
        assert!(found.contains(&(expected.0, expected.1.to_owned())), "{expected:?} is missing in {found:?}");
    }
    let apart: std::collections::BTreeSet<_> = found.iter().collect();
    assert_eq!(apart.len(), found.len(), "one mistake is one finding: {report:#}");
}
