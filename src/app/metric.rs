//! The metrics snapshot of one datasource.

use uuid::Uuid;

use super::{App, OpContext};
use crate::auth::policy::grant::Read;
use crate::domain::{DeadLetterFilter, Timestamp};
use crate::error::{Error, Result};

/// One figure of a datasource.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub unit: &'static str,
    pub value: f64,
    /// Recent values, oldest first; this process keeps one a heartbeat, for an hour.
    pub points: Vec<(Timestamp, f64)>,
}

impl App {
    pub async fn datasource_metrics(
        &self,
        ctx: &OpContext,
        id: Uuid,
        window: std::time::Duration,
    ) -> Result<Vec<Metric>> {
        let proof = ctx.authorize::<Read>()?;
        let tx = self.store.read(proof.scope()).await?;
        let state = tx.states(&[id]).await?.into_iter().next().ok_or_else(|| Error::not_found("datasource"))?;
        let dead_letters = tx.count_dead_letters(id, &DeadLetterFilter::default()).await?;
        drop(tx);
        let now = crate::domain::now();
        let history: Vec<_> = self.registry.history(id).into_iter().filter(|(at, _)| *at >= now - window).collect();
        // A worker on this node knows more than its last report.
        let latest = self.registry.live_metrics(id).unwrap_or(state.metrics);
        let series = |pick: fn(&crate::domain::WorkerMetrics) -> f64| {
            history.iter().map(|(at, m)| (*at, pick(m))).collect::<Vec<_>>()
        };
        let metric = |name, unit, pick: fn(&crate::domain::WorkerMetrics) -> f64| Metric {
            name,
            unit,
            value: pick(&latest),
            points: series(pick),
        };
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 records")]
        Ok(vec![
            metric("records_delivered", "records", |m| m.delivered as f64),
            metric("records_failed", "records", |m| m.failed as f64),
            metric("records_skipped", "records", |m| m.skipped as f64),
            metric("ingest_rate", "records/s", |m| m.rate),
            metric("delivery_latency", "seconds", |m| m.latency),
            Metric { name: "dead_letters", unit: "records", value: dead_letters as f64, points: Vec::new() },
        ])
    }
}
