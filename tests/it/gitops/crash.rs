//! A sync that is killed leaves whole datasources, and the next one does the rest.

use std::io::BufRead as _;
use std::process::Stdio;

use serde_json::json;

use super::{Run, import, put, studio, webhook};
use crate::harness::{Database, Kind};

const COUNT: usize = 60;

async fn a_killed_sync_is_whole_after_the_next(kind: Kind) {
    let database = Database::create(kind).await;
    let tree = tempfile::tempdir().expect("a directory");
    for i in 0..COUNT {
        put(tree.path(), &format!("{i:03}.yaml"), webhook(&format!("feed-{i:03}"), "x"));
    }
    let args = ["import", tree.path().to_str().expect("UTF-8"), "--mode", "sync"];
    let mut child =
        studio(&database, &args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let lines = std::io::BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let killed = tokio::task::spawn_blocking(move || {
        // Its own progress says when it is in the middle.
        let reached = lines.map_while(Result::ok).any(|line| line.starts_with("[10/"));
        child.kill().expect("killed");
        child.wait().expect("ended");
        reached
    });
    assert!(killed.await.expect("a thread"), "it got to the tenth");

    let check = import(&database, tree.path(), &["--mode", "check"]).await;
    let actions = check.actions();
    let count = |action: &str| actions.as_object().into_iter().flatten().filter(|(_, a)| **a == json!(action)).count();
    assert!(count("unchanged") >= 10 && count("create") > 0, "{actions}");
    assert_eq!(count("unchanged") + count("create"), COUNT, "each is whole or absent: {actions}");

    assert_eq!(import(&database, tree.path(), &["--mode", "sync"]).await.code, Some(0));
    let check = import(&database, tree.path(), &["--mode", "check"]).await;
    assert_eq!((check.code, check.report()["summary"].clone()), (Some(0), json!({ "unchanged": COUNT })));
}

/// Each is created once; who comes second finds it as the tree says.
async fn two_syncs_at_once_make_one_of_each(kind: Kind) {
    let database = Database::create(kind).await;
    let tree = tempfile::tempdir().expect("a directory");
    for i in 0..COUNT {
        put(tree.path(), &format!("{i:03}.yaml"), webhook(&format!("feed-{i:03}"), "x"));
    }
    let sync = || import(&database, tree.path(), &["--mode", "sync"]);
    for run in <[Run; 2]>::from(tokio::join!(sync(), sync())) {
        assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    }
    let again = sync().await;
    assert_eq!((again.code, again.report()["summary"].clone()), (Some(0), json!({ "unchanged": COUNT })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_that_begin_together_on_nothing_all_come_up() {
    for _ in 0..5 {
        let database = Database::create(Kind::Sqlite).await;
        let tree = tempfile::tempdir().expect("a directory");
        let begin = || import(&database, tree.path(), &[]);
        for run in <[Run; 4]>::from(tokio::join!(begin(), begin(), begin(), begin())) {
            assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_syncs_at_once_make_one_of_each_on_sqlite() {
    two_syncs_at_once_make_one_of_each(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_syncs_at_once_make_one_of_each_on_postgres() {
    two_syncs_at_once_make_one_of_each(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_sync_is_whole_after_the_next_on_sqlite() {
    a_killed_sync_is_whole_after_the_next(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_sync_is_whole_after_the_next_on_postgres() {
    a_killed_sync_is_whole_after_the_next(Kind::Postgres).await;
}
