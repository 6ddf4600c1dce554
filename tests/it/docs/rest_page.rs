//! The commands on the page of the REST API, run one after the other as a reader would.

use std::process::{Command, Stdio};

use datasource_studio::domain::Role;

use super::page;
use crate::harness::{Database, Kind, Process};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_on_the_page_does_what_it_says() {
    let blocks: Vec<_> = page("docs/rest.md")
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next().map(str::to_owned))
        .collect();
    assert!(blocks.len() >= 8, "only {} blocks were found", blocks.len());
    let database = Database::create(Kind::Sqlite).await;
    let process = Process::start(&database, database.data_dir.path(), &[]).await;
    let script = format!("set -euo pipefail\n{}", blocks.join("\necho ----\n"));
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env("URL", &process.url).env("TOKEN", process.client(Role::Admin).token);
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("bash runs");
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("\"code\":\""), "nothing is refused: {text}");
    for line in [
        r#""subject":"admin@acme""#,
        r#""output":{"id":"A-1","kind":"order","data":{"total":12.5}}"#,
        r#"{"from":1,"to":2,"changes":[{"op":"replace","path":"/mapping/outputs/0/fields/total","old":"$.amount","new":"$.sum"}]}"#,
        r#""currentVersion":2"#,
        r#""eventType":"rollback""#,
        r#"rel="first""#,
        "x-total-count: 1",
        r#""description":"All orders""#,
        r#""ownerId":"ada""#,
        r#""reason":"Moved to billing""#,
        r#""description":"Every order""#,
        "HTTP/1.1 201 Created",
        "idempotent-replayed: true",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
}
