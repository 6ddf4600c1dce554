//! Who is let in: tokens and keys, and what ends them early.

mod authenticator;
mod directory;
mod grant;
mod service_account;
mod token;

pub use authenticator::Authenticator;
pub(super) use directory::{Directory, Validity};
pub use grant::{GrantAccess, GrantTarget};
pub use service_account::{CreateApiKey, CreateServiceAccount, NewApiKey, SetServiceAccountDisabled};
pub use token::RevokeToken;

use super::OpContext;
use crate::auth::Authorized;
use crate::auth::policy::grant::ManageAccess;
use crate::domain::{FieldChange, Outcome, Tenant};
use crate::error::Result;
use crate::store::NewAudit;

/// An admin by the token: who is one on a single datasource lets nobody in.
fn administer(ctx: &OpContext) -> Result<Authorized<ManageAccess>> {
    ctx.authorize()
}

/// What was done for the organisation as a whole, which is on no datasource's timeline.
fn audit(ctx: &OpContext, action: &str, reason: Option<&str>, changes: Vec<FieldChange>) -> NewAudit {
    NewAudit {
        tenant: Tenant { org: ctx.actor.scope.org_id().clone(), project: "".into() },
        datasource_id: None,
        action: action.to_owned(),
        actor: ctx.actor.subject.to_string(),
        source_address: ctx.source_address.map(|a| a.to_string()),
        request_id: ctx.request_id.clone(),
        reason: reason.map(str::to_owned),
        outcome: Outcome::Success,
        changes,
    }
}
