//! `examples/tour.sh`, the story of the README, against a server as `make run` starts it.

use std::process::{Command, Output};

use crate::harness::server::JWT_SECRET;
use crate::harness::{Database, Kind, Process};

/// Runs the script in a terminal of its own, as it were; answers with what it printed.
async fn tour(settings: &[(&str, &str)]) -> (Output, String) {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tour.sh"));
    for name in ["STUDIO_TOKEN", "STUDIO_VIEWER_TOKEN", "STUDIO_MASTER_KEY", "DATABASE_URL"] {
        command.env_remove(name);
    }
    command.env("STUDIO_BIN", env!("CARGO_BIN_EXE_datasource-studio")).envs(settings.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends");
    let output = output.expect("the script runs");
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    (output, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_tells_the_truth() {
    let database = Database::create(Kind::Sqlite).await;
    let data_dir = database.data_dir.path();
    let process = Process::start(&database, data_dir, &[]).await;
    let data_dir = data_dir.to_str().expect("UTF-8");
    let settings =
        [("STUDIO_URL", process.url.as_str()), ("STUDIO_DATA_DIR", data_dir), ("STUDIO_JWT_SECRET", JWT_SECRET)];
    let (output, text) = tour(&settings).await;
    assert!(output.status.success(), "{text}");
    for line in [
        "1. Create a webhook datasource",
        r#""success":true"#,
        r#"< {"accepted":true,"failed":0,"records":1,"skipped":0,"version":1}"#,
        "< HTTP 401",
        r#""data":{"pusher""#,
        r#""branch":"refs/heads/main""#,
        r#""eventType":"ROLLED_BACK""#,
        r#""code":"FORBIDDEN""#,
        "All of it is as it should be.",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    // It can be taken again on the same server.
    let (output, text) = tour(&settings).await;
    assert!(output.status.success(), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_ends_with_an_error_at_what_is_not_as_it_says() {
    let database = Database::create(Kind::Sqlite).await;
    let process = Process::start(&database, database.data_dir.path(), &[]).await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    let (output, text) = tour(&[
        ("STUDIO_URL", &process.url),
        ("STUDIO_JWT_SECRET", JWT_SECRET),
        ("STUDIO_DATA_DIR", elsewhere.path().to_str().expect("UTF-8")),
    ])
    .await;
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("Not as it should be: there is no file"), "{text}");

    let (output, text) = tour(&[("STUDIO_URL", "http://127.0.0.1:9"), ("STUDIO_TOKEN", "x")]).await;
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("no server is ready"), "{text}");
}
