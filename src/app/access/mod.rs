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
use crate::error::Result;

/// An admin by the token: who is one on a single datasource lets nobody in.
fn administer(ctx: &OpContext) -> Result<Authorized<ManageAccess>> {
    ctx.authorize()
}
