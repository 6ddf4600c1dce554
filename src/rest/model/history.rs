//! What happened: the timeline, the audit log, and figures over time.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::{EventType, Outcome};
use crate::app;
use crate::domain;

/// An entry of the timeline.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct DatasourceEvent {
    /// Its sequence number in the organisation.
    id: i64,
    /// The datasource that it is about.
    datasource_id: Uuid,
    /// The version that it is about.
    version: Option<i32>,
    /// What happened.
    event_type: EventType,
    /// Who did it.
    actor: String,
    /// What more there is to know.
    #[schema(value_type = Value)]
    payload: Value,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<domain::Event> for DatasourceEvent {
    fn from(e: domain::Event) -> Self {
        Self {
            id: e.seq,
            datasource_id: e.datasource_id,
            version: e.version,
            event_type: e.event_type.into(),
            actor: e.actor,
            payload: e.payload,
            created_at: e.created_at,
        }
    }
}

/// An entry of the audit log: who did what, when, from where and why. Entries are chained by hash.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct AuditEntry {
    /// Its sequence number in the organisation.
    id: i64,
    /// The datasource that it is about.
    datasource_id: Option<Uuid>,
    /// What was done, by the name of its event.
    action: String,
    /// Who did it.
    actor: String,
    /// From which address.
    source_address: Option<String>,
    /// Under which request id.
    request_id: String,
    /// Why, in the words of the actor.
    reason: Option<String>,
    /// How it ended.
    outcome: Outcome,
    /// The field that changed.
    field: Option<String>,
    /// Its value before; always null for a secret.
    #[schema(value_type = Value)]
    old_value: Value,
    /// Its value after; always null for a secret.
    #[schema(value_type = Value)]
    new_value: Value,
    /// When.
    created_at: DateTime<Utc>,
    /// The hash of the entry before it.
    prev_hash: String,
    /// SHA-256 over this entry and `prevHash`.
    hash: String,
}

impl From<domain::AuditEntry> for AuditEntry {
    fn from(e: domain::AuditEntry) -> Self {
        Self {
            id: e.seq,
            datasource_id: e.datasource_id,
            action: e.action,
            actor: e.actor,
            source_address: e.source_address,
            request_id: e.request_id,
            reason: e.reason,
            outcome: e.outcome.into(),
            field: e.field,
            old_value: e.old_value,
            new_value: e.new_value,
            created_at: e.created_at,
            prev_hash: e.prev_hash,
            hash: e.hash,
        }
    }
}

/// A figure of a datasource.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct DatasourceMetric {
    /// What is measured.
    name: &'static str,
    /// In which unit.
    unit: &'static str,
    /// Its value now.
    value: f64,
    /// The span of the points, such as `15m`.
    window: String,
    /// Recent values, oldest first.
    points: Vec<MetricPoint>,
}

/// A value at a time.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct MetricPoint {
    /// When.
    at: DateTime<Utc>,
    /// The value then.
    value: f64,
}

impl DatasourceMetric {
    pub(in crate::rest) fn new(metric: app::Metric, window: &str) -> Self {
        let points = metric.points.into_iter().map(|(at, value)| MetricPoint { at, value }).collect();
        Self { name: metric.name, unit: metric.unit, value: metric.value, window: window.to_owned(), points }
    }
}
