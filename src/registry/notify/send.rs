//! One request to a receiver, which may be slow, broken or hostile.

use std::time::Duration;

use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response, Url};
use tokio::time::{Instant, timeout_at};

use super::keys::Signers;
use crate::domain::{HumanDuration, NotificationDelivery, Timestamp};
use crate::egress::Egress;
use crate::egress::status::check_written;

/// How much of an answer is read, for the log.
const EXCERPT: usize = 4 * 1_024;
/// How long the rest of an answer may take whose status is known.
const REST: Duration = Duration::from_secs(2);

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What came of it; without an error it was taken.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    pub(super) response: Option<String>,
    pub(super) error: Option<String>,
    /// Before which the receiver wants nothing more.
    pub(super) retry_after: Option<Duration>,
}

impl Answer {
    fn none(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

pub(super) async fn send(
    egress: &Egress,
    url: &str,
    message: &NotificationDelivery,
    signers: &Signers,
    at: Timestamp,
    limit: Duration,
) -> Answer {
    let Ok(url) = url.parse::<Url>() else { return Answer::none("the URL of the endpoint is none".to_owned()) };
    let origin = url.origin().ascii_serialization();
    let Some(request) = request(url, message, signers, at) else {
        return Answer::none("the message cannot be sent: a header does not take its value".to_owned());
    };
    let deadline = Instant::now() + limit;
    match timeout_at(deadline, egress.send_directly(request)).await {
        Err(_) => Answer::none(format!("{origin} did not answer within {}", HumanDuration(limit))),
        Ok(Err(fault)) => Answer { retry_after: fault.retry_after(), ..Answer::none(fault.message) },
        Ok(Ok(response)) => {
            let status = response.status();
            let refused = check_written(status, response.headers(), &origin).err();
            let error = refused.as_ref().map(|_| match status.is_redirection() {
                true => format!("{origin} answered {status}; a redirect is not followed: give the address it leads to"),
                false => format!("{origin} answered {status}"),
            });
            let retry_after = refused.and_then(|fault| fault.retry_after());
            let response = excerpt(response, Instant::now() + REST).await;
            Answer { status: Some(status.as_u16()), response, error, retry_after }
        }
    }
}

fn request(url: Url, message: &NotificationDelivery, signers: &Signers, at: Timestamp) -> Option<Request> {
    let (id, seconds) = (message.id.to_string(), at.timestamp());
    let signatures: Vec<_> = signers.iter().map(|key| key.sign(&id, seconds, &message.body)).collect();
    let mut request = Request::new(Method::POST, url);
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ID, HeaderValue::try_from(id).ok()?);
    headers.insert(TIMESTAMP, HeaderValue::from(seconds));
    headers.insert(SIGNATURE, HeaderValue::try_from(signatures.join(" ")).ok()?);
    *request.body_mut() = Some(message.body.clone().into());
    Some(request)
}

/// The beginning of the body as text. What comes after it, or too late, is not read; the connection ends with it.
async fn excerpt(mut response: Response, until: Instant) -> Option<String> {
    let mut bytes = Vec::new();
    while bytes.len() < EXCERPT {
        let Ok(Ok(Some(chunk))) = timeout_at(until, response.chunk()).await else { break };
        let room = EXCERPT - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    (!bytes.is_empty()).then(|| legible(&bytes))
}

/// No database takes every character, and no terminal should.
fn legible(bytes: &[u8]) -> String {
    let keep = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(bytes).chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_legible_whatever_it_holds() {
        assert_eq!(legible(b"ok\n\tfine"), "ok\n\tfine");
        assert_eq!(legible(b"a\0b\x1b[2J\xff"), "a\u{fffd}b\u{fffd}[2J\u{fffd}");
    }
}
