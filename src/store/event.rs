//! The timeline, and the change feed that subscriptions follow.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::entity::{event, org};
use super::{Tx, classify, corrupt};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{Event, EventFilter, Tenant};
use crate::error::Result;

/// How far the feed of an organisation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedBounds {
    /// The last event that was removed by retention; 0 when none was.
    pub floor: i64,
    /// The last event that was committed.
    pub head: i64,
}

impl Tx {
    /// Newest first.
    pub async fn events(&self, filter: &EventFilter, page: &PageRequest<i64>) -> Result<Page<Event>> {
        let mut query = self.select_events(filter).offset(page.offset).limit(page.limit.saturating_add(1));
        if let Some(after) = page.after {
            query = query.filter(event::Column::Seq.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(event::Column::Seq.gt(before));
        }
        let query = if page.backward {
            query.order_by_asc(event::Column::Seq)
        } else {
            query.order_by_desc(event::Column::Seq)
        };
        let rows = query.all(&self.db).await.map_err(classify)?;
        let events = rows.into_iter().map(Event::try_from).collect::<Result<Vec<_>>>()?;
        Ok(Page::from_rows(events, page))
    }

    /// Oldest first, for a reader that goes on from `after`.
    pub async fn events_after(&self, filter: &EventFilter, after: i64, limit: u64) -> Result<Vec<Event>> {
        let query = self.select_events(filter).filter(event::Column::Seq.gt(after));
        let rows = query.order_by_asc(event::Column::Seq).limit(limit).all(&self.db).await.map_err(classify)?;
        rows.into_iter().map(Event::try_from).collect()
    }

    pub async fn feed_bounds(&self) -> Result<FeedBounds> {
        let row = org::Entity::find_by_id(self.scope.org_id().as_ref()).one(&self.db).await.map_err(classify)?;
        Ok(row.map_or(FeedBounds { floor: 0, head: 0 }, |r| FeedBounds { floor: r.event_floor, head: r.event_seq }))
    }

    fn select_events(&self, filter: &EventFilter) -> Select<event::Entity> {
        let own = super::grant::reached(
            &self.scope,
            event::Column::OrgId,
            event::Column::ProjectId,
            event::Column::DatasourceId,
        );
        let mut query = event::Entity::find().filter(own);
        if let Some(id) = filter.datasource_id {
            query = query.filter(event::Column::DatasourceId.eq(id));
        }
        if !filter.types.is_empty() {
            query = query.filter(event::Column::EventType.is_in(filter.types.iter().map(|t| t.as_str())));
        }
        query
    }
}

impl TryFrom<event::Model> for Event {
    type Error = crate::error::Error;

    fn try_from(row: event::Model) -> Result<Self> {
        Ok(Self {
            event_type: row
                .event_type
                .parse()
                .map_err(|e| corrupt("datasource_events", format!("{}/{}", row.org_id, row.seq), e))?,
            seq: row.seq,
            tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
            datasource_id: row.datasource_id,
            version: row.version,
            actor: row.actor,
            payload: row.payload,
            created_at: row.created_at,
        })
    }
}
