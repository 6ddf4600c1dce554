//! Service accounts, their keys, and tokens that end early.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::{Comment, Label, Name, Role};
use crate::domain;

/// A program that calls the API, and its credentials.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct ServiceAccount {
    /// Its id.
    id: Uuid,
    /// Its name, unique in the organisation. It acts as `service:` and this.
    name: String,
    /// What it is for.
    description: String,
    /// The most that a key of it may do.
    role: Role,
    /// The projects that it is limited to; null means all.
    projects: Option<Vec<String>>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// Who created it.
    created_by: String,
    /// Since when it is refused; null while it is not.
    disabled_at: Option<DateTime<Utc>>,
    /// Who disabled it.
    disabled_by: Option<String>,
    /// Its keys, the newest first, with those that are revoked or over.
    api_keys: Vec<ApiKey>,
}

impl From<domain::ServiceAccount> for ServiceAccount {
    fn from(account: domain::ServiceAccount) -> Self {
        Self {
            id: account.id,
            name: account.name,
            description: account.description,
            role: account.role.into(),
            projects: account.projects,
            created_at: account.created_at,
            created_by: account.created_by,
            disabled_at: account.disabled_at,
            disabled_by: account.disabled_by,
            api_keys: account.keys.into_iter().map(ApiKey::from).collect(),
        }
    }
}

/// A credential of a service account. The key itself is shown once, when it is created.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct ApiKey {
    /// Its public part: keys begin with `dss_` and this.
    id: String,
    /// What it is called.
    name: String,
    /// What it may do.
    role: Role,
    /// The projects that it is limited to; null means those of the account.
    projects: Option<Vec<String>>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// Who created it.
    created_by: String,
    /// When it ends; null means never.
    expires_at: Option<DateTime<Utc>>,
    /// Since when it is refused; null while it is not.
    revoked_at: Option<DateTime<Utc>>,
    /// Who revoked it.
    revoked_by: Option<String>,
    /// When it was last used, to a minute; null means never.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<domain::ApiKey> for ApiKey {
    fn from(key: domain::ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: key.role.into(),
            projects: key.projects,
            created_at: key.created_at,
            created_by: key.created_by,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            revoked_by: key.revoked_by,
            last_used_at: key.last_used_at,
        }
    }
}

/// The key, and its text for this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct NewApiKey {
    /// What is kept of it.
    pub(in crate::rest) api_key: ApiKey,
    /// The key, for `Authorization: Bearer …`. It is shown now and never again.
    pub(in crate::rest) key: String,
}

/// A token that is refused although it has not ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct RevokedToken {
    /// The name that its issuer gave it.
    jti: String,
    /// When it ends by itself, and this is forgotten.
    expires_at: DateTime<Utc>,
    /// Why it was revoked.
    reason: Option<String>,
    /// When it was revoked.
    revoked_at: DateTime<Utc>,
    /// Who revoked it.
    revoked_by: String,
}

impl From<domain::RevokedToken> for RevokedToken {
    fn from(token: domain::RevokedToken) -> Self {
        let domain::RevokedToken { jti, expires_at, reason, revoked_at, revoked_by } = token;
        Self { jti, expires_at, reason, revoked_at, revoked_by }
    }
}

/// A token that is to end early.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct RevokeToken {
    /// Its claim `exp`, as a time: until then the revocation is kept.
    pub(in crate::rest) expires_at: DateTime<Utc>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// A new service account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CreateServiceAccount {
    /// Unique in the organisation.
    #[schema(value_type = Name)]
    pub(in crate::rest) name: String,
    /// What it is for.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) description: Option<String>,
    /// The most that a key of it may do; at most your own role.
    pub(in crate::rest) role: Role,
    /// The projects that it is limited to; absent: those of your token.
    #[schema(min_items = 1, max_items = 100)]
    pub(in crate::rest) projects: Option<Vec<String>>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// Whether an account is let in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct SetServiceAccountDisabled {
    /// `true` refuses all of its keys, `false` lets them in again.
    pub(in crate::rest) disabled: bool,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CreateApiKey {
    /// What to call it.
    #[schema(value_type = Label)]
    pub(in crate::rest) name: String,
    /// What it may do; absent: as much as the account.
    pub(in crate::rest) role: Option<Role>,
    /// The projects that it is limited to; absent: those of the account.
    #[schema(min_items = 1, max_items = 100)]
    pub(in crate::rest) projects: Option<Vec<String>>,
    /// When it ends; absent: never.
    pub(in crate::rest) expires_at: Option<DateTime<Utc>>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}
