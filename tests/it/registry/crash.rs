//! What was answered with success is in the sink, however the process ended.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use datasource_studio::domain::Role;
use serde_json::Value;

use super::senders::{Senders, Sent};
use super::{numbered_webhook, numbers};
use crate::harness::server::delivered;
use crate::harness::{Database, Kind, Process};

const SENDERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_on_sqlite() {
    a_killed_process_loses_nothing(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_on_postgres() {
    a_killed_process_loses_nothing(Kind::Postgres).await;
}

/// Two crashes in the middle of a stream; in the end the sink holds what was acknowledged, no less and no more.
async fn a_killed_process_loses_nothing(kind: Kind) {
    let database = Database::create(kind).await;
    let data_dir = database.data_dir.path();
    let process = Process::start(&database, data_dir, &[]).await;
    let admin = process.client(Role::Admin);
    let id = admin.webhook("numbers", numbered_webhook()).await;
    admin.publish(&id).await;
    let sink = sink_of(&database, &id);

    let senders = Senders::start(SENDERS, &process.url, &id);
    senders.answered(1_000).await;
    process.kill();
    assert_no_torn_line_within(&sink);

    let process = Process::start(&database, data_dir, &[]).await;
    senders.turn_to(&process.url, &id);
    senders.answered(1_000).await;
    process.kill();
    assert_no_torn_line_within(&sink);

    let process = Process::start(&database, data_dir, &[]).await;
    senders.turn_to(&process.url, &id);
    senders.answered(200).await;
    let sent = senders.finish().await;
    assert_only_asked_to_come_again(&sent);

    let kept = numbers(&delivered(&sink));
    let distinct: HashSet<_> = kept.iter().copied().collect();
    assert_eq!(difference(&sent.acknowledged, &distinct), [0; 0], "acknowledged, and lost");
    assert_eq!(difference(&distinct, &sent.acknowledged), [0; 0], "delivered, and never acknowledged");
    // A record comes twice only when it was sent twice, for want of an answer.
    let duplicates = kept.len() - distinct.len();
    assert!(duplicates <= sent.broken_off, "{duplicates} duplicates of {} repeated requests", sent.broken_off);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_process_answers_what_it_began_on_sqlite() {
    a_terminated_process_answers_what_it_began(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_process_answers_what_it_began_on_postgres() {
    a_terminated_process_answers_what_it_began(Kind::Postgres).await;
}

/// SIGTERM under load: the process drains, ends well, and all that it acknowledged is there.
async fn a_terminated_process_answers_what_it_began(kind: Kind) {
    let database = Database::create(kind).await;
    let process = Process::start(&database, database.data_dir.path(), &[]).await;
    let admin = process.client(Role::Admin);
    let id = admin.webhook("numbers", numbered_webhook()).await;
    admin.publish(&id).await;

    let senders = Senders::start(SENDERS, &process.url, &id);
    senders.answered(500).await;
    let well = tokio::task::spawn_blocking(move || process.terminate()).await.expect("it ends");
    let sent = senders.break_off().await;
    assert!(well, "the process exits with success");
    assert_only_asked_to_come_again(&sent);
    let kept: HashSet<_> = numbers(&delivered(&sink_of(&database, &id))).into_iter().collect();
    assert_eq!(difference(&sent.acknowledged, &kept), [0; 0], "acknowledged, and lost");
}

fn sink_of(database: &Database, id: &str) -> PathBuf {
    database.data_dir.path().join("out").join("acme").join(id)
}

/// A server that has not started its workers yet must not say that there is no such webhook:
/// senders give up on a 404, and come again on a 503.
fn assert_only_asked_to_come_again(sent: &Sent) {
    let others: Vec<_> = sent.refused.iter().filter(|(_, status)| *status != 503).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// A crash may tear the last line, which nobody was told to be there; never one before it.
fn assert_no_torn_line_within(directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("the directory of the sink") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let (whole, _torn) = text.rsplit_once('\n').expect("a whole line");
        for line in whole.lines() {
            let record: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(record["data"]["n"].is_i64(), "{line}");
        }
    }
}

fn difference(a: &HashSet<i64>, b: &HashSet<i64>) -> Vec<i64> {
    let mut missing: Vec<_> = a.difference(b).copied().collect();
    missing.sort_unstable();
    missing
}
