//! A version of a configuration, and what changed between two.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::{ApprovalState, DiffOp, VersionState};
use crate::app;
use crate::domain;

/// One version of a configuration; immutable once published.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct DatasourceVersion {
    /// The id of the version.
    id: Uuid,
    /// The datasource.
    datasource_id: Uuid,
    /// Its number; grows by one with each draft.
    version: i32,
    /// Where it is in its life.
    state: VersionState,
    /// The configuration document.
    #[schema(value_type = Object)]
    config: Value,
    /// SHA-256 of the canonical JSON of the configuration, in hex.
    checksum: String,
    /// The schema version of the connector that it was written for.
    connector_schema_version: i32,
    /// What its author said of it.
    summary: Option<String>,
    /// The values that it runs with: stored secret key to the version of its value. Empty before it is published.
    secret_pins: BTreeMap<String, i32>,
    /// Whether a second person agreed.
    approval: ApprovalState,
    /// When it was decided on.
    approved_at: Option<DateTime<Utc>>,
    /// Who decided on it.
    approved_by: Option<String>,
    /// When it was drafted.
    created_at: DateTime<Utc>,
    /// Who drafted it.
    created_by: String,
    /// When it last went live.
    published_at: Option<DateTime<Utc>>,
    /// Who made it go live.
    published_by: Option<String>,
}

impl From<domain::Version> for DatasourceVersion {
    fn from(v: domain::Version) -> Self {
        Self {
            id: v.id,
            datasource_id: v.datasource_id,
            version: v.version,
            state: v.state.into(),
            config: v.config,
            checksum: v.checksum,
            connector_schema_version: v.connector_schema_version,
            summary: v.comment,
            secret_pins: v.secret_pins,
            approval: v.approval.into(),
            approved_at: v.approved_at,
            approved_by: v.approved_by,
            created_at: v.created_at,
            created_by: v.created_by,
            published_at: v.published_at,
            published_by: v.published_by,
        }
    }
}

/// What changed from one version to another.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct VersionDiff {
    /// The number of the old version.
    from: i32,
    /// The number of the new version.
    to: i32,
    /// The changes, in the order of an RFC 6902 patch; empty when both configurations are the same.
    changes: Vec<Change>,
}

/// One difference between two documents.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Change {
    /// What became of it.
    op: DiffOp,
    /// Where: a JSON pointer (RFC 6901).
    path: String,
    /// The value before; null for an addition.
    #[schema(value_type = Value)]
    old: Option<Value>,
    /// The value after; null for a removal.
    #[schema(value_type = Value)]
    new: Option<Value>,
}

impl From<domain::Change> for Change {
    fn from(change: domain::Change) -> Self {
        Self { op: change.op.into(), path: change.path, old: change.old, new: change.new }
    }
}

impl From<app::VersionDiff> for VersionDiff {
    fn from(diff: app::VersionDiff) -> Self {
        Self { from: diff.from, to: diff.to, changes: diff.changes.into_iter().map(Change::from).collect() }
    }
}
