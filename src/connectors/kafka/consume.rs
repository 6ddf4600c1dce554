//! Batches of messages. Offsets are committed when the records are in the sink, so the group keeps the position.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::aside::{BLOCKED_MAX, aside};
use super::config::{KafkaConfig, Start};
use super::message::{BATCH_BYTES, deliver};
use crate::connectors::gather::Gathering;
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
        .set("enable.partition.eof", "true")
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
    let _ = aside(move || drop(consumer)).await;
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
    let mut behind = Behind::default();
    loop {
        let Some(mut event) = stop.run_until_cancelled(consumer.recv()).await else { return Ok(()) };
        let gathering = Gathering::begin(outlet.batch(), config.batch, stop);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut failure = None;
        loop {
            match event {
                Ok(message) => {
                    behind.reads(&message);
                    bytes += message.payload_len();
                    batch.push(message.detach());
                }
                Err(KafkaError::PartitionEOF(partition)) => behind.reached_the_end(partition),
                // What was read before it is delivered first.
                Err(error) => failure = Some(error),
            }
            if failure.is_some() || batch.is_empty() || bytes >= BATCH_BYTES {
                break;
            }
            let Some(more) = gathering.next(batch.len(), consumer.recv()).await else { break };
            event = more;
        }
        for message in &batch {
            let next = message.offset() + 1;
            reached.entry(message.topic().to_owned()).or_default().insert(message.partition(), next);
        }
        if !batch.is_empty() {
            deliver(&batch, config, Some(json!(reached)), outlet).await?;
            match commit(Arc::clone(consumer), &batch).await {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    // The group was rearranged meanwhile: whoever has the partition now reads the batch again.
                    let message = format!("the position was not committed, so some messages come twice: {error}");
                    outlet.log(Level::WARN, &message);
                }
                // The client can wait for ever for a coordinator that is gone; another client finds the next one.
                None => {
                    let message = format!("the cluster took no position within {} s", BLOCKED_MAX.as_secs());
                    return Err(ConnectorError::transient("commit_timeout", message));
                }
            }
        }
        if let Some(error) = failure {
            return Err(complaints.explain(&error));
        }
        behind.forget_others(consumer);
        outlet.idle(Some(behind.seconds()));
    }
}

/// The time of the last message of each partition that has more to come.
#[derive(Default)]
struct Behind(BTreeMap<i32, i64>);

impl Behind {
    fn reads(&mut self, message: &impl Message) {
        // A producer may leave the time out.
        if let Some(millis) = message.timestamp().to_millis() {
            self.0.insert(message.partition(), millis);
        }
    }

    /// The library does not say of which topic; the others are told again with their next message.
    fn reached_the_end(&mut self, partition: i32) {
        self.0.remove(&partition);
    }

    /// Partitions that went to another member are its to tell of.
    fn forget_others(&mut self, consumer: &StreamConsumer<Complaints>) {
        if !self.0.is_empty()
            && let Ok(own) = consumer.assignment()
        {
            let own: Vec<_> = own.elements().iter().map(TopicPartitionListElem::partition).collect();
            self.0.retain(|partition, _| own.contains(partition));
        }
    }

    fn seconds(&self) -> f64 {
        let now = chrono::Utc::now().timestamp_millis();
        let most = self.0.values().map(|millis| now.saturating_sub(*millis)).max().unwrap_or(0);
        most.max(0) as f64 / 1_000.0
    }
}

/// `None`: there was no answer in time.
async fn commit(consumer: Arc<StreamConsumer<Complaints>>, batch: &[OwnedMessage]) -> Option<Result<(), KafkaError>> {
    let mut last: BTreeMap<(&str, i32), i64> = BTreeMap::new();
    for message in batch {
        last.insert((message.topic(), message.partition()), message.offset() + 1);
    }
    let mut places = TopicPartitionList::new();
    for ((topic, partition), next) in last {
        if let Err(error) = places.add_partition_offset(topic, partition, Offset::Offset(next)) {
            return Some(Err(error));
        }
    }
    aside(move || consumer.commit(&places, CommitMode::Sync)).await
}
