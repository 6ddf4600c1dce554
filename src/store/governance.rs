//! Governance metadata beside its datasource: who is shown it, how it was before, and the rules that it follows.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, SqlErr,
};
use serde_json::json;

use super::entity::{datasource, datasource_audience, governance_rules, metadata_history};
use super::{Tx, classify, corrupt};
use crate::auth::Authorized;
use crate::auth::policy::Grant;
use crate::auth::policy::grant::ManageGovernance;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{Datasource, GovernanceRules, Metadata, MetadataRevision};
use crate::error::{Error, Result};

/// What a datasource is shown to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Circle {
    Community,
    Group,
}

impl Circle {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Community => "community",
            Self::Group => "group",
        }
    }
}

impl Tx {
    /// Makes the audience of a datasource what its row says. Whoever calls this has just written the row, and so
    /// holds it.
    pub(super) async fn invite(&self, row: &Datasource) -> Result<()> {
        use datasource_audience::{ActiveModel, Column, Entity};
        let visibility = &row.metadata.visibility;
        let stored = Entity::find().filter(Column::DatasourceId.eq(row.id)).all(&self.db).await.map_err(classify)?;
        let of = |circle: Circle, names: &[String]| -> Vec<_> {
            names.iter().map(|name| (circle.as_str().to_owned(), name.clone())).collect()
        };
        let mut wanted = of(Circle::Community, &visibility.communities);
        wanted.extend(of(Circle::Group, &visibility.groups));
        wanted.sort_unstable();
        let mut known: Vec<_> = stored.into_iter().map(|model| (model.kind, model.name)).collect();
        known.sort_unstable();
        if wanted == known {
            return Ok(());
        }
        let gone = Entity::delete_many().filter(Column::DatasourceId.eq(row.id));
        gone.exec(&self.db).await.map_err(classify)?;
        if wanted.is_empty() {
            return Ok(());
        }
        let rows = wanted.into_iter().map(|(kind, name)| ActiveModel {
            datasource_id: Set(row.id),
            kind: Set(kind),
            name: Set(name),
            org_id: Set(row.tenant.org.to_string()),
        });
        Entity::insert_many(rows).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// Keeps the metadata of a row as it is since this revision.
    pub async fn keep_metadata<P: Grant>(
        &self,
        _: &Authorized<P>,
        row: &Datasource,
        reason: Option<&str>,
    ) -> Result<()> {
        let model = metadata_history::ActiveModel {
            datasource_id: Set(row.id),
            revision: Set(row.revision),
            org_id: Set(row.tenant.org.to_string()),
            project_id: Set(row.tenant.project.to_string()),
            snapshot: Set(json!(row.metadata)),
            reason: Set(reason.map(str::to_owned)),
            created_at: Set(row.updated_at),
            created_by: Set(row.updated_by.clone()),
        };
        let insert = metadata_history::Entity::insert(model);
        insert.exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// Whether anything of it was kept: not so of what is older than its history.
    pub async fn has_metadata_history(&self, id: Uuid) -> Result<bool> {
        Ok(self.select_history(id).count(&self.db).await.map_err(classify)? > 0)
    }

    /// Newest first; the cursor is the revision.
    pub async fn metadata_history(&self, id: Uuid, page: &PageRequest<i64>) -> Result<Page<MetadataRevision>> {
        use metadata_history::Column;
        let mut query = self.select_history(id).offset(page.offset).limit(page.limit.saturating_add(1));
        if let Some(after) = page.after {
            query = query.filter(Column::Revision.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(Column::Revision.gt(before));
        }
        let query =
            if page.backward { query.order_by_asc(Column::Revision) } else { query.order_by_desc(Column::Revision) };
        let rows = query.all(&self.db).await.map_err(classify)?;
        let all = rows.into_iter().map(MetadataRevision::try_from).collect::<Result<Vec<_>>>()?;
        Ok(Page::from_rows(all, page))
    }

    /// The metadata as it was at a revision: what was kept at it, or last before it.
    pub async fn metadata_at(&self, id: Uuid, revision: i64) -> Result<Option<MetadataRevision>> {
        use metadata_history::Column;
        let query = self.select_history(id).filter(Column::Revision.lte(revision)).order_by_desc(Column::Revision);
        query.one(&self.db).await.map_err(classify)?.map(MetadataRevision::try_from).transpose()
    }

    fn select_history(&self, id: Uuid) -> Select<metadata_history::Entity> {
        use metadata_history::Column;
        let own = super::grant::reached(&self.scope, Column::OrgId, Column::ProjectId, Column::DatasourceId);
        metadata_history::Entity::find().filter(own).filter(Column::DatasourceId.eq(id))
    }

    /// Those of the organisation; as without any, where nobody set them.
    pub async fn governance_rules(&self) -> Result<GovernanceRules> {
        let org = self.scope.org_id().as_ref();
        let row = governance_rules::Entity::find_by_id(org).one(&self.db).await.map_err(classify)?;
        let Some(row) = row else { return Ok(GovernanceRules::default()) };
        Ok(GovernanceRules {
            rules: serde_json::from_value(row.rules).map_err(|e| corrupt("governance_rules", org, e))?,
            revision: row.revision,
            updated_at: Some(row.updated_at),
            updated_by: Some(row.updated_by),
        })
    }

    /// Takes the place of those of the revision before; fails when somebody else was faster.
    pub async fn put_governance_rules(
        &self,
        _: &Authorized<ManageGovernance>,
        new: &GovernanceRules,
        at: crate::domain::Timestamp,
        by: &str,
    ) -> Result<()> {
        use governance_rules::{ActiveModel, Column, Entity};
        let faster = || Error::stale("somebody else set the rules meanwhile; read them again and repeat your change");
        let org = self.scope.org_id().to_string();
        if new.revision == 1 {
            let row = ActiveModel {
                org_id: Set(org),
                revision: Set(new.revision),
                rules: Set(json!(new.rules)),
                updated_at: Set(at),
                updated_by: Set(by.to_owned()),
            };
            return match Entity::insert(row).exec_without_returning(&self.db).await {
                Ok(_) => Ok(()),
                Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Err(faster()),
                Err(error) => Err(classify(error)),
            };
        }
        let update = Entity::update_many()
            .col_expr(Column::Revision, Expr::value(new.revision))
            .col_expr(Column::Rules, Expr::value(json!(new.rules)))
            .col_expr(Column::UpdatedAt, Expr::value(at))
            .col_expr(Column::UpdatedBy, Expr::value(by))
            .filter(Condition::all().add(Column::OrgId.eq(org)).add(Column::Revision.eq(new.revision - 1)));
        match update.exec(&self.db).await.map_err(classify)?.rows_affected {
            0 => Err(faster()),
            _ => Ok(()),
        }
    }

    /// What is not archived, by id from a place on, forth or back: a look at all of it needs memory for `limit` rows.
    pub async fn datasources_from(&self, place: Option<Uuid>, back: bool, limit: u64) -> Result<Vec<Datasource>> {
        use datasource::Column;
        let own = super::grant::reached(&self.scope, Column::OrgId, Column::ProjectId, Column::Id);
        let mut query = datasource::Entity::find().filter(own).filter(Column::ArchivedAt.is_null());
        if let Some(place) = place {
            query = query.filter(if back { Column::Id.lt(place) } else { Column::Id.gt(place) });
        }
        let order = if back { Order::Desc } else { Order::Asc };
        let rows = query.order_by(Column::Id, order).limit(limit).all(&self.db).await.map_err(classify)?;
        rows.into_iter().map(Datasource::try_from).collect()
    }
}

impl TryFrom<metadata_history::Model> for MetadataRevision {
    type Error = Error;

    fn try_from(row: metadata_history::Model) -> Result<Self> {
        let place = || format!("{}/{}", row.datasource_id, row.revision);
        let metadata: Metadata =
            serde_json::from_value(row.snapshot).map_err(|e| corrupt("datasource_metadata_history", place(), e))?;
        Ok(Self {
            datasource_id: row.datasource_id,
            revision: row.revision,
            metadata,
            at: row.created_at,
            by: row.created_by,
            reason: row.reason,
        })
    }
}
