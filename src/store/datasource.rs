//! Datasources: look-up, list and change.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, DbBackend, EntityTrait, IntoActiveModel, Order, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use serde_json::json;

use super::entity::datasource::{ActiveModel, Column, Entity, Model};
use super::{Tx, classify, corrupt};
use crate::auth::Authorized;
use crate::auth::policy::{Grant, refused_here};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    CustomRateLimit, Datasource, DatasourceFilter, DatasourceKey, DatasourceOrder, DatasourceOrderField,
    DatasourceStatus, Metadata, Scope, Tenant,
};
use crate::error::{Error, Result};

impl DatasourceOrder {
    fn column(self) -> Column {
        match self.field {
            DatasourceOrderField::Name => Column::Name,
            DatasourceOrderField::CreatedAt => Column::CreatedAt,
            DatasourceOrderField::UpdatedAt => Column::UpdatedAt,
        }
    }

    fn tuple(self, key: &DatasourceKey) -> SimpleExpr {
        let value: SimpleExpr = match self.field {
            DatasourceOrderField::Name => Expr::value(key.name.clone()),
            _ => Expr::value(key.at),
        };
        Expr::tuple([value, Expr::value(key.id)])
    }
}

impl Tx {
    /// `None` when there is no such row in scope, whatever the reason.
    pub async fn datasource(&self, id: Uuid) -> Result<Option<Datasource>> {
        let row = self.select_datasources().filter(Column::Id.eq(id)).one(&self.db).await.map_err(classify)?;
        row.map(Datasource::try_from).transpose()
    }

    /// The same, locked until the commit: one change at a time.
    pub async fn datasource_for_update(&self, id: Uuid) -> Result<Datasource> {
        let query = self.select_datasources().filter(Column::Id.eq(id));
        let row = query.lock_exclusive().one(&self.db).await.map_err(classify)?;
        match row {
            Some(row) => Datasource::try_from(row),
            None => Err(self.out_of_reach(id).await?),
        }
    }

    /// Why a row is not in scope: it is seen, but no more may be done with it; or it is not even seen.
    async fn out_of_reach(&self, id: Uuid) -> Result<Error> {
        let Some((visible, needs)) = &self.visible else { return Ok(Error::not_found("datasource")) };
        let seen = Entity::find().filter(in_scope(visible)).filter(Column::Id.eq(id)).count(&self.db).await;
        Ok(match seen.map_err(classify)? {
            0 => Error::not_found("datasource"),
            _ => refused_here(*needs),
        })
    }

    pub async fn datasources_by_id(&self, ids: &[Uuid]) -> Result<Vec<Datasource>> {
        let query = self.select_datasources().filter(Column::Id.is_in(ids.iter().copied()));
        let rows = query.all(&self.db).await.map_err(classify)?;
        rows.into_iter().map(Datasource::try_from).collect()
    }

    pub async fn datasources(
        &self,
        filter: &DatasourceFilter,
        order: DatasourceOrder,
        page: &PageRequest<DatasourceKey>,
    ) -> Result<Page<Datasource>> {
        // Reading backwards turns the order round; the page turns it back.
        let descending = order.descending != page.backward;
        let position = || Expr::tuple([Expr::col(order.column()), Expr::col(Column::Id)]);
        let mut query = self.filtered(filter);
        if let Some(after) = &page.after {
            let key = order.tuple(after);
            query = query.filter(if order.descending { position().lt(key) } else { position().gt(key) });
        }
        if let Some(before) = &page.before {
            let key = order.tuple(before);
            query = query.filter(if order.descending { position().gt(key) } else { position().lt(key) });
        }
        let direction = if descending { Order::Desc } else { Order::Asc };
        let rows = query
            .order_by(order.column(), direction.clone())
            .order_by(Column::Id, direction)
            .offset(page.offset)
            .limit(page.limit.saturating_add(1))
            .all(&self.db)
            .await
            .map_err(classify)?;
        let items = rows.into_iter().map(Datasource::try_from).collect::<Result<Vec<_>>>()?;
        Ok(Page::from_rows(items, page))
    }

    pub async fn count_datasources(&self, filter: &DatasourceFilter) -> Result<u64> {
        self.filtered(filter).count(&self.db).await.map_err(classify)
    }

    pub async fn insert_datasource<P: Grant>(&self, _: &Authorized<P>, row: &Datasource) -> Result<()> {
        Entity::insert(active(row)).exec_without_returning(&self.db).await.map_err(|e| named(e, row))?;
        self.invite(row).await
    }

    /// Writes all that can change, raises the revision, and answers with the row as it is now.
    pub async fn save_datasource<P: Grant>(&self, _: &Authorized<P>, mut row: Datasource) -> Result<Datasource> {
        row.revision += 1;
        let mut model = active(&row);
        model.id = Unchanged(row.id);
        Entity::update(model).exec(&self.db).await.map_err(|e| named(e, &row))?;
        self.invite(&row).await?;
        Ok(row)
    }

    /// What the registry sees of a worker shows on the datasource; it is not an edit, so the revision stays.
    pub(super) async fn set_status(&self, id: Uuid, from: DatasourceStatus, to: DatasourceStatus) -> Result<()> {
        Entity::update_many()
            .col_expr(Column::Status, Expr::value(to.as_str()))
            .filter(Column::Id.eq(id))
            .filter(Column::Status.eq(from.as_str()))
            .exec(&self.db)
            .await
            .map(drop)
            .map_err(classify)
    }

