//! `webhook`: records that another system sends to `POST /hooks/{id}`.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderName;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::check::Steps;
use super::envelope::{self, Fields, Metadata, wrap};
use super::{
    CheckStep, Connector, ConnectorContext, ConnectorError, ConnectorSpec, Placement, PushRefusal, PushRequest,
    PushSource, Source,
};
use crate::error::Problem;
use crate::mapping::schema_of;

mod auth;
mod decode;

use super::decode::Format;
use auth::{Auth, Verifier};

const MAX_BODY_DEFAULT: u32 = 1 << 20;

/// Settings of a webhook.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "Webhook",
    extend("examples" = [
        {"auth": {"type": "github", "secret": "{{secret.webhook}}"}},
        {"auth": {"type": "none"}, "format": "json", "max_body": 65536, "envelope": true, "envelope_headers": ["X-Source"]},
    ])
)]
struct WebhookConfig {
    /// How a request proves that it comes from the right system.
    #[schemars(title = "Authentication")]
    auth: Auth,
    /// How the body is laid out.
    #[serde(default)]
    #[schemars(title = "Format")]
    format: Format,
    /// Largest body in bytes; a longer one is refused with 413.
    #[serde(default = "max_body_default")]
    #[schemars(title = "Largest body", range(min = 1, max = 16_777_216))]
    max_body: u32,
    /// Delivers an object for each document: its `value`, with `headers` and `received_at` around it.
    #[serde(default)]
    #[schemars(title = "Envelope")]
    envelope: bool,
    /// The headers that go into the envelope. Those that carry a credential or a signature never do.
    #[serde(default)]
    #[schemars(title = "Headers of the envelope", example = &["X-GitHub-Event"], length(max = 32), inner(length(min = 1, max = 128)))]
    envelope_headers: Vec<String>,
}

const FIELDS: Fields = Fields(&["headers", "received_at"]);

impl WebhookConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut found = self.auth.problems();
        if !self.envelope && !self.envelope_headers.is_empty() {
            found.push(Problem::new("/envelope_headers", "needs envelope: true"));
        }
        for (i, name) in self.envelope_headers.iter().enumerate() {
            let secret =
                self.auth.uses(name).then(|| "carries a credential or a signature, which is not delivered".into());
            let wrong = auth::header_name(name).err().or(secret);
            found.extend(wrong.map(|text| Problem::new(format!("/envelope_headers/{i}"), text)));
        }
        found
    }

    fn receiver(&self) -> Result<Receiver, ConnectorError> {
        let names = self.envelope_headers.iter().filter(|name| !self.auth.uses(name));
        let headers = names.filter_map(|name| auth::header_name(name).ok()).collect();
        Ok(Receiver {
            verifier: Verifier::new(&self.auth)?,
            format: self.format,
            max_body: self.max_body as usize,
            envelope: self.envelope.then_some(headers),
        })
    }
}

const fn max_body_default() -> u32 {
    MAX_BODY_DEFAULT
}

pub(super) struct Webhook {
    spec: ConnectorSpec,
}

impl Webhook {
    pub(super) fn new() -> Self {
        Self {
            spec: ConnectorSpec {
                name: "webhook",
                title: "Webhook",
                description: "Receives what another system sends by HTTP POST: GitHub, Standard Webhooks, \
                              any HMAC-SHA256 scheme, a shared secret, bearer or basic credentials.",
                schema_version: 1,
                config_schema: schema_of::<WebhookConfig>(),
                sample: sample(),
                placement: Placement::EveryNode,
            },
        }
    }
}

fn parse(config: &Value) -> Result<WebhookConfig, ConnectorError> {
    // The cause could repeat a resolved secret.
    WebhookConfig::deserialize(config).map_err(|_| {
        ConnectorError::permanent("config_invalid", "the settings are not those of a webhook; save a valid version")
    })
}

