//! The permission matrix, as data, and the proof that it was asked.
//!
//! A store write takes an [`Authorized`], which only [`authorize`] can make:
//! an unchecked write does not compile.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use uuid::Uuid;

use super::Actor;
use crate::domain::{AccessGrant, Datasource, Role, Scope, Tenant, Viewer};
use crate::error::{Error, ErrorCode, Result};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal needs $role:ident over $over:ident),+ $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Permission { $($(#[$doc])* $name),+ }

        impl Permission {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The lowest role that has it.
            pub const fn role(self) -> Role {
                match self { $(Self::$name => Role::$role),+ }
            }

            /// What that role must be over.
            pub const fn over(self) -> Over {
                match self { $(Self::$name => Over::$over),+ }
            }
        }

        /// One type per permission, to tell proofs apart.
        pub mod grant {
            use super::Permission;
            $($(#[$doc])* #[derive(Debug)] pub struct $name;
            impl super::Grant for $name { const PERMISSION: Permission = Permission::$name; })+
        }
    };
}

/// What a role must be over to give a permission; each asks for more than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Over {
    /// Single rows: by the token, or by a grant on the datasource or its project.
    Rows,
    /// What is of no single row: by the token alone.
    Token,
    /// What the whole organisation has but once: by a token that is not limited to projects of it.
    Organisation,
}

permissions! {
    /// See the catalog, versions, state, metrics, events, test results and secret keys.
    Read = "datasource:read" needs Viewer over Rows,
    /// Create and edit drafts.
    Edit = "datasource:edit" needs Operator over Rows,
    /// Save, delete and restore one's own saved views.
    SaveViews = "view:save" needs Viewer over Rows,
    /// Run a configuration on a sample.
    Test = "datasource:test" needs Operator over Rows,
    /// Start, stop, restart and backfill.
    Operate = "datasource:operate" needs Operator over Rows,
    /// See, edit, replay and discard dead letters.
    HandleDeadLetters = "dead_letter:handle" needs Operator over Rows,
    /// See the nodes, and which worker runs where.
    ReadRegistry = "registry:read" needs Operator over Token,
    /// Ask for approval, see what was asked for, and withdraw one's own requests.
    AskApproval = "approval:ask" needs Operator over Rows,
    /// Publish and roll back.
    Publish = "datasource:publish" needs Admin over Rows,
    /// Archive and restore.
    Archive = "datasource:archive" needs Admin over Rows,
    /// Set, delete and re-pin secrets.
    ManageSecrets = "secret:manage" needs Admin over Rows,
    /// See, rotate and retire encryption keys.
    ManageKeys = "key:manage" needs Admin over Organisation,
    /// Write everything out as files.
    Export = "datasource:export" needs Admin over Rows,
    /// Change the governance metadata of a datasource that is or was live.
    ManageMetadata = "metadata:manage" needs Admin over Rows,
    /// Save, delete and restore templates, and the views that all see.
    ManageItems = "metadata_item:manage" needs Admin over Organisation,
    /// Manage grants, service accounts and their keys, and revoke tokens.
    ManageAccess = "access:manage" needs Admin over Token,
    /// Approve and reject what others ask for, and withdraw their requests.
    Approve = "approval:decide" needs Admin over Rows,
    /// Say what needs approval.
    ManageApprovals = "approval:manage" needs Admin over Token,
    /// Say what governance metadata must be like.
    ManageGovernance = "governance:manage" needs Admin over Organisation,
    /// Say who is told of changes, and see and repeat what was sent.
    ManageNotifications = "notification:manage" needs Admin over Organisation,
    /// Read the audit log.
    ReadAudit = "audit:read" needs Admin over Rows,
}

/// A permission at the type level.
pub trait Grant: 'static {
    const PERMISSION: Permission;
}

/// Proof that an actor holds `P` within a scope.
pub struct Authorized<P: Grant> {
    actor: Actor,
    scope: Scope,
    permission: PhantomData<P>,
}

impl<P: Grant> Authorized<P> {
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What the proof reaches: the rows on which the actor has the permission, by the token or by a grant.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What the actor may see, and the role that it takes to do more with it.
    pub fn visible(&self) -> Option<(Scope, Role)> {
        scope_of(&self.actor, Permission::Read).map(|scope| (scope, P::PERMISSION.role()))
    }

    /// Whether the proof reaches a row that is about to be written.
    pub fn tenant(&self, project: &str) -> Result<Tenant> {
        if !self.scope.covers_project(project) {
            return Err(Error::new(ErrorCode::Forbidden, format!("your token does not cover the project {project:?}")));
        }
        Ok(Tenant { org: self.scope.org_id().clone(), project: project.into() })
    }
}

impl<P: Grant> fmt::Debug for Authorized<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorized<{}>({})", P::PERMISSION.as_str(), self.actor.subject)
    }
}

/// The one decision: does the role reach the permission's?
pub fn allows(role: Role, permission: Permission) -> bool {
    role >= permission.role()
}

