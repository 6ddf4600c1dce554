//! The nodes, and what runs on them.

use uuid::Uuid;

use super::{App, OpContext};
use crate::auth::policy::grant::ReadRegistry;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{Node, Worker, WorkerFilter};
use crate::error::Result;

impl App {
    /// Every node that is known, with how many of the caller's workers it has.
    pub async fn nodes(&self, ctx: &OpContext) -> Result<Vec<(Node, u64)>> {
        let proof = ctx.authorize::<ReadRegistry>()?;
        let nodes = self.store.nodes().await?;
        let mut counts = self.store.read(proof.scope()).await?.workers_by_node().await?;
        Ok(nodes
            .into_iter()
            .map(|node| (counts.remove(&node.name).unwrap_or(0), node))
            .map(|(n, node)| (node, n))
            .collect())
    }

    /// The caller's workers that run or should, by datasource and slot.
    pub async fn workers(
        &self,
        ctx: &OpContext,
        filter: &WorkerFilter,
        page: &PageRequest<(Uuid, u16)>,
    ) -> Result<Page<Worker>> {
        let proof = ctx.authorize::<ReadRegistry>()?;
        self.store.read(proof.scope()).await?.workers(filter, page).await
    }
}
