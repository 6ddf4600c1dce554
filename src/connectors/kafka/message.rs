//! A message, as documents.

use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use serde_json::{Value, json};

use super::config::KafkaConfig;
use crate::connectors::decode::{Incoming, hand_over};
use crate::connectors::envelope::{self, Fields, Metadata};
use crate::connectors::{ConnectorError, Outlet};

pub(super) const FIELDS: Fields = Fields(&["key", "headers", "topic", "partition", "offset", "timestamp"]);

/// From so many bytes on a batch is delivered although it could have more messages.
pub(super) const BATCH_BYTES: usize = 16 << 20;

/// Delivers messages, with the checkpoint behind them.
pub(super) async fn deliver(
    messages: &[OwnedMessage],
    config: &KafkaConfig,
    checkpoint: Option<Value>,
    outlet: &dyn Outlet,
) -> Result<(), ConnectorError> {
    let incoming = messages
        .iter()
        .map(|message| Incoming { payload: message.payload(), metadata: config.envelope.then(|| metadata(message)) });
    hand_over(incoming, |payload| config.format.decode(payload), checkpoint, outlet).await
}

/// A message as a payload of a test.
pub(super) fn sample(message: &OwnedMessage, config: &KafkaConfig) -> Option<Vec<u8>> {
    match (message.payload(), config.envelope) {
        (payload, false) => payload.map(<[u8]>::to_vec),
        (Some(payload), true) => Some(envelope::sample(payload, &metadata(message), config.format.decode(payload))),
        (None, true) => Some(envelope::wrap(&metadata(message), Value::Null).to_string().into_bytes()),
    }
}

fn metadata(message: &OwnedMessage) -> Metadata {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    let headers = headers.map(|header| (header.key, header.value.map_or(Value::Null, envelope::text)));
    let time = message.timestamp().to_millis().and_then(chrono::DateTime::from_timestamp_millis);
    let fields = [
        ("key", message.key().map_or(Value::Null, envelope::text)),
        ("headers", envelope::headers(headers)),
        ("topic", json!(message.topic())),
        ("partition", json!(message.partition())),
        ("offset", json!(message.offset())),
        ("timestamp", time.map_or(Value::Null, envelope::time)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
