//! Tries to reach the source of a datasource: no record is taken, and no checkpoint moves.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::change::{Journal, journal};
use super::test_run::take_turn;
use super::{App, OpContext};
use crate::auth::Authorized;
use crate::auth::policy::grant::{ManageSecrets, Test};
use crate::connectors::{CheckStep, ConnectorContext, ConnectorError};
use crate::domain::{Datasource, EventType};
use crate::error::{Error, ErrorCode, Result};
use crate::mapping::Document;
use crate::registry::Plan;

/// What all steps of a check may take.
const CHECK_MAX: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
pub struct CheckRequest {
    pub id: Uuid,
    /// Absent: the latest.
    pub version: Option<i32>,
}

/// How far the way to the source is open.
#[derive(Clone, Debug)]
pub struct CheckRun {
    pub version: i32,
    pub steps: Vec<CheckStep>,
}

/// Looks at a source on a task of its own: the client of another system may need a deep stack,
/// and whoever gives up takes the look with it.
pub(super) async fn on_own_task<T: Send + 'static>(
    look: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    AbortOnDropHandle::new(tokio::spawn(look)).await.map_err(Error::internal)?
}

impl CheckRun {
    pub fn success(&self) -> bool {
        self.steps.iter().all(|step| step.outcome.is_ok())
    }
}

impl App {
    pub async fn check_source(&self, ctx: &OpContext, request: CheckRequest) -> Result<CheckRun> {
        let proof = ctx.authorize::<Test>()?;
        self.run_once(ctx, &proof, Box::pin(self.run_check(ctx, &proof, request))).await
    }

    async fn run_check(&self, ctx: &OpContext, proof: &Authorized<Test>, request: CheckRequest) -> Result<CheckRun> {
        let tx = self.store.read(proof.scope()).await?;
        let row = tx.datasource(request.id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        let number = request.version.unwrap_or(row.latest_version);
        if number == 0 {
            return Err(Error::conflict("the datasource has no version yet; create one"));
        }
        let version = tx.version(row.id, number).await?.ok_or_else(|| Error::not_found("version"))?;
        drop(tx);
        let plan = Plan::compile(self.connectors(), self.sinks(), &version.config).map_err(Error::config_invalid)?;
        let published = row.current_version == Some(number);
        let (config, context) = self.source(ctx, proof, &row, published, &plan.document).await?;
        let _turn = take_turn(&self.test_slots).await?;
        let began = Instant::now();
        let (registry, kind) = (self.registry.clone(), plan.document.connector_type);
        let check = on_own_task(async move {
            let connector =
                registry.connectors().get(&kind).ok_or_else(|| Error::internal("connector type vanished"))?;
            Ok(connector.check(&config, context).await)
        });
        let steps = match tokio::time::timeout(CHECK_MAX, check).await {
            Ok(steps) => steps?,
            Err(_) => {
                let message = format!("the source did not answer within {} s", CHECK_MAX.as_secs());
                let outcome = Err(ConnectorError::transient("timeout", message));
                vec![CheckStep { name: "connect", outcome, took: began.elapsed() }]
            }
        };
        let run = CheckRun { version: number, steps };

        let mut tx = ctx.begin(&self.store, proof).await?;
        let failed = run.steps.iter().find_map(|step| Some((step.name, step.outcome.as_ref().err()?.code)));
        let details = json!({
            "success": run.success(),
            "failedStep": failed.map(|(name, _)| name),
            "code": failed.map(|(_, code)| code),
        });
        let entry = Journal { version: Some(number), ..journal(&row, EventType::SourceChecked, details) };
        ctx.journal(&mut tx, entry);
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::SourceChecked);
        Ok(run)
    }

    /// What it takes to look at a source without a worker: its settings with secrets, and where it may connect to.
    pub(super) async fn source(
        &self,
        ctx: &OpContext,
        proof: &Authorized<Test>,
        row: &Datasource,
        published: bool,
        document: &Document,
    ) -> Result<(Value, ConnectorContext)> {
        // Whoever chooses where a secret is sent can read it: only what an admin published may go out for others.
        if !published && !document.secret_keys().is_empty() {
            ctx.authorize_on::<ManageSecrets>(row)?;
        }
        let tx = self.store.read(proof.scope()).await?;
        let pins = self.newest_pins(&tx, row.id, document).await?;
        drop(tx);
        let config = self.registry.resolve_connector(&row.tenant, row.id, document, &pins).await;
        let config = config.map_err(|f| Error::new(ErrorCode::TestFailed, f.message))?;
        Ok((config, self.registry.connector_context(&row.tenant, row.id)))
    }
}
