//! What an organisation may have at most, and what it has: of the whole organisation, whatever the scope is.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect,
    Statement,
};

use super::entity::{api_key, datasource, metadata_item, notification_endpoint, org_quota, state, test_sample};
use super::{NewAudit, Store, Tx, classify, corrupt};
use crate::auth::Actor;
use crate::domain::{DesiredState, Most, Quota, now};
use crate::error::Result;

impl Store {
    /// `requests_per_minute` of every organisation that differs from the settings.
    pub async fn own_request_rates(&self) -> Result<HashMap<Arc<str>, Option<u64>>> {
        let tx = self.read_everything().await?;
        let query = org_quota::Entity::find().filter(org_quota::Column::Name.eq(Quota::RequestsPerMinute.as_str()));
        let rows = query.all(&tx.db).await.map_err(classify)?;
        let most = |row: &org_quota::Model| row.most.map(|n| u64::try_from(n).unwrap_or(0));
        Ok(rows.into_iter().map(|row| (row.org_id.as_str().into(), most(&row))).collect())
    }

    /// `None` lets the settings decide again.
    pub async fn set_quota(&self, system: &Actor, quota: Quota, most: Option<Most>, entry: NewAudit) -> Result<()> {
        let mut tx = self.write_as_system(system).await?;
        let org = system.scope.org_id().to_string();
        match most {
            Some(Most(most)) => {
                let row = org_quota::ActiveModel {
                    org_id: Set(org),
                    name: Set(quota.as_str().to_owned()),
                    most: Set(most.map(|n| i64::try_from(n).unwrap_or(i64::MAX))),
                    updated_at: Set(now()),
                    updated_by: Set(system.subject.to_string()),
                };
                let replace = OnConflict::columns([org_quota::Column::OrgId, org_quota::Column::Name])
                    .update_columns([
                        org_quota::Column::Most,
                        org_quota::Column::UpdatedAt,
                        org_quota::Column::UpdatedBy,
                    ])
                    .to_owned();
                org_quota::Entity::insert(row)
                    .on_conflict(replace)
                    .exec_without_returning(&tx.db)
                    .await
                    .map_err(classify)?;
            }
            None => {
                org_quota::Entity::delete_many()
                    .filter(org_quota::Column::OrgId.eq(org))
                    .filter(org_quota::Column::Name.eq(quota.as_str()))
                    .exec(&tx.db)
                    .await
                    .map_err(classify)?;
            }
        }
        tx.record_audit(entry);
        tx.commit().await
    }
}

impl Tx {
    /// Where the organisation differs from the settings.
    pub async fn own_quotas(&self) -> Result<Vec<(Quota, Most)>> {
        let query = org_quota::Entity::find().filter(org_quota::Column::OrgId.eq(self.scope.org_id().as_ref()));
        let rows = query.all(&self.db).await.map_err(classify)?;
        let parsed = rows.into_iter().map(|row| {
            let name =
                row.name.parse().map_err(|e| corrupt("org_quotas", format!("{}/{}", row.org_id, row.name), e))?;
            Ok((name, Most(row.most.map(|n| u64::try_from(n).unwrap_or(0)))))
        });
        parsed.collect()
    }

    /// From here to the end of the transaction nobody else of the organisation counts: two that each
    /// took the last place would both find one. SQLite has one writer anyway.
    pub async fn hold_quotas(&self) -> Result<()> {
        if self.db.get_database_backend() == DbBackend::Postgres {
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended('studio.quota/' || secret || $1, 0)) FROM studio.installation";
            let org = [self.scope.org_id().as_ref().into()];
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, org);
            self.db.execute_raw(statement).await.map_err(classify)?;
        }
        Ok(())
    }

    /// What there is of it; `None` where nothing is counted.
    pub async fn quota_used(&self, quota: Quota) -> Result<Option<u64>> {
        let org = self.scope.org_id().as_ref();
        let live = || {
            let own = datasource::Entity::find().filter(datasource::Column::OrgId.eq(org));
            own.filter(datasource::Column::ArchivedAt.is_null())
        };
        let sum: Option<Option<i64>> = match quota {
            Quota::Datasources => return live().count(&self.db).await.map(Some).map_err(classify),
            Quota::VersionsPerDatasource => {
                let query = live().select_only().column_as(datasource::Column::LatestVersion.max(), "used");
                let most: Option<Option<i32>> = query.into_tuple().one(&self.db).await.map_err(classify)?;
                return Ok(Some(most.flatten().and_then(|n| u64::try_from(n).ok()).unwrap_or(0)));
            }
            Quota::SampleBytes => {
                let bytes = "CAST(sum(COALESCE(size, octet_length(payload))) AS bigint)";
                let query = test_sample::Entity::find().filter(test_sample::Column::OrgId.eq(org));
                let query = query.select_only().column_as(Expr::cust(bytes), "used");
                query.into_tuple().one(&self.db).await.map_err(classify)?
            }
            Quota::Workers => {
                let query = state::Entity::find()
                    .filter(state::Column::OrgId.eq(org))
                    .filter(state::Column::Desired.eq(DesiredState::Running.as_str()));
                let query = query.select_only().column_as(Expr::cust("CAST(sum(parallelism) AS bigint)"), "used");
                query.into_tuple().one(&self.db).await.map_err(classify)?
            }
            Quota::ApiKeys => {
                let valid = api_key::Entity::find()
                    .filter(api_key::Column::OrgId.eq(org))
                    .filter(api_key::Column::RevokedAt.is_null())
                    .filter(api_key::Column::ExpiresAt.is_null().or(api_key::Column::ExpiresAt.gt(now())));
                return valid.count(&self.db).await.map(Some).map_err(classify);
            }
            Quota::MetadataItems => {
                let active = metadata_item::Entity::find()
                    .filter(metadata_item::Column::OrgId.eq(org))
                    .filter(metadata_item::Column::Active.eq(true));
                return active.count(&self.db).await.map(Some).map_err(classify);
            }
            Quota::NotificationEndpoints => {
                let own = notification_endpoint::Entity::find().filter(notification_endpoint::Column::OrgId.eq(org));
                return own.count(&self.db).await.map(Some).map_err(classify);
            }
            Quota::RequestsPerMinute => return Ok(None),
        };
        Ok(Some(sum.flatten().and_then(|n| u64::try_from(n).ok()).unwrap_or(0)))
    }

    /// How many workers of one datasource are to run.
    pub async fn wanted_workers(&self, datasource_id: Uuid) -> Result<u64> {
        let query = state::Entity::find()
            .filter(state::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(state::Column::DatasourceId.eq(datasource_id))
            .filter(state::Column::Desired.eq(DesiredState::Running.as_str()));
        let row = query.one(&self.db).await.map_err(classify)?;
        Ok(row.and_then(|row| u64::try_from(row.parallelism).ok()).unwrap_or(0))
    }
}
