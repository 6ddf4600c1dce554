//! `nats`: records as messages of a JetStream stream, each stored by the server before it counts as written.

use std::sync::Arc;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, ErrorCode};
use async_trait::async_trait;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::{Rejection, Sink, SinkContext, SinkError, SinkSpec, SinkType, WriteError};
use crate::domain::{Record, canonical_json};
use crate::egress::Egress;
use crate::egress::nats::{Auth, Target};
use crate::egress::tls::Tls;
use crate::error::Problem;
use crate::mapping::schema_of;

/// Messages that wait for their acknowledgement at once.
const IN_FLIGHT: usize = 256;

/// Settings of a NATS subject.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "NATS JetStream",
    extend("examples" = [
        {"servers": ["nats.example.com:4222"], "subject": "studio.records"},
        {"servers": ["nats.example.com"], "tls": {}, "auth": {"type": "token", "token": "{{secret.nats_token}}"},
         "subject": "studio.{kind}", "deduplicate": "record"},
    ])
)]
struct NatsConfig {
    /// The servers of one cluster: host names or addresses, with a port if it is not 4222.
    #[schemars(title = "Servers", length(min = 1, max = 16), inner(length(min = 1, max = 253)))]
    servers: Vec<String>,
    /// How this client proves who it is.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    auth: Auth,
    /// Protects the connection; `{}` for TLS with the authorities of the system. Absent: no TLS.
    #[serde(default)]
    #[schemars(title = "TLS")]
    tls: Option<Tls>,
    /// The subject of the messages, which a stream must take in. `{kind}` stands for the kind of the record.
    #[schemars(title = "Subject", example = &"studio.{kind}", length(min = 1, max = 255))]
    subject: String,
    /// What makes two messages one (`Nats-Msg-Id`), within the window of the stream.
    #[serde(default)]
    #[schemars(title = "De-duplication")]
    deduplicate: Deduplicate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Deduplicate {
    /// Datasource, kind, id and data: what is written twice after a failure is one, a change of a record is another.
    #[default]
    Content,
    /// Datasource, kind and id: a change of a record within the window is dropped too.
    Record,
    /// Nothing: a repetition after a failure stays.
    None,
}

impl NatsConfig {
    fn read(config: &Value) -> Result<Self, SinkError> {
        // The cause could repeat a resolved secret.
        Self::deserialize(config).map_err(|_| {
            SinkError::permanent("config_invalid", "the settings are not those of a nats sink; save a valid version")
        })
    }

    fn target(&self) -> Target<'_> {
        Target { servers: &self.servers, auth: &self.auth, tls: self.tls.as_ref() }
    }
}

pub(super) struct Nats {
    spec: SinkSpec,
}

impl Nats {
    pub(super) fn new() -> Self {
        Self {
            spec: SinkSpec {
                name: "nats",
                title: "NATS JetStream",
                description: "Publishes each record as a message that a JetStream stream stores and acknowledges.",
                config_schema: schema_of::<NatsConfig>(),
            },
        }
    }
}

#[async_trait]
impl SinkType for Nats {
    fn spec(&self) -> &SinkSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        let config = match NatsConfig::read(config) {
            Ok(config) => config,
            Err(error) => return vec![Problem::new("", error.message)],
        };
        let mut found = config.target().problems();
        let sample = config.subject.replace("{kind}", "x");
        let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic() && !"*>{}".contains(c));
        if !sample.split('.').all(word) {
            let message = "must be words between dots, without wildcards; {kind} stands for the kind of the record";
            found.push(Problem::new("/subject", message));
        }
        found
    }

    async fn open(&self, config: &Value, context: SinkContext) -> Result<Arc<dyn Sink>, SinkError> {
        let sink = Publisher { config: NatsConfig::read(config)?, egress: context.egress, jetstream: Mutex::default() };
        // A server that cannot be reached shows now.
        sink.jetstream().await?;
        Ok(Arc::new(sink))
    }
}

struct Publisher {
    config: NatsConfig,
    egress: Arc<Egress>,
    /// Gone after a failure, so that the next write connects anew.
    jetstream: Mutex<Option<Context>>,
}

impl Publisher {
    async fn jetstream(&self) -> Result<Context, SinkError> {
        let mut slot = self.jetstream.lock().await;
        if let Some(context) = slot.as_ref() {
            return Ok(context.clone());
        }
        let client = self.config.target().connect(&self.egress, "datasource-studio").await?;
        Ok(slot.insert(jetstream::new(client)).clone())
    }

    fn message(&self, record: &Record) -> Result<(String, PublishMessage), SinkError> {
        let payload = serde_json::to_vec(record)
            .map_err(|_| SinkError::rejected("encode_failed", "a record cannot be written as JSON"))?;
        let mut message = PublishMessage::build().payload(payload.into());
        if let Some(id) = message_id(record, self.config.deduplicate) {
            message = message.message_id(id);
        }
        let word = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
        let kind: String = record.kind.chars().map(word).collect();
        Ok((self.config.subject.replace("{kind}", &kind), message))
    }

    async fn publish(&self, context: &Context, records: &[Record]) -> Result<(), WriteError> {
        let mut rejections = Vec::new();
        for (i, some) in records.chunks(IN_FLIGHT).enumerate() {
            let mut acks = Vec::with_capacity(some.len());
            for record in some {
                let (subject, message) = self.message(record)?;
                acks.push(context.send_publish(subject, message).await);
            }
            let stored = join_all(acks.into_iter().map(async |sent| sent?.await)).await;
            for (j, stored) in stored.into_iter().enumerate() {
                let at = i * IN_FLIGHT + j;
                match stored.map_err(|e| failed(&e)) {
                    Err(fault) if fault.is_rejected() => rejections.push(Rejection { records: at..at + 1, fault }),
                    other => drop(other?),
                }
            }
        }
        WriteError::unless_none(rejections)
    }
}

/// A digest, because ids may hold any characters and be of any length.
fn message_id(record: &Record, by: Deduplicate) -> Option<String> {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    };
    if by == Deduplicate::None {
        return None;
    }
    part(record.datasource_id.as_bytes());
    part(record.kind.as_bytes());
    part(record.id.as_bytes());
    if by == Deduplicate::Content {
        part(canonical_json(&Value::Object(record.data.clone())).as_bytes());
    }
    Some(hex::encode(&hash.finalize()[..16]))
}

fn failed(error: &PublishError) -> SinkError {
    let message = format!("the stream did not take a record: {error}");
    match error.kind() {
        PublishErrorKind::StreamNotFound => {
            SinkError::permanent("stream_missing", "no JetStream stream takes in this subject; make one")
        }
        PublishErrorKind::MaxPayloadExceeded => SinkError::rejected("record_too_large", message),
        _ if beyond_the_stream(error) => SinkError::rejected("record_too_large", message),
        _ => SinkError::transient("publish_failed", message),
    }
}

/// Whether the record is larger than a message of the stream may be.
fn beyond_the_stream(error: &PublishError) -> bool {
    let said = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<jetstream::Error>());
    said.is_some_and(|said| said.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)
}

#[async_trait]
impl Sink for Publisher {
    async fn write(&self, records: &[Record]) -> Result<(), WriteError> {
        let context = self.jetstream().await?;
        let done = self.publish(&context, records).await;
        if matches!(done, Err(WriteError::Failed(_))) {
            self.jetstream.lock().await.take();
        }
        done
    }

    async fn close(&self) -> Result<(), SinkError> {
        self.jetstream.lock().await.take();
        Ok(())
    }
}
