//! What clients read. Each type wraps a domain object; none is a row.

mod catalog;
mod datasource;
mod diff;
mod enums;
mod history;
mod state;
mod version;

pub(super) use catalog::{ConfigProblem, ConnectorType, SinkType, Viewer};
pub(super) use datasource::{Datasource, DatasourceMetadata, DatasourceSecret};
pub(super) use diff::{Change, DatasourceVersionDiff};
pub(super) use enums::{
    ApprovalAction, ApprovalState, ApprovalStatus, AuditOutcome, CircuitState, DatasourceStatus, DeadLetterScope,
    DesiredState, DiffOp, EventType, JobKind, JobStatus, LogLevel, Role, RotationKind, RotationStatus, VersionState,
    WorkerStatus,
};
pub(super) use history::{AuditEntry, DatasourceEvent};
pub(super) use state::{DatasourceMetric, DatasourceState};
pub(super) use version::{DatasourceVersion, SecretPin, pins};
