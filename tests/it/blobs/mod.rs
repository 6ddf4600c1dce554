//! Large things beside the database: they are what was stored, for as long as they are to be kept.

mod exports;

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use crate::connectors::s3_server::{BUCKET, KEY_ID, S3Server};
use crate::harness::server::open_webhook;
use crate::harness::{Client, Kind, TestServer, eventually};
use crate::on_both_databases;

/// A payload of more than 64 KiB, with this mark in it.
fn large(mark: &str) -> Value {
    json!({ "id": mark, "amount": 1, "filler": "x".repeat(70_000) })
}

async fn datasource(admin: &Client) -> String {
    admin.webhook("orders", open_webhook(json!({ "total": "$.amount" }))).await
}

async fn save(admin: &Client, id: &str, name: &str, payload: Value) {
    let input = json!({ "id": id, "payload": payload, "saveSampleAs": name });
    let run = admin.mutate("testDatasource", input, "run { success }").await;
    assert_eq!(run["run"]["success"], true);
}

async fn samples(client: &Client, id: &str) -> Value {
    let query = "query($id: ID!) { datasourceSamples(id: $id) { name payload } }";
    client.data(query, json!({ "id": id })).await["datasourceSamples"].take()
}

/// The files in the directory of blobs.
fn files(server: &TestServer) -> Vec<std::path::PathBuf> {
    fn walk(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.path().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
        }
    }
    let mut found = Vec::new();
    walk(&server.database.data_dir.path().join("blobs"), &mut found);
    found
}

on_both_databases! {
    async fn a_long_sample_lies_beside_the_database(server: TestServer) {
        let admin = server.admin();
        let id = datasource(&admin).await;
        save(&admin, &id, "long", large("first")).await;
        save(&admin, &id, "short", json!({ "id": 1, "amount": 2 })).await;
        let sql = server.database.sql().await;
        let inline = sql.column::<String>("SELECT name FROM test_samples WHERE blob_id IS NULL").await;
        assert_eq!(inline, ["short"]);
        assert_eq!(sql.column::<String>("SELECT payload FROM test_samples WHERE name = 'long'").await, [""]);
        assert!(sql.number("SELECT size FROM test_samples WHERE name = 'long'").await > 65_536, "the quota counts it");
        assert_eq!(files(&server).len(), 1);

        let shown = samples(&server.viewer(), &id).await;
        let payload: Value = serde_json::from_str(shown[0]["payload"].as_str().expect("a payload")).expect("JSON");
        assert_eq!((&shown[0]["name"], &payload), (&json!("long"), &large("first")));
        let again = json!({ "id": id, "sample": "long" });
        let run = admin.mutate("testDatasource", again, "run { success outputs { id } }").await;
        assert_eq!(run["run"]["outputs"], json!([{ "id": "first" }]), "it is what is tested on");

        save(&admin, &id, "long", large("second")).await;
        let shown = samples(&admin, &id).await;
        assert!(shown[0]["payload"].as_str().is_some_and(|text| text.contains("second")), "the newer one counts");
        save(&admin, &id, "long", json!({ "id": 3, "amount": 4 })).await;
        assert!(samples(&admin, &id).await[0]["payload"].as_str().is_some_and(|text| text.len() < 100));
        sql.close().await;
    }

    async fn a_sample_that_was_changed_in_the_store_is_not_given_out(server: TestServer) {
        let admin = server.admin();
        let id = datasource(&admin).await;
        save(&admin, &id, "long", large("first")).await;
        let file = files(&server).remove(0);
        let spoiled = std::fs::read_to_string(&file).expect("text").replace("first", "other");
        std::fs::write(&file, spoiled).expect("written");
        let query = "query($id: ID!) { datasourceSamples(id: $id) { name payload } }";
        assert_eq!(admin.code(query, json!({ "id": id })).await, "INTERNAL");
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(admin.code(query, json!({ "id": id })).await, "INTERNAL");
        // All else goes on.
        save(&admin, &id, "long", large("second")).await;
        assert_eq!(samples(&admin, &id).await.as_array().map(Vec::len), Some(1));
    }
}

