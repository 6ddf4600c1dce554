//! Leases as nodes take, keep, lose and give them: many in one statement, each with an epoch that fences its writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use datasource_studio::domain::Tenant;
use datasource_studio::store::lease::{Lease, WorkerKey};
use datasource_studio::store::{DatabaseUrl, Store};
use serde_json::json;

use super::numbered_webhook;
use crate::harness::{TestServer, eventually};
use crate::on_both_databases;

const LONG: Duration = Duration::from_secs(60);

/// Workers that nobody runs: of datasources that were never published.
async fn idle_workers(server: &TestServer, count: usize) -> Vec<WorkerKey> {
    let admin = server.admin();
    let mut keys = Vec::new();
    for n in 0..count {
        let id = admin.webhook(&format!("idle {n}"), numbered_webhook()).await;
        keys.push(WorkerKey { datasource_id: id.parse().expect("an id"), slot: 0 });
    }
    keys
}

async fn store(server: &TestServer) -> Store {
    let settings = server.settings();
    let url = DatabaseUrl::from_settings(&settings).expect("a URL");
    Store::connect(url, &settings).await.expect("the database answers")
}

fn lease(key: WorkerKey, node: &str, epoch: i64) -> Lease {
    let tenant = Tenant { org: "acme".into(), project: "default".into() };
    Lease { tenant, datasource_id: key.datasource_id, slot: key.slot, node: Arc::from(node), epoch }
}

on_both_databases! {
    async fn many_leases_cost_what_one_costs(server: TestServer) {
        let store = store(&server).await;
        let keys = idle_workers(&server, 20).await;
        let before = store.statements();
        assert_eq!(store.acquire_leases("one", &keys[..1], LONG).await.expect("an answer").len(), 1);
        let one = store.statements() - before;
        let all = store.acquire_leases("one", &keys, LONG).await.expect("an answer");
        assert_eq!(store.statements() - before - one, one, "the cost grows with the number of leases");
        assert_eq!(all.len(), 20, "what the node had before it has again, under a new epoch");
        assert_eq!((all[&keys[0]], all[&keys[1]]), (2, 1));
        assert_eq!(store.acquire_leases("two", &keys, LONG).await.expect("an answer"), HashMap::new());
        store.close().await;
    }

    async fn whoever_lost_a_lease_writes_no_more(server: TestServer) {
        let store = store(&server).await;
        let key = idle_workers(&server, 1).await[0];
        let first = store.acquire_leases("one", &[key], Duration::from_millis(1)).await.expect("an answer")[&key];
        let second = eventually("the lease is over", || async {
            store.acquire_leases("two", &[key], LONG).await.expect("an answer").get(&key).copied()
        })
        .await;
        assert_eq!((first, second), (1, 2));
        let (late, current) = (lease(key, "one", first), lease(key, "two", second));
        store.save_checkpoint(&current, &json!({ "n": 2 })).await.expect("an answer").expect("its lease holds");
        store.save_checkpoint(&late, &json!({ "n": 1 })).await.expect("an answer").expect_err("it is fenced");
        store.release_lease(&late).await.expect("it is of no effect");
        assert_eq!(store.checkpoint(&current).await.expect("an answer"), Some(json!({ "n": 2 })));
        assert_eq!(store.acquire_leases("three", &[key], LONG).await.expect("an answer"), HashMap::new());

        store.release_lease(&current).await.expect("it is given back");
        let third = store.acquire_leases("three", &[key], LONG).await.expect("an answer");
        assert_eq!(third[&key], 3, "free at once");
        store.close().await;
    }
}