/// Whether the token alone gives a permission, wherever it reaches.
pub fn by_token(actor: &Actor, permission: Permission) -> bool {
    let limited = actor.scope.project_ids().is_some();
    allows(actor.role, permission) && !(limited && permission.over() == Over::Organisation)
}

/// Where an actor has a permission: within the token's scope if its role allows it, and where a grant does.
/// `None` is nowhere.
pub fn scope_of(actor: &Actor, permission: Permission) -> Option<Scope> {
    let by_token = by_token(actor, permission);
    let org = actor.scope.org_id();
    let counts =
        |g: &&AccessGrant| permission.over() == Over::Rows && allows(g.role, permission) && g.tenant.org == *org;
    let granted = || actor.grants.iter().filter(counts);
    if by_token && (actor.scope.project_ids().is_none() || granted().next().is_none()) {
        return Some(actor.scope.clone().seen_by(viewer_of(actor)));
    }
    let own = actor.scope.project_ids().filter(|_| by_token).unwrap_or_default();
    let projects = granted().filter(|g| g.datasource_id.is_none()).map(|g| g.tenant.project.to_string());
    let projects: Vec<_> = own.iter().cloned().chain(projects).collect();
    let datasources: Vec<_> = granted().filter_map(|g| g.datasource_id).collect();
    let somewhere = by_token || !projects.is_empty() || !datasources.is_empty();
    let scope = || Scope::projects(org.clone(), projects).and_datasources(datasources);
    somewhere.then(|| scope().seen_by(viewer_of(actor)))
}

/// Whom a datasource that is not for everybody is shown to; an admin of the whole organisation sees all.
fn viewer_of(actor: &Actor) -> Option<Arc<Viewer>> {
    let own = match (actor.role, actor.scope.project_ids()) {
        (Role::Admin, None) => return None,
        (Role::Admin, Some(projects)) => projects.to_vec(),
        _ => Vec::new(),
    };
    let org = actor.scope.org_id();
    let granted = || actor.grants.iter().filter(|grant| grant.tenant.org == *org);
    let administers = granted().filter(|grant| grant.role == Role::Admin && grant.datasource_id.is_none());
    Some(Arc::new(Viewer {
        subject: Arc::clone(&actor.subject),
        communities: Arc::clone(&actor.communities),
        groups: Arc::clone(&actor.groups),
        admin_of: own.into_iter().chain(administers.map(|grant| grant.tenant.project.to_string())).collect(),
        let_in: granted().filter_map(|grant| grant.datasource_id).collect(),
    }))
}

/// Whether an actor sees a datasource that is within its reach.
pub fn sees(actor: &Actor, row: &Datasource) -> bool {
    viewer_of(actor).is_none_or(|viewer| viewer.sees(row))
}

/// Whether an actor has a permission on one datasource.
pub fn allows_on(actor: &Actor, permission: Permission, tenant: &Tenant, datasource: Uuid) -> bool {
    scope_of(actor, permission).is_some_and(|scope| scope.reaches(tenant, datasource))
}

/// Whether an actor has a permission on anything at all.
pub fn allows_somewhere(actor: &Actor, permission: Permission) -> Result<()> {
    scope_of(actor, permission).map(drop).ok_or_else(|| refused_everywhere(actor, permission))
}

pub fn authorize<P: Grant>(actor: &Actor) -> Result<Authorized<P>> {
    match scope_of(actor, P::PERMISSION) {
        Some(scope) => Ok(Authorized { actor: actor.clone(), scope, permission: PhantomData }),
        None => Err(refused_everywhere(actor, P::PERMISSION)),
    }
}

/// The same on one datasource that the actor is seen to reach already.
pub fn authorize_on<P: Grant>(actor: &Actor, tenant: &Tenant, datasource: Uuid) -> Result<Authorized<P>> {
    let proof = authorize::<P>(actor)?;
    if proof.scope.reaches(tenant, datasource) { Ok(proof) } else { Err(refused_here(P::PERMISSION.role())) }
}

/// Names what is missing: the role, or the rest of the organisation.
fn refused_everywhere(actor: &Actor, permission: Permission) -> Error {
    match permission.over() {
        Over::Rows => refusal(actor.highest_role(), permission.role()),
        Over::Organisation if allows(actor.role, permission) => {
            let message =
                format!("{} is for the whole organisation; your token covers only projects of it", permission.as_str());
            Error::new(ErrorCode::Forbidden, message)
        }
        Over::Token | Over::Organisation => refusal(actor.role, permission.role()),
    }
}

/// The same words wherever a role is too low.
pub fn refusal(has: Role, needs: Role) -> Error {
    Error::new(
        ErrorCode::Forbidden,
        format!("this needs the role datasource:{needs}; your token grants datasource:{has}"),
    )
}

/// And where it is high enough, but elsewhere.
pub fn refused_here(needs: Role) -> Error {
    Error::new(
        ErrorCode::Forbidden,
        format!("this needs the role datasource:{needs} on this datasource; you have less there"),
    )
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
