//! The settings of a NATS connector.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connectors::ConnectorError;
use crate::connectors::decode::Format;
use crate::domain::HumanDuration;
use crate::egress::nats::{Auth, Target};
use crate::egress::tls::Tls;
use crate::error::Problem;

/// Settings of a NATS subscription.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "NATS",
    extend("examples" = [
        {"servers": ["nats.example.com:4222"], "subscription": {"type": "jetstream", "stream": "ORDERS"}},
        {"servers": ["nats-1.example.com", "nats-2.example.com"], "tls": {},
         "auth": {"type": "credentials", "credentials": "{{secret.nats_creds}}"},
         "subscription": {"type": "jetstream", "stream": "ORDERS", "subject": "orders.eu.>", "durable": "studio-orders",
                          "deliver": "new", "ack_wait": "1m", "batch": 200}},
        {"servers": ["nats.example.com"], "subscription": {"type": "core", "subject": "sensors.*.temperature"},
         "envelope": true},
    ])
)]
pub(super) struct NatsConfig {
    /// The servers of one cluster: host names or addresses, with a port if it is not 4222.
    #[schemars(title = "Servers", length(min = 1, max = 16), inner(length(min = 1, max = 253)))]
    pub(super) servers: Vec<String>,
    /// How this client proves who it is.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    pub(super) auth: Auth,
    /// Protects the connection; `{}` for TLS with the authorities of the system. Absent: no TLS.
    #[serde(default)]
    #[schemars(title = "TLS")]
    pub(super) tls: Option<Tls>,
    /// What is read.
    #[schemars(title = "Subscription")]
    pub(super) subscription: Subscription,
    /// How a message is laid out.
    #[serde(default)]
    #[schemars(title = "Format")]
    pub(super) format: Format,
    /// Delivers an object for each message: its `value`, with `subject`, `headers`, `sequence` and `timestamp` around it. Plain
    /// subjects have no sequence and no time.
    #[serde(default)]
    #[schemars(title = "Envelope")]
    pub(super) envelope: bool,
}

/// What is read.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Subscription {
    /// A JetStream stream, through a durable pull consumer. A message is acknowledged only after its records are in the sink.
    #[schemars(title = "JetStream")]
    Jetstream {
        /// The stream. It must exist.
        #[schemars(example = &"ORDERS", length(min = 1, max = 255))]
        stream: String,
        /// The durable consumer, which is made if it is not there. The id of the datasource by default.
        #[serde(default)]
        #[schemars(length(min = 1, max = 128))]
        durable: Option<String>,
        /// Only messages of this subject; `*` and `>` are wildcards. For a consumer that is made.
        #[serde(default)]
        #[schemars(example = &"orders.eu.>", length(min = 1, max = 512))]
        subject: Option<String>,
        /// Where a consumer that is made begins.
        #[serde(default)]
        deliver: Deliver,
        /// How long the server waits for an acknowledgement until it sends a message again. For a consumer that is made.
        #[serde(default = "ack_wait_default")]
        ack_wait: HumanDuration,
        /// Most messages that are fetched at once.
        #[serde(default = "batch_default")]
        #[schemars(range(min = 1, max = 5_000))]
        batch: u16,
    },
    /// Plain subjects. What is published while no worker listens is lost: NATS keeps no copy.
    #[schemars(title = "Core")]
    Core {
        /// The subject; `*` and `>` are wildcards.
        #[schemars(example = &"sensors.*.temperature", length(min = 1, max = 512))]
        subject: String,
        /// Shares the subject with other members of this group, each message going to one of them.
        #[serde(default)]
        #[schemars(length(min = 1, max = 128))]
        queue_group: Option<String>,
    },
}

impl Subscription {
    /// Whether the server hands each message to one of several that read at once.
    pub(super) const fn is_shared(&self) -> bool {
        match self {
            Self::Jetstream { .. } => true,
            Self::Core { queue_group, .. } => queue_group.is_some(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Deliver {
    /// With the oldest message of the stream.
    #[default]
    All,
    /// With the first message after it was made.
    New,
    /// With the last message of the stream.
    Last,
}

const fn ack_wait_default() -> HumanDuration {
    HumanDuration(Duration::from_secs(30))
}

const fn batch_default() -> u16 {
    500
}

impl NatsConfig {
    pub(super) fn read(config: &Value) -> Result<Self, ConnectorError> {
        // The cause could repeat a resolved secret.
        Self::deserialize(config).map_err(|_| {
            let message = "the settings are not those of a NATS connector; save a valid version";
            ConnectorError::permanent("config_invalid", message)
        })
    }

    pub(super) fn target(&self) -> Target<'_> {
        Target { servers: &self.servers, auth: &self.auth, tls: self.tls.as_ref() }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut found = self.target().problems();
        let mut add = |at: &str, wrong: bool, message: &str| {
            if wrong {
                found.push(Problem::new(at, message));
            }
        };
        const SUBJECT: &str = "must be words between dots, such as orders.eu.* or orders.>; > stands last";
        const NAME: &str = "must not have dots, wildcards, slashes or blanks";
        match &self.subscription {
            Subscription::Jetstream { stream, durable, subject, ack_wait, .. } => {
                add("/subscription/stream", !is_name(stream), NAME);
                add("/subscription/durable", durable.as_deref().is_some_and(|name| !is_name(name)), NAME);
                add("/subscription/subject", subject.as_deref().is_some_and(|s| !is_subject(s)), SUBJECT);
                let short = ack_wait.0 < Duration::from_secs(1) || ack_wait.0 > Duration::from_secs(3_600);
                add("/subscription/ack_wait", short, "must be from 1s to 1h");
            }
            Subscription::Core { subject, queue_group } => {
                add("/subscription/subject", !is_subject(subject), SUBJECT);
                add("/subscription/queue_group", queue_group.as_deref().is_some_and(|g| !is_name(g)), NAME);
            }
        }
        found
    }
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '.' | '*' | '>' | '/' | '\\'))
}

fn is_subject(text: &str) -> bool {
    let words: Vec<_> = text.split('.').collect();
    words.iter().enumerate().all(|(i, word)| {
        let legal = !word.is_empty() && word.chars().all(|c| !c.is_whitespace() && !c.is_control());
        legal && (!word.contains('>') || (*word == ">" && i + 1 == words.len()))
    })
}
