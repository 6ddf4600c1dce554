use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{DatasourceMetrics, Metrics, RecordOutcome};
use crate::domain::{EventType, Outcome, WorkerStatus};
use crate::error::ErrorCode;

const ID: Uuid = Uuid::from_u128(0x1234);

/// The value of a series by its full name and labels.
fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let text = metrics.render();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn series_of(metrics: &Metrics, label: &str) -> usize {
    metrics.render().lines().filter(|line| line.contains(&format!("datasource=\"{label}\""))).count()
}

fn of(family: &str, id: Uuid, more: &str) -> String {
    format!("{family}{{datasource=\"{id}\"{more}}}")
}

#[test]
fn the_doc_comments_are_the_help_texts() {
    let metrics = Metrics::new(10);
    let families = Metrics::describe();
    assert!(families.iter().all(|f| f.help.ends_with('.') && !f.help.starts_with(' ')), "{families:?}");
    let info = families.iter().find(|f| f.name == "build_info").expect("declared");
    assert_eq!((info.kind, info.labels), ("gauge", &["version"][..]));
    let text = metrics.render();
    assert!(text.contains(&format!("# HELP build_info {}\n# TYPE build_info gauge\n", info.help)), "{text}");
    assert_eq!(value(&metrics, concat!("build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")), Some(1.0));
    #[cfg(target_os = "linux")]
    assert!(value(&metrics, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 0.0));
}

#[test]
fn a_datasource_shows_what_it_counted() {
    let metrics = Metrics::new(10);
    let handle = metrics.datasource(ID);
    handle.delivered(5, Duration::from_millis(20));
    handle.records(RecordOutcome::Failed, 2);
    handle.error("http_status");
    handle.restarted();
    handle.set_lag(Some(1.5));
    handle.set_status(Some(WorkerStatus::Running));
    handle.set_dead_letters(2);

    assert_eq!(value(&metrics, &of("datasource_records_total", ID, ",outcome=\"delivered\"")), Some(5.0));
    assert_eq!(value(&metrics, &of("datasource_records_total", ID, ",outcome=\"skipped\"")), Some(0.0));
    assert_eq!(value(&metrics, &of("datasource_errors_total", ID, ",kind=\"http_status\"")), Some(1.0));
    assert_eq!(value(&metrics, &of("datasource_restarts_total", ID, "")), Some(1.0));
    assert_eq!(value(&metrics, &of("datasource_lag_seconds", ID, "")), Some(1.5));
    assert_eq!(value(&metrics, &of("datasource_dead_letters", ID, "")), Some(2.0));
    assert_eq!(value(&metrics, &of("datasource_worker_status", ID, ",status=\"running\"")), Some(1.0));
    assert_eq!(value(&metrics, &of("datasource_worker_status", ID, ",status=\"error\"")), Some(0.0));
    assert_eq!(value(&metrics, "registry_workers{status=\"running\"}"), Some(1.0));
    assert_eq!(value(&metrics, "datasource_delivery_latency_seconds_count"), Some(1.0));
    assert!(value(&metrics, &of("datasource_ingest_rate", ID, "")).is_some_and(|rate| rate > 6.0));

    let snapshot = handle.snapshot();
    assert_eq!((snapshot.delivered, snapshot.failed, snapshot.skipped), (5, 2, 0));
    assert!((snapshot.latency - 0.02).abs() < 1e-9);

    handle.set_lag(None);
    handle.set_status(None);
    assert_eq!(value(&metrics, &of("datasource_lag_seconds", ID, "")), None);
    assert_eq!(value(&metrics, "registry_workers{status=\"running\"}"), Some(0.0));
}

#[test]
fn the_series_of_a_datasource_end_with_its_last_handle() {
    let metrics = Metrics::new(10);
    let (first, second) = (metrics.datasource(ID), metrics.datasource(ID));
    assert!(Arc::ptr_eq(&first, &second), "an old and a new worker of one datasource share it");
    second.error("timeout");
    drop(first);
    assert!(series_of(&metrics, &ID.to_string()) > 0);
    drop(second);
    assert_eq!(series_of(&metrics, &ID.to_string()), 0);
    let _again = metrics.datasource(ID);
    assert_eq!(value(&metrics, &of("datasource_errors_total", ID, ",kind=\"timeout\"")), None);
}

#[test]
fn a_handle_that_is_late_to_go_leaves_its_successor_alone() {
    let metrics = Metrics::new(1);
    let old = DatasourceMetrics::new(metrics.clone(), ID, true, 0);
    let new = metrics.datasource(ID);
    drop(old);
    assert!(Arc::ptr_eq(&new, &metrics.datasource(ID)));
    assert_eq!(value(&metrics, &of("datasource_restarts_total", ID, "")), Some(0.0));
}

