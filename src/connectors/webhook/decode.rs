//! Content types and form posts of a webhook.

use axum::http::{HeaderMap, header};

use crate::connectors::PushRefusal;
use crate::connectors::decode::Format;

/// Many senders name no type at all; one that names another type means something else.
pub(super) fn check_content_type(format: Format, kind: Option<&str>) -> Result<(), PushRefusal> {
    let Some(kind) = kind else { return Ok(()) };
    let is_json = matches!(kind, "application/json" | "text/json")
        || kind.strip_prefix("application/").is_some_and(|subtype| subtype.ends_with("+json"));
    let (fits, accepted) = match format {
        Format::Json => (is_json, "application/json"),
        Format::JsonLines => {
            let lines = matches!(
                kind,
                "application/x-ndjson"
                    | "application/ndjson"
                    | "application/jsonl"
                    | "application/x-jsonlines"
                    | "application/json-lines"
                    | "text/plain"
            );
            (lines || is_json, "application/x-ndjson")
        }
        Format::Text => (kind.starts_with("text/"), "text/plain"),
    };
    if fits {
        return Ok(());
    }
    Err(PushRefusal::UnsupportedMediaType(format!("the Content-Type of this datasource is {accepted}")))
}

/// The media type without its parameters, if the request names one that is legible.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?;
    // Bytes that are no text match no type that is accepted.
    let kind = value.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim();
    (!kind.is_empty()).then(|| kind.to_ascii_lowercase())
}

/// The document in a form post of GitHub, whose JSON is in the field `payload`.
pub(super) fn form_payload(body: &[u8]) -> Result<String, PushRefusal> {
    url::form_urlencoded::parse(body)
        .find(|(name, _)| name == "payload")
        .map(|(_, value)| value.into_owned())
        .ok_or_else(|| PushRefusal::Malformed("the form has no field named payload".into()))
}
