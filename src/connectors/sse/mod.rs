//! `sse`: server-sent events, resumed by the id of the last one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderValue, StatusCode, header};
use reqwest::{Method, Request, Response, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::decode::{Format, hand_over};
use super::gather::Gathering;
use super::http_poller::config::check_url;
use super::push_client::{Ended, again};
use super::{Connector, ConnectorContext, ConnectorError, ConnectorSpec, Outlet, Placement, PullSource, Source};
use crate::domain::HumanDuration;
use crate::egress::headers::{Auth, header_problems, headers};
use crate::egress::status::check_status;
use crate::egress::{self, Egress};
use crate::error::Problem;
use crate::mapping::schema_of;

mod parse;

use parse::{Event, Parser};

/// How long a first answer, and a sample, may take.
const ANSWER_MAX: Duration = Duration::from_secs(15);
const SAMPLE_WAIT: Duration = Duration::from_secs(5);
const LONGEST_ID: usize = 4_096;
/// Most events that are delivered together, whatever the version says.
const BATCH: usize = 10_000;

/// Settings of an event stream.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "Server-sent events",
    extend("examples" = [
        {"url": "https://stream.example.com/events", "auth": {"type": "bearer", "token": "{{secret.token}}"}},
        {"url": "https://stream.example.com/events", "events": ["order", "refund"], "idle_timeout": "2m"},
    ])
)]
struct SseConfig {
    /// The address of the stream: http or https, without credentials.
    #[schemars(title = "URL", example = &"https://stream.example.com/events", length(min = 1, max = 4096))]
    url: String,
    /// Headers to send, by name. A value may name a secret.
    #[serde(default)]
    #[schemars(title = "Headers", example = BTreeMap::from([("Accept-Language", "en")]), extend("x-secret-keys" = true))]
    headers: BTreeMap<String, String>,
    /// How the request proves who asks.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    auth: Auth,
    /// Only events of these types; all by default. One without a type has the type `message`.
    #[serde(default)]
    #[schemars(title = "Event types", length(max = 64), inner(length(min = 1, max = 128)))]
    events: Vec<String>,
    /// How the data of an event is laid out.
    #[serde(default)]
    #[schemars(title = "Format")]
    format: Format,
    /// After so long without a byte the connection is taken for dead.
    #[serde(default = "idle_default")]
    #[schemars(title = "Idle timeout")]
    idle_timeout: HumanDuration,
    /// Longest event in bytes.
    #[serde(default = "max_event_default")]
    #[schemars(title = "Longest event", range(min = 1024, max = 16_777_216))]
    max_event: usize,
}

const fn idle_default() -> HumanDuration {
    HumanDuration(Duration::from_secs(300))
}

const fn max_event_default() -> usize {
    1 << 20
}

fn read(config: &Value) -> Result<SseConfig, ConnectorError> {
    // The cause could repeat a resolved secret.
    SseConfig::deserialize(config).map_err(|_| {
        let message = "the settings are not those of an event stream; save a valid version";
        ConnectorError::permanent("config_invalid", message)
    })
}

pub(super) struct Sse {
    spec: ConnectorSpec,
}

impl Sse {
    pub(super) fn new() -> Self {
        Self {
            spec: ConnectorSpec {
                name: "sse",
                title: "Server-sent events",
                description: "Listens to a stream of server-sent events over HTTP and resumes it by the id of the last one.",
                schema_version: 1,
                config_schema: schema_of::<SseConfig>(),
                sample: json!({"id": "ev-9921", "type": "order.paid", "order": {"id": "A-20417", "total": 129.9}}),
                placement: Placement::Leased,
            },
        }
    }
}

#[async_trait]
impl Connector for Sse {
    fn spec(&self) -> &ConnectorSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        let config = match read(config) {
            Ok(config) => config,
            Err(error) => return vec![Problem::new("", error.message)],
        };
        let mut found: Vec<_> = check_url(&config.url).err().map(|e| Problem::new("/url", e)).into_iter().collect();
        found.extend(header_problems(&config.headers));
        if config.idle_timeout.0 < Duration::from_secs(1) {
            found.push(Problem::new("/idle_timeout", "must be at least 1s"));
        }
        found
    }

    /// A payload is the data of one event.
    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError> {
        read(config)?.format.decode(payload).map_err(|e| ConnectorError::permanent("decode_failed", e))
    }

    async fn start(&self, config: &Value, context: ConnectorContext) -> Result<Source, ConnectorError> {
        let config = read(config)?;
        context.egress.check(&url(&config)?)?;
        Ok(Source::Pull(Box::new(Listener { config, egress: context.egress })))
    }

    async fn sample(&self, config: &Value, context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError> {
        let config = read(config)?;
        let mut stream = Stream::open(&config, &context.egress, String::new()).await?;
        match tokio::time::timeout(SAMPLE_WAIT, stream.events()).await {
            Ok(events) => Ok(events?.into_iter().next().map(|event| event.data.into_bytes())),
            Err(_) => Ok(None),
        }
    }
}

