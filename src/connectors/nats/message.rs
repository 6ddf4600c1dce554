//! A message, as documents.

use async_nats::{HeaderMap, Message, jetstream};
use serde_json::{Value, json};

use super::config::NatsConfig;
use crate::connectors::decode::{Incoming, hand_over};
use crate::connectors::envelope::{self, Fields, Metadata};
use crate::connectors::{ConnectorError, Outlet};
use crate::domain::Timestamp;

pub(super) const FIELDS: Fields = Fields(&["subject", "headers", "sequence", "timestamp"]);

/// Where a message lies in its stream, and since when.
pub(super) type Stored = Option<(u64, Timestamp)>;

/// Delivers messages of a stream, with the checkpoint behind them.
pub(super) async fn deliver(
    messages: &[jetstream::Message],
    config: &NatsConfig,
    checkpoint: Option<Value>,
    outlet: &dyn Outlet,
) -> Result<(), ConnectorError> {
    let incoming = messages.iter().map(|message| {
        let stored = message.info().ok().map(|info| (info.stream_sequence, info.published));
        incoming(message, stored, config)
    });
    hand_over(incoming, |payload| config.format.decode(payload), checkpoint, outlet).await
}

/// Delivers messages of plain subjects.
pub(super) async fn deliver_plain(
    messages: &[Message],
    config: &NatsConfig,
    outlet: &dyn Outlet,
) -> Result<(), ConnectorError> {
    let incoming = messages.iter().map(|message| incoming(message, None, config));
    hand_over(incoming, |payload| config.format.decode(payload), None, outlet).await
}

/// A message as a payload of a test.
pub(super) fn sample(
    payload: &[u8],
    subject: &str,
    headers: Option<&HeaderMap>,
    stored: Stored,
    config: &NatsConfig,
) -> Vec<u8> {
    if !config.envelope {
        return payload.to_vec();
    }
    envelope::sample(payload, &metadata(subject, headers, stored), config.format.decode(payload))
}

fn incoming<'a>(message: &'a Message, stored: Stored, config: &NatsConfig) -> Incoming<'a> {
    let metadata = config.envelope.then(|| metadata(&message.subject, message.headers.as_ref(), stored));
    Incoming { payload: Some(&message.payload), metadata }
}

fn metadata(subject: &str, headers: Option<&HeaderMap>, stored: Stored) -> Metadata {
    let headers = headers.into_iter().flat_map(HeaderMap::iter);
    let headers = headers.flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values.iter().map(move |value| (name, json!(value.as_str())))
    });
    let fields = [
        ("subject", json!(subject)),
        ("headers", envelope::headers(headers)),
        ("sequence", json!(stored.map(|(sequence, _)| sequence))),
        ("timestamp", stored.map_or(Value::Null, |(_, at)| envelope::time(at))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