async fn what_is_over_goes(kind: Kind) {
    let server = TestServer::start_with(kind, &["--housekeeping-interval", "100ms"]).await;
    let admin = server.admin();
    let id = datasource(&admin).await;
    save(&admin, &id, "long", large("kept")).await;
    save(&admin, &id, "other", large("held")).await;
    save(&admin, &id, "other", large("replaced")).await;
    let sql = server.database.sql().await;
    assert_eq!(files(&server).len(), 3);
    // As if all were of yesterday; one is under legal hold.
    let replaced = "id NOT IN (SELECT blob_id FROM test_samples WHERE blob_id IS NOT NULL)";
    assert_eq!(sql.run(&format!("UPDATE blobs SET legal_hold = TRUE WHERE {replaced}")).await, 1);
    sql.run("UPDATE blobs SET created_at = '2020-01-01 00:00:00+00:00'").await;
    save(&admin, &id, "long", large("newer")).await;
    eventually("what was replaced is gone", || async { (files(&server).len() == 3).then_some(()) }).await;
    assert_eq!(sql.number("SELECT count(*) FROM blobs WHERE legal_hold").await, 1);

    sql.run("UPDATE blobs SET legal_hold = FALSE").await;
    eventually("what was held is gone too", || async { (files(&server).len() == 2).then_some(()) }).await;
    assert_eq!(sql.number("SELECT count(*) FROM blobs").await, 2);
    let shown = samples(&admin, &id).await;
    assert!(shown[0]["payload"].as_str().is_some_and(|text| text.contains("newer")), "what is referred to stays");
    assert!(shown[1]["payload"].as_str().is_some_and(|text| text.contains("replaced")));
    sql.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_goes_and_what_is_held_stays_on_sqlite() {
    what_is_over_goes(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_goes_and_what_is_held_stays_on_postgres() {
    what_is_over_goes(Kind::Postgres).await;
}

/// What a crash left between the blob and its row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_without_a_row_is_swept_once_it_is_old() {
    let server = TestServer::start(Kind::Sqlite).await;
    let admin = server.admin();
    let id = datasource(&admin).await;
    save(&admin, &id, "long", large("kept")).await;
    let kept = files(&server).remove(0);
    let lost = |age: u64| {
        let path = kept.with_file_name(uuid::Uuid::now_v7().to_string());
        std::fs::write(&path, "lost").expect("written");
        let at = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        std::fs::File::options().write(true).open(&path).expect("a file").set_modified(at).expect("a time");
        path
    };
    let (old, young) = (lost(200_000), lost(0));
    let server = TestServer::on(server.stop().await, &[]).await;
    eventually("the old one is gone", || async { (!old.exists()).then_some(()) }).await;
    assert!(young.exists(), "its transaction may still be on its way");
    assert!(kept.exists());
    assert_eq!(samples(&server.admin(), &id).await.as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_keeps_what_a_directory_would() {
    let store = S3Server::start().await;
    let place = format!("s3://{BUCKET}/studio/blobs");
    let server = TestServer::start_with(
        Kind::Sqlite,
        &[
            "--blobs",
            &place,
            "--blobs-s3-endpoint",
            &store.url,
            "--blobs-s3-access-key-id",
            KEY_ID,
            "--blobs-s3-secret-access-key",
            "a-secret-key",
        ],
    )
    .await;
    let admin = server.client(Role::Admin, "acme");
    let id = datasource(&admin).await;
    save(&admin, &id, "long", large("in the bucket")).await;
    let keys = store.keys();
    assert!(
        keys.len() == 1 && keys[0].starts_with("studio/blobs/") && keys[0].contains("/acme/test_sample/"),
        "{keys:?}"
    );
    let shown = samples(&admin, &id).await;
    assert!(shown[0]["payload"].as_str().is_some_and(|text| text.contains("in the bucket")));
    assert!(files(&server).is_empty(), "nothing lies in the data directory");
    store.put(&keys[0], "something else");
    let query = "query($id: ID!) { datasourceSamples(id: $id) { payload } }";
    assert_eq!(admin.code(query, json!({ "id": id })).await, "INTERNAL");
}
