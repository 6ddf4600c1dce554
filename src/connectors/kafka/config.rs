//! The settings of a Kafka connector.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connectors::ConnectorError;
use crate::connectors::decode::Format;
use crate::egress::kafka::{Auth, Target};
use crate::egress::tls::Tls;
use crate::error::Problem;

/// Settings of a member of a Kafka consumer group.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "Kafka",
    extend("examples" = [
        {"brokers": ["kafka-1.example.com:9092"], "topics": ["orders"]},
        {"brokers": ["kafka-1.example.com:9093", "kafka-2.example.com:9093"], "tls": {},
         "auth": {"type": "sasl", "mechanism": "scram_sha512", "username": "studio", "password": "{{secret.kafka}}"},
         "topics": ["orders", "returns"], "group": "studio-orders", "start": "latest", "envelope": true},
    ])
)]
pub(super) struct KafkaConfig {
    /// Some brokers of the cluster: host names or addresses, with a port if it is not 9092.
    #[schemars(title = "Brokers", length(min = 1, max = 16), inner(length(min = 1, max = 253)))]
    pub(super) brokers: Vec<String>,
    /// How this client proves who it is.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    pub(super) auth: Auth,
    /// Protects the connections; `{}` for TLS with the authorities of the system. Authorities that are named are trusted
    /// instead of those. Absent: no TLS.
    #[serde(default)]
    #[schemars(title = "TLS")]
    pub(super) tls: Option<Tls>,
    /// The topics to read.
    #[schemars(title = "Topics", length(min = 1, max = 64), inner(length(min = 1, max = 249)))]
    pub(super) topics: Vec<String>,
    /// The consumer group, which keeps the position. The id of the datasource by default.
    #[serde(default)]
    #[schemars(title = "Consumer group", length(min = 1, max = 255))]
    pub(super) group: Option<String>,
    /// Where a group without a position begins.
    #[serde(default)]
    #[schemars(title = "Start")]
    pub(super) start: Start,
    /// How the value of a message is laid out. One without a value (a tombstone) is passed over.
    #[serde(default)]
    #[schemars(title = "Format")]
    pub(super) format: Format,
    /// Delivers an object for each message: its `value`, with `key`, `headers`, `topic`, `partition`, `offset` and `timestamp`
    /// around it. A tombstone is then delivered too, with the value null.
    #[serde(default)]
    #[schemars(title = "Envelope")]
    pub(super) envelope: bool,
    /// Most messages that are delivered together.
    #[serde(default = "batch_default")]
    #[schemars(title = "Batch", range(min = 1, max = 10_000))]
    pub(super) batch: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Start {
    /// With the oldest message that the cluster still has.
    #[default]
    Earliest,
    /// With the next message.
    Latest,
}

const fn batch_default() -> usize {
    500
}

impl KafkaConfig {
    pub(super) fn read(config: &Value) -> Result<Self, ConnectorError> {
        // The cause could repeat a resolved secret.
        Self::deserialize(config).map_err(|_| {
            let message = "the settings are not those of a Kafka connector; save a valid version";
            ConnectorError::permanent("config_invalid", message)
        })
    }

    pub(super) fn target(&self) -> Target<'_> {
        Target { brokers: &self.brokers, auth: &self.auth, tls: self.tls.as_ref() }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut found = self.target().problems();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        for (i, _) in self.topics.iter().enumerate().filter(|(_, topic)| !topic.chars().all(legal)) {
            found.push(Problem::new(format!("/topics/{i}"), "may hold letters, digits and . _ -"));
        }
        found
    }
}
