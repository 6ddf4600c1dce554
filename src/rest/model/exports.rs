//! Bundles of datasources as files.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::{Comment, ExportStatus};
use crate::domain;

/// A bundle of datasources as files, made in the background and kept for a while.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Export {
    /// Its id.
    id: Uuid,
    /// The project that it has; `null` for all.
    project_id: Option<String>,
    /// How far it is.
    status: ExportStatus,
    /// How many datasources it has; 0 until they were counted.
    total: u64,
    /// How many of them are in the bundle.
    done: u64,
    /// Why it failed, or waits for its next try.
    error: Option<String>,
    /// Why, in the words of who asked.
    reason: Option<String>,
    /// Its size in bytes, while it is kept.
    size: Option<u64>,
    /// Its SHA-256 in hexadecimal digits, while it is kept.
    sha256: Option<String>,
    /// Where to download it, while it is kept.
    content_path: Option<String>,
    /// Until when it is kept.
    keep_until: Option<DateTime<Utc>>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// Who asked.
    created_by: String,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
}

impl From<domain::Export> for Export {
    fn from(export: domain::Export) -> Self {
        Self {
            content_path: export.content_path(),
            id: export.id,
            project_id: export.project,
            status: export.status.into(),
            total: export.total,
            done: export.done,
            error: export.error,
            reason: export.reason,
            size: export.size,
            sha256: export.sha256,
            keep_until: export.keep_until,
            created_at: export.created_at,
            created_by: export.created_by,
            finished_at: export.finished_at,
        }
    }
}

/// What is to be in a bundle.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CreateExport {
    /// Only this project. Absent: all projects, for a token that covers them.
    pub(in crate::rest) project_id: Option<String>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}
