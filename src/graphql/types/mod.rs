//! What clients read. Each type wraps a domain object; none is a row.

mod catalog;
mod datasource;
mod diff;
mod enums;
mod history;
mod metadata;
mod notification;
mod state;
mod version;

pub(super) use catalog::{ConfigProblem, ConnectorType, SinkType, Viewer};
pub(super) use datasource::{Datasource, DatasourceSecret};
pub(super) use diff::{Change, DatasourceVersionDiff};
pub(super) use enums::{
    ApprovalAction, ApprovalState, ApprovalStatus, AuditOutcome, CircuitState, DatasourceStatus, DeadLetterScope,
    DesiredState, DiffOp, EventType, ExportStatus, JobKind, JobStatus, Lifecycle, LogLevel, MetadataField,
    MetadataItemSource, MetadataItemType, MetadataLayer, MetadataVisibility, NotificationStatus, Role, RotationKind,
    RotationStatus, VersionState, WorkerStatus,
};
pub(super) use history::{AuditEntry, DatasourceEvent};
pub(super) use metadata::{DatasourceMetadata, MetadataRevision};
pub(super) use notification::{NotificationDelivery, NotificationEndpoint};
pub(super) use state::{DatasourceMetric, DatasourceState};
pub(super) use version::{DatasourceVersion, SecretPin, pins};
