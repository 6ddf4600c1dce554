use std::sync::Arc;

use crate::domain::{AccessGrant, Role, Scope, Timestamp};

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
    /// As the token names them; a grant may be to one of them.
    pub groups: Arc<[String]>,
    /// As the token names them; a datasource may be shown to one of them.
    pub communities: Arc<[String]>,
    /// What the actor may do on single projects and datasources, on top of `role`.
    pub grants: Arc<[AccessGrant]>,
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
            groups: Arc::default(),
            communities: Arc::default(),
            grants: Arc::default(),
        }
    }

    /// The most that the actor may do anywhere.
    pub fn highest_role(&self) -> Role {
        self.grants.iter().map(|grant| grant.role).max().map_or(self.role, |granted| granted.max(self.role))
    }
}
