//! Scans of a real directory.

use std::path::Path;

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::connectors::testing::{self, Recorder};

/// An input directory with the directory `in/acme/feed`.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(feed(&directory)).expect("made");
    directory
}

fn feed(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("acme/feed")
}

fn context(directory: &Path) -> ConnectorContext {
    ConnectorContext { input_dir: directory.to_owned(), ..testing::context() }
}

fn settings(more: Value) -> Value {
    let mut settings = json!({ "store": { "type": "local", "path": "feed" }, "min_age": "0s" });
    settings.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    settings
}

async fn scanner(directory: &TempDir, config: Value, checkpoint: Option<Value>) -> Scanner {
    let config = ObjectsConfig::read(&config).expect("settings");
    assert_eq!(config.problems(), []);
    let opened = Opened::open(&config.store, &context(directory.path())).await.expect("the store opens");
    Scanner { config: Arc::new(config), opened, checkpoint: Checkpoint::read(checkpoint.as_ref()), part: None }
}

/// What one scan delivers.
async fn scan(directory: &TempDir, config: Value, checkpoint: Option<Value>) -> Recorder {
    let recorder = Recorder::default();
    let mut scanner = scanner(directory, config, checkpoint).await;
    scanner.scan(&recorder, &CancellationToken::new()).await.expect("the scan goes through");
    recorder
}

async fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(text.as_bytes()).await.expect("written");
    encoder.shutdown().await.expect("ended");
    encoder.into_inner()
}

async fn zstd(text: &str) -> Vec<u8> {
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(text.as_bytes()).await.expect("written");
    encoder.shutdown().await.expect("ended");
    encoder.into_inner()
}

#[tokio::test]
async fn formats_and_compressions_are_told_by_names_and_first_bytes() {
    let directory = directory();
    let write = |name: &str, bytes: &[u8]| std::fs::write(feed(&directory).join(name), bytes).expect("written");
    write("a.json", b"{\"from\": \"json\"}");
    write("b.jsonl", b"{\"from\": \"lines\", \"n\": 1}\n\n{\"from\": \"lines\", \"n\": 2}");
    write("c.csv", b"from,text\r\ncsv,\"two\nlines, \"\"quoted\"\"\"\r\n");
    write("d.tsv", b"from\ttext\ntsv\ta b\n");
    write("e.jsonl.gz", &gzip("{\"from\": \"gzip\"}\n").await);
    write("f.csv.zst", &zstd("from\nzstd\n").await);
    write("g.parquet", b"PAR1");
    let recorder = scan(&directory, settings(json!({})), None).await;
    let mut found = recorder.documents();
    found.sort_by_key(Value::to_string);
    assert_eq!(
        found,
        [
            json!({"from": "csv", "text": "two\nlines, \"quoted\""}),
            json!({"from": "gzip"}),
            json!({"from": "json"}),
            json!({"from": "lines", "n": 1}),
            json!({"from": "lines", "n": 2}),
            json!({"from": "tsv", "text": "a b"}),
            json!({"from": "zstd"}),
        ]
    );
}

#[tokio::test]
async fn an_object_is_read_once_and_a_replaced_one_again() {
    let directory = directory();
    let file = feed(&directory).join("a.jsonl");
    std::fs::write(&file, "{\"n\": 1}\n").expect("written");
    let first = scan(&directory, settings(json!({})), None).await;
    assert_eq!(first.documents(), [json!({"n": 1})]);
    let again = scan(&directory, settings(json!({})), first.last_checkpoint()).await;
    assert_eq!((again.documents(), again.idle_count()), (Vec::new(), 1));

    std::fs::write(&file, "{\"n\": 22}\n").expect("written");
    let replaced = scan(&directory, settings(json!({})), first.last_checkpoint()).await;
    assert_eq!(replaced.documents(), [json!({"n": 22})]);
}