    fn select_datasources(&self) -> Select<Entity> {
        Entity::find().filter(in_scope(&self.scope))
    }

    fn filtered(&self, filter: &DatasourceFilter) -> Select<Entity> {
        let mut query = self.select_datasources();
        query =
            query.filter(if filter.archived { Column::ArchivedAt.is_not_null() } else { Column::ArchivedAt.is_null() });
        if !filter.status.is_empty() {
            query = query.filter(Column::Status.is_in(filter.status.iter().map(|s| s.as_str())));
        }
        if !filter.types.is_empty() {
            query = query.filter(Column::ConnectorType.is_in(&filter.types));
        }
        if let Some(owner) = &filter.owner {
            query = query.filter(Column::Owner.eq(owner));
        }
        if let Some(manager) = &filter.managed_by {
            query = query.filter(Column::ManagedBy.eq(manager));
        }
        if let Some(project) = &filter.project {
            query = query.filter(Column::ProjectId.eq(project));
        }
        for tag in &filter.tags {
            query = query.filter(match self.backend() {
                DbBackend::Postgres => Expr::cust_with_values("tags @> $1::jsonb", [json!([tag])]),
                _ => Expr::cust_with_values("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)", [tag.as_str()]),
            });
        }
        if let Some(words) = &filter.search {
            for word in words.split_whitespace() {
                let pattern = format!("%{}%", escape_like(&word.to_lowercase()));
                query = query.filter(
                    Expr::col(Column::SearchText).like(sea_orm::sea_query::LikeExpr::new(pattern).escape('\\')),
                );
            }
        }
        query
    }

    pub(super) fn backend(&self) -> DbBackend {
        sea_orm::ConnectionTrait::get_database_backend(&self.db)
    }
}

fn in_scope(scope: &Scope) -> Condition {
    super::grant::reached(scope, Column::OrgId, Column::ProjectId, Column::Id)
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn named(error: sea_orm::DbErr, row: &Datasource) -> Error {
    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => Error::conflict(format!(
            "a datasource named {:?} exists already in the project {:?}; choose another name",
            row.name, row.tenant.project
        )),
        _ => classify(error),
    }
}

fn active(row: &Datasource) -> ActiveModel {
    let said = &row.metadata;
    let parts: Vec<&str> = [row.name.as_str(), &row.description, &said.owner, &row.connector_type]
        .into_iter()
        .chain(said.team.as_deref())
        .chain(said.category.as_deref())
        .chain(said.tags.iter().map(String::as_str))
        .collect();
    ActiveModel {
        id: Set(row.id),
        org_id: Set(row.tenant.org.to_string()),
        project_id: Set(row.tenant.project.to_string()),
        name: Set(row.name.clone()),
        connector_type: Set(row.connector_type.clone()),
        description: Set(row.description.clone()),
        owner: Set(said.owner.clone()),
        team: Set(said.team.clone()),
        category: Set(said.category.clone()),
        tags: Set(json!(said.tags)),
        search_text: Set(parts.join("\n").to_lowercase()),
        status: Set(row.status.as_str().to_owned()),
        revision: Set(row.revision),
        current_version: Set(row.current_version),
        latest_version: Set(row.latest_version),
        created_at: Set(row.created_at),
        created_by: Set(row.created_by.clone()),
        updated_at: Set(row.updated_at),
        updated_by: Set(row.updated_by.clone()),
        archived_at: Set(row.archived_at),
        managed_by: Set(row.managed_by.to_string()),
        lifecycle: Set(said.lifecycle.as_str().to_owned()),
        visibility: Set(json!(said.visibility)),
        restricted: Set(!said.visibility.is_for_all()),
        sla: Set(said.sla.as_ref().map(|sla| json!(sla))),
        records_per_second: Set(said.rate_limit.map(|limit| limit.records_per_second)),
        template: Set(row.template.as_ref().map(|template| json!(template))),
    }
    .into_active_model()
}

impl TryFrom<Model> for Datasource {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let at = |what: String| corrupt("datasources", row.id, what);
        fn parsed<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T, String> {
            serde_json::from_value(value).map_err(|e| e.to_string())
        }
        Ok(Self {
            metadata: Metadata {
                tags: parsed(row.tags).map_err(at)?,
                visibility: parsed(row.visibility).map_err(at)?,
                lifecycle: row.lifecycle.parse().map_err(at)?,
                sla: row.sla.map(parsed).transpose().map_err(at)?,
                rate_limit: row.records_per_second.map(|records_per_second| CustomRateLimit { records_per_second }),
                owner: row.owner,
                team: row.team,
                category: row.category,
            },
            status: row.status.parse().map_err(at)?,
            managed_by: row.managed_by.parse().map_err(at)?,
            template: row.template.map(serde_json::from_value).transpose().map_err(|e| at(e.to_string()))?,
            id: row.id,
            tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
            name: row.name,
            connector_type: row.connector_type,
            description: row.description,
            revision: row.revision,
            current_version: row.current_version,
            latest_version: row.latest_version,
            created_at: row.created_at,
            created_by: row.created_by,
            updated_at: row.updated_at,
            updated_by: row.updated_by,
            archived_at: row.archived_at,
        })
    }
}
