//! Versions of a configuration.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use serde_json::json;

use super::entity::version::{ActiveModel, Column, Entity, Model};
use super::{Tx, classify, corrupt};
use crate::auth::Authorized;
use crate::auth::policy::Grant;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{ApprovalState, Tenant, Version, VersionState, canonical_json, now};
use crate::error::{Error, Result};

impl Tx {
    pub async fn version(&self, datasource_id: Uuid, version: i32) -> Result<Option<Version>> {
        let query = self.select_versions(datasource_id).filter(Column::Version.eq(version));
        query.one(&self.db).await.map_err(classify)?.map(Version::try_from).transpose()
    }

    /// Newest first; the cursor is the version number.
    pub async fn versions(&self, datasource_id: Uuid, page: &PageRequest<i32>) -> Result<Page<Version>> {
        let query = self.select_versions(datasource_id);
        let mut query = query.offset(page.offset).limit(page.limit.saturating_add(1));
        if let Some(after) = page.after {
            query = query.filter(Column::Version.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(Column::Version.gt(before));
        }
        let query =
            if page.backward { query.order_by_asc(Column::Version) } else { query.order_by_desc(Column::Version) };
        let rows = query.all(&self.db).await.map_err(classify)?;
        let versions = rows.into_iter().map(Version::try_from).collect::<Result<Vec<_>>>()?;
        Ok(Page::from_rows(versions, page))
    }

    /// One statement for the versions of a whole list.
    pub async fn versions_by_number(&self, keys: &[(Uuid, i32)]) -> Result<Vec<Version>> {
        let wanted =
            Expr::tuple([Expr::col(Column::DatasourceId), Expr::col(Column::Version)]).in_tuples(keys.iter().copied());
        let query = Entity::find().filter(self.versions_in_scope()).filter(wanted);
        query.all(&self.db).await.map_err(classify)?.into_iter().map(Version::try_from).collect()
    }

    /// The newest version below `version` that was ever published: the default target of a rollback.
    /// By number and not by time, so that a second rollback goes further back instead of forth again.
    pub async fn published_before(&self, datasource_id: Uuid, version: i32) -> Result<Option<Version>> {
        let query = self
            .select_versions(datasource_id)
            .filter(Column::State.eq(VersionState::Archived.as_str()))
            .filter(Column::PublishedAt.is_not_null())
            .filter(Column::Version.lt(version))
            .order_by_desc(Column::Version);
        query.one(&self.db).await.map_err(classify)?.map(Version::try_from).transpose()
    }

    pub async fn insert_version<P: Grant>(&self, _: &Authorized<P>, row: &Version) -> Result<()> {
        Entity::insert(active(row)).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// State, pins and approval; a configuration never changes.
    pub async fn save_version<P: Grant>(&self, _: &Authorized<P>, row: &Version) -> Result<()> {
        let model = ActiveModel {
            id: Unchanged(row.id),
            state: Set(row.state.as_str().to_owned()),
            secret_pins: Set(json!(row.secret_pins)),
            approval: Set(row.approval.as_str().to_owned()),
            approved_by: Set(row.approved_by.clone()),
            approved_at: Set(row.approved_at),
            published_at: Set(row.published_at),
            published_by: Set(row.published_by.clone()),
            ..Default::default()
        };
        Entity::update(model).exec(&self.db).await.map(drop).map_err(classify)
    }

    fn select_versions(&self, datasource_id: Uuid) -> Select<Entity> {
        Entity::find().filter(self.versions_in_scope()).filter(Column::DatasourceId.eq(datasource_id))
    }

    fn versions_in_scope(&self) -> Condition {
        super::grant::reached(&self.scope, Column::OrgId, Column::ProjectId, Column::DatasourceId)
    }
}

fn active(row: &Version) -> ActiveModel {
    ActiveModel {
        id: Set(row.id),
        org_id: Set(row.tenant.org.to_string()),
        project_id: Set(row.tenant.project.to_string()),
        datasource_id: Set(row.datasource_id),
        version: Set(row.version),
        state: Set(row.state.as_str().to_owned()),
        config: Set(canonical_json(&row.config)),
        connector_schema_version: Set(row.connector_schema_version),
        checksum: Set(row.checksum.clone()),
        comment: Set(row.comment.clone()),
        secret_pins: Set(json!(row.secret_pins)),
        approval: Set(row.approval.as_str().to_owned()),
        approved_by: Set(row.approved_by.clone()),
        approved_at: Set(row.approved_at),
        approval_until: Set(None),
        created_at: Set(row.created_at),
        created_by: Set(row.created_by.clone()),
        published_at: Set(row.published_at),
        published_by: Set(row.published_by.clone()),
    }
}

impl TryFrom<Model> for Version {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        // A request that is over shows no more, whether or not that was written down yet.
        let over = row.approval_until.is_some_and(|until| until <= now());
        let row = match over {
            true => Model {
                approval: ApprovalState::NotRequired.as_str().to_owned(),
                approved_by: None,
                approved_at: None,
                ..row
            },
            false => row,
        };
        let at = |what: String| corrupt("datasource_versions", row.id, what);
        Ok(Self {
            state: row.state.parse().map_err(at)?,
            approval: row.approval.parse().map_err(at)?,
            config: serde_json::from_str(&row.config).map_err(|e| at(e.to_string()))?,
            secret_pins: serde_json::from_value(row.secret_pins).map_err(|e| at(e.to_string()))?,
            id: row.id,
            tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
            datasource_id: row.datasource_id,
            version: row.version,
            connector_schema_version: row.connector_schema_version,
            checksum: row.checksum,
            comment: row.comment,
            approved_by: row.approved_by,
            approved_at: row.approved_at,
            created_at: row.created_at,
            created_by: row.created_by,
            published_at: row.published_at,
            published_by: row.published_by,
        })
    }
}
