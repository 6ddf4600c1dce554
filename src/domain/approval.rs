//! Which changes need a second person, and what that person agrees to.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ApprovalAction, ApprovalState, ApprovalStatus, SecretPins, Tenant, Timestamp};

/// The most approvers that a policy can ask for.
pub const APPROVERS_MAX: i32 = 10;

const EXPIRES_AFTER: Duration = Duration::from_secs(72 * 3_600);

/// What somebody said for an organisation, or for one of its projects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalPolicy {
    /// `None`: all projects.
    pub project: Option<String>,
    pub rules: ApprovalRules,
    pub updated_at: Timestamp,
    pub updated_by: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApprovalRules {
    pub publish: bool,
    pub rollback: bool,
    pub secret_change: bool,
    /// How many have to agree.
    pub approvers: i32,
    pub expires_after: Duration,
    /// Whether an import of files may publish without.
    pub imports_exempt: bool,
}

impl Default for ApprovalRules {
    fn default() -> Self {
        Self {
            publish: false,
            rollback: false,
            secret_change: false,
            approvers: 1,
            expires_after: EXPIRES_AFTER,
            imports_exempt: false,
        }
    }
}

impl ApprovalRules {
    pub fn asks(&self, action: ApprovalAction) -> bool {
        match action {
            ApprovalAction::Publish => self.publish,
            ApprovalAction::Rollback => self.rollback,
            ApprovalAction::SecretChange => self.secret_change,
        }
    }

    /// The stricter of both in each point: who may set the policy of a project cannot loosen that of the organisation.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            publish: self.publish || other.publish,
            rollback: self.rollback || other.rollback,
            secret_change: self.secret_change || other.secret_change,
            approvers: self.approvers.max(other.approvers),
            expires_after: self.expires_after.min(other.expires_after),
            imports_exempt: self.imports_exempt && other.imports_exempt,
        }
    }
}

/// The last test of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestEvidence {
    /// Its event on the timeline.
    pub event: i64,
    /// Of what was tested, on what, and what came out; the same test again has the same.
    pub digest: String,
    pub success: bool,
}

/// What one person said to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalDecision {
    pub by: String,
    pub approved: bool,
    pub comment: Option<String>,
    pub at: Timestamp,
}

/// A request for a second person, with all that it is about as it was when it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    pub id: Uuid,
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    pub action: ApprovalAction,
    /// `None` for a secret.
    pub version: Option<i32>,
    pub checksum: Option<String>,
    pub author: Option<String>,
    /// `None` for a version.
    pub secret_key: Option<String>,
    /// Of the value that waits.
    pub secret_version: Option<i32>,
    /// Where that value is, if it is kept elsewhere.
    pub secret_reference: Option<String>,
    /// A rollback with the secrets of today; a secret that the published version runs with at once.
    pub repin: bool,
    /// The values that the version would run with; for a secret, the one that the new value takes the place of.
    pub secret_pins: SecretPins,
    pub evidence: Option<TestEvidence>,
    pub status: ApprovalStatus,
    /// Why it is void.
    pub reason: Option<String>,
    pub comment: Option<String>,
    /// How many have to agree: as many as when it was asked for, or more where a policy asks for more by now.
    pub required: i32,
    pub decisions: Vec<ApprovalDecision>,
    pub requested_at: Timestamp,
    pub requested_by: String,
    pub expires_at: Timestamp,
    pub closed_at: Option<Timestamp>,
}

impl Approval {
    /// As it is at a time: what is open ends by itself, whether or not that was written down yet.
    pub fn status_at(&self, at: Timestamp) -> ApprovalStatus {
        if self.closed_at.is_none() && self.expires_at <= at { ApprovalStatus::Expired } else { self.status }
    }

    pub fn is_open_at(&self, at: Timestamp) -> bool {
        matches!(self.status_at(at), ApprovalStatus::Pending | ApprovalStatus::Approved)
    }

