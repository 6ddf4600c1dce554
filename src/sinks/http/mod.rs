//! `http`: records as JSON bodies of requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Rejection, Sink, SinkContext, SinkError, SinkSpec, SinkType, WriteError};
use crate::domain::{HumanDuration, Record};
use crate::egress::Egress;
use crate::egress::headers::{Auth, header_problems, headers};
use crate::egress::status::check_written;
use crate::error::Problem;
use crate::mapping::schema_of;

mod template;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Settings of an HTTP receiver.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "HTTP",
    extend("examples" = [
        {"url": "https://api.example.com/records", "auth": {"type": "bearer", "token": "{{secret.token}}"}},
        {"url": "https://graph.example.com/entities", "method": "PUT", "max_records": 50,
         "body": {"upsert": true, "entities": "{records}"},
         "item": {"entity_type": "{kind}", "id": "{id}", "attrs": "{data}"}},
    ])
)]
struct HttpConfig {
    /// The address that takes the records: http or https, without credentials.
    #[schemars(title = "URL", example = &"https://api.example.com/records", length(min = 1, max = 4096))]
    url: String,
    /// The request method.
    #[serde(default)]
    #[schemars(title = "Method")]
    method: WriteMethod,
    /// Headers to send, by name. A value may name a secret.
    #[serde(default)]
    #[schemars(title = "Headers", example = BTreeMap::from([("X-Tenant", "acme")]), extend("x-secret-keys" = true))]
    headers: BTreeMap<String, String>,
    /// How the request proves who asks.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    auth: Auth,
    /// The JSON to send, in which the text `{records}` stands for the list of records. The list itself by default.
    #[serde(default)]
    #[schemars(title = "Body", with = "Value", example = &json!({"entities": "{records}"}))]
    body: Option<Value>,
    /// What a record becomes in the list: JSON in which `{id}`, `{kind}`, `{data}`, `{data.title}`, `{datasource_id}`,
    /// `{version}` and `{ingested_at}` are filled in. The record itself by default.
    #[serde(default)]
    #[schemars(title = "Item", with = "Value", example = &json!({"key": "{id}", "value": "{data}"}))]
    item: Option<Value>,
    /// Most records of one request.
    #[serde(default = "max_records_default")]
    #[schemars(title = "Most records", range(min = 1, max = 10_000))]
    max_records: usize,
    /// Longest time for one request.
    #[serde(default = "timeout_default")]
    #[schemars(title = "Timeout")]
    timeout: HumanDuration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum WriteMethod {
    /// Adds the records.
    #[default]
    Post,
    /// Puts the records in place.
    Put,
    /// Changes what is in place.
    Patch,
}

const fn max_records_default() -> usize {
    100
}

const fn timeout_default() -> HumanDuration {
    HumanDuration(Duration::from_secs(30))
}

fn read(config: &Value) -> Result<HttpConfig, SinkError> {
    // The cause could repeat a resolved secret.
    HttpConfig::deserialize(config).map_err(|_| {
        SinkError::permanent("config_invalid", "the settings are not those of an http sink; save a valid version")
    })
}

fn check_url(text: &str) -> Result<Url, String> {
    if text.splitn(4, '/').take(3).any(|part| part.contains("{{")) {
        return Err("must not take scheme, host or port from a secret: messages and logs name them".into());
    }
    let url: Url =
        text.parse().map_err(|_| "must be an absolute URL like https://api.example.com/records".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials; use auth with a stored secret".into());
    }
    Ok(url)
}

pub(super) struct Http {
    spec: SinkSpec,
}

impl Http {
    pub(super) fn new() -> Self {
        Self {
            spec: SinkSpec {
                name: "http",
                title: "HTTP",
                description: "Sends batches of records as JSON, in a body of your own layout, to an HTTP API.",
                config_schema: schema_of::<HttpConfig>(),
            },
        }
    }
}

#[async_trait]
impl SinkType for Http {
    fn spec(&self) -> &SinkSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        let config = match read(config) {
            Ok(config) => config,
            Err(error) => return vec![Problem::new("", error.message)],
        };
        let mut found: Vec<_> = check_url(&config.url).err().map(|e| Problem::new("/url", e)).into_iter().collect();
        found.extend(header_problems(&config.headers));
        let templates = template::check(config.body.as_ref(), config.item.as_ref());
        found.extend(templates.into_iter().map(|(at, message)| Problem::new(at, message)));
        if config.timeout.0.is_zero() {
            found.push(Problem::new("/timeout", "must be longer than 0s"));
        }
        found
    }

    async fn open(&self, config: &Value, context: SinkContext) -> Result<Arc<dyn Sink>, SinkError> {
        let config = read(config)?;
        let invalid = |e: String| SinkError::permanent("config_invalid", format!("url {e}"));
        let url = check_url(&config.url).map_err(invalid)?;
        context.egress.check(&url)?;
        let mut headers: HeaderMap = headers(&config.headers, &config.auth)?;
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        Ok(Arc::new(Receiver {
            origin: url.origin().ascii_serialization(),
            url,
            headers,
            config,
            egress: context.egress,
        }))
    }
}

struct Receiver {
    config: HttpConfig,
    url: Url,
    origin: String,
    headers: HeaderMap,
    egress: Arc<Egress>,
}

impl Receiver {
    async fn send(&self, records: &[Record]) -> Result<(), SinkError> {
        let body = template::body(self.config.body.as_ref(), self.config.item.as_ref(), records)
            .map_err(|e| SinkError::rejected("encode_failed", e))?;
        let method = match self.config.method {
            WriteMethod::Post => Method::POST,
            WriteMethod::Put => Method::PUT,
            WriteMethod::Patch => Method::PATCH,
        };
        let mut request = Request::new(method, self.url.clone());
        *request.headers_mut() = self.headers.clone();
        if let Ok(key) = HeaderValue::try_from(idempotency_key(records)) {
            request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        }
        *request.body_mut() = Some(body.to_string().into());
        let response = self.egress.send_directly(request).await?;
        check_written(response.status(), response.headers(), &self.origin)
    }
}

/// The same for the same records, so that the receiver can tell a repetition after a failure.
fn idempotency_key(records: &[Record]) -> String {
    let mut hash = Sha256::new();
    for record in records {
        let data = Value::Object(record.data.clone()).to_string();
        let at = record.ingested_at.to_rfc3339();
        for part in [record.datasource_id.to_string().as_str(), &record.kind, &record.id, &data, &at] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
    }
    hex::encode(&hash.finalize()[..16])
}

#[async_trait]
impl Sink for Receiver {
    async fn write(&self, records: &[Record]) -> Result<(), WriteError> {
        let mut rejections = Vec::new();
        for (i, some) in records.chunks(self.config.max_records).enumerate() {
            let sent = tokio::time::timeout(self.config.timeout.0, self.send(some)).await;
            let late = |_| {
                let message = format!("{} did not answer within the timeout of {}", self.origin, self.config.timeout);
                SinkError::transient("timeout", message)
            };
            match sent.map_err(late)? {
                Err(fault) if fault.is_rejected() => {
                    let first = i * self.config.max_records;
                    rejections.push(Rejection { records: first..first + some.len(), fault });
                }
                other => other?,
            }
        }
        WriteError::unless_none(rejections)
    }

    async fn close(&self) -> Result<(), SinkError> {
        Ok(())
    }
}
