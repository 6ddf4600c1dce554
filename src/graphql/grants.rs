//! Roles on single projects and datasources.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};

use super::error::Shape;
use super::guard::HasRole;
use super::inputs::uuid;
use super::types::Role;
use crate::app::{self, App, GrantTarget, OpContext};
use crate::auth::Permission;
use crate::domain::{self, Timestamp};

/// What a role is given to.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum PrincipalKind {
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
pub(super) struct AccessGrant(pub(super) domain::AccessGrant);

/// A role on one project or one datasource, on top of what a token grants.
#[Object]
impl AccessGrant {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// What the role is given to.
    async fn principal_kind(&self) -> PrincipalKind {
        self.0.principal_kind.into()
    }

    /// Its subject, group or name.
    async fn principal(&self) -> &str {
        &self.0.principal
    }

    /// The role.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// The project that it is on, or that of the datasource.
    async fn project(&self) -> &str {
        &self.0.tenant.project
    }

    /// The datasource that it is on; null means the whole project.
    async fn datasource_id(&self) -> Option<ID> {
        self.0.datasource_id.map(Into::into)
    }

    /// When it was given.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Who gave it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
}

/// The grant as it is now, or as it was.
#[derive(SimpleObject)]
struct AccessGrantPayload {
    /// As it is now; for a revocation, as it was.
    grant: AccessGrant,
}

/// A role to give: either on a project or on a datasource.
#[derive(InputObject)]
struct GrantAccessInput {
    /// What it is given to.
    principal_kind: PrincipalKind,
    /// The subject, group or name.
    principal: String,
    /// The role, at most your own. It takes the place of the one that the principal had there.
    role: Role,
    /// On all datasources of this project.
    project: Option<String>,
    /// On this datasource.
    datasource_id: Option<ID>,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// A grant to end.
#[derive(InputObject)]
struct RevokeAccessInput {
    /// The grant.
    id: ID,
    /// Why; for the audit log.
    reason: Option<String>,
}

#[derive(Default)]
pub struct GrantQuery;

/// Who may do what where.
#[Object]
impl GrantQuery {
    /// The grants of the organisation, by principal; at most 10,000.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn access_grants(&self, ctx: &Context<'_>) -> Result<Vec<AccessGrant>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let all = Box::pin(app.access_grants(op)).await.shaped(ctx)?;
        Ok(all.into_iter().map(AccessGrant).collect())
    }
}

#[derive(Default)]
pub struct GrantMutation;

/// Who may do what where.
#[Object]
impl GrantMutation {
    /// Gives a role on one project or one datasource, on top of what tokens grant.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn grant_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The role, and where.")] input: GrantAccessInput,
    ) -> Result<AccessGrantPayload> {
        let datasource = input.datasource_id.map(|id| uuid("/datasourceId", &id)).transpose().shaped(ctx)?;
        let input = app::GrantAccess {
            principal_kind: input.principal_kind.into(),
            principal: input.principal,
            target: GrantTarget::of(input.project, datasource).shaped(ctx)?,
            role: input.role.into(),
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let grant = Box::pin(app.grant_access(op, input)).await.shaped(ctx)?;
        Ok(AccessGrantPayload { grant: AccessGrant(grant) })
    }

    /// Ends a grant, on every node at once, and with it what was opened by it.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn revoke_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The grant.")] input: RevokeAccessInput,
    ) -> Result<AccessGrantPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let grant = Box::pin(app.revoke_access(op, id, input.reason.as_deref())).await.shaped(ctx)?;
        Ok(AccessGrantPayload { grant: AccessGrant(grant) })
    }
}