/// Every place at which a reader may have stopped, for every way of reading on.
#[tokio::test]
async fn a_large_object_is_resumed_where_the_last_delivery_ended() {
    let rows: Vec<_> = (0..2_600).map(|n| format!("{n},\"row\n{n}\"")).collect();
    let text = format!("n,text\n{}\n", rows.join("\n"));
    for (name, bytes) in
        [("a.csv", text.clone().into_bytes()), ("a.csv.gz", gzip(&text).await), ("a.csv.zst", zstd(&text).await)]
    {
        let directory = directory();
        std::fs::write(feed(&directory).join(name), bytes).expect("written");
        let whole = scan(&directory, settings(json!({})), None).await;
        assert_eq!(whole.documents().len(), 2_600, "{name}");
        let checkpoints = whole.checkpoints.lock().expect("no poison").clone();
        assert_eq!(checkpoints.len(), 6, "a checkpoint with each delivery");
        for (i, checkpoint) in checkpoints.iter().enumerate() {
            let rest = scan(&directory, settings(json!({})), Some(checkpoint.clone())).await;
            let done = ((i + 1) * 500).min(2_600);
            assert_eq!(rest.documents(), whole.documents()[done..], "{name}, resumed after {done} rows");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_set_aside_and_the_rest_goes_on() {
    let directory = directory();
    let write = |name: &str, bytes: &[u8]| std::fs::write(feed(&directory).join(name), bytes).expect("written");
    let long = format!("{{\"n\": 1}}\n{{\"n\": \"{}\"}}\nnot json\n{{\"n\": 4}}\n", "x".repeat(5_000));
    write("long.jsonl", long.as_bytes());
    let mut cut = gzip(&"{\"n\": 5}\n".repeat(10_000)).await;
    cut.truncate(cut.len() - 20);
    write("cut.jsonl.gz", &cut);
    write("wrong.jsonl.gz", b"\x1f\x8bno gzip at all, it only begins like it");
    write("short.csv", b"a,b\n1\n2,3\n");
    let recorder = scan(&directory, settings(json!({ "max_record": 1024 })), None).await;
    let documents = recorder.documents();
    for expected in [json!({"n": 1}), json!({"n": 4}), json!({"a": "2", "b": "3"})] {
        assert!(documents.contains(&expected), "{expected}");
    }
    let refused = recorder.refused.lock().expect("no poison").clone();
    assert_eq!(refused.len(), 5, "{refused:?}");
    for part in ["max_record", "not JSON", "1 fields, the header 2"] {
        assert!(refused.iter().any(|(_, why)| why.contains(part)), "{part}: {refused:?}");
    }
    assert!(refused.iter().filter(|(_, why)| why.contains("decompressed")).count() == 2, "{refused:?}");
    let again = scan(&directory, settings(json!({ "max_record": 1024 })), recorder.last_checkpoint()).await;
    assert_eq!(again.documents(), [Value::Null; 0], "and never again");
}

/// Few bytes that unpack to many cost neither memory nor the other objects.
#[tokio::test]
async fn a_decompression_bomb_is_cut_off() {
    let directory = directory();
    let bomb = gzip(&"0".repeat(32 << 20)).await;
    assert!(bomb.len() < 64 << 10);
    std::fs::write(feed(&directory).join("bomb.jsonl.gz"), bomb).expect("written");
    std::fs::write(feed(&directory).join("z.jsonl"), "{\"n\": 1}").expect("written");
    let recorder = scan(&directory, settings(json!({ "max_record": 4096, "max_object": 1_048_576 })), None).await;
    assert_eq!(recorder.documents(), [json!({"n": 1})]);
    let refused = recorder.refused.lock().expect("no poison").clone();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].1.contains("bomb.jsonl.gz is longer than the 1048576 bytes of max_object"), "{refused:?}");
}

#[tokio::test]
async fn nothing_outside_of_the_organisation_s_directory_is_read() {
    let directory = directory();
    std::fs::create_dir_all(directory.path().join("globex")).expect("made");
    std::fs::write(directory.path().join("globex/secret.jsonl"), "{\"n\": 1}").expect("written");
    std::os::unix::fs::symlink(directory.path().join("globex/secret.jsonl"), feed(&directory).join("link.jsonl"))
        .expect("linked");
    let recorder = scan(&directory, settings(json!({})), None).await;
    assert_eq!(recorder.documents(), [Value::Null; 0]);
    assert!(recorder.logs()[0].contains("link.jsonl"), "{:?}", recorder.logs());

    std::os::unix::fs::symlink(directory.path().join("globex"), directory.path().join("acme/out")).expect("linked");
    let out = ObjectsConfig::read(&json!({ "store": { "type": "local", "path": "out" } })).expect("settings");
    let error = Opened::open(&out.store, &context(directory.path())).await.err().expect("refused");
    assert_eq!(error.code, "path_not_allowed");
    for path in ["../globex", "/etc", "a/../../globex"] {
        let config = ObjectsConfig::read(&json!({ "store": { "type": "local", "path": path } })).expect("settings");
        assert_eq!(config.problems()[0].pointer, "/store/path", "{path}");
        assert!(Opened::open(&config.store, &context(directory.path())).await.is_err(), "{path}");
    }
}

#[test]
fn rules_name_the_field() {
    let config = json!({
        "store": { "type": "s3", "bucket": "b", "endpoint": "ftp://x", "access_key_id": "id" },
        "schedule": "sometimes", "prefix": "a/../b", "csv": { "delimiter": "\"" },
    });
    let problems = Objects::new().validate(&config);
    let pointers: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
    assert_eq!(pointers, ["/schedule", "/csv/delimiter", "/prefix", "/store/endpoint", "/store/access_key_id"]);
}
