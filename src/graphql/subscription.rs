use async_graphql::{Context, ID, Result, Subscription};
use futures::{Stream, StreamExt};

use super::error::{Shape, shape};
use super::guard::HasRole;
use super::inputs::uuid;
use super::types::{DatasourceEvent, DatasourceState, EventType};
use crate::app::{App, OpContext};
use crate::auth::Permission;
use crate::domain::EventFilter;
use crate::domain::paging::decode_cursor;
use crate::error::Error;

#[derive(Default)]
pub struct CatalogSubscription;

/// Everything that can be watched.
#[Subscription]
impl CatalogSubscription {
    /// Events as they are committed, in order and without gaps. With `after`, first what was missed;
    /// what is no longer kept shows as one event of type DROPPED.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of this datasource. Absent: of all.")] id: Option<ID>,
        #[graphql(desc = "Only these kinds.")] types: Option<Vec<EventType>>,
        #[graphql(desc = "Go on from this cursor. Absent: from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<DatasourceEvent>> + use<>> {
        let datasource_id = id.map(|id| uuid("/id", &id)).transpose().shaped(ctx)?;
        let after = after.map(|cursor| decode_cursor("/after", &cursor)).transpose().shaped(ctx)?;
        let types = types.unwrap_or_default().into_iter().map(Into::into).collect();
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let events = Box::pin(app.follow_events(op, EventFilter { datasource_id, types }, after)).await.shaped(ctx)?;
        let request_id = op.request_id.clone();
        Ok(events.map(move |event| event.map(DatasourceEvent::from).map_err(|e| shape(&e, &request_id))))
    }

    /// The states of some workers: first as they are, then each change.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_states(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasources, at most 200.")] ids: Vec<ID>,
    ) -> Result<impl Stream<Item = Result<DatasourceState>> + use<>> {
        if ids.len() > 200 {
            return Err(Error::invalid("/ids", "must have at most 200 ids")).shaped(ctx);
        }
        let ids = ids.iter().map(|id| uuid("/ids", id)).collect::<crate::error::Result<Vec<_>>>().shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let states = Box::pin(app.follow_states(op, ids)).await.shaped(ctx)?;
        let request_id = op.request_id.clone();
        Ok(states.map(move |state| state.map(|s| DatasourceState(s.into())).map_err(|e| shape(&e, &request_id))))
    }
}
