//! Messages that are read again: partitions assigned by offset, outside of any group, and no offset committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, OwnedMessage};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::aside::aside;
use super::config::KafkaConfig;
use super::look::{Cluster, PROBE};
use super::message::{BATCH_BYTES, deliver};
use super::range::{Range, Span, spans};
use crate::connectors::{ConnectorError, Outlet, PullSource};
use crate::egress::Egress;
use crate::egress::kafka::Complaints;

/// A partition with nothing left says so; silence for so long means that something is wrong.
const SILENCE_MAX: Duration = Duration::from_secs(30);

pub(super) struct Again {
    pub(super) config: KafkaConfig,
    pub(super) range: Range,
    pub(super) egress: Arc<Egress>,
}

/// What is left to read, and how many offsets there were at the beginning. This is the checkpoint.
#[derive(Serialize, Deserialize)]
struct Plan {
    total: u64,
    left: BTreeMap<String, BTreeMap<i32, Span>>,
}

#[async_trait]
impl PullSource for Again {
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let stored = checkpoint.and_then(|stored| Plan::deserialize(stored).ok());
        let is_new = stored.is_none();
        let mut plan = match stored {
            Some(plan) => plan,
            None => match stop.run_until_cancelled(self.plan()).await {
                Some(made) => made?,
                None => return Ok(()),
            },
        };
        outlet.expect(plan.total);
        if is_new {
            // Whoever goes on after a crash must stop at the same ends.
            outlet.deliver(Vec::new(), serde_json::to_value(&plan).ok()).await?;
        }
        // One topic at a time, because the end of a partition is told without the name of its topic.
        while let Some(topic) = plan.left.keys().next().cloned() {
            self.topic(&topic, &mut plan, outlet, &stop).await?;
            if stop.is_cancelled() {
                break;
            }
        }
        Ok(())
    }
}

impl Again {
    async fn plan(&self) -> Result<Plan, ConnectorError> {
        let cluster = Cluster::reach(&self.config, &self.egress).await?;
        let partitions = cluster.partitions(self.config.topics.clone()).await?;
        let first = cluster.offsets(&partitions, Offset::Beginning).await?;
        let end = cluster.offsets(&partitions, Offset::End).await?;
        let (mut from, mut to) = (None, None);
        if let Range::Times(begin, until) = &self.range {
            if let Some(begin) = begin {
                from = Some(cluster.offsets(&partitions, Offset::Offset(*begin)).await?);
            }
            if let Some(until) = until {
                to = Some(cluster.offsets(&partitions, Offset::Offset(*until)).await?);
            }
        }
        let there = partitions.into_iter().map(|place| {
            let of = |offsets: &super::look::Offsets| offsets.get(&place).copied().flatten();
            let bounds = Span { next: of(&first).unwrap_or(0), end: of(&end).unwrap_or(0) };
            // No message from a time on means that the time lies behind the last one.
            let found = |offsets: &super::look::Offsets| of(offsets).unwrap_or(bounds.end);
            let wanted = (from.as_ref().map(found), to.as_ref().map(found));
            (place, bounds, wanted)
        });
        let left = spans(&self.range, there.collect())?;
        let total = left.values().flat_map(BTreeMap::values).map(Span::len).sum();
        Ok(Plan { total, left })
    }

    /// Reads what is left of one topic.
    async fn topic(
        &self,
        topic: &str,
        plan: &mut Plan,
        outlet: &dyn Outlet,
        stop: &CancellationToken,
    ) -> Result<(), ConnectorError> {
        let mut settings = self.config.target().config(&self.egress).await?;
        settings
            .set("group.id", PROBE)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            // What retention took away meanwhile is passed over.
            .set("auto.offset.reset", "earliest")
            .set("queued.max.messages.kbytes", "16384");
        let complaints = Complaints::default();
        let consumer: StreamConsumer<_> =
            settings.create_with_context(complaints.clone()).map_err(|e| complaints.explain(&e))?;
        let done = self.read(topic, plan, &consumer, &complaints, outlet, stop).await;
        let _ = aside(move || drop(consumer)).await;
        done
    }

    async fn read(
        &self,
        topic: &str,
        plan: &mut Plan,
        consumer: &StreamConsumer<Complaints>,
        complaints: &Complaints,
        outlet: &dyn Outlet,
        stop: &CancellationToken,
    ) -> Result<(), ConnectorError> {
        let mut places = TopicPartitionList::new();
        for (partition, span) in plan.left.get(topic).into_iter().flatten() {
            let added = places.add_partition_offset(topic, *partition, Offset::Offset(span.next));
            added.map_err(|e| complaints.explain(&e))?;
        }
        consumer.assign(&places).map_err(|e| complaints.explain(&e))?;
        while plan.left.contains_key(topic) {
            let next = tokio::time::timeout(SILENCE_MAX, consumer.recv());
            let Some(event) = stop.run_until_cancelled(next).await else { break };
            let mut event = event.map_err(|_| complaints.silence())?;
            let (mut batch, mut bytes) = (Vec::new(), 0);
            loop {
                let taken = self.take(topic, event, plan, consumer).map_err(|e| match e {
                    Trouble::Kafka(error) => complaints.explain(&error),
                    Trouble::Own(error) => error,
                })?;
                bytes += taken.as_ref().and_then(Message::payload).map_or(0, <[u8]>::len);
                batch.extend(taken);
                if batch.len() >= self.config.batch || bytes >= BATCH_BYTES {
                    break;
                }
                let Some(more) = consumer.recv().now_or_never() else { break };
                event = more;
            }
            deliver(&batch, &self.config, serde_json::to_value(&*plan).ok(), outlet).await?;
        }
        Ok(())
    }

    /// Counts an event off the plan; a message that is wanted comes back.
    fn take(
        &self,
        topic: &str,
        event: Result<BorrowedMessage<'_>, KafkaError>,
        plan: &mut Plan,
        consumer: &StreamConsumer<Complaints>,
    ) -> Result<Option<OwnedMessage>, Trouble> {
        let Some(left) = plan.left.get_mut(topic) else { return Ok(None) };
        let mut wanted = None;
        let done = match event {
            Err(KafkaError::PartitionEOF(partition)) => Some(partition),
            Err(error) => return Err(Trouble::Kafka(error)),
            Ok(message) => {
                let Some(span) = left.get_mut(&message.partition()) else { return Ok(None) };
                if message.offset() < span.next {
                    let text = format!("{topic} was made anew while it was read; ask for another backfill");
                    return Err(Trouble::Own(ConnectorError::permanent("topic_changed", text)));
                }
                if message.offset() < span.end && self.range.admits(message.timestamp().to_millis()) {
                    wanted = Some(message.detach());
                }
                span.next = message.offset() + 1;
                (span.next >= span.end).then(|| message.partition())
            }
        };
        if let Some(partition) = done {
            left.remove(&partition);
            // What comes after the end is not wanted.
            let mut place = TopicPartitionList::new();
            place.add_partition(topic, partition);
            consumer.pause(&place).map_err(Trouble::Kafka)?;
        }
        if left.is_empty() {
            plan.left.remove(topic);
        }
        Ok(wanted)
    }
}

enum Trouble {
    Kafka(KafkaError),
    Own(ConnectorError),
}