    /// How many more have to agree, where a policy asks for so many now.
    pub fn missing(&self, asked: i32) -> usize {
        let needed = usize::try_from(self.required.max(asked)).unwrap_or(usize::MAX);
        needed.saturating_sub(self.decisions.iter().filter(|d| d.approved).count())
    }

    /// Why this person cannot agree to it.
    pub fn bars(&self, subject: &str) -> Option<&'static str> {
        if self.requested_by == subject {
            return Some("you asked for it yourself; somebody else has to agree");
        }
        (self.author.as_deref() == Some(subject))
            .then_some("you are the author of the version; somebody else has to agree")
    }

    /// What the version shows of it: whether a second person agreed, who, and when.
    pub fn shown(&self) -> (ApprovalState, Option<&ApprovalDecision>) {
        match self.status {
            ApprovalStatus::Pending => (ApprovalState::Pending, None),
            ApprovalStatus::Approved | ApprovalStatus::Used => {
                (ApprovalState::Approved, self.decisions.iter().rev().find(|d| d.approved))
            }
            ApprovalStatus::Rejected => (ApprovalState::Rejected, self.decisions.iter().rev().find(|d| !d.approved)),
            ApprovalStatus::Withdrawn | ApprovalStatus::Expired | ApprovalStatus::Void => {
                (ApprovalState::NotRequired, None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::now;

    fn asked(author: &str, by: &str) -> Approval {
        Approval {
            id: Uuid::nil(),
            tenant: Tenant { org: "acme".into(), project: "default".into() },
            datasource_id: Uuid::nil(),
            action: ApprovalAction::Publish,
            version: Some(1),
            checksum: None,
            author: Some(author.to_owned()),
            secret_key: None,
            secret_version: None,
            secret_reference: None,
            repin: false,
            secret_pins: SecretPins::new(),
            evidence: None,
            status: ApprovalStatus::Pending,
            reason: None,
            comment: None,
            required: 2,
            decisions: Vec::new(),
            requested_at: now(),
            requested_by: by.to_owned(),
            expires_at: now() + Duration::from_secs(60),
            closed_at: None,
        }
    }

    #[test]
    fn the_stricter_of_two_policies_counts_in_each_point() {
        let org = ApprovalRules { publish: true, approvers: 1, imports_exempt: true, ..ApprovalRules::default() };
        let short = Duration::from_secs(60);
        let project = ApprovalRules { rollback: true, approvers: 3, expires_after: short, ..ApprovalRules::default() };
        let both = ApprovalRules { publish: true, rollback: true, approvers: 3, expires_after: short, ..project };
        assert_eq!((org.and(project), project.and(org)), (both, both));
        assert!(!both.imports_exempt && !both.asks(ApprovalAction::SecretChange));
        assert_eq!(ApprovalAction::ALL.iter().filter(|action| ApprovalRules::default().asks(**action)).count(), 0);
    }

    #[test]
    fn neither_author_nor_requester_can_agree() {
        let approval = asked("ada", "bob");
        assert!(approval.bars("ada").is_some_and(|why| why.contains("author")));
        assert!(approval.bars("bob").is_some_and(|why| why.contains("yourself")));
        assert_eq!(approval.bars("eve"), None);
    }

    #[test]
    fn a_policy_that_asks_for_more_meanwhile_counts_and_one_that_asks_for_less_does_not() {
        let mut approval = asked("ada", "bob");
        let said = |by: &str, approved| ApprovalDecision { by: by.to_owned(), approved, comment: None, at: now() };
        approval.decisions.extend([said("eve", true), said("mal", false)]);
        assert_eq!((approval.missing(1), approval.missing(2), approval.missing(3)), (1, 1, 2));
    }

    #[test]
    fn what_is_open_ends_by_itself_and_what_ended_stays_so() {
        let mut approval = asked("ada", "bob");
        let later = approval.expires_at;
        assert!(approval.is_open_at(now()) && !approval.is_open_at(later));
        assert_eq!(approval.status_at(later), ApprovalStatus::Expired);
        approval.status = ApprovalStatus::Used;
        approval.closed_at = Some(now());
        assert_eq!(approval.status_at(later), ApprovalStatus::Used);
    }
}
