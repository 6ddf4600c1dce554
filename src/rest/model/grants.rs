//! Roles on single projects and datasources.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::{Comment, Name, Role};
use crate::domain;

/// What a role is given to.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::rest) enum PrincipalKind {
    /// The subject of a token.
    User,
    /// A group that a token names.
    Group,
    /// A service account, by its name.
    ServiceAccount,
}

impl From<domain::PrincipalKind> for PrincipalKind {
    fn from(kind: domain::PrincipalKind) -> Self {
        match kind {
            domain::PrincipalKind::User => Self::User,
            domain::PrincipalKind::Group => Self::Group,
            domain::PrincipalKind::ServiceAccount => Self::ServiceAccount,
        }
    }
}

impl From<PrincipalKind> for domain::PrincipalKind {
    fn from(kind: PrincipalKind) -> Self {
        match kind {
            PrincipalKind::User => Self::User,
            PrincipalKind::Group => Self::Group,
            PrincipalKind::ServiceAccount => Self::ServiceAccount,
        }
    }
}

/// A role on one project or one datasource, on top of what a token grants.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct AccessGrant {
    /// Its id.
    id: Uuid,
    /// What the role is given to.
    principal_kind: PrincipalKind,
    /// Its subject, group or name.
    principal: String,
    /// The role.
    role: Role,
    /// The project that it is on, or that of the datasource.
    project_id: String,
    /// The datasource that it is on; null means the whole project.
    datasource_id: Option<Uuid>,
    /// When it was given.
    created_at: DateTime<Utc>,
    /// Who gave it.
    created_by: String,
}

impl From<domain::AccessGrant> for AccessGrant {
    fn from(grant: domain::AccessGrant) -> Self {
        Self {
            id: grant.id,
            principal_kind: grant.principal_kind.into(),
            principal: grant.principal,
            role: grant.role.into(),
            project_id: grant.tenant.project.to_string(),
            datasource_id: grant.datasource_id,
            created_at: grant.created_at,
            created_by: grant.created_by,
        }
    }
}

/// A role to give: either on a project or on a datasource.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct GrantAccess {
    /// What it is given to.
    pub(in crate::rest) principal_kind: PrincipalKind,
    /// The subject, group or name.
    #[schema(value_type = Name)]
    pub(in crate::rest) principal: String,
    /// The role, at most your own. It takes the place of the one that the principal had there.
    pub(in crate::rest) role: Role,
    /// On all datasources of this project.
    #[schema(value_type = Option<Name>)]
    pub(in crate::rest) project_id: Option<String>,
    /// On this datasource.
    pub(in crate::rest) datasource_id: Option<Uuid>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}
