//! Grants on projects and datasources, and what a scope reaches in a table.

use std::collections::HashMap;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use super::entity::access_grant::{ActiveModel, Column, Entity, Model};
use super::entity::{datasource, datasource_audience};
use super::governance::Circle;
use super::{Store, Tx, classify, corrupt};
use crate::auth::Authorized;
use crate::auth::policy::grant::ManageAccess;
use crate::domain::{AccessGrant, PrincipalKind, Scope, Tenant};
use crate::error::{Error, Result};

/// The rows of a table that a scope reaches: those of its projects, and those of single datasources; but none of a
/// datasource that is not shown to who asks.
pub(super) fn reached<C: ColumnTrait>(scope: &Scope, org: C, project: C, datasource: C) -> Condition {
    let id = Expr::col(datasource.as_column_ref());
    let own = Condition::all().add(org.eq(scope.org_id().as_ref())).add_option(shown(scope, id));
    let Some(projects) = scope.project_ids() else { return own };
    let mut either = Condition::any().add(project.is_in(projects));
    if !scope.datasource_ids().is_empty() {
        either = either.add(datasource.is_in(scope.datasource_ids().iter().copied()));
    }
    own.add(either)
}

/// That the datasource of this id is shown to who asks; `None` is that all are. What is of no datasource is.
pub(super) fn shown(scope: &Scope, id: Expr) -> Option<SimpleExpr> {
    let viewer = scope.viewer()?;
    let of = |column: datasource::Column| Expr::col((HIDDEN, column));
    let mut hidden = Query::select();
    hidden
        .expr(Expr::value(1))
        .from_as(datasource::Entity, HIDDEN)
        .and_where(of(datasource::Column::Id).eq(id))
        // No parameter: else a plan that is kept could not use the index of those.
        .and_where(of(datasource::Column::Restricted))
        .and_where(of(datasource::Column::Owner).ne(viewer.subject.as_ref()));
    if !viewer.admin_of.is_empty() {
        hidden.and_where(of(datasource::Column::ProjectId).is_not_in(viewer.admin_of.iter().map(String::as_str)));
    }
    if !viewer.let_in.is_empty() {
        hidden.and_where(of(datasource::Column::Id).is_not_in(viewer.let_in.iter().copied()));
    }
    let circles = [(Circle::Community, &viewer.communities), (Circle::Group, &viewer.groups)];
    let circles = circles.into_iter().filter(|(_, names)| !names.is_empty()).map(|(circle, names)| {
        Condition::all()
            .add(datasource_audience::Column::Kind.eq(circle.as_str()))
            .add(datasource_audience::Column::Name.is_in(names.iter().map(String::as_str)))
    });
    let circles: Vec<_> = circles.collect();
    if !circles.is_empty() {
        let invited = Query::select()
            .expr(Expr::value(1))
            .from(datasource_audience::Entity)
            .and_where(
                Expr::col((datasource_audience::Entity, datasource_audience::Column::DatasourceId))
                    .eq(of(datasource::Column::Id)),
            )
            .cond_where(circles.into_iter().fold(Condition::any(), Condition::add))
            .take();
        hidden.and_where(Expr::exists(invited).not());
    }
    Some(Expr::exists(hidden.take()).not())
}

/// The datasources once more, beside those that a query is about.
const HIDDEN: &str = "hidden";

impl Store {
    /// All grants, by organisation.
    pub async fn grants(&self) -> Result<HashMap<String, Vec<AccessGrant>>> {
        let tx = self.read_everything().await?;
        let rows = Entity::find().all(&tx.db).await.map_err(classify)?;
        let mut found: HashMap<String, Vec<AccessGrant>> = HashMap::new();
        for row in rows {
            found.entry(row.org_id.clone()).or_default().push(grant(row)?);
        }
        Ok(found)
    }
}

impl Tx {
    /// By principal; those on projects and datasources that the scope covers.
    pub async fn access_grants(&self, _: &Authorized<ManageAccess>) -> Result<Vec<AccessGrant>> {
        let query = Entity::find().filter(reached(&self.scope, Column::OrgId, Column::ProjectId, Column::DatasourceId));
        let query = query.order_by_asc(Column::PrincipalKind).order_by_asc(Column::Principal).order_by_asc(Column::Id);
        query.all(&self.db).await.map_err(classify)?.into_iter().map(grant).collect()
    }

    pub async fn count_access_grants(&self, _: &Authorized<ManageAccess>) -> Result<u64> {
        let query = Entity::find().filter(Column::OrgId.eq(self.scope.org_id().as_ref()));
        query.count(&self.db).await.map_err(classify)
    }

    /// As far as the caller may see; what is on other projects does not count for the keys that it makes.
    pub async fn is_granted(&self, _: &Authorized<ManageAccess>, kind: PrincipalKind, principal: &str) -> Result<bool> {
        let query = Entity::find()
            .filter(Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(Column::PrincipalKind.eq(kind.as_str()))
            .filter(Column::Principal.eq(principal));
        Ok(query.count(&self.db).await.map_err(classify)? > 0)
    }

    /// Removes it, if it is there, so that another one can take its place.
    pub async fn delete_access_grant(&mut self, _: &Authorized<ManageAccess>, id: Uuid) -> Result<()> {
        let own = reached(&self.scope, Column::OrgId, Column::ProjectId, Column::DatasourceId);
        Entity::delete_many().filter(own).filter(Column::Id.eq(id)).exec(&self.db).await.map_err(classify)?;
        self.call_everybody();
        Ok(())
    }

    pub async fn insert_access_grant(&mut self, _: &Authorized<ManageAccess>, new: &AccessGrant) -> Result<()> {
        if !self.scope.covers(&new.tenant) {
            return Err(Error::not_found("project"));
        }
        let row = ActiveModel {
            id: Set(new.id),
            org_id: Set(new.tenant.org.to_string()),
            principal_kind: Set(new.principal_kind.as_str().to_owned()),
            principal: Set(new.principal.clone()),
            project_id: Set(new.tenant.project.to_string()),
            datasource_id: Set(new.datasource_id),
            role: Set(new.role.as_str().to_owned()),
            created_at: Set(new.created_at),
            created_by: Set(new.created_by.clone()),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map_err(classify)?;
        self.call_everybody();
        Ok(())
    }
}

fn grant(row: Model) -> Result<AccessGrant> {
    let at = |what: String| corrupt("access_grants", row.id, what);
    Ok(AccessGrant {
        principal_kind: row.principal_kind.parse().map_err(at)?,
        role: row.role.parse().map_err(at)?,
        id: row.id,
        principal: row.principal,
        tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
        datasource_id: row.datasource_id,
        created_at: row.created_at,
        created_by: row.created_by,
    })
}
