//! What a list costs, in SQL statements: the same, however long it is.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;

use crate::harness::server::open_webhook;
use crate::harness::{TestServer, eventually};
use crate::on_both_databases;

const LIST: &str = "query($first: Int!) { datasources(first: $first) { totalCount nodes {
    id name status owner tags
    currentVersion { version state checksum config }
    latestVersion { version }
    state { workerStatus runningVersion metrics { rate } }
    secrets { key version }
} } }";

async fn statements(server: &TestServer) -> i64 {
    server.metric("db_statements").await.expect("the metric") as i64
}

on_both_databases! {
    async fn a_list_costs_the_same_however_long_it_is(server: TestServer) {
        let admin = server.admin();
        // Nothing runs in the background that counts: no datasource is published.
        for i in 0..60 {
            admin.webhook(&format!("feed {i:02}"), open_webhook(json!({ "a": "$.a" }))).await;
        }
        let cost = |first: i64| {
            let (server, admin) = (&server, &admin);
            async move {
                // The registry asks on its own from time to time, and more so after so many changes:
                // measured when it rests, the least of several tries is the list alone.
                let last = AtomicI64::new(-1);
                eventually("the registry rests", || async {
                    let now = statements(server).await;
                    (last.swap(now, Ordering::Relaxed) == now).then_some(())
                }).await;
                let mut least = i64::MAX;
                for _ in 0..10 {
                    let before = statements(server).await;
                    let data = admin.data(LIST, json!({ "first": first })).await;
                    assert_eq!(data["datasources"]["nodes"].as_array().map(Vec::len), usize::try_from(first).ok());
                    assert_eq!(data["datasources"]["totalCount"], 60);
                    least = least.min(statements(server).await - before);
                }
                least
            }
        };
        let (short, long) = (cost(2).await, cost(60).await);
        assert_eq!(short, long, "the cost grows with the list");
        // Page, count, versions, states, secrets; on PostgreSQL each in a transaction that names its tenant.
        assert!(long <= 10, "{long} statements");
    }
}
