//! Batches of messages. Offsets are committed when the records are in the sink, so the group keeps the position.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::config::{KafkaConfig, Start};
use crate::connectors::decode::hand_over;
use crate::connectors::{ConnectorError, Outlet};
use crate::egress::Egress;
use crate::egress::kafka::Complaints;

/// The offset after the last delivered message, by topic and partition.
type Reached = BTreeMap<String, BTreeMap<i32, i64>>;

pub(super) async fn run(
    config: &KafkaConfig,
    group: &str,
    egress: &Egress,
    outlet: &dyn Outlet,
    stop: &CancellationToken,
) -> Result<(), ConnectorError> {
    let mut settings = config.target().config(egress).await?;
    let start = if config.start == Start::Latest { "latest" } else { "earliest" };
    settings
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", start)
        // A worker that died is replaced in the group after this.
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "2000")
        // What is fetched ahead of a slow sink stays within this.
        .set("queued.max.messages.kbytes", "16384")
        .set("max.poll.interval.ms", "600000");
    let complaints = Complaints::default();
    let consumer: StreamConsumer<_> =
        settings.create_with_context(complaints.clone()).map_err(|e| complaints.explain(&e))?;
    let topics: Vec<_> = config.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics).map_err(|e| complaints.explain(&e))?;
    let consumer = Arc::new(consumer);
    outlet.idle(None);

    let done = consume(config, &consumer, &complaints, outlet, stop).await;
    // Leaving the group takes a while and blocks.
    let _ = tokio::task::spawn_blocking(move || drop(consumer)).await;
    done
}

async fn consume(
    config: &KafkaConfig,
    consumer: &Arc<StreamConsumer<Complaints>>,
    complaints: &Complaints,
    outlet: &dyn Outlet,
    stop: &CancellationToken,
) -> Result<(), ConnectorError> {
    let mut reached = Reached::new();
    loop {
        let Some(first) = stop.run_until_cancelled(consumer.recv()).await else { return Ok(()) };
        let mut batch = vec![first.map_err(|e| complaints.explain(&e))?.detach()];
        while batch.len() < config.batch
            && let Some(Ok(more)) = consumer.recv().now_or_never()
        {
            batch.push(more.detach());
        }
        for message in &batch {
            let next = message.offset() + 1;
            reached.entry(message.topic().to_owned()).or_default().insert(message.partition(), next);
        }
        let payloads = batch.iter().filter_map(Message::payload);
        hand_over(payloads, |payload| config.format.decode(payload), Some(json!(reached)), outlet).await?;
        if let Err(error) = commit(Arc::clone(consumer), &batch).await {
            // The group was rearranged meanwhile: whoever has the partition now reads the batch again.
            outlet.log(Level::WARN, &format!("the position was not committed, so some messages come twice: {error}"));
        }
    }
}

async fn commit(consumer: Arc<StreamConsumer<Complaints>>, batch: &[OwnedMessage]) -> Result<(), KafkaError> {
    let mut last: BTreeMap<(&str, i32), i64> = BTreeMap::new();
    for message in batch {
        last.insert((message.topic(), message.partition()), message.offset() + 1);
    }
    let mut places = TopicPartitionList::new();
    for ((topic, partition), next) in last {
        places.add_partition_offset(topic, partition, Offset::Offset(next))?;
    }
    let committing = tokio::task::spawn_blocking(move || consumer.commit(&places, CommitMode::Sync));
    committing.await.unwrap_or(Err(KafkaError::Canceled))
}
