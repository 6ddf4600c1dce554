//! One poll: its pages, their deliveries, and the checkpoint with the last of them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use reqwest::Url;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::checkpoint::{Checkpoint, fingerprint};
use super::config::Plan;
use super::fetch::{Fetched, Fetcher};
use super::paginate::Pager;
use crate::connectors::decode::JsonFormat;
use crate::connectors::schedule::Schedule;
use crate::connectors::{ConnectorError, Outlet};
use crate::egress::Egress;

/// What a delivery under way may still take after a stop, to save its repetition.
const DELIVERY_GRACE: Duration = Duration::from_secs(5);
/// From this size on a page is parsed where it cannot hold up other work.
const LARGE: usize = 128 << 10;

pub(super) struct Poller {
    plan: Arc<Plan>,
    fetcher: Fetcher,
    checkpoint: Checkpoint,
}

impl Poller {
    pub(super) fn new(plan: Arc<Plan>, egress: Arc<Egress>, checkpoint: Option<&Value>) -> Self {
        Self { fetcher: Fetcher::new(plan.clone(), egress), checkpoint: Checkpoint::read(checkpoint), plan }
    }

    pub(super) fn schedule(&self) -> Schedule {
        self.plan.schedule.clone()
    }

    /// Polls once. A poll that is stopped or fails half-way leaves the checkpoint
    /// where it was, so that the next one asks for the same again.
    pub(super) async fn poll(&mut self, outlet: &dyn Outlet, stop: &CancellationToken) -> Result<(), ConnectorError> {
        let plan = self.plan.clone();
        let config = &plan.config;
        let cursor = self.checkpoint.cursor_text();
        let mut url = plan.first_url(cursor.as_deref().or(plan.initial_cursor()))?;
        let conditional = config.conditional && config.pagination.is_none();
        let mut conditions = HeaderMap::new();
        let request = fingerprint_of(&plan, &url);
        if conditional {
            self.checkpoint.add_conditions(&request, &mut conditions);
        }

        let mut pager = Pager::new(&config.pagination)?;
        let mut reached = self.checkpoint.clone();
        let mut empty = true;
        for page in 1_u32.. {
            let retrying = |e: &ConnectorError| outlet.log(Level::WARN, &format!("trying again: {e}"));
            let fetching = self.fetcher.page(&url, &conditions, &retrying);
            let Some(fetched) = stop.run_until_cancelled(fetching).await else { return Ok(()) };
            let Fetched::Page { status, headers, body } = fetched? else {
                outlet.idle(None);
                return Ok(());
            };
            let documents = decode(status, body, config.format).await?;
            if let Some(path) = &plan.cursor_path {
                reached.advance(&documents, path);
            }
            let mut next = pager.next(&url, &headers, &documents)?;
            if next.is_some() && page >= config.max_pages {
                outlet.log(Level::WARN, &format!("stopped after {page} pages (max_pages); more were announced"));
                next = None;
            }
            empty &= documents.is_empty();

            let Some(following) = next else {
                if conditional {
                    reached.keep_validators(request, &headers);
                } else {
                    reached.forget_validators();
                }
                if empty {
                    outlet.idle(None);
                }
                return self.finish(documents, reached, outlet, stop).await;
            };
            if deliver(outlet, documents, None, stop).await?.is_none() {
                return Ok(());
            }
            url = following;
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        documents: Vec<Value>,
        reached: Checkpoint,
        outlet: &dyn Outlet,
        stop: &CancellationToken,
    ) -> Result<(), ConnectorError> {
        let checkpoint = if reached == self.checkpoint { None } else { reached.to_value() };
        if documents.is_empty() && checkpoint.is_none() {
            return Ok(());
        }
        if deliver(outlet, documents, checkpoint, stop).await?.is_some() {
            self.checkpoint = reached;
        }
        Ok(())
    }
}

/// Delivers; `None` when a stop cut it off.
async fn deliver(
    outlet: &dyn Outlet,
    documents: Vec<Value>,
    checkpoint: Option<Value>,
    stop: &CancellationToken,
) -> Result<Option<()>, ConnectorError> {
    tokio::select! {
        biased;
        done = outlet.deliver(documents, checkpoint) => done.map(Some),
        () = async { stop.cancelled().await; tokio::time::sleep(DELIVERY_GRACE).await } => Ok(None),
    }
}

async fn decode(status: StatusCode, body: Bytes, format: JsonFormat) -> Result<Vec<Value>, ConnectorError> {
    let may_be_empty = status == StatusCode::NO_CONTENT || format == JsonFormat::JsonLines;
    if may_be_empty && body.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let decoded = if body.len() < LARGE {
        format.decode(&body)
    } else {
        let parsing = tokio::task::spawn_blocking(move || format.decode(&body));
        parsing.await.unwrap_or_else(|_| Err("the payload could not be parsed".into()))
    };
    // A maintenance page instead of JSON passes.
    decoded.map_err(|e| ConnectorError::transient("decode_failed", e))
}

/// Names the request of a first page, position included.
fn fingerprint_of(plan: &Plan, url: &Url) -> String {
    let mut parts = vec![plan.method.as_str().as_bytes(), url.as_str().as_bytes()];
    for (name, value) in &plan.config.headers {
        parts.extend([name.as_bytes(), value.as_bytes()]);
    }
    parts.extend(plan.body.as_deref());
    fingerprint(&parts)
}
