use std::fs;
use std::path::Path;

use serde_json::{Map, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::domain::Tenant;

const ID: Uuid = Uuid::from_u128(7);

fn context(output: &Path, org: &str) -> SinkContext {
    SinkContext {
        datasource_id: ID,
        datasource_name: "alerts".into(),
        tenant: Tenant { org: org.into(), project: "default".into() },
        output_dir: output.to_owned(),
        egress: Arc::new(crate::egress::Egress::new(Vec::new())),
    }
}

fn record(id: usize) -> Record {
    Record {
        id: id.to_string(),
        kind: "alert".into(),
        data: Map::from_iter([("text".into(), json!("line\nbreak"))]),
        datasource_id: ID,
        version: 3,
        ingested_at: "2025-03-04T08:31:07Z".parse().expect("a time"),
    }
}

async fn open(output: &Path, config: Value) -> Result<Arc<dyn Sink>, SinkError> {
    Jsonl::new().open(&config, context(output, "acme")).await
}

fn ids(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("the file");
    assert!(text.is_empty() || text.ends_with('\n'), "whole lines only");
    let id = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        line["id"].as_str().expect("an id").to_owned()
    };
    text.lines().map(id).collect()
}

fn files(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).expect("a directory").map(|e| e.expect("an entry").file_name());
    let mut names: Vec<_> = names.map(|n| n.to_string_lossy().into_owned()).filter(|n| n != ".lock").collect();
    names.sort();
    names
}

fn default_file(output: &TempDir) -> std::path::PathBuf {
    output.path().join("acme").join(ID.to_string()).join("records.jsonl")
}

#[tokio::test]
async fn a_line_is_a_delivered_record() {
    let output = TempDir::new().expect("a directory");
    let sink = open(output.path(), json!({})).await.expect("opens");
    sink.write(&[record(1)]).await.expect("writes");
    let text = fs::read_to_string(default_file(&output)).expect("the file");
    let line: Value = serde_json::from_str(text.strip_suffix('\n').expect("a line break")).expect("one line");
    assert_eq!(
        line,
        json!({
            "id": "1", "kind": "alert", "data": {"text": "line\nbreak"},
            "datasource_id": ID, "version": 3, "ingested_at": "2025-03-04T08:31:07Z",
        })
    );
}

