//! A look at the cluster that joins no group and moves no offset. librdkafka's calls block, so they run aside.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedMessage;
use rdkafka::{Offset, TopicPartitionList};

use super::config::KafkaConfig;
use crate::connectors::ConnectorError;
use crate::egress::Egress;
use crate::egress::kafka::{Complaints, METADATA_MAX, judge};

/// How long the offsets of all partitions may take.
const OFFSETS_MAX: Duration = Duration::from_secs(30);
/// How long a sample is waited for once there is one.
const SAMPLE_WAIT: Duration = Duration::from_secs(8);

/// Named because the library asks for a name; nothing joins it.
pub(super) const PROBE: &str = "datasource-studio-probe";

type Probe = Arc<BaseConsumer<Complaints>>;
/// A topic and one of its partitions.
pub(super) type Place = (String, i32);
/// An offset each; `None` where there is no message to name.
pub(super) type Offsets = HashMap<Place, Option<i64>>;

/// A cluster that answered, and whose brokers may be connected to.
pub(super) struct Cluster {
    probe: Probe,
    complaints: Complaints,
    pub(super) brokers: usize,
}

impl Cluster {
    pub(super) async fn reach(config: &KafkaConfig, egress: &Egress) -> Result<Self, ConnectorError> {
        let mut settings = config.target().config(egress).await?;
        settings.set("group.id", PROBE).set("enable.auto.commit", "false");
        let complaints = Complaints::default();
        let probe: BaseConsumer<_> =
            settings.create_with_context(complaints.clone()).map_err(|e| complaints.explain(&e))?;
        let mut cluster = Self { probe: Arc::new(probe), complaints, brokers: 0 };
        let metadata = cluster.aside(|probe| {
            let until = Instant::now() + METADATA_MAX;
            loop {
                let fetched = probe.fetch_metadata(None, Duration::from_secs(2));
                // What a broker refused is told where messages come.
                while let Some(event) = probe.poll(Duration::ZERO) {
                    if let Err(error) = event {
                        probe.context().note(&error);
                    }
                }
                match fetched {
                    Err(_) if Instant::now() < until && !probe.context().has_final() => {}
                    done => break done,
                }
            }
        });
        let metadata = metadata.await?;
        judge(egress, &metadata).await?;
        cluster.brokers = metadata.brokers().len();
        Ok(cluster)
    }

    /// All partitions of the topics.
    pub(super) async fn partitions(&self, topics: Vec<String>) -> Result<Vec<Place>, ConnectorError> {
        let found = self.aside(move |probe| {
            let mut found = Vec::new();
            for topic in topics {
                let metadata = probe.fetch_metadata(Some(&topic), METADATA_MAX)?;
                let known = metadata.topics().first();
                let partitions: Vec<_> = known.into_iter().flat_map(|t| t.partitions()).map(|p| p.id()).collect();
                let refusal = known.and_then(|t| t.error()).map(RDKafkaErrorCode::from);
                found.push((topic, partitions, refusal));
            }
            Ok(found)
        });
        let mut places = Vec::new();
        for (topic, partitions, refusal) in found.await? {
            match refusal {
                Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                    let message = format!("this user may not look at the topic {topic}; it needs DESCRIBE and READ");
                    return Err(ConnectorError::permanent("unauthorized", message));
                }
                Some(RDKafkaErrorCode::LeaderNotAvailable) => {
                    let message = format!("the topic {topic} has no leader now");
                    return Err(ConnectorError::transient("kafka_failed", message));
                }
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                    return Err(missing(&topic));
                }
                None if partitions.is_empty() => return Err(missing(&topic)),
                Some(error) if partitions.is_empty() => {
                    let message = format!("the cluster does not show the topic {topic} now: {error}");
                    return Err(ConnectorError::transient("kafka_failed", message));
                }
                _ => places.extend(partitions.into_iter().map(|partition| (topic.clone(), partition))),
            }
        }
        Ok(places)
    }

    /// For each partition the offset of its beginning, of its end, or of the first message from a time (in
    /// milliseconds) on.
    pub(super) async fn offsets(&self, partitions: &[Place], at: Offset) -> Result<Offsets, ConnectorError> {
        let partitions = partitions.to_vec();
        self.aside(move |probe| {
            let mut asked = TopicPartitionList::with_capacity(partitions.len());
            for (topic, partition) in &partitions {
                asked.add_partition_offset(topic, *partition, at)?;
            }
            let answered = probe.offsets_for_times(asked, OFFSETS_MAX)?;
            let offset = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
                element.error()?;
                let offset = if let Offset::Offset(offset) = element.offset() { Some(offset) } else { None };
                Ok(((element.topic().to_owned(), element.partition()), offset))
            };
            answered.elements().into_iter().map(offset).collect()
        })
        .await
    }

    /// The last message of the first partition that has one.
    pub(super) async fn newest(&self, topics: Vec<String>) -> Result<Option<OwnedMessage>, ConnectorError> {
        self.aside(move |probe| {
            for topic in topics {
                let metadata = probe.fetch_metadata(Some(&topic), METADATA_MAX)?;
                let partitions: Vec<_> =
                    metadata.topics().iter().flat_map(|t| t.partitions().iter().map(|p| p.id())).collect();
                for partition in partitions {
                    let (low, high) = probe.fetch_watermarks(&topic, partition, METADATA_MAX)?;
                    if high <= low {
                        continue;
                    }
                    let mut place = TopicPartitionList::new();
                    place.add_partition_offset(&topic, partition, Offset::Offset(high - 1))?;
                    probe.assign(&place)?;
                    let until = Instant::now() + SAMPLE_WAIT;
                    while Instant::now() < until {
                        if let Some(message) = probe.poll(Duration::from_millis(200)) {
                            return Ok(Some(message?.detach()));
                        }
                    }
                }
            }
            Ok(None)
        })
        .await
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&BaseConsumer<Complaints>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let probe = Arc::clone(&self.probe);
        let done = tokio::task::spawn_blocking(move || work(&probe)).await;
        let done = done.map_err(|_| ConnectorError::transient("kafka_failed", "the Kafka client was cut off"))?;
        done.map_err(|e| self.complaints.explain(&e))
    }
}

fn missing(topic: &str) -> ConnectorError {
    let message = format!("the cluster has no topic {topic}, or does not show it to this user");
    ConnectorError::permanent("topic_missing", message)
}
