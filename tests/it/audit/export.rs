//! An export is checked with nothing but the file and the public key.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::{audit, bare, broken, public_key, report, signed_twice};
use crate::on_both_databases;

fn offline(file: &Path, key: &str) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let from = file.to_str().expect("UTF-8");
    let args = ["verify", "--from", from, "--trusted-key", key, "--json"];
    bare(&args).env("STUDIO_DATA_DIR", directory.path()).output().expect("the program runs")
}

on_both_databases! {
    async fn an_export_is_verified_offline_and_shows_what_was_done_to_it(server: TestServer) {
        let database = signed_twice(server).await;
        let key = public_key(&database);
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("audit.jsonl");
        let path = file.to_str().expect("UTF-8");
        let written = audit(&database, &["export", "--org", "acme", "-o", path, "--json"]);
        let written: Value = serde_json::from_slice(&written.stdout).expect("JSON");
        let whole = report(&offline(&file, &key));
        assert_eq!(whole["ok"], true, "{whole}");
        for count in ["entries", "checkpoints", "to"] {
            assert_eq!(whole[count], written[count], "{count}");
        }
        assert_eq!(whole["checkpoints"], 2);
        assert!(!audit(&database, &["export", "--org", "acme", "-o", path]).status.success(), "nothing is overwritten");

        let text = std::fs::read_to_string(&file).expect("text");
        let lines: Vec<_> = text.lines().collect();
        // Line 0 is the header, so that line n is entry n up to the first checkpoint.
        let spoilt = |lines: Vec<String>| {
            std::fs::write(&file, lines.join("\n") + "\n").expect("written");
            report(&offline(&file, &key))
        };
        let own = || lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        let mut changed = own();
        changed[3] = changed[3].replace("admin@acme", "nobody");
        assert_eq!(broken(&spoilt(changed)), ("changed", 3));
        let mut missing = own();
        missing.remove(2);
        assert_eq!(broken(&spoilt(missing)), ("missing", 2));
        let mut swapped = own();
        swapped.swap(2, 3);
        assert_eq!(broken(&spoilt(swapped)), ("missing", 2));
        let mut doubled = own();
        doubled.insert(2, lines[1].to_owned());
        assert_eq!(broken(&spoilt(doubled)), ("reordered", 1));
        let end = whole["to"].as_i64().expect("a number");
        let cut = own().into_iter().take(lines.len() - 2).collect();
        assert_eq!(broken(&spoilt(cut)), ("truncated", end));
        let mut forged = own();
        let last = forged.last_mut().expect("a checkpoint");
        *last = last.replace("\"signature\":\"", "\"signature\":\"AAAA");
        assert_eq!(broken(&spoilt(forged)), ("checkpoint", end));

        // What is no export is said, not guessed at.
        for text in ["", "{}", "not JSON\n", &text[..text.len() / 2]] {
            std::fs::write(&file, text).expect("written");
            let output = offline(&file, &key);
            assert_eq!(output.status.code(), Some(1));
            assert!(String::from_utf8_lossy(&output.stderr).contains("audit.jsonl"), "{output:?}");
        }
    }

    async fn an_export_goes_on_where_the_last_one_ended(server: TestServer) {
        let database = signed_twice(server).await;
        let key = public_key(&database);
        let directory = tempfile::tempdir().expect("a directory");
        let parts = [("1", Some("3"), 3), ("4", None, 0)];
        let mut entries = 0;
        for (from, to, expected) in parts {
            let file = directory.path().join(from);
            let mut args = vec!["export", "--org", "acme", "--from", from, "-o", file.to_str().expect("UTF-8")];
            args.extend(to.iter().flat_map(|to| ["--to", to]));
            assert!(audit(&database, &args).status.success());
            let part = report(&offline(&file, &key));
            assert_eq!(part["ok"], true, "{part}");
            let count = part["entries"].as_i64().expect("a number");
            assert!(expected == 0 || count == expected, "{part}");
            entries += count;
        }
        let sql = database.sql().await;
        assert_eq!(sql.number("SELECT count(*) FROM audit_entries").await, entries);
        sql.close().await;
        let beyond = audit(&database, &["export", "--org", "acme", "--from", "1000"]);
        assert_eq!(beyond.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&beyond.stderr).contains("/from must be from 1 to"), "{beyond:?}");
    }
}

#[test]
fn without_a_key_nothing_can_be_said_of_who_signed() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = bare(&["verify"]).env("STUDIO_DATA_DIR", directory.path()).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("--trusted-key") && message.contains("STUDIO_AUDIT_SIGNING_KEY"), "{message}");
    let wrong = bare(&["verify", "--trusted-key", "short"]).output().expect("the program runs");
    assert_eq!(wrong.status.code(), Some(2));
}
