//! What REST clients send and read: camelCase, each type of its own. A field that may be null is always there.

mod access;
mod approvals;
mod catalog;
mod datasource;
mod delivery;
mod exports;
mod governance;
mod grants;
mod history;
mod input;
mod keys;
mod metadata;
mod metadata_items;
mod notifications;
mod registry;
mod test_run;
mod version;
mod words;

pub(super) use access::{
    ApiKey, CreateApiKey, CreateServiceAccount, NewApiKey, RevokeToken, RevokedToken, ServiceAccount,
    SetServiceAccountDisabled,
};
pub(super) use approvals::{
    Approval, ApprovalPolicy, ApproveVersion, RejectVersion, RequestApproval, SetApprovalPolicy, WithdrawApproval,
};
pub(super) use catalog::{ConfigCheck, ConnectorType, SinkType, Viewer};
pub(super) use datasource::{Datasource, DatasourceDetail, DatasourceSecret, DatasourceState, SecretSet};
pub(super) use delivery::{
    Backfill, CheckSource, DeadLetter, DeadLetterBatch, Discarded, EditDeadLetter, Job, SetLogLevel, SourceCheck,
};
pub(super) use exports::{CreateExport, Export};
pub(super) use governance::{GovernanceRules, GovernanceViolation, SetGovernanceRules};
pub(super) use grants::{AccessGrant, GrantAccess};
pub(super) use history::{AuditEntry, DatasourceEvent, DatasourceMetric};
pub(super) use input::{
    Action, CheckConfig, CloneDatasource, CreateDatasource, CreateVersion, Publish, Rollback, SetSecret,
    TestDatasource, UpdateDatasource, UpdateMetadata,
};
pub(super) use keys::{EncryptionKeys, KeyRotation, RetiredKeys, RotateKeys};
pub(super) use metadata::{DatasourceMetadata, MetadataRevision, RollbackMetadata};
pub(super) use metadata_items::{
    MetadataItem, MetadataItemTypeInfo, MetadataItemVersion, RestoreMetadataItem, SaveMetadataItem,
};
pub(super) use notifications::{
    CreateNotificationEndpoint, NewNotificationSecret, NotificationDelivery, NotificationEndpoint,
    RecoverNotifications, RecoveredNotifications, RotateNotificationSecret, UpdateNotificationEndpoint,
};
pub(super) use registry::Registry;
pub(super) use test_run::{TestResult, TestSample};
pub(super) use version::{DatasourceVersion, VersionDiff};
pub(super) use words::{
    ApprovalAction, ApprovalStatus, DatasourceStatus, EventType, MetadataItemSource, MetadataLayer, NotificationStatus,
    Outcome, WorkerStatus,
};

use serde::Serialize;
use utoipa::ToSchema;

/// One thing that is wrong with what was sent.
#[derive(Serialize, ToSchema)]
pub(super) struct ProblemDetail {
    /// JSON pointer (RFC 6901) of the part that is wrong; empty for the whole.
    pointer: String,
    /// What is wrong and what would be right.
    message: String,
}

impl From<crate::error::Problem> for ProblemDetail {
    fn from(problem: crate::error::Problem) -> Self {
        Self { pointer: problem.pointer, message: problem.message }
    }
}

/// Why a request was refused (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// Always `about:blank`: `code` tells more.
    #[serde(rename = "type")]
    kind: String,
    /// The status, in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong and what to do, for people.
    detail: String,
    /// What programs branch on.
    #[schema(schema_with = codes)]
    code: String,
    /// Under which the log and the audit log have the request.
    request_id: String,
    /// Each thing that is wrong with what was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<ProblemDetail>,
}

fn codes() -> utoipa::openapi::schema::Schema {
    use utoipa::openapi::schema::{ObjectBuilder, Type};
    let codes = crate::error::ErrorCode::ALL.map(crate::error::ErrorCode::as_str);
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes));
    schema.description(Some("What programs branch on.")).into()
}
