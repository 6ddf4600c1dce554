//! The nodes, and what runs on them.

use async_graphql::connection::EmptyFields;
use async_graphql::{Context, ID, InputObject, Object, Result};

use super::connection::{Plain, edges};
use super::error::Shape;
use super::guard::HasRole;
use super::types::WorkerStatus;
use crate::app::{App, OpContext};
use crate::auth::Permission;
use crate::domain::paging::PageRequest;
use crate::domain::{self, Timestamp, WorkerFilter};

/// A process of this server.
pub(super) struct Node(domain::Node, u64);

/// A process that serves the API, runs workers, or both.
#[Object]
impl Node {
    /// Its name, unique among the nodes on one database.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it does: `all`, `gateway` or `worker`.
    async fn role(&self) -> &str {
        &self.0.role
    }

    /// The version of the program.
    async fn version(&self) -> &str {
        &self.0.version
    }

    /// When the process started.
    async fn started_at(&self) -> Timestamp {
        self.0.started_at
    }

    /// When it last said that it lives.
    async fn last_heartbeat_at(&self) -> Timestamp {
        self.0.last_heartbeat_at
    }

    /// Whether it was heard of in time. What a dead one ran, the others take over.
    async fn alive(&self) -> bool {
        self.0.alive
    }

    /// How many workers of your organisation have their lease there.
    async fn workers(&self) -> u64 {
        self.1
    }
}

/// One worker of a datasource.
pub(super) struct Worker(domain::Worker);

/// One worker of a datasource, and the lease on which it runs.
#[Object(name = "RegistryWorker")]
impl Worker {
    /// The datasource.
    async fn datasource_id(&self) -> ID {
        self.0.datasource_id.into()
    }

    /// Which of the workers that share the datasource (`runtime.parallelism`); most have one, of slot 0.
    async fn slot(&self) -> u16 {
        self.0.slot
    }

    /// The node that holds the lease; null while none does.
    async fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// How often the lease changed hands; writes of an earlier holder are refused by it.
    async fn epoch(&self) -> i64 {
        self.0.epoch
    }

    /// When the lease ends unless the node renews it.
    async fn lease_until(&self) -> Option<Timestamp> {
        self.0.lease_until
    }

    /// What the worker does.
    async fn worker_status(&self) -> WorkerStatus {
        self.0.observed.into()
    }

    /// The version that it runs.
    async fn running_version(&self) -> Option<i32> {
        self.0.running_version
    }

    /// When its node last said that it lives.
    async fn last_heartbeat_at(&self) -> Option<Timestamp> {
        self.0.last_heartbeat_at
    }

    /// A stable code of what is wrong with it.
    async fn error_code(&self) -> Option<&str> {
        self.0.error_code.as_deref()
    }

    /// What is wrong with it.
    async fn error_message(&self) -> Option<&str> {
        self.0.error_message.as_deref()
    }
}

/// Which workers.
#[derive(InputObject, Default)]
pub(super) struct WorkerFilterInput {
    /// Only those whose lease this node holds.
    node: Option<String>,
    /// Only those that do this.
    status: Option<WorkerStatus>,
}

/// The nodes, and what runs on them.
pub(super) struct Registry;

/// The nodes, and what runs on them.
#[Object]
impl Registry {
    /// Every node that is known, by name.
    async fn nodes(&self, ctx: &Context<'_>) -> Result<Vec<Node>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let nodes = Box::pin(app.nodes(op)).await.shaped(ctx)?;
        Ok(nodes.into_iter().map(|(node, workers)| Node(node, workers)).collect())
    }

    /// The workers of your organisation that run or should, by datasource and slot.
    async fn workers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<WorkerFilterInput>,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "How many to take from the end, at most 200.")] last: Option<i64>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Plain<Worker>> {
        let page = PageRequest::relay(first, after.as_deref(), last, before.as_deref()).shaped(ctx)?;
        let filter = filter.unwrap_or_default();
        let filter = WorkerFilter { node: filter.node, status: filter.status.map(Into::into) };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let rows = Box::pin(app.workers(op, &filter, &page)).await.shaped(ctx)?;
        Ok(edges(rows, EmptyFields, |worker| (worker.datasource_id, worker.slot), Worker))
    }
}

#[derive(Default)]
pub struct RegistryQuery;

#[Object]
impl RegistryQuery {
    /// The nodes of this server, and what runs on them.
    #[graphql(directive = HasRole::apply(Permission::ReadRegistry))]
    async fn registry(&self) -> Registry {
        Registry
    }
}
