//! Messages that are read again, through a consumer of their own that acknowledges nothing and goes away by itself.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Message};
use async_trait::async_trait;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::config::{NatsConfig, Subscription};
use super::message::deliver;
use super::{CLIENT, jetstream_pull, lost};
use crate::connectors::{ConnectorError, Outlet, PullSource};
use crate::domain::{BackfillRange, Timestamp};
use crate::egress::Egress;

/// How long the server keeps a consumer that nobody reads: longer than a slow sink takes for a batch.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The part of a stream; the second sequence is inclusive, the second time exclusive.
#[derive(Clone, Copy)]
pub(super) enum Range {
    Times(Option<Timestamp>, Option<Timestamp>),
    Sequences(Option<u64>, Option<u64>),
}

impl Range {
    pub(super) fn read(range: &BackfillRange) -> Result<Self, ConnectorError> {
        let parse = |name: &str, text: &Option<String>| {
            let number = text.as_deref().map(str::parse).transpose();
            number.map_err(|_| {
                let message = format!("{name} must be a sequence of the stream, such as 1500");
                ConnectorError::permanent("range_unsupported", message)
            })
        };
        let sequences = (parse("fromCursor", &range.from_cursor)?, parse("toCursor", &range.to_cursor)?);
        Ok(if sequences == (None, None) {
            Self::Times(range.from, range.to)
        } else {
            Self::Sequences(sequences.0, sequences.1)
        })
    }

    fn begin(self) -> DeliverPolicy {
        match self {
            Self::Times(Some(start_time), _) => DeliverPolicy::ByStartTime { start_time },
            Self::Sequences(Some(first), _) => after(first.saturating_sub(1)),
            _ => DeliverPolicy::All,
        }
    }

    /// What follows the range, if something can.
    fn rest(self) -> Option<DeliverPolicy> {
        match self {
            Self::Times(_, Some(start_time)) => Some(DeliverPolicy::ByStartTime { start_time }),
            Self::Sequences(_, Some(last)) => Some(after(last)),
            _ => None,
        }
    }

    fn ends_before(self, at: Timestamp) -> bool {
        matches!(self, Self::Times(_, Some(to)) if at >= to)
    }
}

const fn after(sequence: u64) -> DeliverPolicy {
    DeliverPolicy::ByStartSequence { start_sequence: sequence.saturating_add(1) }
}

pub(super) struct Again {
    pub(super) config: NatsConfig,
    pub(super) range: Range,
    pub(super) egress: Arc<Egress>,
}

/// How far the range was read, and where it ends. This is the checkpoint.
#[derive(Serialize, Deserialize)]
struct Plan {
    /// The last sequence that was delivered.
    reached: Option<u64>,
    /// The last sequence of the stream, or of the range, when the backfill began.
    last: u64,
    total: u64,
}

#[async_trait]
impl PullSource for Again {
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let Subscription::Jetstream { stream: name, subject, batch, .. } = &self.config.subscription else {
            return Err(ConnectorError::permanent("range_unsupported", "NATS keeps no copy of plain subjects"));
        };
        let target = self.config.target();
        let connecting = target.connect(&self.egress, CLIENT);
        let Some(client) = stop.run_until_cancelled(connecting).await else { return Ok(()) };
        let stream = jetstream_pull::stream(&jetstream::new(client?), name).await?;
        let reader = Reader { stream, subject: subject.as_deref().unwrap_or_default(), batch: usize::from(*batch) };
        let stored = checkpoint.and_then(|stored| Plan::deserialize(stored).ok());
        let begin = match stored.as_ref().and_then(|plan| plan.reached) {
            Some(reached) => after(reached),
            None => self.range.begin(),
        };
        let (consumer, pending) = reader.consumer(begin).await?;
        let plan = match stored {
            Some(plan) => Ok(plan),
            None => reader.plan(self.range, pending).await,
        };
        let done = match plan {
            Ok(plan) => self.read(&reader, &consumer, plan, outlet, &stop).await,
            Err(error) => Err(error),
        };
        let _ = reader.stream.delete_consumer(&consumer.cached_info().name).await;
        done
    }
}

