use std::sync::Arc;

use crate::domain::{Role, Scope, Timestamp};

/// Who acts: taken from a verified token, or the system itself.
#[derive(Clone, Debug)]
pub struct Actor {
    pub subject: Arc<str>,
    pub kind: ActorKind,
    pub role: Role,
    pub scope: Scope,
    /// Where a new datasource goes when its creator names no project.
    pub default_project: Arc<str>,
    /// When the credential ends; a stream that was opened with it ends then too.
    pub expires_at: Option<Timestamp>,
    pub credential: Credential,
}

/// What let an actor in, by what it can be ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A token, by the name that its issuer gave it.
    Token { jti: Option<Arc<str>> },
    /// An API key, by its public part.
    ApiKey(Arc<str>),
    /// None: the process itself.
    Internal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    User,
    /// A program with an API key.
    Service,
    /// The registry and other work that no request asked for.
    System,
}

impl Actor {
    /// The process itself, acting in one organisation.
    pub fn system(name: &str, org: impl Into<Arc<str>>) -> Self {
        Self {
            subject: format!("system:{name}").into(),
            kind: ActorKind::System,
            role: Role::Admin,
            scope: Scope::org(org),
            default_project: "default".into(),
            expires_at: None,
            credential: Credential::Internal,
        }
    }
}
