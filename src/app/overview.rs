//! A datasource with all that belongs to it, for readers that do not choose fields.

use std::collections::HashMap;

use uuid::Uuid;

use super::{App, OpContext};
use crate::auth::policy::grant::Read;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{Datasource, DatasourceFilter, DatasourceKey, DatasourceOrder, SecretInfo, State, Version};
use crate::error::{Error, Result};

/// A datasource and the state of its worker.
#[derive(Clone, Debug)]
pub struct Overview {
    pub datasource: Datasource,
    pub state: Option<State>,
}

impl App {
    /// One datasource with its state and its published version.
    pub async fn datasource_detail(&self, ctx: &OpContext, id: Uuid) -> Result<(Overview, Option<Version>)> {
        let proof = ctx.authorize::<Read>()?;
        let tx = self.store.read(proof.scope()).await?;
        let datasource = tx.datasource(id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        let state = tx.states(&[id]).await?.pop();
        let version = match datasource.current_version {
            Some(number) => tx.version(id, number).await?,
            None => None,
        };
        Ok((Overview { datasource, state }, version))
    }

    /// A page of datasources with their states, and how many there are in all.
    pub async fn datasource_overview(
        &self,
        ctx: &OpContext,
        filter: &DatasourceFilter,
        order: DatasourceOrder,
        page: &PageRequest<DatasourceKey>,
    ) -> Result<(Page<Overview>, u64)> {
        let total = self.count_datasources(ctx, filter).await?;
        let rows = self.datasources(ctx, filter, order, page).await?;
        let ids: Vec<_> = rows.items.iter().map(|d| d.id).collect();
        let states = self.states(ctx, &ids).await?;
        let mut states: HashMap<_, _> = states.into_iter().map(|s| (s.datasource_id, s)).collect();
        let page = rows.map(|datasource| Overview { state: states.remove(&datasource.id), datasource });
        Ok((page, total))
    }

    /// A page of versions, newest first, and how many there are in all.
    pub async fn version_history(
        &self,
        ctx: &OpContext,
        id: Uuid,
        page: &PageRequest<i32>,
    ) -> Result<(Page<Version>, u64)> {
        let proof = ctx.authorize::<Read>()?;
        let tx = self.store.read(proof.scope()).await?;
        let row = tx.datasource(id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        // Numbers have no gaps, and no version is ever removed.
        let total = u64::try_from(row.latest_version).unwrap_or_default();
        Ok((tx.versions(id, page).await?, total))
    }

    /// The secrets of one datasource, without their values.
    pub async fn secrets_of(&self, ctx: &OpContext, id: Uuid) -> Result<Vec<SecretInfo>> {
        let proof = ctx.authorize::<Read>()?;
        let tx = self.store.read(proof.scope()).await?;
        tx.datasource(id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        tx.secrets(&[id]).await
    }

    pub async fn state(&self, ctx: &OpContext, id: Uuid) -> Result<State> {
        self.states(ctx, &[id]).await?.pop().ok_or_else(|| Error::not_found("datasource"))
    }
}