impl Again {
    async fn read(
        &self,
        reader: &Reader<'_>,
        consumer: &PullConsumer,
        mut plan: Plan,
        outlet: &dyn Outlet,
        stop: &CancellationToken,
    ) -> Result<(), ConnectorError> {
        outlet.expect(plan.total);
        if plan.reached.is_none() {
            // Whoever goes on after a crash must stop at the same end.
            outlet.deliver(Vec::new(), serde_json::to_value(&plan).ok()).await?;
        }
        let mut seen = 0;
        while !stop.is_cancelled() {
            let mut messages = reader.next(consumer).await?;
            if messages.is_empty() {
                return reader.is_at_end(consumer).await;
            }
            let mut wanted = 0;
            for message in &messages {
                let info = message.info().map_err(|e| lost(&e))?;
                seen += 1;
                if info.consumer_sequence != seen {
                    // Nothing is acknowledged, so nothing comes again by itself.
                    return Err(lost(&"messages were lost on the way"));
                }
                if info.stream_sequence > plan.last || self.range.ends_before(info.published) {
                    break;
                }
                plan.reached = Some(info.stream_sequence);
                wanted += 1;
            }
            let is_last = wanted < messages.len();
            messages.truncate(wanted);
            deliver(&messages, &self.config, serde_json::to_value(&plan).ok(), outlet).await?;
            if is_last || plan.reached == Some(plan.last) {
                break;
            }
        }
        Ok(())
    }
}

struct Reader<'a> {
    stream: Stream,
    subject: &'a str,
    batch: usize,
}

impl Reader<'_> {
    /// A consumer, and how many messages it has before it.
    async fn consumer(&self, begin: DeliverPolicy) -> Result<(PullConsumer, u64), ConnectorError> {
        let wanted = pull::Config {
            description: Some("a backfill of datasource-studio".to_owned()),
            deliver_policy: begin,
            ack_policy: AckPolicy::None,
            filter_subject: self.subject.to_owned(),
            inactive_threshold: FORGOTTEN_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let made = self.stream.create_consumer(wanted).await;
        let consumer: PullConsumer = made.map_err(|error| {
            let message = format!("the stream does not let a part of it be read again: {error}");
            ConnectorError::permanent("consumer_refused", message)
        })?;
        let pending = consumer.cached_info().num_pending;
        Ok((consumer, pending))
    }

    async fn plan(&self, range: Range, pending: u64) -> Result<Plan, ConnectorError> {
        let state = &self.stream.cached_info().state;
        let last = match range {
            Range::Sequences(_, Some(last)) => last.min(state.last_sequence),
            _ => state.last_sequence,
        };
        let mut beyond = 0;
        if let Some(rest) = range.rest() {
            let (consumer, pending) = self.consumer(rest).await?;
            let _ = self.stream.delete_consumer(&consumer.cached_info().name).await;
            beyond = pending;
        }
        Ok(Plan { reached: None, last, total: pending.saturating_sub(beyond) })
    }

    /// What is there, at most a batch; nothing at the end of the stream.
    async fn next(&self, consumer: &PullConsumer) -> Result<Vec<Message>, ConnectorError> {
        let failed = |e: &dyn std::fmt::Display| {
            ConnectorError::transient("jetstream_failed", format!("the stream could not be read: {e}"))
        };
        let mut found = Vec::new();
        let fetching = consumer.fetch().max_messages(self.batch).max_bytes(jetstream_pull::BYTES).messages();
        let mut there = fetching.await.map_err(|e| failed(&e))?;
        loop {
            let next = tokio::time::timeout(ANSWER_MAX, there.next()).await;
            let Some(message) = next.map_err(|_| failed(&"no answer came in time"))? else { return Ok(found) };
            match message {
                Ok(message) => found.push(message),
                Err(error) if found.is_empty() => return Err(failed(&error)),
                // The next one would exceed the bytes, or the failure comes again.
                Err(_) => return Ok(found),
            }
        }
    }

    /// That nothing came must mean that there is nothing.
    async fn is_at_end(&self, consumer: &PullConsumer) -> Result<(), ConnectorError> {
        let info = self.stream.consumer_info(&consumer.cached_info().name).await.map_err(|e| lost(&e))?;
        if info.num_pending == 0 {
            return Ok(());
        }
        Err(ConnectorError::transient("jetstream_failed", "the stream has more messages but sent none"))
    }
}
