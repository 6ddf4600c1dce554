//! `kafka`: records as messages of a topic, written by an idempotent producer and acknowledged by all replicas in sync.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Rejection, Sink, SinkContext, SinkError, SinkSpec, SinkType, WriteError};
use crate::domain::Record;
use crate::egress::Egress;
use crate::egress::kafka::{Auth, Complaints, METADATA_MAX, Target, judge};
use crate::egress::tls::Tls;
use crate::error::Problem;
use crate::mapping::schema_of;

/// How long a message may take until all replicas have it.
const DELIVERY_MAX: Duration = Duration::from_secs(30);
/// Messages that wait for their acknowledgement at once.
const IN_FLIGHT: usize = 1_000;

/// Settings of a topic.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "Kafka",
    extend("examples" = [
        {"brokers": ["kafka-1.example.com:9092"], "topic": "studio-records"},
        {"brokers": ["kafka-1.example.com:9093"], "tls": {},
         "auth": {"type": "sasl", "username": "studio", "password": "{{secret.kafka}}"},
         "topic": "studio.{kind}", "compression": "zstd"},
    ])
)]
struct KafkaConfig {
    /// Some brokers of the cluster: host names or addresses, with a port if it is not 9092.
    #[schemars(title = "Brokers", length(min = 1, max = 16), inner(length(min = 1, max = 253)))]
    brokers: Vec<String>,
    /// How this client proves who it is.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    auth: Auth,
    /// Protects the connections; `{}` for TLS with the authorities of the system. Authorities that are named are trusted
    /// instead of those. Absent: no TLS.
    #[serde(default)]
    #[schemars(title = "TLS")]
    tls: Option<Tls>,
    /// The topic. `{kind}` stands for the kind of the record.
    #[schemars(title = "Topic", example = &"studio.{kind}", length(min = 1, max = 249))]
    topic: String,
    /// How batches are compressed.
    #[serde(default)]
    #[schemars(title = "Compression")]
    compression: Compression,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Compression {
    /// Not at all.
    #[default]
    None,
    /// With gzip.
    Gzip,
    /// With LZ4.
    Lz4,
    /// With Snappy.
    Snappy,
    /// With Zstandard.
    Zstd,
}

impl KafkaConfig {
    fn read(config: &Value) -> Result<Self, SinkError> {
        // The cause could repeat a resolved secret.
        Self::deserialize(config).map_err(|_| {
            SinkError::permanent("config_invalid", "the settings are not those of a kafka sink; save a valid version")
        })
    }

    fn target(&self) -> Target<'_> {
        Target { brokers: &self.brokers, auth: &self.auth, tls: self.tls.as_ref() }
    }
}

pub(super) struct Kafka {
    spec: SinkSpec,
}

impl Kafka {
    pub(super) fn new() -> Self {
        Self {
            spec: SinkSpec {
                name: "kafka",
                title: "Kafka",
                description: "Writes each record as a message whose key is the id of the record, by an idempotent producer.",
                config_schema: schema_of::<KafkaConfig>(),
            },
        }
    }
}

#[async_trait]
impl SinkType for Kafka {
    fn spec(&self) -> &SinkSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        let config = match KafkaConfig::read(config) {
            Ok(config) => config,
            Err(error) => return vec![Problem::new("", error.message)],
        };
        let mut found = config.target().problems();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !config.topic.replace("{kind}", "x").chars().all(legal) {
            found.push(Problem::new("/topic", "may hold letters, digits and . _ -, and {kind}"));
        }
        found
    }

    async fn open(&self, config: &Value, context: SinkContext) -> Result<Arc<dyn Sink>, SinkError> {
        let config = KafkaConfig::read(config)?;
        let (producer, complaints) = producer(&config, &context.egress).await?;
        // A cluster that cannot be reached, or that leads out of bounds, shows now.
        let probe = producer.clone();
        let looking = tokio::task::spawn_blocking(move || probe.client().fetch_metadata(None, METADATA_MAX));
        let metadata = looking.await.map_err(|_| SinkError::transient("kafka_failed", "the opening was cut off"))?;
        judge(&context.egress, &metadata.map_err(|e| complaints.explain(&e))?).await?;
        Ok(Arc::new(Topic { topic: config.topic, producer, complaints }))
    }
}

type Client = FutureProducer<Complaints>;

async fn producer(config: &KafkaConfig, egress: &Egress) -> Result<(Client, Complaints), SinkError> {
    let mut settings = config.target().config(egress).await?;
    let compression = match config.compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Lz4 => "lz4",
        Compression::Snappy => "snappy",
        Compression::Zstd => "zstd",
    };
    settings
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", compression)
        .set("linger.ms", "5")
        .set("message.timeout.ms", DELIVERY_MAX.as_millis().to_string())
        .set("queue.buffering.max.kbytes", "65536");
    let complaints = Complaints::default();
    let producer = settings.create_with_context(complaints.clone()).map_err(|e| complaints.explain(&e))?;
    Ok((producer, complaints))
}

struct Topic {
    topic: String,
    producer: Client,
    complaints: Complaints,
}

#[async_trait]
impl Sink for Topic {
    async fn write(&self, records: &[Record]) -> Result<(), WriteError> {
        let mut rejections = Vec::new();
        for (i, some) in records.chunks(IN_FLIGHT).enumerate() {
            let mut messages = Vec::with_capacity(some.len());
            for record in some {
                let payload = serde_json::to_vec(record)
                    .map_err(|_| SinkError::rejected("encode_failed", "a record cannot be written as JSON"))?;
                let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
                let kind: String = record.kind.chars().map(letter).collect();
                messages.push((self.topic.replace("{kind}", &kind), record.id.to_string(), payload));
            }
            let sending = messages.iter().map(|(topic, key, payload)| {
                self.producer.send(FutureRecord::to(topic).key(key).payload(payload), DELIVERY_MAX)
            });
            for (j, sent) in join_all(sending).await.into_iter().enumerate() {
                let at = i * IN_FLIGHT + j;
                match sent.map(|_| ()).map_err(|(error, _)| self.complaints.explain(&error)) {
                    Err(fault) if fault.is_rejected() => rejections.push(Rejection { records: at..at + 1, fault }),
                    other => other?,
                }
            }
        }
        WriteError::unless_none(rejections)
    }

    async fn close(&self) -> Result<(), SinkError> {
        // Every write waited for its acknowledgements: nothing is left to flush.
        Ok(())
    }
}
