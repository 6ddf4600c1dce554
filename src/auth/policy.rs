//! The permission matrix, as data, and the proof that it was asked.
//!
//! A store write takes an [`Authorized`], which only [`authorize`] can make:
//! an unchecked write does not compile.

use std::fmt;
use std::marker::PhantomData;

use super::Actor;
use crate::domain::{Role, Scope, Tenant};
use crate::error::{Error, ErrorCode, Result};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal needs $role:ident),+ $(,)?) => {
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
        }

        /// One type per permission, to tell proofs apart.
        pub mod grant {
            use super::Permission;
            $($(#[$doc])* #[derive(Debug)] pub struct $name;
            impl super::Grant for $name { const PERMISSION: Permission = Permission::$name; })+
        }
    };
}

permissions! {
    /// See the catalog, versions, state, metrics, events, test results and secret keys.
    Read = "datasource:read" needs Viewer,
    /// Create and edit drafts.
    Edit = "datasource:edit" needs Operator,
    /// Run a configuration on a sample.
    Test = "datasource:test" needs Operator,
    /// Start, stop, restart and backfill.
    Operate = "datasource:operate" needs Operator,
    /// See, edit, replay and discard dead letters.
    HandleDeadLetters = "dead_letter:handle" needs Operator,
    /// See the nodes, and which worker runs where.
    ReadRegistry = "registry:read" needs Operator,
    /// Publish and roll back.
    Publish = "datasource:publish" needs Admin,
    /// Archive and restore.
    Archive = "datasource:archive" needs Admin,
    /// Set, delete and re-pin secrets.
    ManageSecrets = "secret:manage" needs Admin,
    /// Write everything out as files.
    Export = "datasource:export" needs Admin,
    /// Change the governance metadata of a datasource that is or was live.
    ManageMetadata = "metadata:manage" needs Admin,
    /// Manage service accounts and their keys, and revoke tokens.
    ManageAccess = "access:manage" needs Admin,
    /// Read the audit log.
    ReadAudit = "audit:read" needs Admin,
}

/// A permission at the type level.
pub trait Grant: 'static {
    const PERMISSION: Permission;
}

/// Proof that an actor holds `P` within a scope.
pub struct Authorized<P: Grant> {
    actor: Actor,
    permission: PhantomData<P>,
}

impl<P: Grant> Authorized<P> {
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What the proof reaches: the rows of the actor's tenant.
    pub fn scope(&self) -> &Scope {
        &self.actor.scope
    }

    /// Whether the proof reaches a row that is about to be written.
    pub fn tenant(&self, project: &str) -> Result<Tenant> {
        if !self.actor.scope.covers_project(project) {
            return Err(Error::new(ErrorCode::Forbidden, format!("your token does not cover the project {project:?}")));
        }
        Ok(Tenant { org: self.actor.scope.org_id().clone(), project: project.into() })
    }
}

impl<P: Grant> fmt::Debug for Authorized<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorized<{}>({})", P::PERMISSION.as_str(), self.actor.subject)
    }
}

/// The one decision: does the actor's role reach the permission's?
pub fn allows(role: Role, permission: Permission) -> bool {
    role >= permission.role()
}

pub fn authorize<P: Grant>(actor: &Actor) -> Result<Authorized<P>> {
    if allows(actor.role, P::PERMISSION) {
        Ok(Authorized { actor: actor.clone(), permission: PhantomData })
    } else {
        Err(refusal(actor.role, P::PERMISSION.role()))
    }
}

/// The same words wherever a role is too low.
pub fn refusal(has: Role, needs: Role) -> Error {
    Error::new(
        ErrorCode::Forbidden,
        format!("this needs the role datasource:{needs}; your token grants datasource:{has}"),
    )
}
