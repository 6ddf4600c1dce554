//! A datasource and its parts.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::metadata::{CustomRateLimit, Sla, Visibility};
use super::metadata_items::DatasourceTemplate;
use super::version::DatasourceVersion;
use super::words::{CircuitState, DatasourceStatus, DesiredState, Lifecycle, VersionState, WorkerStatus};
use crate::app;
use crate::domain;

/// A feed: one connector, its versions, and the worker that runs the published one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Datasource {
    /// Its id, a UUIDv7.
    id: Uuid,
    /// Unique among the datasources of the project that are not archived.
    name: String,
    /// The connector type, such as `webhook`.
    #[serde(rename = "type")]
    connector_type: String,
    /// What it is for.
    description: String,
    /// How it is at a glance.
    status: DatasourceStatus,
    /// Who answers for it.
    owner_id: String,
    /// The organisation that owns it.
    org_id: String,
    /// The project that it belongs to.
    project_id: String,
    /// The team that it belongs to.
    team: Option<String>,
    /// Its category.
    category: Option<String>,
    /// Its tags, in alphabetical order.
    tags: Vec<String>,
    /// Who sees it.
    visibility: Visibility,
    /// What people say of it; what runs does not follow it.
    lifecycle: Lifecycle,
    /// What consumers may expect; null where nothing is promised.
    sla: Option<Sla>,
    /// A limit besides that of the configuration; null where there is none.
    rate_limit: Option<CustomRateLimit>,
    /// Counts the changes; the ETag begins with it.
    revision: i64,
    /// The number of the published version; null before the first one.
    current_version: Option<i32>,
    /// The number of the version that was drafted last; null before the first one.
    latest_version: Option<i32>,
    /// Who keeps it as it is: `ui`, `api` or `git:` and the name of a source.
    managed_by: String,
    /// The templates that it was created from; null when it was not.
    template: Option<DatasourceTemplate>,
    /// The path that a webhook is posted to; null for other connector types.
    webhook_path: Option<String>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// Who created it.
    created_by: String,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// Who last changed it.
    updated_by: String,
    /// When it was archived; null while it is not.
    archived_at: Option<DateTime<Utc>>,
    /// Desired against observed state of its worker.
    state: Option<DatasourceState>,
}

/// A datasource with its published version.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct DatasourceDetail {
    #[serde(flatten)]
    datasource: Datasource,
    /// The version that is published; null before the first one.
    published_version: Option<DatasourceVersion>,
}

impl From<app::Overview> for Datasource {
    fn from(overview: app::Overview) -> Self {
        let row = overview.datasource;
        let metadata = row.metadata;
        Self {
            webhook_path: (row.connector_type == "webhook").then(|| format!("/hooks/{}", row.id)),
            managed_by: row.managed_by.to_string(),
            template: row.template.map(DatasourceTemplate::from),
            id: row.id,
            name: row.name,
            connector_type: row.connector_type,
            description: row.description,
            status: row.status.into(),
            owner_id: metadata.owner,
            org_id: row.tenant.org.to_string(),
            project_id: row.tenant.project.to_string(),
            team: metadata.team,
            category: metadata.category,
            tags: metadata.tags,
            visibility: metadata.visibility.into(),
            lifecycle: metadata.lifecycle.into(),
            sla: metadata.sla.map(Into::into),
            rate_limit: metadata.rate_limit.map(Into::into),
            revision: row.revision,
            current_version: row.current_version,
            latest_version: Some(row.latest_version).filter(|n| *n > 0),
            created_at: row.created_at,
            created_by: row.created_by,
            updated_at: row.updated_at,
            updated_by: row.updated_by,
            archived_at: row.archived_at,
            state: overview.state.map(DatasourceState::from),
        }
    }
}

impl DatasourceDetail {
    pub(in crate::rest) fn new(overview: app::Overview, published: Option<domain::Version>) -> Self {
        Self { datasource: overview.into(), published_version: published.map(DatasourceVersion::from) }
    }

    pub(in crate::rest) fn revision(&self) -> i64 {
        self.datasource.revision
    }
}

