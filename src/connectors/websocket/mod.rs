//! `websocket`: messages of a WebSocket server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::StatusCode;
use futures::{SinkExt, StreamExt};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use serde_json_path::JsonPath;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig as Limits;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::decode::{Format, hand_over};
use super::gather::Gathering;
use super::http_poller::config::parse_path;
use super::push_client::{Ended, again};
use super::{Connector, ConnectorContext, ConnectorError, ConnectorSpec, Outlet, Placement, PullSource, Source};
use crate::domain::HumanDuration;
use crate::egress::Egress;
use crate::egress::headers::{Auth, header_problems, headers};
use crate::egress::status::check_status;
use crate::egress::tls::Tls;
use crate::error::Problem;
use crate::mapping::schema_of;

const HANDSHAKE_MAX: Duration = Duration::from_secs(15);
const SAMPLE_WAIT: Duration = Duration::from_secs(5);
const BATCH: usize = 10_000;
const LONGEST_POSITION: usize = 4_096;

/// Settings of a WebSocket.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "WebSocket",
    extend("examples" = [
        {"url": "wss://stream.example.com/v1", "send": ["{\"op\":\"subscribe\",\"channel\":\"trades\"}"]},
        {"url": "wss://stream.example.com/v1", "auth": {"type": "bearer", "token": "{{secret.token}}"},
         "resume": {"position_path": "$.seq", "param": "since"}},
    ])
)]
struct WebSocketConfig {
    /// The address of the server: ws or wss, without credentials.
    #[schemars(title = "URL", example = &"wss://stream.example.com/v1", length(min = 1, max = 4096))]
    url: String,
    /// Headers of the handshake, by name. A value may name a secret.
    #[serde(default)]
    #[schemars(title = "Headers", example = BTreeMap::from([("X-Client", "studio")]), extend("x-secret-keys" = true))]
    headers: BTreeMap<String, String>,
    /// How the request proves who asks.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    auth: Auth,
    /// Which certificates are trusted and shown, for wss.
    #[serde(default)]
    #[schemars(title = "TLS")]
    tls: Tls,
    /// Texts to send after each connection, such as subscriptions. A text may name a secret.
    #[serde(default)]
    #[schemars(title = "First messages", length(max = 64), inner(length(max = 16384)))]
    send: Vec<String>,
    /// Tells the server where to go on after a connection that broke off.
    #[serde(default)]
    #[schemars(title = "Resume")]
    resume: Option<Resume>,
    /// How a message is laid out.
    #[serde(default)]
    #[schemars(title = "Format")]
    format: Format,
    /// How often the server is asked whether it is there. After three times without any sign it is taken for gone.
    #[serde(default = "ping_default")]
    #[schemars(title = "Ping")]
    ping: HumanDuration,
    /// Longest message in bytes.
    #[serde(default = "max_message_default")]
    #[schemars(title = "Longest message", range(min = 1024, max = 16_777_216))]
    max_message: usize,
}

/// A position that is read from the messages and sent with the next connection.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Resume {
    /// JSONPath of the position in a message; the last one that was delivered counts.
    #[schemars(title = "Position", example = &"$.seq", length(min = 1, max = 512))]
    position_path: String,
    /// The query parameter that carries the position.
    #[schemars(title = "Parameter", example = &"since", length(min = 1, max = 256))]
    param: String,
}

const fn ping_default() -> HumanDuration {
    HumanDuration(Duration::from_secs(30))
}

const fn max_message_default() -> usize {
    1 << 20
}

fn invalid(message: impl Into<String>) -> ConnectorError {
    ConnectorError::permanent("config_invalid", message)
}

fn read(config: &Value) -> Result<WebSocketConfig, ConnectorError> {
    // The cause could repeat a resolved secret.
    WebSocketConfig::deserialize(config)
        .map_err(|_| invalid("the settings are not those of a WebSocket; save a valid version"))
}

fn check_url(text: &str) -> Result<(), String> {
    let origin = text.splitn(4, '/').take(3).collect::<String>();
    if origin.contains("{{") {
        return Err("must not take scheme, host or port from a secret: messages and logs name them".into());
    }
    let url: Url = text.parse().map_err(|_| "must be an absolute URL like wss://stream.example.com/v1".to_owned())?;
    if !matches!(url.scheme(), "ws" | "wss") {
        return Err("must begin with wss:// or ws://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials; use auth with a stored secret".into());
    }
    Ok(())
}

