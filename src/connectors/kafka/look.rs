//! A look at the cluster that joins no group and moves no offset. librdkafka's calls block, so they run aside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::config::KafkaConfig;
use crate::connectors::ConnectorError;
use crate::egress::Egress;
use crate::egress::kafka::{Complaints, METADATA_MAX, judge};

/// How long a sample is waited for once there is one.
const SAMPLE_WAIT: Duration = Duration::from_secs(8);

type Probe = Arc<BaseConsumer<Complaints>>;

/// A cluster that answered, and whose brokers may be connected to.
pub(super) struct Cluster {
    probe: Probe,
    complaints: Complaints,
    pub(super) brokers: usize,
}

impl Cluster {
    pub(super) async fn reach(config: &KafkaConfig, egress: &Egress) -> Result<Self, ConnectorError> {
        let mut settings = config.target().config(egress).await?;
        settings.set("group.id", "datasource-studio-probe").set("enable.auto.commit", "false");
        let complaints = Complaints::default();
        let probe: BaseConsumer<_> =
            settings.create_with_context(complaints.clone()).map_err(|e| complaints.explain(&e))?;
        let mut cluster = Self { probe: Arc::new(probe), complaints, brokers: 0 };
        let metadata = cluster.aside(|probe| {
            // Complaints are heard while the client is polled.
            let until = Instant::now() + METADATA_MAX;
            loop {
                let _ = probe.poll(Duration::ZERO);
                match probe.fetch_metadata(None, Duration::from_secs(2)) {
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

    /// How many partitions the topics have.
    pub(super) async fn partitions(&self, topics: Vec<String>) -> Result<usize, ConnectorError> {
        let found = self.aside(move |probe| {
            let mut counts = Vec::new();
            for topic in topics {
                let metadata = probe.fetch_metadata(Some(&topic), METADATA_MAX)?;
                counts.push((metadata.topics().first().map_or(0, |t| t.partitions().len()), topic));
            }
            Ok(counts)
        });
        let found = found.await?;
        if let Some((_, topic)) = found.iter().find(|(partitions, _)| *partitions == 0) {
            let message = format!("the cluster has no topic {topic}, or does not show it to this user");
            return Err(ConnectorError::permanent("topic_missing", message));
        }
        Ok(found.iter().map(|(partitions, _)| partitions).sum())
    }

    /// The last message of the first partition that has one.
    pub(super) async fn newest(&self, topics: Vec<String>) -> Result<Option<Vec<u8>>, ConnectorError> {
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
                            return Ok(message?.payload().map(<[u8]>::to_vec));
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
