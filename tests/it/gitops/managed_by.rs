//! Every datasource says who keeps it.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::server::mutation;
use crate::harness::{Database, TestServer};
use crate::on_both_databases;

const LIST: &str = "query($by: String) { datasources(filter: { managedBy: $by }) { nodes { name managedBy } } }";

on_both_databases! {
    async fn the_channel_of_its_creation_keeps_a_datasource(server: TestServer) {
        let admin = server.admin();
        let by_program = admin.webhook("by-program", json!({ "connector": { "type": "webhook", "auth": { "type": "none" } } })).await;
        let create = json!({
            "query": mutation("createDatasource", "datasource { managedBy }"),
            "variables": { "input": { "name": "by-hand", "type": "webhook" } },
        });
        let request = admin.http.post(format!("{}/graphql", admin.url)).bearer_auth(&admin.token);
        let answer: Value = request
            .header("x-studio-client", "console").json(&create).send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(answer["data"]["createDatasource"]["datasource"]["managedBy"], "ui");

        // An edit through another channel takes nothing over.
        let edit = json!({ "id": by_program, "description": "edited" });
        let edited = admin.mutate("updateDatasource", edit, "datasource { managedBy }").await;
        assert_eq!(edited["datasource"]["managedBy"], "api");

        let listed = admin.data(LIST, json!({ "by": "ui" })).await;
        assert_eq!(listed["datasources"]["nodes"], json!([{ "name": "by-hand", "managedBy": "ui" }]));
        assert_eq!(admin.code(LIST, json!({ "by": "somebody" })).await, "VALIDATION_FAILED");
    }

    async fn what_was_there_before_the_column_is_kept_by_the_api(server: TestServer) {
        server.admin().webhook("older", json!({ "connector": { "type": "webhook", "auth": { "type": "none" } } })).await;
        let database = server.stop().await;
        let all: Vec<Value> = serde_json::from_slice(&migrate(&database, &["status", "--json"])).expect("JSON");
        let back = all.iter().rev().position(|m| m["name"] == "002_managed_by").expect("the migration") + 1;
        migrate(&database, &["down", "--steps", &back.to_string(), "--yes"]);
        migrate(&database, &["up", "--release"]);
        let server = TestServer::on(database, &[]).await;
        let listed = server.admin().data(LIST, json!({ "by": "api" })).await;
        assert_eq!(listed["datasources"]["nodes"], json!([{ "name": "older", "managedBy": "api" }]));
    }
}

fn migrate(database: &Database, args: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
    command.arg("migrate").args(args).env_remove("DATABASE_URL").env("STUDIO_DATA_DIR", database.data_dir.path());
    if let Some(url) = &database.url {
        command.env("DATABASE_URL", url);
    }
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