pub(super) struct WebSocket {
    spec: ConnectorSpec,
}

impl WebSocket {
    pub(super) fn new() -> Self {
        Self {
            spec: ConnectorSpec {
                name: "websocket",
                title: "WebSocket",
                description: "Listens to the messages of a WebSocket server, after sending it what it wants to hear first.",
                schema_version: 1,
                config_schema: schema_of::<WebSocketConfig>(),
                sample: json!({"seq": 88_213, "channel": "trades", "symbol": "EURUSD", "price": 1.0841, "size": 250_000}),
                placement: Placement::Leased,
            },
        }
    }
}

#[async_trait]
impl Connector for WebSocket {
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
        found.extend(config.tls.problems("/tls"));
        if let Some(Err(error)) = config.resume.as_ref().map(|r| parse_path(&r.position_path)) {
            found.push(Problem::new("/resume/position_path", error));
        }
        if config.ping.0 < Duration::from_secs(1) {
            found.push(Problem::new("/ping", "must be at least 1s"));
        }
        found
    }

    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError> {
        read(config)?.format.decode(payload).map_err(|e| ConnectorError::permanent("decode_failed", e))
    }

    async fn start(&self, config: &Value, context: ConnectorContext) -> Result<Source, ConnectorError> {
        let config = read(config)?;
        let path = config.resume.as_ref().map(|r| parse_path(&r.position_path));
        let path = path.transpose().map_err(|e| invalid(format!("resume.position_path {e}")))?;
        Ok(Source::Pull(Box::new(Listener { config, path, egress: context.egress })))
    }

    async fn sample(&self, config: &Value, context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError> {
        let config = read(config)?;
        let mut socket = connect(&config, None, &context.egress).await?;
        let waiting = async {
            while let Some(message) = socket.next().await {
                if let Some(payload) = payload(message.map_err(|e| lost(&e))?) {
                    return Ok(Some(payload));
                }
            }
            Err(lost(&"the server closed it"))
        };
        tokio::time::timeout(SAMPLE_WAIT, waiting).await.unwrap_or(Ok(None))
    }
}

fn lost(cause: &dyn std::fmt::Display) -> ConnectorError {
    ConnectorError::transient("connection_lost", format!("the WebSocket broke off: {cause}"))
}

