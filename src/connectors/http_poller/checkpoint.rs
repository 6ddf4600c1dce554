//! What a poller keeps between polls.

use std::cmp::Ordering;

use axum::http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json_path::JsonPath;
use sha2::{Digest, Sha256};

const LONGEST_VALIDATOR: usize = 1_024;
const LONGEST_CURSOR: usize = 4_096;

/// Stored as JSON with the delivery of a poll's last page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checkpoint {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
    /// Tells to which request the two above belong: another URL must not be asked with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<Value>,
}

impl Checkpoint {
    /// A checkpoint of another form than ours means a first poll.
    pub(super) fn read(stored: Option<&Value>) -> Self {
        stored.and_then(|value| Self::deserialize(value).ok()).unwrap_or_default()
    }

    pub(super) fn to_value(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }

    pub(super) fn cursor_text(&self) -> Option<String> {
        self.cursor.as_ref().and_then(as_text)
    }

    /// Adds the conditions for the request with this fingerprint.
    pub(super) fn add_conditions(&self, fingerprint: &str, headers: &mut HeaderMap) {
        if self.request.as_deref() != Some(fingerprint) {
            return;
        }
        let value = |text: &Option<String>| text.as_deref().and_then(|t| HeaderValue::from_str(t).ok());
        if let Some(etag) = value(&self.etag) {
            headers.insert(header::IF_NONE_MATCH, etag);
        } else if let Some(time) = value(&self.last_modified) {
            headers.insert(header::IF_MODIFIED_SINCE, time);
        }
    }

    /// Remembers what the answer says of its own freshness.
    pub(super) fn keep_validators(&mut self, fingerprint: String, answer: &HeaderMap) {
        let text = |name| answer.get(name).and_then(|v| v.to_str().ok()).filter(|t| t.len() <= LONGEST_VALIDATOR);
        self.etag = text(header::ETAG).map(str::to_owned);
        self.last_modified = text(header::LAST_MODIFIED).map(str::to_owned);
        self.request = (self.etag.is_some() || self.last_modified.is_some()).then_some(fingerprint);
    }

    pub(super) fn forget_validators(&mut self) {
        (self.etag, self.last_modified, self.request) = (None, None, None);
    }

    /// Moves the position forward to the greatest match of `path`, never back.
    pub(super) fn advance(&mut self, documents: &[Value], path: &JsonPath) {
        for found in documents.iter().flat_map(|document| path.query(document)) {
            if as_text(found).is_some_and(|text| text.len() <= LONGEST_CURSOR)
                && self.cursor.as_ref().is_none_or(|best| compare(found, best) != Ordering::Less)
            {
                self.cursor = Some(found.clone());
            }
        }
    }
}

/// Names a request without giving it away: the checkpoint is shown to people.
pub(super) fn fingerprint(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..4])
}

/// The text of a number or a string that is not empty, as a query parameter carries it.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Numbers by size, also when they are written as strings; other texts by their characters.
fn compare(a: &Value, b: &Value) -> Ordering {
    let integer = |v: &Value| as_text(v).and_then(|t| t.parse::<i128>().ok());
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        return a.cmp(&b);
    }
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        _ => as_text(a).cmp(&as_text(b)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn advance(from: Value, documents: Value) -> Option<Value> {
        let path = JsonPath::parse("$[*].at").expect("a path");
        let mut checkpoint = Checkpoint::read(Some(&json!({"cursor": from})));
        checkpoint.advance(&[documents], &path);
        checkpoint.cursor
    }

    #[test]
    fn the_greatest_position_wins_and_never_goes_back() {
        assert_eq!(advance(json!(null), json!([{"at": 3}, {"at": 20}, {"at": 7}])), Some(json!(20)));
        assert_eq!(advance(json!(50), json!([{"at": 20}])), Some(json!(50)));
        assert_eq!(advance(json!("9"), json!([{"at": "10"}])), Some(json!("10")));
        assert_eq!(advance(json!(1.5), json!([{"at": 1.25}, {"at": 1.75}])), Some(json!(1.75)));
        let times = json!([{"at": "2025-03-04T08:32:40Z"}, {"at": "2025-03-04T08:31:07Z"}]);
        assert_eq!(advance(json!(null), times), Some(json!("2025-03-04T08:32:40Z")));
    }

    #[test]
    fn what_is_no_position_is_passed_over() {
        let documents = json!([{"at": null}, {"at": ""}, {"at": [1]}, {"at": "x".repeat(LONGEST_CURSOR + 1)}]);
        assert_eq!(advance(json!(5), documents), Some(json!(5)));
    }

    #[test]
    fn conditions_belong_to_one_request() {
        let mut answer = HeaderMap::new();
        answer.insert(header::ETAG, HeaderValue::from_static("\"v1\""));
        let mut checkpoint = Checkpoint::default();
        checkpoint.keep_validators("here".into(), &answer);

        let mut headers = HeaderMap::new();
        checkpoint.add_conditions("elsewhere", &mut headers);
        assert!(headers.is_empty());
        checkpoint.add_conditions("here", &mut headers);
        assert_eq!(headers[header::IF_NONE_MATCH], "\"v1\"");
    }

    #[test]
    fn a_foreign_checkpoint_means_a_first_poll() {
        for stored in [json!(null), json!(7), json!({"etag": 5}), json!([])] {
            assert_eq!(Checkpoint::read(Some(&stored)), Checkpoint::default(), "{stored}");
        }
    }
}
