//! Plugin files of HALCYON, in every shape: what the plan says of them, and what becomes of them.

use std::path::Path;

use serde_json::{Value, json};

use super::{empty, import, run};
use crate::harness::{Database, Kind, TestServer};

fn plugin(name: &str) -> String {
    format!("tests/it/gitops/plugins/{name}.yaml")
}

/// The plan of one file, as people read it.
async fn plan(name: &str) -> String {
    let database = empty().await;
    let path = plugin(name);
    let done = run(&database, &["import", &path, "--dry-run"]).await;
    format!("{}exit {}\n", done.out.replace("tests/it/gitops/plugins/", ""), done.code.unwrap_or(-1))
}

#[tokio::test]
async fn a_poller() {
    insta::assert_snapshot!(plan("air-quality").await, @r"
    refused    default/air-quality  air-quality.yaml:2
               unsupported: air-quality.yaml:26:1: /enrich has no counterpart here
               unsupported: air-quality.yaml:29:1: /retry_policy has no counterpart here
               note: air-quality.yaml:34:5: /secrets/2 OLD_KEY is used by nothing, so nothing asks for it
    plan: 1 refused
    exit 1
    ");
}

#[tokio::test]
async fn an_open_webhook() {
    insta::assert_snapshot!(plan("door-events").await, @r"
    create     default/door-events  door-events.yaml:1
               note: door-events.yaml:1:1: names no auth, so it would take what anybody sends; it is not published until somebody does it by hand
    plan: 1 create
    exit 0
    ");
}

#[tokio::test]
async fn a_webhook_with_a_secret() {
    insta::assert_snapshot!(plan("signed-webhook").await, @r"
    create     default/signed-webhook  signed-webhook.yaml:1
               is published when these secrets are set: HOOK_KEY
    plan: 1 create
    exit 0
    ");
}

#[tokio::test]
async fn a_poller_by_cron_with_mistakes() {
    let text = plan("cron-and-mistakes").await;
    assert!(!text.contains("plain-text-credential"), "a literal credential is refused without repeating it");
    insta::assert_snapshot!(text, @r#"
    refused    default/cron-and-mistakes  cron-and-mistakes.yaml:1
               unsupported: cron-and-mistakes.yaml:5:1: /topic means nothing to a connector of type "http_poller"
               cron-and-mistakes.yaml:3:1: /endpoint uses ${TENANT}, which secrets does not list; list it, or write the value
               unsupported: cron-and-mistakes.yaml:11:3: /mapping/filters has no counterpart here
               cron-and-mistakes.yaml:10:5: /mapping/attrs/name has a placeholder; a mapping takes no secrets, for records would carry them
               cron-and-mistakes.yaml:6:39: /auth/key must name a stored secret: set it (setDatasourceSecret, or POST …/secrets) and write {"$secret": "alias"} here
               cron-and-mistakes.yaml:8:3: /mapping/id is not a JSONPath (RFC 9535): at position 2: in dot member name, must start with lowercase alpha or '_' (write $$ for a literal $)
    plan: 1 refused
    exit 1
    "#);
}

#[tokio::test]
async fn a_topic() {
    insta::assert_snapshot!(plan("telemetry-topic").await, @r"
    create     default/telemetry-topic  telemetry-topic.yaml:1
    plan: 1 create
    exit 0
    ");
}

#[tokio::test]
async fn the_older_shape_is_one_datasource_a_connector() {
    insta::assert_snapshot!(plan("older-shape").await, @r"
    refused    default/field-sensors-gateway  older-shape.yaml:5
               unsupported: older-shape.yaml:24:1: /policy has no counterpart here
    refused    default/field-sensors-archive  older-shape.yaml:9
               unsupported: older-shape.yaml:24:1: /policy has no counterpart here
               unsupported: older-shape.yaml:13:5: /connectors/1/schema has no counterpart here
    refused    default/field-sensors-3  older-shape.yaml:14
               unsupported: older-shape.yaml:24:1: /policy has no counterpart here
               older-shape.yaml:14:5: /connectors/2/brokers is required
    plan: 3 refused
    exit 1
    ");
}

#[tokio::test]
async fn the_older_shape_with_a_flat_map() {
    insta::assert_snapshot!(plan("flat-map").await, @r"
    create     default/flat-map  flat-map.yaml:3
    plan: 1 create
    exit 0
    ");
}

/// An empty list of connectors says nothing beside a kind, and too little alone.
#[tokio::test]
async fn an_empty_list_of_connectors() {
    let database = empty().await;
    let tree = tempfile::tempdir().expect("a directory");
    super::put(tree.path(), "beside.yaml", "id: beside\nkind: webhook\nconnectors: []\n");
    super::put(tree.path(), "lonely.yaml", "id: lonely\nconnectors: []\n");
    let done = import(&database, tree.path(), &["--dry-run"]).await;
    assert_eq!(done.actions(), json!({ "beside": "create", "lonely": "refused" }), "{}", done.out);
    let findings = &done.report()["items"][1]["findings"];
    assert_eq!((findings.as_array().map(Vec::len), &findings[0]["line"]), (Some(1), &json!(2)), "{findings}");
}

/// Whichever of two were taken, the other would be lost.
#[tokio::test]
async fn what_is_said_twice() {
    insta::assert_snapshot!(plan("said-twice").await, @r"
    refused    default/said-twice  said-twice.yaml:3
               said-twice.yaml:4:5: /connectors/0/protocol in line 4 is for the same as /connectors/0/type in line 3; keep one of them
               said-twice.yaml:6:5: /connectors/0/url in line 6 is for the same as /connectors/0/endpoint in line 5; keep one of them
               said-twice.yaml:8:5: /connectors/0/interval in line 8 is for the same as /connectors/0/cadence in line 7; keep one of them
               said-twice.yaml:13:5: /normalize/map/entity_type in line 13 is for the same as /normalize/entity_type in line 10; keep one of them
               said-twice.yaml:14:5: /normalize/map/title in line 14 is for the same as /normalize/map/attrs/title in line 15; keep one of them
    plan: 1 refused
    exit 1
    ");
}

/// The configuration that a plugin becomes; what has no counterpart is left out only when that is allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_becomes_a_configuration() {
    let server = TestServer::start(Kind::Sqlite).await;
    let path = plugin("air-quality");
    let refused = import(&server.database, Path::new(&path), &[]).await;
    assert_eq!((refused.code, refused.actions()), (Some(1), json!({ "air-quality": "refused" })));
    let done = import(&server.database, Path::new(&path), &["--allow-unsupported"]).await;
    assert_eq!((done.code, done.actions()), (Some(0), json!({ "air-quality": "create" })), "{}", done.err);
    let query = "{ datasources { nodes { name category tags managedBy latestVersion { state comment config } } } }";
    let data = server.admin().data(query, Value::Null).await;
    assert_eq!(
        data["datasources"]["nodes"][0],
        json!({
            "name": "air-quality", "category": "environment", "tags": ["air", "city"], "managedBy": "git:main",
            "latestVersion": {
                "state": "DRAFT",
                "comment": "plugin version 2",
                "config": {
                    "connector": {
                        "type": "http_poller",
                        "url": "https://stations.example.org/v2/readings?city={{secret.CITY_KEY}}",
                        "schedule": "every 90s",
                        "timeout": "2500ms",
                        "headers": { "Accept-Language": "en", "X-Api-Version": "3" },
                        "auth": { "type": "bearer", "token": "{{secret.STATION_TOKEN}}" },
                    },
                    "secrets": { "CITY_KEY": "CITY_KEY", "STATION_TOKEN": "STATION_TOKEN" },
                    "mapping": {
                        "entity_type": "Reading", "id": "$.reading_id",
                        "attrs": { "station": "$.station.name", "pm25": "$.values.pm25" },
                    },
                },
            },
        })
    );
}

/// A value of the environment never becomes a part of a configuration.
#[tokio::test]
async fn the_environment_is_not_read() {
    let database = Database::create(Kind::Sqlite).await;
    let tree = tempfile::tempdir().expect("a directory");
    let text = std::fs::read_to_string(plugin("signed-webhook")).expect("a fixture");
    super::put(tree.path(), "plugin.yaml", text);
    let mut command = super::studio(&database, &["import", tree.path().to_str().expect("UTF-8"), "--json"]);
    let output = command.env("HOOK_KEY", "canary-of-the-environment").output().expect("the program runs");
    assert!(output.status.success());
    let out = tempfile::tempdir().expect("a directory");
    super::export(&database, out.path(), &[]).await;
    let all = format!("{:?} {output:?}", super::files(out.path()));
    assert!(all.contains("{{secret.HOOK_KEY}}") && !all.contains("canary-of-the-environment"), "{all}");
}