#[test]
fn past_the_cap_datasources_share_a_label() {
    let metrics = Metrics::new(2);
    let handles: Vec<Arc<DatasourceMetrics>> = (1..=42).map(|n| metrics.datasource(Uuid::from_u128(n))).collect();
    for (i, handle) in handles.iter().enumerate() {
        handle.records(RecordOutcome::Delivered, 10);
        handle.set_dead_letters(1);
        handle.set_lag((i == 20).then_some(4.0));
        handle.set_status(Some(WorkerStatus::Running));
    }
    assert_eq!(value(&metrics, "datasource_records_total{datasource=\"other\",outcome=\"delivered\"}"), Some(400.0));
    assert_eq!(value(&metrics, "datasource_dead_letters{datasource=\"other\"}"), Some(40.0));
    assert_eq!(value(&metrics, "datasource_lag_seconds{datasource=\"other\"}"), Some(4.0));
    assert_eq!(value(&metrics, "datasource_worker_status{datasource=\"other\",status=\"running\"}"), Some(40.0));
    assert_eq!(value(&metrics, "registry_workers{status=\"running\"}"), Some(42.0));
    assert_eq!(series_of(&metrics, &handles[2].id().to_string()), 0);
    assert_eq!(handles[2].snapshot().delivered, 10, "its own numbers stay its own");

    drop(handles);
    assert_eq!(value(&metrics, "datasource_records_total{datasource=\"other\",outcome=\"delivered\"}"), Some(400.0));
    let fresh = metrics.datasource(Uuid::from_u128(9));
    assert!(series_of(&metrics, &fresh.id().to_string()) > 0, "the labels are free again");
}

#[test]
fn handles_come_and_go_while_metrics_are_read() {
    let metrics = Metrics::new(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..500 {
                    let handle = metrics.datasource(Uuid::from_u128(n % 3));
                    handle.records(RecordOutcome::Delivered, 1);
                    handle.error("timeout");
                }
            });
        }
        scope.spawn(|| (0..20).for_each(|_| drop(metrics.render())));
    });
    for n in 0..3 {
        assert_eq!(series_of(&metrics, &Uuid::from_u128(n).to_string()), 0, "nobody holds a handle");
    }
    let handle = metrics.datasource(ID);
    assert!(series_of(&metrics, &handle.id().to_string()) > 0, "no label was lost");
}

#[test]
fn clients_cannot_grow_the_labels() {
    let metrics = Metrics::new(10);
    let took = Duration::from_millis(3);
    metrics.graphql_request("query", Some("Catalog"), None, took);
    metrics.graphql_request("mutation", None, Some(ErrorCode::Forbidden), took);
    for n in 0..1_000 {
        metrics.graphql_request("query", Some(&format!("Op{n}")), None, took);
        metrics.http_request(&format!("M{n}"), None, 404, took);
    }
    metrics.http_request("GET", Some("/datasources/{id}"), 200, took);
    let series = metrics.render().lines().filter(|l| l.starts_with("graphql_requests_total")).count();
    assert_eq!(series, 201);
    let count = |series: &str| value(&metrics, series);
    assert_eq!(
        count("graphql_requests_total{operation=\"Catalog\",operation_type=\"query\",outcome=\"ok\"}"),
        Some(1.0)
    );
    assert_eq!(
        count("graphql_requests_total{operation=\"anonymous\",operation_type=\"mutation\",outcome=\"FORBIDDEN\"}"),
        Some(1.0)
    );
    assert_eq!(count("http_requests_total{method=\"other\",route=\"unmatched\",status=\"404\"}"), Some(1_000.0));
    assert_eq!(count("http_requests_total{method=\"GET\",route=\"/datasources/{id}\",status=\"200\"}"), Some(1.0));
}

#[test]
fn counts_what_happens_around_datasources() {
    let metrics = Metrics::new(10);
    metrics.test_run(Outcome::Failed);
    metrics.lifecycle_event(EventType::Published);
    metrics.reconciled(Duration::from_millis(4));
    metrics.db_pool(3, 7);
    metrics.secret_operation("set", true);
    assert_eq!(value(&metrics, "datasource_test_runs_total{outcome=\"failed\"}"), Some(1.0));
    assert_eq!(value(&metrics, "datasource_lifecycle_events_total{event=\"publish\"}"), Some(1.0));
    assert_eq!(value(&metrics, "registry_reconcile_seconds_count"), Some(1.0));
    assert_eq!(value(&metrics, "db_pool_connections{state=\"idle\"}"), Some(7.0));
    assert_eq!(value(&metrics, "secrets_operations_total{operation=\"set\",outcome=\"ok\"}"), Some(1.0));
}
