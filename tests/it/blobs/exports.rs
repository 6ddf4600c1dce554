//! Bundles of datasources as files: made in the background, downloaded, and kept for a while.

use std::collections::BTreeMap;
use std::io::Read as _;

use datasource_studio::domain::Role;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::files;
use crate::harness::server::open_webhook;
use crate::harness::{Client, Kind, TestServer, eventually};
use crate::on_both_databases;

/// Asks for one and waits for its end.
async fn export(admin: &Client, input: Value) -> Value {
    let made = admin.mutate("createExport", input, "export { id status }").await;
    let id = made["export"]["id"].clone();
    let query =
        "query($id: ID!) { export(id: $id) { id project status total done error size sha256 contentPath keepUntil } }";
    eventually("the export ended", || async {
        let export = admin.data(query, json!({ "id": id })).await["export"].take();
        let over = ["SUCCEEDED", "FAILED"].iter().any(|status| export["status"] == *status);
        over.then_some(export)
    })
    .await
}

async fn download(client: &Client, path: &str) -> (u16, String, Vec<u8>) {
    let answer = client.http.get(format!("{}{path}", client.url)).bearer_auth(&client.token).send().await;
    let answer = answer.expect("an answer");
    let kind = answer.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    (answer.status().as_u16(), kind, answer.bytes().await.expect("a body").to_vec())
}

fn unpack(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
    let entries = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("an entry");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        (entry.path().expect("a path").display().to_string(), text)
    });
    entries.collect()
}

on_both_databases! {
    async fn an_export_is_made_and_downloaded(server: TestServer) {
        let admin = server.admin();
        for name in ["orders", "invoices"] {
            let id = admin.webhook(name, open_webhook(json!({ "total": "$.amount" }))).await;
            let secret = json!({ "id": id, "key": "token", "value": "canary-of-exports" });
            admin.mutate("setDatasourceSecret", secret, "secret { key }").await;
        }
        server.client(Role::Admin, "globex").webhook("not-for-acme", open_webhook(json!({}))).await;
        let made = export(&admin, json!({ "reason": "before the move" })).await;
        assert_eq!(made["status"], "SUCCEEDED", "{made:#}");
        assert_eq!((&made["total"], &made["done"]), (&json!(2), &json!(2)));
        let path = made["contentPath"].as_str().expect("a path");
        let (status, kind, bytes) = download(&admin, path).await;
        assert_eq!((status, kind.as_str()), (200, "application/gzip"));
        assert_eq!(made["size"], bytes.len());
        assert_eq!(made["sha256"], hex::encode(sha2::Sha256::digest(&bytes)));
        let unpacked = unpack(&bytes);
        let names: Vec<_> = unpacked.keys().map(String::as_str).collect();
        assert_eq!(names, ["default/invoices.yaml", "default/orders.yaml"]);
        for text in unpacked.values() {
            assert!(text.contains("webhook") && !text.contains("canary"), "{text}");
        }

        let shown = admin.get(&format!("/api/v1/exports/{}", made["id"].as_str().expect("an id"))).await.ok(200);
        assert_eq!((&shown["status"], &shown["sha256"]), (&json!("succeeded"), &made["sha256"]));
        let actions = "{ auditLog(first: 50) { nodes { action } } }";
        let log = admin.data(actions, json!({})).await["auditLog"]["nodes"].take().to_string();
        for action in ["export_created", "export_ended", "export_downloaded"] {
            assert!(log.contains(action), "{action} is not in {log}");
        }

        // Of another organisation there is none; of this one it takes an admin.
        let stranger = server.client(Role::Admin, "globex");
        assert_eq!(download(&stranger, path).await.0, 404);
        assert_eq!(download(&server.operator(), path).await.0, 403);
        assert_eq!(stranger.get("/api/v1/exports").await.ok(200), json!([]));
    }

    async fn who_covers_some_projects_exports_these(server: TestServer) {
        let limited = server.limited_to(Role::Admin, &["billing"]);
        let all = "mutation($input: CreateExportInput!) { createExport(input: $input) { export { id } } }";
        assert_eq!(limited.code(all, json!({ "input": {} })).await, "FORBIDDEN");
        assert_eq!(limited.code(all, json!({ "input": { "project": "default" } })).await, "FORBIDDEN");
        let own = export(&limited, json!({ "project": "billing" })).await;
        assert_eq!((&own["status"], &own["project"]), (&json!("SUCCEEDED"), &json!("billing")));
        let whole = export(&server.admin(), json!({})).await;
        let path = whole["contentPath"].as_str().expect("a path");
        assert_eq!(download(&limited, path).await.0, 404, "one of all projects is not for it");
        assert_eq!(download(&limited, own["contentPath"].as_str().expect("a path")).await.0, 200);
    }

    async fn a_bundle_that_was_changed_is_not_given_out(server: TestServer) {
        let admin = server.admin();
        admin.webhook("orders", open_webhook(json!({}))).await;
        let made = export(&admin, json!({})).await;
        let file = files(&server).remove(0);
        let mut bytes = std::fs::read(&file).expect("a file");
        *bytes.last_mut().expect("not empty") ^= 1;
        std::fs::write(&file, bytes).expect("written");
        let (status, kind, _) = download(&admin, made["contentPath"].as_str().expect("a path")).await;
        assert_eq!((status, kind.as_str()), (500, "application/problem+json"));
    }
}

async fn an_export_ends(kind: Kind) {
    let server = TestServer::start_with(kind, &["--housekeeping-interval", "100ms"]).await;
    let admin = server.admin();
    let made = export(&admin, json!({})).await;
    let path = made["contentPath"].as_str().expect("a path").to_owned();
    assert_eq!(files(&server).len(), 1);
    let sql = server.database.sql().await;
    sql.run("UPDATE blobs SET keep_until = '2020-01-01 00:00:00+00:00'").await;
    eventually("the bundle is gone", || async { files(&server).is_empty().then_some(()) }).await;
    assert_eq!(sql.number("SELECT count(*) FROM blobs").await, 0);
    sql.close().await;
    let (status, _, body) = download(&admin, &path).await;
    assert_eq!(status, 409);
    assert!(String::from_utf8_lossy(&body).contains("create another one"));
    let query = "query($id: ID!) { export(id: $id) { status contentPath } }";
    let shown = admin.data(query, json!({ "id": made["id"] })).await;
    assert_eq!(shown["export"], json!({ "status": "EXPIRED", "contentPath": null }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_kept_for_a_while_on_sqlite() {
    an_export_ends(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_kept_for_a_while_on_postgres() {
    an_export_ends(Kind::Postgres).await;
}

/// Of a node that died in the middle nothing is left but a lease that ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_was_cut_off_is_made_again() {
    let server = TestServer::start(Kind::Sqlite).await;
    let admin = server.admin();
    admin.webhook("orders", open_webhook(json!({}))).await;
    let made = export(&admin, json!({})).await;
    let database = server.stop().await;
    let sql = database.sql().await;
    sql.run("UPDATE exports SET status = 'running', blob_id = NULL, finished_at = NULL, node = 'gone'").await;
    sql.close().await;
    let server = TestServer::on(database, &[]).await;
    let query = "query($id: ID!) { export(id: $id) { status sha256 } }";
    eventually("it is made again", || async {
        let shown = server.admin().data(query, json!({ "id": made["id"] })).await["export"].take();
        (shown["status"] == "SUCCEEDED").then_some(())
    })
    .await;
}
