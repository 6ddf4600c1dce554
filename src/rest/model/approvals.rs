//! A second person for what goes live.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::{ApprovalAction, ApprovalStatus, Comment, Name};
use crate::app;
use crate::domain::{self, HumanDuration};

/// What of an organisation, or of one of its projects, needs a second person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct ApprovalPolicy {
    /// The project; null means all of the organisation.
    project_id: Option<String>,
    /// Whether a draft goes live only with approval.
    publish: bool,
    /// Whether an earlier version goes live again only with approval.
    rollback: bool,
    /// Whether the value of a secret counts only with approval.
    secret_change: bool,
    /// How many people have to agree.
    approvers: i32,
    /// How long a request is open, such as `3d`.
    expires_after: String,
    /// Whether imports of files may publish without.
    imports_exempt: bool,
    /// When it was set.
    updated_at: DateTime<Utc>,
    /// Who set it.
    updated_by: String,
}

impl From<domain::ApprovalPolicy> for ApprovalPolicy {
    fn from(policy: domain::ApprovalPolicy) -> Self {
        Self {
            project_id: policy.project,
            publish: policy.rules.publish,
            rollback: policy.rules.rollback,
            secret_change: policy.rules.secret_change,
            approvers: policy.rules.approvers,
            expires_after: HumanDuration(policy.rules.expires_after).to_string(),
            imports_exempt: policy.rules.imports_exempt,
            updated_at: policy.updated_at,
            updated_by: policy.updated_by,
        }
    }
}

/// A request for a second person, with all that it is about as it was when it was asked for. When any of it changes,
/// the request is void.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Approval {
    /// Its id.
    id: Uuid,
    /// The datasource.
    datasource_id: Uuid,
    /// What it is for.
    action: ApprovalAction,
    /// The version that is to go live; null for a secret.
    version: Option<i32>,
    /// The checksum of its configuration.
    checksum: Option<String>,
    /// The author of the version, who cannot approve it.
    author: Option<String>,
    /// The secret that is to get a value; null for a version.
    secret_key: Option<String>,
    /// The version of the value that waits.
    secret_version: Option<i32>,
    /// Where the value that waits is, if it is kept elsewhere, such as `vault://path#field`.
    secret_reference: Option<String>,
    /// For a rollback: with the secrets of today. For a secret: the published version is to run with it at once.
    repin: bool,
    /// The values that the version is to run with; for a secret, the value that the new one takes the place of.
    secret_pins: BTreeMap<String, i32>,
    /// The event of the version's last test; null when it was never tested.
    test_event: Option<i64>,
    /// Whether that test succeeded.
    test_succeeded: Option<bool>,
    /// A hash of what was tested, on what, and what came out; of a test that failed, its event.
    test_digest: Option<String>,
    /// Where it is in its life.
    status: ApprovalStatus,
    /// Why it is void.
    reason: Option<String>,
    /// What its requester said.
    comment: Option<String>,
    /// How many people have to agree: as many as when it was asked for, or more where a policy asks for more by now.
    required: i32,
    /// How many more have to agree.
    missing: usize,
    /// What was said to it, oldest first.
    decisions: Vec<ApprovalDecision>,
    /// When it was asked for.
    requested_at: DateTime<Utc>,
    /// Who asked for it, and cannot approve it.
    requested_by: String,
    /// When it ends, approved or not, unless it was used.
    expires_at: DateTime<Utc>,
    /// When it ended; null while it is open.
    closed_at: Option<DateTime<Utc>>,
}

/// What one person said to a request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct ApprovalDecision {
    /// Who.
    by: String,
    /// Whether they agreed.
    approved: bool,
    /// Why.
    comment: Option<String>,
    /// When.
    at: DateTime<Utc>,
}

impl From<domain::Approval> for Approval {
    fn from(approval: domain::Approval) -> Self {
        let missing = approval.missing(0);
        let test_succeeded = approval.evidence.as_ref().map(|evidence| evidence.success);
        let (test_event, test_digest) = approval.evidence.map(|evidence| (evidence.event, evidence.digest)).unzip();
        let said = approval.decisions.into_iter().map(|decision| ApprovalDecision {
            by: decision.by,
            approved: decision.approved,
            comment: decision.comment,
            at: decision.at,
        });
        Self {
            id: approval.id,
            datasource_id: approval.datasource_id,
            action: approval.action.into(),
            version: approval.version,
            checksum: approval.checksum,
            author: approval.author,
            secret_key: approval.secret_key,
            secret_version: approval.secret_version,
            secret_reference: approval.secret_reference,
            repin: approval.repin,
            secret_pins: approval.secret_pins,
            test_event,
            test_succeeded,
            test_digest,
            status: approval.status.into(),
            reason: approval.reason,
            comment: approval.comment,
            required: approval.required,
            missing,
            decisions: said.collect(),
            requested_at: approval.requested_at,
            requested_by: approval.requested_by,
            expires_at: approval.expires_at,
            closed_at: approval.closed_at,
        }
    }
}

/// What to ask for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct RequestApproval {
    /// The version: a draft that is to be published, or one that was published before and is to be rolled back to.
    /// Absent: the latest.
    #[schema(minimum = 1)]
    pub(in crate::rest) version: Option<i32>,
    /// For a rollback: with the secrets as they are today, not with those that the version was published with.
    #[serde(default)]
    pub(in crate::rest) repin_secrets: bool,
    /// What to say to those who decide.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) comment: Option<String>,
}

/// To agree.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct ApproveVersion {
    /// Why; for the timeline and the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) comment: Option<String>,
}

/// To refuse.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct RejectVersion {
    /// Why, for whoever asked.
    #[schema(min_length = 1, max_length = 4000, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")]
    pub(in crate::rest) comment: String,
}

/// To take back.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct WithdrawApproval {
    /// Why; for the timeline and the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) comment: Option<String>,
}

/// A policy; it takes the place of the one that was there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct SetApprovalPolicy {
    /// The project. Absent: all of the organisation.
    #[schema(value_type = Option<Name>)]
    project_id: Option<String>,
    /// Whether a draft goes live only with approval.
    #[serde(default)]
    publish: bool,
    /// Whether an earlier version goes live again only with approval.
    #[serde(default)]
    rollback: bool,
    /// Whether the value of a secret counts only with approval.
    #[serde(default)]
    secret_change: bool,
    /// How many people have to agree. Absent: 1.
    #[schema(minimum = 1, maximum = 10)]
    approvers: Option<i32>,
    /// How long a request is open: 1m to 90d. Absent: `72h`.
    #[schema(pattern = r"^[0-9]{1,6}(ms|s|m|h|d)$")]
    expires_after: Option<String>,
    /// Whether imports of files may publish without.
    #[serde(default)]
    imports_exempt: bool,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    reason: Option<String>,
}

impl From<SetApprovalPolicy> for app::SetApprovalPolicy {
    fn from(body: SetApprovalPolicy) -> Self {
        Self {
            project: body.project_id,
            publish: body.publish,
            rollback: body.rollback,
            secret_change: body.secret_change,
            approvers: body.approvers,
            expires_after: body.expires_after,
            imports_exempt: body.imports_exempt,
            reason: body.reason,
        }
    }
}
