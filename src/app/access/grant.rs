//! Roles on single projects and datasources.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::change::{change, check, check_comment};
use super::super::{App, OpContext};
use super::administer;
use crate::auth::policy::grant::Read;
use crate::auth::{Permission, policy};
use crate::domain::{AccessGrant, Datasource, PrincipalKind, Role, Tenant, check_name, now};
use crate::error::{Error, Problem, Result};
use crate::store::NewAudit;

const GRANTS_MAX: u64 = 10_000;

/// What a grant is on.
#[derive(Clone, Debug)]
pub enum GrantTarget {
    Project(String),
    Datasource(Uuid),
}

#[derive(Clone, Debug)]
pub struct GrantAccess {
    pub principal_kind: PrincipalKind,
    pub principal: String,
    pub target: GrantTarget,
    pub role: Role,
    pub reason: Option<String>,
}

impl GrantTarget {
    /// Exactly one of the two.
    pub fn of(project: Option<String>, datasource: Option<Uuid>) -> Result<Self> {
        match (project, datasource) {
            (Some(project), None) => Ok(Self::Project(project)),
            (None, Some(id)) => Ok(Self::Datasource(id)),
            _ => Err(Error::invalid("/project", "give either project or datasourceId: what the role is on")),
        }
    }
}

impl App {
    /// Every grant that the caller may change.
    pub async fn access_grants(&self, ctx: &OpContext) -> Result<Vec<AccessGrant>> {
        let proof = administer(ctx)?;
        self.store.read(proof.scope()).await?.access_grants(&proof).await
    }

    /// Who has a role on a datasource besides what tokens grant.
    pub fn datasource_access(&self, ctx: &OpContext, row: &Datasource) -> Result<Vec<AccessGrant>> {
        administer(ctx)?;
        self.directory.grants_on(&row.tenant, row.id)
    }

    /// Whether the caller has a permission: on one datasource, or on any.
    pub async fn may(&self, ctx: &OpContext, permission: Permission, id: Option<Uuid>) -> Result<bool> {
        let proof = ctx.authorize::<Read>()?;
        let Some(id) = id else { return Ok(policy::allows_somewhere(&ctx.actor, permission).is_ok()) };
        let found = self.store.read(proof.scope()).await?.datasource(id).await?;
        Ok(found.is_some_and(|row| policy::allows_on(&ctx.actor, permission, &row.tenant, id)))
    }

    /// Gives a role, in place of the one that the principal had there.
    pub async fn grant_access(&self, ctx: &OpContext, input: GrantAccess) -> Result<AccessGrant> {
        let proof = administer(ctx)?;
        let mut problems = Vec::new();
        check_name("/principal", &input.principal, &mut problems);
        if let GrantTarget::Project(project) = &input.target {
            check_name("/project", project, &mut problems);
        }
        if input.role > ctx.actor.role {
            let message = format!("must be at most your own role, which is {}", ctx.actor.role);
            problems.push(Problem::new("/role", message));
        }
        check(problems)?;
        check_comment("/reason", input.reason.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        if input.principal_kind == PrincipalKind::ServiceAccount
            && !tx.has_service_account(&proof, &input.principal).await?
        {
            // Else it would wait for whoever takes the name.
            return Err(Error::invalid("/principal", "must be the name of a service account, which is created first"));
        }
        let (tenant, datasource_id): (Tenant, _) = match &input.target {
            GrantTarget::Project(project) => (proof.tenant(project)?, None),
            GrantTarget::Datasource(id) => (tx.datasource_for_update(*id).await?.tenant, Some(*id)),
        };
        let all = tx.access_grants(&proof).await?;
        let before = all.into_iter().find(|grant| {
            (grant.principal_kind, grant.datasource_id) == (input.principal_kind, datasource_id)
                && (&grant.principal, &grant.tenant) == (&input.principal, &tenant)
        });
        if let Some(same) = before.as_ref().filter(|grant| grant.role == input.role) {
            return Ok(same.clone());
        }
        if let Some(old) = &before {
            tx.delete_access_grant(&proof, old.id).await?;
        } else if tx.count_access_grants(&proof).await? >= GRANTS_MAX {
            return Err(Error::conflict(format!("an organisation has at most {GRANTS_MAX} grants; grant to groups")));
        }
        let grant = AccessGrant {
            id: Uuid::now_v7(),
            principal_kind: input.principal_kind,
            principal: input.principal,
            tenant,
            datasource_id,
            role: input.role,
            created_at: now(),
            created_by: ctx.actor.subject.to_string(),
        };
        tx.insert_access_grant(&proof, &grant).await?;
        let was = before.map_or(Value::Null, |old| json!(old.role.as_str()));
        let entry = entry(ctx, "access_granted", &grant, was, json!(grant.role.as_str()), input.reason.as_deref());
        tx.record_audit(entry);
        tx.commit().await?;
        self.directory.read().await?;
        Ok(grant)
    }

    pub async fn revoke_access(&self, ctx: &OpContext, id: Uuid, reason: Option<&str>) -> Result<AccessGrant> {
        let proof = administer(ctx)?;
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let found = tx.access_grants(&proof).await?.into_iter().find(|grant| grant.id == id);
        let grant = found.ok_or_else(|| Error::not_found("grant"))?;
        tx.delete_access_grant(&proof, id).await?;
        let was = json!(grant.role.as_str());
        tx.record_audit(entry(ctx, "access_revoked", &grant, was, Value::Null, reason));
        tx.commit().await?;
        self.directory.read().await?;
        Ok(grant)
    }
}

fn entry(ctx: &OpContext, action: &str, grant: &AccessGrant, old: Value, new: Value, reason: Option<&str>) -> NewAudit {
    let field = format!("access.{}:{}", grant.principal_kind.as_str(), grant.principal);
    let changes = change(&field, old, new).into_iter().collect();
    NewAudit { tenant: grant.tenant.clone(), datasource_id: grant.datasource_id, ..ctx.audit(action, reason, changes) }
}
