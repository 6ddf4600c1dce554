//! A server that runs takes up what the command line, or a directory, says.

use std::process::{Child, Stdio};

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::{import, put, studio, webhook};
use crate::harness::{Client, Database, Kind, Process, eventually};

async fn find(client: &Client, name: &str) -> Option<Value> {
    let query = "{ datasources { nodes { id name description managedBy state { workerStatus runningVersion } } } }";
    let data = client.data(query, Value::Null).await;
    data["datasources"]["nodes"].as_array()?.iter().find(|n| n["name"] == name).cloned()
}

async fn post(client: &Client, id: &str) -> u16 {
    let request = client.http.post(format!("{}/hooks/{id}", client.url)).json(&json!({ "id": "1" }));
    request.send().await.expect("an answer").status().as_u16()
}

/// The registry of this server looks by itself only once an hour: it has to be told.
async fn a_sync_is_live_at_once(kind: Kind) {
    let database = Database::create(kind).await;
    let server = Process::start(&database, database.data_dir.path(), &["--reconcile-interval", "1h"]).await;
    let client = server.client(Role::Admin);
    let tree = tempfile::tempdir().expect("a directory");
    put(tree.path(), "feed.yaml", webhook("feed", "one"));
    let done = import(&database, tree.path(), &["--mode", "sync"]).await;
    assert_eq!(done.code, Some(0), "{}", done.err);
    let id = done.report()["items"][0]["id"].as_str().expect("an id").to_owned();
    client.running(&id, 1).await;
    assert_eq!(post(&client, &id).await, 202);

    put(tree.path(), "feed.yaml", webhook("feed", "two").replace("none }", "none }, max_body: 3"));
    assert_eq!(import(&database, tree.path(), &["--mode", "sync"]).await.code, Some(0));
    client.running(&id, 2).await;
    assert_eq!(post(&client, &id).await, 413, "the new version runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_is_live_at_once_on_sqlite() {
    a_sync_is_live_at_once(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_is_live_at_once_on_postgres() {
    a_sync_is_live_at_once(Kind::Postgres).await;
}

struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Watching {
    fn terminate(mut self) -> bool {
        let pid = self.0.id().to_string();
        std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        self.0.wait().expect("the process ends").success()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_follows_the_files_through_all_that_editors_do() {
    let database = Database::create(Kind::Sqlite).await;
    let server = Process::start(&database, database.data_dir.path(), &[]).await;
    let client = server.client(Role::Admin);
    let parent = tempfile::tempdir().expect("a directory");
    let tree = parent.path().join("feeds");
    put(&tree, "one.yaml", webhook("one", "first"));
    let args = ["import", tree.to_str().expect("UTF-8"), "--mode", "sync", "--watch", "--poll", "1s"];
    let child = studio(&database, &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
    let watching = Watching(child);
    let shows = |name: &'static str, description: &'static str| {
        let client = client.clone();
        async move {
            eventually(description, || async {
                find(&client, name).await.filter(|found| found["description"] == description)
            })
            .await
        }
    };
    shows("one", "first").await;

    // What somebody edits past the tree does not stay, though no file changes.
    let id = find(&client, "one").await.expect("it is there")["id"].clone();
    let edit = json!({ "id": id, "description": "by hand" });
    client.mutate("updateDatasource", edit, "datasource { id }").await;
    shows("one", "first").await;

    // A half-written file harms nobody; whole, it is applied.
    put(&tree, "two.yaml", "apiVersion: datasource.studio/v1\nkind: Datasou");
    put(&tree, "one.yaml", webhook("one", "beside a broken file"));
    shows("one", "beside a broken file").await;
    assert!(find(&client, "two").await.is_none());
    put(&tree, "two.yaml", webhook("two", "whole"));
    shows("two", "whole").await;

    // A new file takes the place of the old one.
    put(&tree, ".one.yaml.tmp", webhook("one", "renamed over"));
    std::fs::rename(tree.join(".one.yaml.tmp"), tree.join("one.yaml")).expect("renamed");
    shows("one", "renamed over").await;

    // The directory is gone, and another one comes in its place.
    std::fs::remove_dir_all(&tree).expect("removed");
    put(&tree, "one.yaml", webhook("one", "in a new directory"));
    shows("one", "in a new directory").await;
    assert!(find(&client, "two").await.is_some(), "what a watch no longer sees is not archived without --prune");
    assert!(watching.terminate(), "a signal ends it well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_with_a_directory_one_follows_it_and_the_other_takes_over() {
    let database = Database::create(Kind::Postgres).await;
    let trees = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory")];
    put(trees[0].path(), "feed.yaml", webhook("feed", "of the first"));
    put(trees[1].path(), "feed.yaml", webhook("feed", "of the second"));
    let flags = |i: usize| {
        let tree = trees[i].path().to_str().expect("UTF-8").to_owned();
        [
            "--sync-dir".to_owned(),
            tree,
            "--sync-org".to_owned(),
            "acme".to_owned(),
            "--sync-interval".to_owned(),
            "1s".to_owned(),
        ]
    };
    let start = |i: usize| {
        let (flags, database) = (flags(i), &database);
        async move {
            let flags: Vec<_> = flags.iter().map(String::as_str).collect();
            Process::start(database, database.data_dir.path(), &flags).await
        }
    };
    let first = start(0).await;
    let client = first.client(Role::Admin);
    let found = eventually("the first node applies its directory", || find(&client, "feed")).await;
    assert_eq!((&found["description"], &found["managedBy"]), (&json!("of the first"), &json!("git:main")));
    let second = start(1).await;
    put(trees[0].path(), "feed.yaml", webhook("feed", "changed on the first"));
    let client = second.client(Role::Admin);
    let told = |text: &'static str| {
        let client = client.clone();
        async move {
            eventually(text, || async { find(&client, "feed").await.filter(|f| f["description"] == text) }).await;
        }
    };
    told("changed on the first").await;
    first.kill();
    told("of the second").await;
}