/// What a worker should do and what it does.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct DatasourceState {
    /// What people want.
    desired: DesiredState,
    /// What the registry sees.
    worker_status: WorkerStatus,
    /// The version that runs; it may lag behind the published one while that fails to start.
    running_version: Option<i32>,
    /// The node that holds its lease.
    node: Option<String>,
    /// When its node was last heard of.
    last_heartbeat_at: Option<DateTime<Utc>>,
    /// When a record was last delivered.
    last_event_at: Option<DateTime<Utc>>,
    /// The code of its current error.
    error_code: Option<String>,
    /// Its current error, in words.
    error_message: Option<String>,
    /// How often it was tried again after a failure.
    restart_count: i32,
    /// Where the source goes on from, as its connector keeps it.
    checkpoint: Option<Value>,
    /// Whether the sink is written to, as of the last report: while it fails again and again, it is left alone.
    circuit: CircuitState,
    /// What it counted, as of its last report.
    metrics: WorkerMetrics,
    /// When any of this was last written.
    updated_at: DateTime<Utc>,
}

/// The counters of a worker.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct WorkerMetrics {
    /// Records that the sink acknowledged.
    delivered: u64,
    /// Records that could not be mapped or delivered.
    failed: u64,
    /// Records that a transform dropped or that were skipped.
    skipped: u64,
    /// Records per second, decayed over about a minute.
    rate: f64,
    /// Seconds from reading a record to its acknowledgement, decayed likewise.
    latency: f64,
}

impl From<domain::State> for DatasourceState {
    fn from(state: domain::State) -> Self {
        let m = state.metrics;
        Self {
            desired: state.desired.into(),
            worker_status: state.observed.into(),
            running_version: state.running_version,
            node: state.node,
            last_heartbeat_at: state.last_heartbeat_at,
            last_event_at: state.last_record_at,
            error_code: state.error_code,
            error_message: state.error_message,
            restart_count: state.restart_count,
            checkpoint: state.checkpoint,
            circuit: m.circuit.into(),
            metrics: WorkerMetrics {
                delivered: m.delivered,
                failed: m.failed,
                skipped: m.skipped,
                rate: m.rate,
                latency: m.latency,
            },
            updated_at: state.updated_at,
        }
    }
}

/// A stored secret; its value cannot be read.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct DatasourceSecret {
    /// The stored key.
    key: String,
    /// Grows with each new value.
    version: i32,
    /// When it was first set.
    created_at: DateTime<Utc>,
    /// Who first set it.
    created_by: String,
    /// When it last got a new value.
    rotated_at: Option<DateTime<Utc>>,
    /// Who gave it its last new value.
    rotated_by: Option<String>,
    /// Where the value is, if it is kept elsewhere: `vault://path#field` or `env://NAME`.
    reference: Option<String>,
    /// The versions that were published with a value of it, newest first.
    used_by: Vec<SecretUse>,
}

/// A version that was published with a value of a secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct SecretUse {
    /// The version of the configuration.
    version: i32,
    /// Where that version is in its life.
    state: VersionState,
    /// The value that it is pinned to.
    secret_version: i32,
    /// The nodes on which workers run it.
    nodes: Vec<String>,
}

impl From<domain::SecretUse> for SecretUse {
    fn from(u: domain::SecretUse) -> Self {
        Self { version: u.version, state: u.state.into(), secret_version: u.secret_version, nodes: u.nodes }
    }
}

/// A secret that was just set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct SecretSet {
    #[serde(flatten)]
    secret: DatasourceSecret,
    /// Whether the published version still runs with an older value: `POST …/repin-secrets` changes that.
    repin_required: bool,
    /// The request for approval, where the value waits for it; then the secret is shown as it would be.
    approval_id: Option<Uuid>,
}

impl SecretSet {
    pub(in crate::rest) fn new(secret: domain::SecretInfo, repin_required: bool, approval_id: Option<Uuid>) -> Self {
        Self { secret: secret.into(), repin_required, approval_id }
    }
}

impl From<domain::SecretInfo> for DatasourceSecret {
    fn from(s: domain::SecretInfo) -> Self {
        Self {
            key: s.key,
            version: s.version,
            created_at: s.created_at,
            created_by: s.created_by,
            rotated_at: s.rotated_at,
            rotated_by: s.rotated_by,
            reference: s.reference,
            used_by: s.used_by.into_iter().map(Into::into).collect(),
        }
    }
}
