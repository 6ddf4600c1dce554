//! `webhook`: records that another system sends to `POST /hooks/{id}`.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Connector, ConnectorContext, ConnectorError, ConnectorSpec, Placement, PushRefusal, PushRequest, PushSource, Source,
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
        {"auth": {"type": "none"}, "format": "json", "max_body": 65536},
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
            Ok(config) => config.auth.problems(),
            Err(error) => vec![Problem::new("", error.message)],
        }
    }

    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError> {
        let config = parse(config)?;
        if payload.len() > config.max_body as usize {
            let message = format!("the payload is longer than the {} bytes of max_body", config.max_body);
            return Err(ConnectorError::permanent("payload_too_large", message));
        }
        config.format.decode(payload).map_err(|e| ConnectorError::permanent("decode_failed", e))
    }

    async fn start(&self, config: &Value, _context: ConnectorContext) -> Result<Source, ConnectorError> {
        let config = parse(config)?;
        let verifier = Verifier::new(&config.auth)?;
        Ok(Source::Push(Arc::new(Receiver { verifier, format: config.format, max_body: config.max_body as usize })))
    }

    async fn sample(&self, _config: &Value, _context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError> {
        Ok(None)
    }
}

struct Receiver {
    verifier: Verifier,
    format: Format,
    max_body: usize,
}

impl PushSource for Receiver {
    fn accept(&self, request: &PushRequest) -> Result<Vec<Value>, PushRefusal> {
        if request.body.len() > self.max_body {
            return Err(PushRefusal::TooLarge(self.max_body));
        }
        if !self.verifier.admits(&request.headers, &request.body, request.received_at) {
            return Err(PushRefusal::Unauthenticated(auth::REFUSAL));
        }
        let document = match decode::content_type(&request.headers).as_deref() {
            Some("application/x-www-form-urlencoded") if self.verifier.is_github() && self.format == Format::Json => {
                decode::form_payload(&request.body)?
            }
            kind => {
                decode::check_content_type(self.format, kind)?;
                return self.format.decode(&request.body).map_err(PushRefusal::Malformed);
            }
        };
        self.format.decode(document.as_bytes()).map_err(PushRefusal::Malformed)
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
