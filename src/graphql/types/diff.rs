//! What changed between two documents.

use async_graphql::{Json, SimpleObject};
use serde_json::Value;

use super::DiffOp;
use crate::{app, domain};

/// What changed from one version to another.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DatasourceVersionDiff {
    /// The number of the old version.
    from: i32,
    /// The number of the new version.
    to: i32,
    /// The changes, in the order of an RFC 6902 patch; empty when both configurations are the same.
    changes: Vec<Change>,
}

/// One difference between two documents.
#[derive(SimpleObject)]
pub(in crate::graphql) struct Change {
    /// What became of it.
    op: DiffOp,
    /// Where: a JSON pointer (RFC 6901).
    path: String,
    /// The value before; null for an addition.
    old: Option<Json<Value>>,
    /// The value after; null for a removal.
    new: Option<Json<Value>>,
}

impl From<domain::Change> for Change {
    fn from(change: domain::Change) -> Self {
        let domain::Change { op, path, old, new } = change;
        Self { op: op.into(), path, old: old.map(Json), new: new.map(Json) }
    }
}

impl From<app::VersionDiff> for DatasourceVersionDiff {
    fn from(diff: app::VersionDiff) -> Self {
        Self { from: diff.from, to: diff.to, changes: diff.changes.into_iter().map(Change::from).collect() }
    }
}