#[async_trait]
impl Connector for Webhook {
    fn spec(&self) -> &ConnectorSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        match parse(config) {
            Ok(config) => config.problems(),
            Err(error) => vec![Problem::new("", error.message)],
        }
    }

    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError> {
        let config = parse(config)?;
        if payload.len() > config.max_body as usize {
            let message = format!("the payload is longer than the {} bytes of max_body", config.max_body);
            return Err(ConnectorError::permanent("payload_too_large", message));
        }
        let value = |payload: &[u8]| config.format.decode(payload);
        let decoded = if config.envelope { FIELDS.decode(payload, value) } else { value(payload) };
        decoded.map_err(|e| ConnectorError::permanent("decode_failed", e))
    }

    async fn start(&self, config: &Value, _context: ConnectorContext) -> Result<Source, ConnectorError> {
        Ok(Source::Push(Arc::new(parse(config)?.receiver()?)))
    }

    async fn sample(&self, _config: &Value, _context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError> {
        Ok(None)
    }

    /// A webhook has no peer to ask, so a request of its own is signed as a sender would and taken in.
    async fn check(&self, config: &Value, _context: ConnectorContext) -> Vec<CheckStep> {
        let mut steps = Steps::default();
        let preparing = async {
            let config = parse(config)?;
            Ok((config.receiver()?, config))
        };
        let said = |(_, config): &(Receiver, WebhookConfig)| match config.auth {
            Auth::None {} => "anyone who knows the address may send".to_owned(),
            _ => "the secret of auth can be used".to_owned(),
        };
        let Some((receiver, config)) = steps.run("secret", preparing, said).await else { return steps.finish() };
        let signing = async {
            let body = sample_body(config.format);
            let received_at = crate::domain::now();
            let headers = Verifier::sign(&config.auth, &body, received_at)?;
            let taken = receiver.accept(&PushRequest { headers, body, received_at });
            taken.map_err(|refusal| {
                let message = match refusal {
                    PushRefusal::TooLarge(most) => {
                        format!("a small sample is longer than the {most} bytes of max_body")
                    }
                    PushRefusal::Unauthenticated(why) => why.to_owned(),
                    PushRefusal::Malformed(why) | PushRefusal::UnsupportedMediaType(why) => why,
                };
                ConnectorError::permanent("refused", message)
            })
        };
        steps.run("accept", signing, |_| "a signed sample would be accepted".to_owned()).await;
        steps.finish()
    }
}

/// A small payload of each format.
fn sample_body(format: Format) -> Bytes {
    Bytes::from_static(match format {
        Format::Json | Format::JsonLines => b"{}",
        Format::Text => b"check",
    })
}

struct Receiver {
    verifier: Verifier,
    format: Format,
    max_body: usize,
    /// The headers that go into the envelope, where there is one.
    envelope: Option<Vec<HeaderName>>,
}

impl Receiver {
    fn metadata(&self, request: &PushRequest) -> Option<Metadata> {
        let wanted = self.envelope.as_ref()?.iter();
        let pairs = wanted.flat_map(|name| {
            request
                .headers
                .get_all(name)
                .into_iter()
                .map(move |value| (name.as_str(), envelope::text(value.as_bytes())))
        });
        let fields = [("headers", envelope::headers(pairs)), ("received_at", envelope::time(request.received_at))];
        Some(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn documents(&self, request: &PushRequest) -> Result<Vec<Value>, PushRefusal> {
        match decode::content_type(&request.headers).as_deref() {
            Some("application/x-www-form-urlencoded") if self.verifier.is_github() && self.format == Format::Json => {
                let document = decode::form_payload(&request.body)?;
                self.format.decode(document.as_bytes()).map_err(PushRefusal::Malformed)
            }
            kind => {
                decode::check_content_type(self.format, kind)?;
                self.format.decode(&request.body).map_err(PushRefusal::Malformed)
            }
        }
    }
}

impl PushSource for Receiver {
    fn accept(&self, request: &PushRequest) -> Result<Vec<Value>, PushRefusal> {
        if request.body.len() > self.max_body {
            return Err(PushRefusal::TooLarge(self.max_body));
        }
        if !self.verifier.admits(&request.headers, &request.body, request.received_at) {
            return Err(PushRefusal::Unauthenticated(auth::REFUSAL));
        }
        let documents = self.documents(request)?;
        Ok(match self.metadata(request) {
            Some(metadata) => documents.into_iter().map(|value| wrap(&metadata, value)).collect(),
            None => documents,
        })
    }
}

/// A push to a repository as GitHub describes it, shortened.
fn sample() -> Value {
    let person = json!({"name": "Mona Lisa", "email": "mona@example.com", "username": "mona"});
    json!({
        "ref": "refs/heads/main",
        "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
        "created": false,
        "deleted": false,
        "forced": false,
        "compare": "https://github.com/octo-org/weather/compare/6113728f27ae...0d1a26e67d8f",
        "repository": {
            "id": 186_853_002,
            "name": "weather",
            "full_name": "octo-org/weather",
            "private": false,
            "html_url": "https://github.com/octo-org/weather",
            "default_branch": "main",
        },
        "pusher": {"name": "mona", "email": "mona@example.com"},
        "sender": {"login": "mona", "id": 21_031_067, "type": "User"},
        "commits": [{
            "id": "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
            "message": "Read the station list from the new endpoint",
            "timestamp": "2025-03-04T09:30:12+01:00",
            "url": "https://github.com/octo-org/weather/commit/0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
            "author": person,
            "committer": person,
            "added": ["src/stations.rs"],
            "removed": [],
            "modified": ["README.md"],
        }],
        "head_commit": {
            "id": "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
            "message": "Read the station list from the new endpoint",
            "timestamp": "2025-03-04T09:30:12+01:00",
            "author": person,
        },
    })
}

#[cfg(test)]
mod tests;
