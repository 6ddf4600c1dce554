//! `http_poller`: records that are asked for over HTTP, again and again.
//!
//! | file | idea |
//! |---|---|
//! | `config` | the settings, their JSON Schema and their rules |
//! | `poll` | one poll: pages, deliveries, checkpoint |
//! | `fetch` | one page: request, retries, status, size |
//! | `check` | the way to the source, step by step |
//! | `auth` | credentials on a request |
//! | `paginate` | where the next page is |
//! | `checkpoint` | what is kept between polls |

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    CheckStep, Connector, ConnectorContext, ConnectorError, ConnectorSpec, Outlet, Placement, PullSource, Source,
};
use crate::domain::{BackfillRange, RangeKind};
use crate::egress::Egress;
use crate::error::Problem;
use crate::mapping::schema_of;

mod auth;
mod check;
mod checkpoint;
pub(super) mod config;
mod fetch;
mod paginate;
mod poll;

use config::{HttpPollerConfig, Plan};
use fetch::Fetcher;
use poll::Poller;

pub(super) struct HttpPoller {
    spec: ConnectorSpec,
}

impl HttpPoller {
    pub(super) fn new() -> Self {
        Self {
            spec: ConnectorSpec {
                name: "http_poller",
                title: "HTTP poller",
                description: "Asks an HTTP API on a schedule, page by page, and goes on where it stopped.",
                schema_version: 1,
                config_schema: schema_of::<HttpPollerConfig>(),
                sample: sample(),
                placement: Placement::Leased,
            },
        }
    }
}

#[async_trait]
impl Connector for HttpPoller {
    fn spec(&self) -> &ConnectorSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        match HttpPollerConfig::read(config) {
            Ok(config) => config.problems(),
            Err(error) => vec![Problem::new("", error.message)],
        }
    }

    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError> {
        let config = HttpPollerConfig::read(config)?;
        if payload.len() as u64 > config.max_response {
            let message = format!("the payload is longer than the {} bytes of max_response", config.max_response);
            return Err(ConnectorError::permanent("payload_too_large", message));
        }
        config.format.decode(payload).map_err(|e| ConnectorError::permanent("decode_failed", e))
    }

    async fn start(&self, config: &Value, context: ConnectorContext) -> Result<Source, ConnectorError> {
        let plan = Arc::new(Plan::of(HttpPollerConfig::read(config)?)?);
        // What can be told without asking is told now, while the version before this one still runs.
        context.egress.check(&plan.first_url(plan.initial_cursor())?)?;
        Ok(Source::Pull(Box::new(Polling { plan, egress: context.egress })))
    }

    async fn sample(&self, config: &Value, context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError> {
        let plan = Arc::new(Plan::of(HttpPollerConfig::read(config)?)?);
        let url = plan.first_url(plan.initial_cursor())?;
        let mut fetcher = Fetcher::new(plan, context.egress);
        Ok(Some(fetcher.sample(&url).await?.to_vec()))
    }

    async fn check(&self, config: &Value, context: ConnectorContext) -> Vec<CheckStep> {
        check::check(config, context.egress).await
    }

    fn backfill_ranges(&self, config: &Value) -> &'static [RangeKind] {
        match HttpPollerConfig::read(config).map(|c| (c.backfill.is_some(), c.incremental.is_some())) {
            Ok((true, true)) => &[RangeKind::Time, RangeKind::Cursor],
            Ok((true, false)) => &[RangeKind::Time],
            Ok((false, true)) => &[RangeKind::Cursor],
            _ => &[],
        }
    }

    async fn backfill(
        &self,
        config: &Value,
        range: &BackfillRange,
        context: ConnectorContext,
    ) -> Result<Box<dyn PullSource>, ConnectorError> {
        let mut config = HttpPollerConfig::read(config)?;
        if range.to_cursor.is_some() {
            let message = "a poller reads from a cursor to the end; leave toCursor out, or name times";
            return Err(ConnectorError::permanent("range_unsupported", message));
        }
        // The limit of a poll bounds what one poll may cost; a backfill is meant to read all.
        config.max_pages = u32::MAX;
        config.conditional = false;
        if let Some(times) = config.backfill.clone() {
            times.bound(range.from, range.to, &mut config.query);
        }
        let plan = Arc::new(Plan::of(config)?);
        let from = range.from_cursor.clone();
        context.egress.check(&plan.first_url(from.as_deref())?)?;
        Ok(Box::new(ReadingAgain { plan, egress: context.egress, from }))
    }
}

struct Polling {
    plan: Arc<Plan>,
    egress: Arc<Egress>,
}

#[async_trait]
impl PullSource for Polling {
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let mut poller = Poller::new(self.plan.clone(), self.egress.clone(), checkpoint.as_ref());
        let schedule = poller.schedule();
        if schedule.polls_at_once() && !stop.is_cancelled() {
            poller.poll(outlet, &stop).await?;
        }
        while let Some(Some(())) = stop.run_until_cancelled(schedule.tick()).await {
            poller.poll(outlet, &stop).await?;
        }
        if stop.is_cancelled() {
            return Ok(());
        }
        Err(ConnectorError::permanent("schedule_ended", "the schedule names no further time; change it to poll again"))
    }
}

/// One poll from a place in the past. It is not cut into parts: tried again, it reads its range from the begin.
struct ReadingAgain {
    plan: Arc<Plan>,
    egress: Arc<Egress>,
    from: Option<String>,
}

#[async_trait]
impl PullSource for ReadingAgain {
    async fn run(
        &mut self,
        _checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let from = self.from.as_ref().map(|cursor| json!({ "cursor": cursor }));
        Poller::new(self.plan.clone(), self.egress.clone(), from.as_ref()).poll(outlet, &stop).await
    }
}

fn sample() -> Value {
    json!({
        "alerts": [
            {
                "id": 48_213,
                "title": "Disk almost full",
                "severity": "WARNING",
                "updated_at": "2025-03-04T08:31:07Z",
                "device": {"hostname": "db-2", "site": "zrh"},
            },
            {
                "id": 48_214,
                "title": "Link down",
                "severity": "CRITICAL",
                "updated_at": "2025-03-04T08:32:40Z",
                "device": {"hostname": "edge-7", "site": "gva"},
            },
        ],
        "next_cursor": null,
    })
}

#[cfg(test)]
mod tests;
