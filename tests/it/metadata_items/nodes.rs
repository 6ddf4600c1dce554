//! Two nodes on one PostgreSQL: what one changes, the other forgets.

use datasource_studio::domain::Role;
use serde_json::json;

use super::{delete, item, save, template};
use crate::harness::{Client, Database, Kind, Process, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_saves_the_other_shows() {
    let database = Database::create(Kind::Postgres).await;
    let [a, b] =
        ["a", "b"].map(|name| Process::spawn(&database, &database.data_dir.path().join(name), &["--node-name", name]));
    tokio::join!(a.ready(), b.ready());
    let (one, two) = (a.client(Role::Admin), b.client(Role::Admin));
    // Both have it in memory that there is none.
    assert!(item(&one, "CONNECTOR_TEMPLATE", "orders").await.is_null());
    assert!(item(&two, "CONNECTOR_TEMPLATE", "orders").await.is_null());
    for round in 1..=3 {
        let mut data = template();
        data["title"] = json!(format!("round {round}"));
        save(&one, "CONNECTOR_TEMPLATE", "orders", data.clone()).await;
        assert_eq!(item(&one, "CONNECTOR_TEMPLATE", "orders").await["data"], data, "at once for its writer");
        shows(&two, Some(round)).await;
    }
    delete(&two, "CONNECTOR_TEMPLATE", "orders").await;
    assert!(item(&two, "CONNECTOR_TEMPLATE", "orders").await.is_null());
    shows(&one, None).await;
}

async fn shows(client: &Client, version: Option<i64>) {
    eventually("the other node shows it", || async {
        let found = item(client, "CONNECTOR_TEMPLATE", "orders").await;
        (found["version"].as_i64() == version).then_some(())
    })
    .await;
}
