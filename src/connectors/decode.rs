//! Payloads into documents. Messages name the place, never the content.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::envelope::{Metadata, wrap};
use super::{ConnectorError, Outlet};

/// JSON as one document; a byte order mark is passed over.
pub(super) fn json(payload: &[u8]) -> Result<Value, String> {
    let payload = without_mark(payload);
    if payload.trim_ascii().is_empty() {
        return Err("the payload is empty; a JSON document was expected".into());
    }
    serde_json::from_slice(payload).map_err(|e| format!("the payload is not JSON: {e}"))
}

/// JSON Lines: one document a line; blank lines are passed over.
pub(super) fn json_lines(payload: &[u8]) -> Result<Vec<Value>, String> {
    let lines = without_mark(payload).split(|b| *b == b'\n').enumerate();
    let documents: Result<Vec<_>, _> = lines
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(i, line)| {
            let place = |e: serde_json::Error| format!("line {} is not JSON (column {})", i + 1, e.column());
            serde_json::from_slice(line).map_err(place)
        })
        .collect();
    match documents {
        Ok(none) if none.is_empty() => Err("the payload is empty; one JSON document a line was expected".into()),
        other => other,
    }
}

/// Text as one JSON string.
pub(super) fn text(payload: &[u8]) -> Result<Value, String> {
    match std::str::from_utf8(without_mark(payload)) {
        Ok("") => Err("the payload is empty; text was expected".into()),
        Ok(text) => Ok(Value::String(text.to_owned())),
        Err(e) => Err(format!("the payload is not UTF-8 text (byte {})", e.valid_up_to())),
    }
}

/// How a payload is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// The body is one JSON document.
    #[default]
    Json,
    /// Every line of the body is a JSON document.
    JsonLines,
    /// The body is UTF-8 text, which becomes one JSON string.
    Text,
}

impl Format {
    pub(super) fn decode(self, payload: &[u8]) -> Result<Vec<Value>, String> {
        match self {
            Self::Json => json(payload).map(|document| vec![document]),
            Self::JsonLines => json_lines(payload),
            Self::Text => text(payload).map(|document| vec![document]),
        }
    }
}

/// How a body that carries JSON is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum JsonFormat {
    /// The body is one JSON document.
    #[default]
    Json,
    /// Every line of the body is a JSON document.
    JsonLines,
}

impl JsonFormat {
    pub(super) fn decode(self, payload: &[u8]) -> Result<Vec<Value>, String> {
        match self {
            Self::Json => json(payload).map(|document| vec![document]),
            Self::JsonLines => json_lines(payload),
        }
    }
}

/// One message as it arrived.
pub(super) struct Incoming<'a> {
    /// `None` for a tombstone, which is a document only in an envelope.
    pub(super) payload: Option<&'a [u8]>,
    /// What goes around each document.
    pub(super) metadata: Option<Metadata>,
}

impl<'a> From<&'a [u8]> for Incoming<'a> {
    fn from(payload: &'a [u8]) -> Self {
        Self { payload: Some(payload), metadata: None }
    }
}

/// Delivers the documents of many messages together, with the checkpoint behind them. A payload that cannot
/// be decoded is set aside and does not hold up the others.
pub(super) async fn hand_over<'a>(
    messages: impl Iterator<Item: Into<Incoming<'a>>> + Send,
    decode: impl Fn(&[u8]) -> Result<Vec<Value>, String> + Send,
    checkpoint: Option<Value>,
    outlet: &dyn Outlet,
) -> Result<(), ConnectorError> {
    let mut documents = Vec::new();
    let mut refused = Vec::new();
    for message in messages {
        let Incoming { payload, metadata } = message.into();
        let decoded = match payload {
            Some(payload) => decode(payload).map_err(|why| (payload, why)),
            None => Ok(metadata.is_some().then_some(Value::Null).into_iter().collect()),
        };
        match (decoded, metadata) {
            (Ok(decoded), None) => documents.extend(decoded),
            (Ok(decoded), Some(metadata)) => documents.extend(decoded.into_iter().map(|value| wrap(&metadata, value))),
            (Err(why), _) => refused.push(why),
        }
    }
    for (payload, why) in refused {
        outlet.refuse(payload, ConnectorError::permanent("decode_failed", why)).await?;
    }
    outlet.deliver(documents, checkpoint).await
}

fn without_mark(payload: &[u8]) -> &[u8] {
    payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload)
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn json_is_one_document() {
        assert_eq!(json(b"\xef\xbb\xbf {\"a\": [1]} "), Ok(value!({"a": [1]})));
        for wrong in [&b""[..], b" \n", b"{", b"{} {}", b"\xff", b"NaN"] {
            assert!(json(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_bomb_of_nested_arrays_is_refused() {
        let bomb = "[".repeat(1_000_000);
        assert!(json(bomb.as_bytes()).expect_err("too deep").contains("recursion"));
        assert!(json_lines(bomb.as_bytes()).is_err());
    }

    #[test]
    fn lines_are_documents_and_a_wrong_one_is_named() {
        assert_eq!(json_lines(b"{\"a\":1}\r\n\n2\n"), Ok(vec![value!({"a": 1}), value!(2)]));
        assert_eq!(json_lines(b"1\n\n{\"password\": oops"), Err("line 3 is not JSON (column 14)".into()));
        assert!(json_lines(b"\n \n").is_err());
    }

    #[test]
    fn text_is_a_string() {
        assert_eq!(text("grüezi".as_bytes()), Ok(value!("grüezi")));
        assert_eq!(text(b"ab\xff"), Err("the payload is not UTF-8 text (byte 2)".into()));
        assert!(text(b"").is_err());
    }
}
