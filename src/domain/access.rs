//! Who may come in besides people with tokens, and whose token ends before its time.

use std::sync::Arc;

use uuid::Uuid;

use super::{Role, Scope, Timestamp};

/// A token that is refused although it has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    pub jti: String,
    /// When the token ends by itself, and this can be forgotten.
    pub expires_at: Timestamp,
    pub reason: Option<String>,
    pub revoked_at: Timestamp,
    pub revoked_by: String,
}

/// A program that calls the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    pub id: Uuid,
    pub org: Arc<str>,
    pub name: String,
    pub description: String,
    pub role: Role,
    /// `None` means every project of the organisation.
    pub projects: Option<Vec<String>>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub disabled_at: Option<Timestamp>,
    pub disabled_by: Option<String>,
    /// Newest first.
    pub keys: Vec<ApiKey>,
}

/// A credential of a service account; the key itself is known to its holder only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The public part, by which it is found.
    pub id: String,
    pub account_id: Uuid,
    pub name: String,
    pub role: Role,
    pub projects: Option<Vec<String>>,
    /// Those of its creator, `None` for every one: on no other it gets what its account is granted.
    pub grant_projects: Option<Vec<String>>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub revoked_by: Option<String>,
    pub last_used_at: Option<Timestamp>,
}

impl ServiceAccount {
    pub fn scope(&self) -> Scope {
        Scope::limited(Arc::clone(&self.org), self.projects.clone())
    }
}
