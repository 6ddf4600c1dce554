//! Import after export is the identity, and leaves no drift.

use datasource_studio::domain::Role;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::{Run, files, run_in};
use crate::harness::{Client, TestServer};
use crate::on_both_databases;

const CASES: usize = 10;

/// How far a datasource has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Life {
    Bare,
    Drafted,
    Published,
    PublishedWithSecret,
    Stopped,
    DraftedAnew,
    RolledBack,
}

#[derive(Clone, Debug)]
struct Feed {
    name: String,
    project: &'static str,
    description: String,
    owner: String,
    team: Option<String>,
    tags: Vec<String>,
    constants: Vec<Value>,
    comment: Option<String>,
    life: Life,
}

fn feeds() -> impl Strategy<Value = Vec<Feed>> {
    // Names and labels hold no control characters and no space at their ends; texts may hold anything.
    let label =
        prop_oneof!["[a-z]{1,12}", "[A-Za-z0-9:/#{}'\"äß日-]{1,20}", Just("yes".to_owned()), Just("1e3".to_owned())];
    let text = prop_oneof![
        "[ -~\n\t]{0,60}",
        any::<String>().prop_map(|s| s.replace('\0', "")),
        Just(" a\n\n b: [\n".to_owned())
    ];
    let number = prop_oneof![any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from)];
    let constant = prop_oneof![
        // A `$` would be a path, and braces a reference.
        text.clone().prop_map(|s| json!(s.replace(['$', '{'], "."))),
        number,
        Just(Value::Null),
        Just(json!({ "nested": [true, { "deep": "- x" }] })),
    ];
    let life = prop_oneof![
        Just(Life::Bare),
        Just(Life::Drafted),
        Just(Life::Published),
        Just(Life::PublishedWithSecret),
        Just(Life::Stopped),
        Just(Life::DraftedAnew),
        Just(Life::RolledBack),
    ];
    let feed = (
        label.clone(),
        prop_oneof![Just("default"), Just("Ops Team")],
        text.clone(),
        label.clone(),
        proptest::option::of(label.clone()),
        proptest::collection::vec(label, 0..4),
        proptest::collection::vec(constant, 0..5),
        proptest::option::of(text),
        life,
    );
    let feed = feed.prop_map(|(name, project, description, owner, team, tags, constants, comment, life)| Feed {
        name,
        project,
        description,
        owner,
        team,
        tags,
        constants,
        comment,
        life,
    });
    proptest::collection::vec(feed, 1..6).prop_map(|mut feeds| {
        feeds.sort_by(|a, b| (a.project, &a.name).cmp(&(b.project, &b.name)));
        feeds.dedup_by(|a, b| (a.project, &a.name) == (b.project, &b.name));
        feeds
    })
}

impl Feed {
    fn config(&self, max_body: u32) -> Value {
        let auth = match self.life {
            Life::PublishedWithSecret => json!({ "type": "github", "secret": { "$secret": "key" } }),
            _ => json!({ "type": "none" }),
        };
        let fields: serde_json::Map<_, _> =
            self.constants.iter().enumerate().map(|(i, v)| (format!("f{i} '#: y"), v.clone())).collect();
        json!({
            "connector": { "type": "webhook", "auth": auth, "max_body": max_body },
            "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": fields }] },
        })
    }

    async fn make(&self, client: &Client) {
        let mut input = json!({
            "name": self.name, "type": "webhook", "project": self.project, "description": self.description,
            "owner": self.owner, "team": self.team, "tags": self.tags, "comment": self.comment,
        });
        if self.life != Life::Bare {
            input["config"] = self.config(100);
        }
        let made = client.mutate("createDatasource", input, "datasource { id }").await;
        let id = &made["datasource"]["id"];
        let publish = || async { client.mutate("publishDatasource", json!({ "id": id }), "version { version }").await };
        let draft = || async {
            let input = json!({ "id": id, "config": self.config(200), "comment": "the next one" });
            client.mutate("createDatasourceVersion", input, "version { version }").await
        };
        match self.life {
            Life::Bare | Life::Drafted => {}
            Life::Published => drop(publish().await),
            Life::PublishedWithSecret => {
                set_secret(client, id).await;
                publish().await;
            }
            Life::Stopped => {
                publish().await;
                client.mutate("stopDatasource", json!({ "id": id }), "datasource { id }").await;
            }
            Life::DraftedAnew => {
                publish().await;
                draft().await;
            }
            Life::RolledBack => {
                publish().await;
                draft().await;
                publish().await;
                client.mutate("rollbackDatasource", json!({ "id": id }), "version { version }").await;
            }
        }
    }
}

async fn set_secret(client: &Client, id: &Value) {
    let input = json!({ "id": id, "key": "key", "value": "a-secret-value" });
    client.mutate("setDatasourceSecret", input, "secret { key }").await;
}

async fn check(server: &TestServer, org: &str, tree: &str) -> Run {
    run_in(&server.database, org, &["import", tree, "--mode", "check", "--prune", "--json"]).await
}

on_both_databases! {
    async fn import_after_export_is_the_identity(server: TestServer) {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        for case in 0..CASES {
            let feeds = feeds().new_tree(&mut runner).expect("feeds").current();
            let (here, there) = (format!("here-{case}"), format!("there-{case}"));
            let client = server.client(Role::Admin, &here);
            for feed in &feeds {
                feed.make(&client).await;
            }
            let trees = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory")];
            let [first, second] = [0, 1].map(|i| trees[i].path().to_str().expect("UTF-8"));
            let done = run_in(&server.database, &here, &["export", first]).await;
            assert_eq!(done.code, Some(0), "{}\n{feeds:#?}", done.err);

            let sync = ["import", first, "--mode", "sync", "--json"];
            let done = run_in(&server.database, &there, &sync).await;
            let client = server.client(Role::Admin, &there);
            for item in done.report()["items"].as_array().expect("items") {
                if item["missingSecrets"] != json!([]) {
                    set_secret(&client, &item["id"]).await;
                }
            }
            let done = run_in(&server.database, &there, &sync).await;
            assert_eq!(done.code, Some(0), "{}\n{}\n{feeds:#?}", done.out, done.err);

            let done = run_in(&server.database, &there, &["export", second]).await;
            assert_eq!(done.code, Some(0), "{}", done.err);
            let (before, after) = (files(trees[0].path()), files(trees[1].path()));
            assert_eq!(before.len(), feeds.len());
            assert_eq!(before, after, "{feeds:#?}");
            let drift = check(&server, &there, second).await;
            assert_eq!(drift.code, Some(0), "{}", drift.out);
            assert!(!format!("{before:?}").contains("a-secret-value"));

            // The organisation that it came from is as its own export says, and keeps its owner.
            let drift = check(&server, &here, first).await;
            let unchanged = json!({ "unchanged": feeds.len() });
            assert_eq!((drift.code, drift.report()["summary"].clone()), (Some(0), unchanged), "{}", drift.out);
        }
    }
}
