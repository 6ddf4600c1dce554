//! The product's nouns and their rules. No IO, no transport, no database types.

mod access;
mod approval;
mod blob;
mod canonical;
mod chain;
mod contract;
mod datasource;
mod dead_letter;
mod diff;
mod duration;
mod enums;
mod event;
mod filter;
mod governance;
mod grant;
mod job;
mod keys;
mod managed_by;
mod metadata;
mod metadata_item;
mod node;
mod notification;
pub mod paging;
mod place;
mod quota;
mod record;
mod tenant;
mod validate;

pub use access::{ApiKey, RevokedToken, ServiceAccount};
pub use approval::{APPROVERS_MAX, Approval, ApprovalDecision, ApprovalPolicy, ApprovalRules, TestEvidence};
pub use blob::{Blob, Export};
pub use canonical::{canonical_json, checksum};
pub use chain::{Break, BreakKind, ChainEntry, Checkpoint, ED25519, GENESIS, Walk};
pub use contract::ContractReader;
pub use datasource::{Datasource, SecretInfo, SecretPins, SecretUse, State, TestSample, Version, WorkerMetrics};
pub use dead_letter::{DeadLetter, DeadLetterFilter};
pub use diff::{Change, diff};
pub use duration::{HumanDuration, parse_duration};
pub use enums::{
    ApprovalAction, ApprovalState, ApprovalStatus, BlobKind, CircuitState, DatasourceStatus, DeadLetterScope,
    DesiredState, DiffOp, EventType, ExportStatus, JobKind, JobStatus, Lifecycle, LogLevel, MetadataField,
    MetadataItemSource, MetadataItemType, MetadataLayer, MetadataVisibility, NotificationStatus, OnError, Outcome,
    Quota, Role, RotationKind, RotationStatus, VersionState, WorkerStatus,
};
pub use event::{AuditEntry, Event, FieldChange};
pub use filter::{
    ApprovalFilter, AuditFilter, DatasourceFilter, DatasourceKey, DatasourceOrder, DatasourceOrderField, EventFilter,
};
pub use governance::{GovernanceRules, GovernanceViolation, MetadataRules, RULE_ENTRIES_MAX};
pub use grant::{AccessGrant, PrincipalKind};
pub use job::{BackfillRange, Job, JobProgress, JobTask, RangeKind};
pub use keys::{DataKeyInfo, KeyRotation, MasterKeyUse, WrappedDataKey};
pub use managed_by::{CLIENT_HEADER, ManagedBy};
pub use metadata::{CustomRateLimit, Metadata, MetadataRevision, RECORDS_PER_SECOND_MAX, Sla, Visibility};
pub use metadata_item::{MetadataItem, MetadataItemFilter, MetadataItemVersion, Stamps, TemplateOrigin, TemplateUse};
pub use node::{Node, Worker, WorkerFilter};
pub use notification::{
    EventMessage, NotificationAttempt, NotificationDelivery, NotificationDeliveryFilter, NotificationEndpoint,
    NotificationFilter, NotificationSecretInfo, NotificationSubject, TEST_TYPE, message_type, test_message,
};
pub use place::{relative_parts, safe_name};
pub use quota::{Most, QuotaUse};
pub use record::{Record, StableId};
pub use tenant::{Scope, Tenant, Viewer};
pub use validate::{check_description, check_label, check_name, check_secret_key, check_tags, normalise_tags};

/// The time of every stored row, to the microsecond that PostgreSQL keeps.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// Now, rounded so that a stored value reads back equal.
pub fn now() -> Timestamp {
    use chrono::SubsecRound;
    chrono::Utc::now().trunc_subsecs(6)
}
