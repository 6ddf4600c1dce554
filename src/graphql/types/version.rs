//! A version of a configuration.

use std::sync::Arc;

use async_graphql::{ID, Json, Object, SimpleObject};
use serde_json::Value;

use super::{ApprovalState, VersionState};
use crate::domain::{self, Timestamp};

/// An immutable configuration (once published), with everything that it runs with.
pub(in crate::graphql) struct DatasourceVersion(pub(in crate::graphql) Arc<domain::Version>);

/// One version of a configuration.
#[Object]
impl DatasourceVersion {
    /// The id of the version.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its number; grows by one with each draft.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// Where it is in its life.
    async fn state(&self) -> VersionState {
        self.0.state.into()
    }

    /// The configuration document.
    async fn config(&self) -> Json<&Value> {
        Json(&self.0.config)
    }

    /// SHA-256 of the canonical JSON of the configuration.
    async fn checksum(&self) -> &str {
        &self.0.checksum
    }

    /// The schema version of the connector that it was written for.
    async fn connector_schema_version(&self) -> i32 {
        self.0.connector_schema_version
    }

    /// What its author said of it.
    async fn comment(&self) -> Option<&str> {
        self.0.comment.as_deref()
    }

    /// The values that it runs with: stored secret key to the version of its value. Empty before it is published.
    async fn secret_pins(&self) -> Vec<SecretPin> {
        pins(&self.0.secret_pins)
    }

    /// Whether a second person agreed.
    async fn approval(&self) -> ApprovalState {
        self.0.approval.into()
    }

    /// Who decided on it.
    async fn approved_by(&self) -> Option<&str> {
        self.0.approved_by.as_deref()
    }

    /// When it was decided on.
    async fn approved_at(&self) -> Option<Timestamp> {
        self.0.approved_at
    }

    /// When it was drafted.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Who drafted it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it last went live.
    async fn published_at(&self) -> Option<Timestamp> {
        self.0.published_at
    }

    /// Who made it go live.
    async fn published_by(&self) -> Option<&str> {
        self.0.published_by.as_deref()
    }
}

pub(in crate::graphql) fn pins(pins: &domain::SecretPins) -> Vec<SecretPin> {
    pins.iter().map(|(key, version)| SecretPin { key: key.clone(), version: *version }).collect()
}

/// A secret value that a published version is bound to.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SecretPin {
    /// The stored key.
    key: String,
    /// The version of its value.
    version: i32,
}