#[tokio::test]
async fn many_writers_of_one_directory_lose_and_mix_nothing() {
    let output = TempDir::new().expect("a directory");
    let sinks = [open(output.path(), json!({})).await, open(output.path(), json!({})).await].map(|s| s.expect("opens"));
    let writes = (0..400).map(|i| {
        let sink = sinks[i % 2].clone();
        tokio::spawn(async move { sink.write(&[record(2 * i), record(2 * i + 1)]).await })
    });
    for write in futures::future::join_all(writes).await {
        write.expect("a task").expect("writes");
    }
    let mut found: Vec<usize> = ids(&default_file(&output)).iter().map(|id| id.parse().expect("a number")).collect();
    found.sort_unstable();
    assert_eq!(found, (0..800).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_torn_last_line_goes_when_the_file_is_opened() {
    let output = TempDir::new().expect("a directory");
    let file = default_file(&output);
    fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    for torn in ["{\"id\":\"9\"", &"x".repeat(200_000)] {
        fs::write(&file, format!("{{\"id\":\"1\"}}\n{torn}")).expect("a crash");
        let sink = open(output.path(), json!({})).await.expect("opens");
        assert_eq!(ids(&file), ["1"]);
        sink.write(&[record(2)]).await.expect("writes");
        assert_eq!(ids(&file), ["1", "2"]);
        sink.close().await.expect("closes");
    }
    fs::write(&file, "{never a line break").expect("a crash");
    let sink = open(output.path(), json!({})).await.expect("opens");
    assert_eq!(ids(&file), [""; 0]);
    drop(sink);
}

#[tokio::test]
async fn a_full_file_is_put_aside_whole() {
    let output = TempDir::new().expect("a directory");
    let sink = open(output.path(), json!({"path": "small", "rotate": {"max_bytes": 4096}})).await.expect("opens");
    let directory = output.path().join("acme/small");
    for i in 0..60 {
        sink.write(&[record(i)]).await.expect("writes");
    }
    let names = files(&directory);
    assert!(names.len() > 2, "{names:?}");
    assert!(names.iter().all(|n| n == "records.jsonl" || (n.starts_with("records-2") && n.ends_with(".jsonl"))));
    assert!(names.iter().all(|n| fs::metadata(directory.join(n)).expect("a file").len() <= 4096));
    let mut found: Vec<usize> =
        names.iter().flat_map(|n| ids(&directory.join(n))).map(|id| id.parse().expect("a number")).collect();
    found.sort_unstable();
    assert_eq!(found, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_old_file_is_put_aside() {
    let output = TempDir::new().expect("a directory");
    let sink = open(output.path(), json!({"path": "old", "rotate": {"max_age": "1s"}})).await.expect("opens");
    sink.write(&[record(1)]).await.expect("writes");
    sink.write(&[record(2)]).await.expect("writes");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    sink.write(&[record(3)]).await.expect("writes");
    let directory = output.path().join("acme/old");
    assert_eq!(ids(&directory.join("records.jsonl")), ["3"]);
    assert_eq!(files(&directory).len(), 2);
}

#[tokio::test]
async fn a_file_that_another_process_put_aside_is_begun_anew() {
    let output = TempDir::new().expect("a directory");
    let sink = open(output.path(), json!({})).await.expect("opens");
    let file = default_file(&output);
    sink.write(&[record(1)]).await.expect("writes");
    fs::rename(&file, file.with_file_name("aside.jsonl")).expect("renames");
    sink.write(&[record(2)]).await.expect("writes");
    assert_eq!((ids(&file), ids(&file.with_file_name("aside.jsonl"))), (vec!["2".into()], vec!["1".into()]));

    // Another process appended whole lines and died in the middle of one.
    let text = fs::read_to_string(&file).expect("the file") + "{\"id\":\"3\"}\n{\"id\":";
    fs::write(&file, text).expect("writes");
    sink.write(&[record(4)]).await.expect("writes");
    assert_eq!(ids(&file), ["2", "3", "4"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_failed_write_is_an_error_that_passes_with_its_cause() {
    let output = TempDir::new().expect("a directory");
    let sink = open(output.path(), json!({})).await.expect("opens");
    let file = default_file(&output);
    sink.write(&[record(1)]).await.expect("writes");
    fs::rename(&file, file.with_file_name("aside.jsonl")).expect("renames");
    fs::create_dir(&file).expect("an obstacle");
    let error = sink.write(&[record(2)]).await.expect_err("no file");
    assert!(matches!(&error, WriteError::Failed(e) if e.code == "io_error" && !e.is_permanent()), "{error:?}");
    fs::remove_dir(&file).expect("no obstacle");
    sink.write(&[record(2)]).await.expect("writes");
    assert_eq!(ids(&file), ["2"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_is_named_and_leaves_no_half_line() {
    let full = std::io::Error::from_raw_os_error(28);
    let error = active::io_error("write the records", &full);
    assert_eq!((error.code, error.is_permanent()), ("disk_full", false));
}

#[cfg(unix)]
#[tokio::test]
async fn links_do_not_lead_out() {
    let output = TempDir::new().expect("a directory");
    let outside = TempDir::new().expect("a directory");
    fs::create_dir(output.path().join("acme")).expect("a directory");
    std::os::unix::fs::symlink(outside.path(), output.path().join("acme/link")).expect("a link");
    for path in ["link", "link/deeper"] {
        let error = open(output.path(), json!({"path": path})).await.err().expect("refused");
        assert_eq!((error.code, error.is_permanent()), ("path_not_allowed", true), "{path}");
    }

    fs::create_dir(output.path().join("acme/dir")).expect("a directory");
    let target = outside.path().join("target");
    std::os::unix::fs::symlink(&target, output.path().join("acme/dir/records.jsonl")).expect("a link");
    assert!(open(output.path(), json!({"path": "dir"})).await.is_err());
    assert!(files(outside.path()).is_empty());
}

#[tokio::test]
async fn organisations_do_not_meet() {
    let output = TempDir::new().expect("a directory");
    for org in ["a/b", "a%2Fb", "..", "A"] {
        let sink = Jsonl::new().open(&json!({"path": "x"}), context(output.path(), org)).await.expect("opens");
        sink.write(&[record(1)]).await.expect("writes");
        sink.close().await.expect("closes");
    }
    assert_eq!(files(output.path()), ["%2E.", "A", "a%252Fb", "a%2Fb"]);
}

#[tokio::test]
async fn every_fsync_policy_writes_before_it_acknowledges() {
    let output = TempDir::new().expect("a directory");
    for policy in ["always", "interval", "never"] {
        let sink = open(output.path(), json!({"path": policy, "fsync": policy})).await.expect("opens");
        sink.write(&[record(1)]).await.expect("writes");
        assert_eq!(ids(&output.path().join("acme").join(policy).join("records.jsonl")), ["1"], "{policy}");
        sink.close().await.expect("closes");
        sink.close().await.expect("closes again");
        let error = sink.write(&[record(2)]).await.expect_err("closed");
        assert!(matches!(&error, WriteError::Failed(e) if e.code == "sink_closed"), "{error:?}");
    }
}

#[tokio::test]
async fn closing_one_holder_leaves_the_other_writing() {
    let output = TempDir::new().expect("a directory");
    let (a, b) = (open(output.path(), json!({})).await, open(output.path(), json!({})).await);
    let (a, b) = (a.expect("opens"), b.expect("opens"));
    a.write(&[record(1)]).await.expect("writes");
    a.close().await.expect("closes");
    b.write(&[record(2)]).await.expect("writes");
    b.close().await.expect("closes");
    let again = open(output.path(), json!({})).await.expect("opens again");
    again.write(&[record(3)]).await.expect("writes");
    assert_eq!(ids(&default_file(&output)), ["1", "2", "3"]);
}

#[test]
fn wrong_settings_are_told_at_their_place() {
    let pointers = |config: Value| Jsonl::new().validate(&config).into_iter().map(|p| p.pointer).collect::<Vec<_>>();
    assert_eq!(pointers(json!({"path": "../up", "rotate": {"max_age": "10ms"}})), ["/path", "/rotate/max_age"]);
    assert_eq!(pointers(json!({"path": "ok/deeper"})), [""; 0]);
}