/// The data of a message; `None` for those that only keep the connection.
fn payload(message: Message) -> Option<Vec<u8>> {
    match message {
        Message::Text(text) => Some(text.as_bytes().to_vec()),
        Message::Binary(bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

type Socket = WebSocketStream<Box<dyn Wire>>;

async fn connect(config: &WebSocketConfig, position: Option<&str>, egress: &Egress) -> Result<Socket, ConnectorError> {
    check_url(&config.url).map_err(|e| invalid(format!("url {e}")))?;
    let mut url: Url = config.url.parse().map_err(|_| invalid("url is not a URL"))?;
    if let (Some(resume), Some(position)) = (&config.resume, position) {
        url.query_pairs_mut().append_pair(&resume.param, position);
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(invalid("url names no host"));
    };
    let shaking = async {
        let stream = egress.connect(host, port).await?;
        let wire: Box<dyn Wire> = if url.scheme() == "wss" {
            let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(name).map_err(|_| invalid("url names no host that TLS can verify"))?;
            let tls = TlsConnector::from(Arc::new(config.tls.client_config()?));
            let secured = tls.connect(name, stream).await;
            let message = |e| format!("TLS with {host} failed: {e}");
            Box::new(secured.map_err(|e| ConnectorError::transient("tls_failed", message(e)))?)
        } else {
            Box::new(stream)
        };
        let mut request = url.as_str().into_client_request().map_err(|_| invalid("url is not one of a WebSocket"))?;
        request.headers_mut().extend(headers(&config.headers, &config.auth)?);
        let limits = Limits::default()
            .max_message_size(Some(config.max_message))
            .max_frame_size(Some(config.max_message))
            .max_write_buffer_size(1 << 20);
        let shaken = tokio_tungstenite::client_async_with_config(request, wire, Some(limits)).await;
        let (mut socket, _) = shaken.map_err(|error| refused(host, error))?;
        for text in &config.send {
            socket.send(Message::text(text.as_str())).await.map_err(|e| lost(&e))?;
        }
        Ok(socket)
    };
    let late = |_| ConnectorError::transient("timeout", format!("{host} did not complete the handshake in time"));
    tokio::time::timeout(HANDSHAKE_MAX, shaking).await.map_err(late)?
}

fn refused(host: &str, error: WsError) -> ConnectorError {
    match error {
        WsError::Http(response) => {
            let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
            let refusal = check_status(status, response.headers(), host).err();
            refusal.unwrap_or_else(|| {
                ConnectorError::permanent("not_a_websocket", format!("{host} answered {status} and no WebSocket"))
            })
        }
        other => ConnectorError::transient("handshake_failed", format!("the handshake with {host} failed: {other}")),
    }
}

struct Listener {
    config: WebSocketConfig,
    path: Option<JsonPath>,
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
        let mut position = checkpoint.and_then(|c| c["position"].as_str().map(str::to_owned));
        loop {
            let connecting = connect(&self.config, position.as_deref(), &self.egress);
            let Some(connected) = stop.run_until_cancelled(connecting).await else { return Ok(()) };
            let mut socket = connected?;
            let since = Instant::now();
            outlet.idle(None);
            let Some(ended) = self.listen(&mut socket, &mut position, outlet, &stop).await else {
                let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await;
                return Ok(());
            };
            again(ended, since, None, outlet, &stop).await?;
            if stop.is_cancelled() {
                return Ok(());
            }
        }
    }
}

impl Listener {
    /// `None` when it was told to stop; what it had heard by then is delivered.
    async fn listen(
        &self,
        socket: &mut Socket,
        position: &mut Option<String>,
        outlet: &dyn Outlet,
        stop: &CancellationToken,
    ) -> Option<Ended> {
        let mut pings = tokio::time::interval_at(Instant::now() + self.config.ping.0, self.config.ping.0);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent = 0;
        loop {
            let message = tokio::select! {
                () = stop.cancelled() => return None,
                message = socket.next() => message,
                _ = pings.tick() => {
                    silent += 1;
                    if silent > 3 {
                        return Some(Ended::Lost(lost(&"the server gave no sign")));
                    }
                    if let Err(error) = socket.send(Message::Ping(Vec::new().into())).await {
                        return Some(Ended::Lost(lost(&error)));
                    }
                    continue;
                }
            };
            silent = 0;
            let gathering = Gathering::begin(outlet.batch(), BATCH, stop);
            let mut batch = Vec::new();
            let mut next = Some(message);
            let mut broken = None;
            while let Some(message) = next {
                match message {
                    Some(Ok(message)) => batch.extend(payload(message)),
                    Some(Err(error)) => broken = Some(lost(&error)),
                    None => broken = Some(lost(&"the server closed it")),
                }
                next = if broken.is_none() { gathering.next(batch.len(), socket.next()).await } else { None };
            }
            if !batch.is_empty()
                && let Err(error) = self.deliver(&batch, position, outlet).await
            {
                return Some(Ended::Failed(error));
            }
            if let Some(broken) = broken {
                return Some(Ended::Lost(broken));
            }
        }
    }

    async fn deliver(
        &self,
        batch: &[Vec<u8>],
        position: &mut Option<String>,
        outlet: &dyn Outlet,
    ) -> Result<(), ConnectorError> {
        let reached = self.path.as_ref().and_then(|path| {
            batch.iter().rev().find_map(|payload| {
                let document: Value = serde_json::from_slice(payload).ok()?;
                let found = path.query(&document).first()?;
                let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
                (!found.is_null() && text.len() <= LONGEST_POSITION).then_some(text)
            })
        });
        let checkpoint = reached.as_ref().map(|text| json!({ "position": text }));
        let payloads = batch.iter().map(Vec::as_slice);
        hand_over(payloads, |payload| self.config.format.decode(payload), checkpoint, outlet).await?;
        if reached.is_some() {
            *position = reached;
        }
        Ok(())
    }
}
