//! Starts on a database that has seen a million events: with nothing to migrate, and with migrations to apply.

use std::time::Instant;

use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use serde_json::json;

use super::support::server::Home;
use super::support::{count, percentile, table};

const EVENTS: u64 = 1_000_000;
const STARTS: usize = 7;
/// Of which the last ones are taken back and applied again.
const REAPPLIED: u32 = 3;

pub async fn run() {
    let mut rows = Vec::new();
    rows.push(of(&Home::sqlite()).await);
    if let Some(postgres) = Home::postgres().await {
        rows.push(of(&postgres).await);
    }
    println!(
        "From the start of the process to readiness, on {} events; the goal is below 1 s.\n",
        count(EVENTS as f64)
    );
    table(&["database", "empty, all applied", "warm, p50", "warm, worst", "last migrations again"], &rows);
}

async fn of(home: &Home) -> Vec<String> {
    let began = Instant::now();
    let server = home.serve().await;
    let empty = began.elapsed();
    let config = json!({
        "connector": { "type": "webhook", "auth": { "type": "none" } },
        "mapping": { "outputs": [{ "kind": "item", "id": "$.id" }] },
    });
    let id = server.create("orders", &config).await;
    drop(server);
    let db = home.connect().await;
    fill(&db, &id).await;
    db.close().await.expect("the connection closes");

    let mut warm = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let began = Instant::now();
        let server = home.serve().await;
        warm.push(began.elapsed().as_secs_f64() * 1_000.0);
        drop(server);
    }
    home.migrate(&["down", "--yes", "--steps", &REAPPLIED.to_string()]);
    let began = Instant::now();
    home.migrate(&["up", "--release"]);
    let again = began.elapsed();
    let millis = |ms: f64| format!("{ms:.0} ms");
    vec![
        home.database().to_owned(),
        millis(empty.as_secs_f64() * 1_000.0),
        millis(percentile(&mut warm, 50.0)),
        millis(percentile(&mut warm, 100.0)),
        millis(again.as_secs_f64() * 1_000.0),
    ]
}

/// Events as the datasource would have made them, after those that it has.
async fn fill(db: &DatabaseConnection, id: &str) {
    let sqlite = db.get_database_backend() == sea_orm::DbBackend::Sqlite;
    let numbers = if sqlite {
        format!("WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {EVENTS})")
    } else {
        format!("WITH n(n) AS (SELECT * FROM generate_series(1, {EVENTS}))")
    };
    let insert = format!(
        "{numbers} INSERT INTO datasource_events (org_id, seq, project_id, datasource_id, version, event_type, actor, payload, created_at)
         SELECT e.org_id, e.seq + n.n, e.project_id, e.datasource_id, e.version, 'restart', e.actor, e.payload, e.created_at
         FROM n CROSS JOIN (SELECT * FROM datasource_events ORDER BY seq DESC LIMIT 1) e"
    );
    db.execute_unprepared(&insert).await.unwrap_or_else(|e| panic!("events of {id}: {e}"));
    db.execute_unprepared(&format!("UPDATE orgs SET event_seq = event_seq + {EVENTS}"))
        .await
        .expect("the counter moves");
    if !sqlite {
        db.execute_unprepared("ANALYZE").await.expect("statistics");
    }
}
