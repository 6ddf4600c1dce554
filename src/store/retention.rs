//! Dead letters that are kept no longer: too old, or too many of one datasource.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};

use super::entity::dead_letter::{Column, Entity};
use super::{NewEvent, Store, classify};
use crate::auth::Actor;
use crate::domain::{EventType, Tenant, Timestamp};
use crate::error::Result;

/// Deleted in one transaction, so that nobody waits long for it.
const CHUNK: u64 = 1_000;
/// Datasources that one look finds; the next look finds the others.
const DATASOURCES: u64 = 1_000;

/// A datasource that has dead letters to forget.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Overdue {
    pub org_id: String,
    pub project_id: String,
    pub datasource_id: Uuid,
}

/// Which of its dead letters a datasource loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loses {
    OlderThan(Timestamp),
    /// The oldest, of which there are more than this.
    BeyondNewest(u64),
}

impl Store {
    pub async fn with_overdue_letters(&self, loses: Loses) -> Result<Vec<Overdue>> {
        let place = [Column::OrgId, Column::ProjectId, Column::DatasourceId];
        let query = Entity::find().select_only().columns(place).limit(DATASOURCES);
        let query = match loses {
            Loses::OlderThan(at) => query.distinct().filter(Column::CreatedAt.lt(at)),
            Loses::BeyondNewest(most) => {
                let most = i64::try_from(most).unwrap_or(i64::MAX);
                place.into_iter().fold(query, QuerySelect::group_by).having(Column::Id.count().gt(most))
            }
        };
        let tx = self.read_everything().await?;
        query.into_model().all(&tx.db).await.map_err(classify)
    }

    /// Answers with how many are gone. What was deleted before an error stays deleted, and is on the timeline.
    pub async fn forget_dead_letters(&self, of: &Overdue, loses: Loses) -> Result<u64> {
        let system = Actor::system("housekeeping", of.org_id.as_str());
        let own = || {
            let own = Condition::all().add(Column::OrgId.eq(&of.org_id)).add(Column::DatasourceId.eq(of.datasource_id));
            Entity::find().select_only().column(Column::Id).filter(own)
        };
        let doomed = match loses {
            Loses::OlderThan(at) => Column::CreatedAt.lt(at),
            Loses::BeyondNewest(most) => {
                let newest_doomed = own().order_by_desc(Column::Id).offset(most).limit(1);
                let tx = self.read_everything().await?;
                let found: Option<Uuid> = newest_doomed.into_tuple().one(&tx.db).await.map_err(classify)?;
                drop(tx);
                let Some(newest) = found else { return Ok(0) };
                Column::Id.lte(newest)
            }
        };
        let mut forgotten = 0;
        loop {
            let mut tx = self.write_as_system(&system).await?;
            let query = own().filter(doomed.clone()).order_by_asc(Column::Id).limit(CHUNK);
            let ids: Vec<Uuid> = query.into_tuple().all(&tx.db).await.map_err(classify)?;
            let last = ids.len() < CHUNK as usize;
            let delete = Entity::delete_many().filter(Column::Id.is_in(ids));
            let gone = delete.exec(&tx.db).await.map_err(classify)?.rows_affected;
            forgotten += gone;
            if gone > 0 {
                let (limit, reason) = match loses {
                    Loses::OlderThan(at) => (serde_json::json!(at), "age"),
                    Loses::BeyondNewest(most) => (serde_json::json!(most), "count"),
                };
                tx.record_event(NewEvent {
                    tenant: Tenant { org: of.org_id.as_str().into(), project: of.project_id.as_str().into() },
                    datasource_id: of.datasource_id,
                    version: None,
                    event_type: EventType::DeadLettersDiscarded,
                    actor: "system:housekeeping".to_owned(),
                    payload: serde_json::json!({ "count": gone, "reason": reason, "limit": limit }),
                });
                tx.touch(of.datasource_id);
            }
            tx.commit().await?;
            if last {
                return Ok(forgotten);
            }
        }
    }
}