fn url(config: &SseConfig) -> Result<Url, ConnectorError> {
    config.url.parse().map_err(|_| ConnectorError::permanent("config_invalid", "url is not a URL"))
}

struct Listener {
    config: SseConfig,
    egress: Arc<Egress>,
}

#[async_trait]
impl PullSource for Listener {
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let stored = checkpoint.and_then(|c| c["last_event_id"].as_str().map(str::to_owned));
        let mut last_id = stored.unwrap_or_default();
        loop {
            let opening = Stream::open(&self.config, &self.egress, last_id.clone());
            let Some(opened) = stop.run_until_cancelled(opening).await else { return Ok(()) };
            let mut stream = opened?;
            let since = Instant::now();
            outlet.idle(None);
            let ended = loop {
                let Some(events) = stop.run_until_cancelled(stream.events()).await else { return Ok(()) };
                let mut events = match events {
                    Ok(events) => events,
                    Err(error) if error.is_permanent() => break Ended::Failed(error),
                    Err(error) => break Ended::Lost(error),
                };
                let gathering = Gathering::begin(outlet.batch(), BATCH, &stop);
                while let Some(Ok(more)) = gathering.next(events.len(), stream.events()).await {
                    events.extend(more);
                }
                if let Err(error) = deliver(&events, &self.config, outlet).await {
                    break Ended::Failed(error);
                }
                if let Some(last) = events.last() {
                    last_id.clone_from(&last.last_id);
                }
            };
            again(ended, since, stream.parser.retry, outlet, &stop).await?;
            if stop.is_cancelled() {
                return Ok(());
            }
        }
    }
}

async fn deliver(events: &[Event], config: &SseConfig, outlet: &dyn Outlet) -> Result<(), ConnectorError> {
    let wanted = |event: &&Event| config.events.is_empty() || config.events.contains(&event.kind);
    let payloads = events.iter().filter(wanted).map(|event| event.data.as_bytes());
    // A source that gives no ids cannot be resumed.
    let last_id =
        events.last().map(|event| event.last_id.as_str()).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
    let checkpoint = last_id.map(|id| json!({ "last_event_id": id }));
    hand_over(payloads, |payload| config.format.decode(payload), checkpoint, outlet).await
}

struct Stream {
    response: Response,
    parser: Parser,
    origin: String,
    idle: HumanDuration,
}

impl Stream {
    async fn open(config: &SseConfig, egress: &Egress, last_id: String) -> Result<Self, ConnectorError> {
        let url = url(config)?;
        let origin = url.origin().ascii_serialization();
        let mut request = Request::new(Method::GET, url);
        *request.headers_mut() = headers(&config.headers, &config.auth)?;
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        request.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(id) = Some(&last_id).filter(|id| !id.is_empty()).and_then(|id| HeaderValue::from_str(id).ok()) {
            request.headers_mut().insert("last-event-id", id);
        }
        let answered = tokio::time::timeout(ANSWER_MAX, egress.send(request)).await;
        let late = |_| ConnectorError::transient("timeout", format!("{origin} did not answer in time"));
        let response = answered.map_err(late)??;
        if response.status() == StatusCode::NO_CONTENT {
            let message = format!("{origin} answered 204: it asks not to come again");
            return Err(ConnectorError::permanent("stream_ended", message));
        }
        check_status(response.status(), response.headers(), &origin)?;
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            let message = format!("{origin} does not answer with an event stream (text/event-stream)");
            return Err(ConnectorError::permanent("not_an_event_stream", message));
        }
        let parser = Parser::new(config.max_event, last_id);
        Ok(Self { response, parser, origin, idle: config.idle_timeout })
    }

    /// The next events, at least one.
    async fn events(&mut self) -> Result<Vec<Event>, ConnectorError> {
        let mut events = Vec::new();
        while events.is_empty() {
            let chunk = tokio::time::timeout(self.idle.0, self.response.chunk()).await.map_err(|_| {
                ConnectorError::transient("timeout", format!("{} sent nothing for {}", self.origin, self.idle))
            })?;
            let chunk = chunk.map_err(|e| egress::failure(&self.origin, &e))?.ok_or_else(|| {
                ConnectorError::transient("connection_lost", format!("{} ended the stream", self.origin))
            })?;
            let fed = self.parser.feed(&chunk, &mut events);
            fed.map_err(|e| ConnectorError::permanent("event_too_long", format!("{}: {e}", self.origin)))?;
        }
        Ok(events)
    }
}
