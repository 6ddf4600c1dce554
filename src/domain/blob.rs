use std::sync::Arc;

use uuid::Uuid;

use super::{BlobKind, ExportStatus, Timestamp};

/// A large thing that lies beside the database, which holds where, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub id: Uuid,
    pub org: Arc<str>,
    pub kind: BlobKind,
    /// Its name in the store.
    pub location: String,
    pub size: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    pub created_at: Timestamp,
    pub created_by: String,
    /// `None`: as long as something refers to it.
    pub keep_until: Option<Timestamp>,
}

/// A bundle of all datasources as files, made in the background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub id: Uuid,
    pub org: Arc<str>,
    /// `None`: all projects.
    pub project: Option<String>,
    pub status: ExportStatus,
    /// Datasources that are to be written; 0 until they were counted.
    pub total: u64,
    pub done: u64,
    pub error: Option<String>,
    pub reason: Option<String>,
    /// Of the bundle, once it is there.
    pub size: Option<u64>,
    pub sha256: Option<String>,
    pub keep_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub finished_at: Option<Timestamp>,
}

impl Export {
    /// Where its bundle is over REST, while it is kept.
    pub fn content_path(&self) -> Option<String> {
        self.sha256.is_some().then(|| format!("/api/v1/exports/{}/content", self.id))
    }
}
