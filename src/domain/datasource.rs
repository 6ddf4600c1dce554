use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    ApprovalState, CircuitState, DatasourceStatus, DesiredState, ManagedBy, Metadata, TemplateOrigin, Tenant,
    Timestamp, VersionState, WorkerStatus,
};

/// A governed feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Datasource {
    pub id: Uuid,
    pub tenant: Tenant,
    pub name: String,
    /// The connector type, such as `webhook`; fixed for the life of the datasource.
    pub connector_type: String,
    pub description: String,
    pub metadata: Metadata,
    pub status: DatasourceStatus,
    /// Counts the changes; a writer that quotes an old one is refused.
    pub revision: i64,
    pub current_version: Option<i32>,
    pub latest_version: i32,
    pub created_at: Timestamp,
    pub created_by: String,
    pub updated_at: Timestamp,
    pub updated_by: String,
    pub archived_at: Option<Timestamp>,
    /// Fixed at creation; only an import that adopts the datasource changes it.
    pub managed_by: ManagedBy,
    /// What its first version was made from; fixed at creation.
    pub template: Option<TemplateOrigin>,
}

/// Stored secret key -> the version of its value that a published configuration runs with.
pub type SecretPins = BTreeMap<String, i32>;

/// An immutable configuration (once published), with all that it runs with.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub id: Uuid,
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    pub version: i32,
    pub state: VersionState,
    pub config: Value,
    pub connector_schema_version: i32,
    /// SHA-256 of the canonical JSON of `config`.
    pub checksum: String,
    pub comment: Option<String>,
    pub secret_pins: SecretPins,
    pub approval: ApprovalState,
    pub approved_by: Option<String>,
    pub approved_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub published_at: Option<Timestamp>,
    pub published_by: Option<String>,
}

/// What a worker did so far, as its node last reported it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerMetrics {
    /// Records acknowledged by the sink.
    pub delivered: u64,
    /// Records that could not be mapped or delivered.
    pub failed: u64,
    /// Records that a transform dropped or `on_error: skip` passed over.
    pub skipped: u64,
    /// Records per second, exponentially decayed over about a minute.
    pub rate: f64,
    /// Seconds from reading a record to its acknowledgement, decayed likewise.
    pub latency: f64,
    /// Whether the sink is written to.
    pub circuit: CircuitState,
}

impl WorkerMetrics {
    /// What only grows: delivered, failed, skipped.
    pub fn counts(&self) -> [u64; 3] {
        [self.delivered, self.failed, self.skipped]
    }

    pub fn with_counts(self, [delivered, failed, skipped]: [u64; 3]) -> Self {
        Self { delivered, failed, skipped, ..self }
    }
}

/// Desired against observed.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub datasource_id: Uuid,
    pub tenant: Tenant,
    pub desired: DesiredState,
    pub observed: WorkerStatus,
    pub running_version: Option<i32>,
    pub node: Option<String>,
    pub lease_epoch: i64,
    /// Raised by every restart request; a worker that started under a lower one is replaced.
    pub generation: i64,
    pub last_heartbeat_at: Option<Timestamp>,
    pub last_record_at: Option<Timestamp>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub restart_count: i32,
    pub checkpoint: Option<Value>,
    pub metrics: WorkerMetrics,
    pub updated_at: Timestamp,
}

/// A stored secret without its value, which no reader can ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretInfo {
    pub datasource_id: Uuid,
    pub key: String,
    pub version: i32,
    pub created_at: Timestamp,
    pub created_by: String,
    pub rotated_at: Option<Timestamp>,
    pub rotated_by: Option<String>,
    /// Where the value is, if it is kept elsewhere.
    pub reference: Option<String>,
    /// Newest version first.
    pub used_by: Vec<SecretUse>,
}

/// A version that was published with a value of a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretUse {
    pub version: i32,
    pub state: VersionState,
    /// Which value it is pinned to.
    pub secret_version: i32,
    /// The nodes on which workers run it.
    pub nodes: Vec<String>,
}

/// A named payload to test configurations on.
#[derive(Clone, Debug, PartialEq)]
pub struct TestSample {
    pub name: String,
    pub payload: String,
    pub created_at: Timestamp,
    pub created_by: String,
}
