//! A document with what is known of its message around it: one shape in every connector that has it.

use serde_json::{Map, Value, json};

use crate::domain::Timestamp;

/// What is known of a message besides its value.
pub(super) type Metadata = Map<String, Value>;

/// The names of the metadata of one connector. All of them are always there; `null` is what the source does not tell.
pub(super) struct Fields(pub(super) &'static [&'static str]);

impl Fields {
    /// A payload of a test or a file: envelopes, one a line, or else a value of which nothing more is known.
    pub(super) fn decode(
        &self,
        payload: &[u8],
        value: impl Fn(&[u8]) -> Result<Vec<Value>, String>,
    ) -> Result<Vec<Value>, String> {
        if let Some(envelopes) = self.envelopes(payload) {
            return Ok(envelopes);
        }
        let unknown: Metadata = self.0.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        Ok(value(payload)?.into_iter().map(|value| wrap(&unknown, value)).collect())
    }

    fn envelopes(&self, payload: &[u8]) -> Option<Vec<Value>> {
        let documents = serde_json::Deserializer::from_slice(payload).into_iter::<Value>();
        let found: Vec<_> =
            documents.map(|document| document.ok().filter(|d| self.is_envelope(d))).collect::<Option<_>>()?;
        (!found.is_empty()).then_some(found)
    }

    fn is_envelope(&self, document: &Value) -> bool {
        let Some(object) = document.as_object() else { return false };
        object.len() == self.0.len() + 1
            && object.contains_key("value")
            && self.0.iter().all(|name| object.contains_key(*name))
    }
}

/// The envelope of a document.
pub(super) fn wrap(metadata: &Metadata, value: Value) -> Value {
    let mut envelope = metadata.clone();
    envelope.insert("value".to_owned(), value);
    Value::Object(envelope)
}

/// A payload as a sample shows it. One that cannot be decoded stays as it is, so that decoding it tells why.
pub(super) fn sample(payload: &[u8], metadata: &Metadata, decoded: Result<Vec<Value>, String>) -> Vec<u8> {
    match decoded {
        Ok(values) => {
            let envelopes = values.into_iter().map(|value| wrap(metadata, value).to_string());
            envelopes.collect::<Vec<_>>().join("\n").into_bytes()
        }
        Err(_) => payload.to_vec(),
    }
}

/// Bytes as text; what is no UTF-8 as `{"base64": …}`.
pub(super) fn text(bytes: &[u8]) -> Value {
    use base64::Engine as _;
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}

/// Parts of the names of headers that prove who somebody is.
const CREDENTIALS: [&str; 10] = [
    "secret",
    "token",
    "signature",
    "hmac",
    "password",
    "credential",
    "authorization",
    "cookie",
    "apikey",
    // A proxy's word for a certificate of a client: X-Forwarded-Client-Cert.
    "clientcert",
];

/// Whether a header of this name may carry a credential, or a proof made with one. Rather one header
/// too many: what is in an envelope goes to sinks, samples and dead letters.
pub(super) fn is_credential(header: &str) -> bool {
    let plain = header.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase());
    let plain: String = plain.collect();
    CREDENTIALS.iter().any(|part| plain.contains(part))
}

/// Headers by name; of several with one name an array.
pub(super) fn headers<'a>(pairs: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let mut found = Map::new();
    for (name, value) in pairs {
        match found.get_mut(name) {
            None => drop(found.insert(name.to_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    Value::Object(found)
}

pub(super) fn time(at: Timestamp) -> Value {
    Value::String(at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::decode::{Format, json as parse};

    const FIELDS: Fields = Fields(&["key", "topic"]);

    fn decode(payload: &str) -> Result<Vec<Value>, String> {
        FIELDS.decode(payload.as_bytes(), |payload| Format::Json.decode(payload))
    }

    #[test]
    fn a_payload_with_all_fields_is_an_envelope_and_another_is_a_value() {
        let envelope = json!({"value": {"n": 1}, "key": "a", "topic": null});
        assert_eq!(decode(&envelope.to_string()), Ok(vec![envelope.clone()]));
        assert_eq!(decode(&format!("{envelope}\n{envelope}\n")), Ok(vec![envelope.clone(), envelope]));
        for value in [json!({"value": 1}), json!({"value": 1, "key": 2, "topic": 3, "more": 4}), json!([1])] {
            let wrapped = json!({"value": value, "key": null, "topic": null});
            assert_eq!(decode(&value.to_string()), Ok(vec![wrapped]));
        }
        assert!(decode("{oops").is_err() && decode("").is_err());
    }

    #[test]
    fn a_sample_decodes_to_what_the_worker_would_deliver() {
        let metadata: Metadata =
            [("key".to_owned(), json!("a")), ("topic".to_owned(), json!("t"))].into_iter().collect();
        let payload = b"{\"n\":1}\n{\"n\":2}";
        let shown = sample(payload, &metadata, Format::JsonLines.decode(payload));
        let expected = vec![wrap(&metadata, json!({"n": 1})), wrap(&metadata, json!({"n": 2}))];
        assert_eq!(FIELDS.decode(&shown, |p| parse(p).map(|v| vec![v])), Ok(expected));
        assert_eq!(sample(b"{oops", &metadata, Err("no".into())), b"{oops");
    }

    #[test]
    fn a_header_that_is_called_like_a_credential_is_one() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "X-Api-Key",
            "api_key",
            "APIKEY",
            "X-Gitlab-Token",
            "X-Auth-Token",
            "X-Amz-Security-Token",
            "X-Hub-Signature-256",
            "Webhook-Signature",
            "X-Shopify-Hmac-Sha256",
            "X-Webhook-Secret",
            "X-User-Password",
            "X-Credentials",
            "X-Forwarded-Client-Cert",
            "x-ssl-client-cert",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in ["X-Request-Id", "Content-Type", "X-GitHub-Event", "Idempotency-Key", "Webhook-Id", "traceparent"] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_and_headers_that_repeat_lose_nothing() {
        assert_eq!(text("grüezi".as_bytes()), json!("grüezi"));
        assert_eq!(text(b"\xff\x00"), json!({"base64": "/wA="}));
        let pairs = [("a", json!(1)), ("b", json!(2)), ("a", json!(3)), ("a", json!(4))];
        assert_eq!(headers(pairs.into_iter()), json!({"a": [1, 3, 4], "b": 2}));
    }
}
