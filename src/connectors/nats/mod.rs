//! `nats`: messages of a JetStream stream or of plain subjects.
//!
//! | file | idea |
//! |---|---|
//! | `config` | the settings, their JSON Schema and their rules |
//! | `message` | a message, as documents |
//! | `jetstream_pull` | a durable pull consumer, acknowledged after the sink |
//! | `again` | a part of a stream, beside that consumer |
//! | `core` | a plain subscription |

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_trait::async_trait;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::check::Steps;
use super::{
    CheckStep, Connector, ConnectorContext, ConnectorError, ConnectorSpec, Outlet, Placement, PullSource, Source,
};
use crate::domain::{BackfillRange, RangeKind};
use crate::egress::Egress;
use crate::error::Problem;
use crate::mapping::schema_of;

mod again;
mod config;
mod core;
mod jetstream_pull;
mod message;

use config::{NatsConfig, Subscription};

/// How long a sample of a plain subject is waited for.
const SAMPLE_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Nats {
    spec: ConnectorSpec,
}

impl Nats {
    pub(super) fn new() -> Self {
        Self {
            spec: ConnectorSpec {
                name: "nats",
                title: "NATS",
                description: "Reads a JetStream stream through a durable consumer, or plain NATS subjects.",
                schema_version: 1,
                config_schema: schema_of::<NatsConfig>(),
                sample: json!({
                    "order_id": "A-20417", "status": "paid", "total": 129.9, "currency": "EUR",
                    "customer": {"id": 88_213, "country": "DE"}, "placed_at": "2025-03-04T08:31:07Z",
                }),
                placement: Placement::Leased,
            },
        }
    }
}

#[async_trait]
impl Connector for Nats {
    fn spec(&self) -> &ConnectorSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        match NatsConfig::read(config) {
            Ok(config) => config.problems(),
            Err(error) => vec![Problem::new("", error.message)],
        }
    }

    fn spreads(&self, config: &Value) -> bool {
        NatsConfig::read(config).is_ok_and(|config| config.subscription.is_shared())
    }

    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError> {
        let config = NatsConfig::read(config)?;
        let value = |payload: &[u8]| config.format.decode(payload);
        let decoded = if config.envelope { message::FIELDS.decode(payload, value) } else { value(payload) };
        decoded.map_err(|e| ConnectorError::permanent("decode_failed", e))
    }

    async fn start(&self, config: &Value, context: ConnectorContext) -> Result<Source, ConnectorError> {
        let config = NatsConfig::read(config)?;
        let consumer = default_durable(&context);
        Ok(Source::Pull(Box::new(Reader { config, consumer, egress: context.egress })))
    }

    async fn sample(&self, config: &Value, context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError> {
        let config = NatsConfig::read(config)?;
        let client = config.target().connect(&context.egress, CLIENT).await?;
        match &config.subscription {
            Subscription::Jetstream { stream, subject, .. } => {
                let stream = jetstream_pull::stream(&jetstream::new(client), stream).await?;
                let newest = jetstream_pull::newest(&stream, subject.as_deref().unwrap_or(">")).await?;
                Ok(newest.map(|m| {
                    message::sample(&m.payload, &m.subject, Some(&m.headers), Some((m.sequence, m.time)), &config)
                }))
            }
            // Without the group: a member of it would take the message away from the others.
            Subscription::Core { subject, .. } => {
                let mut messages = core::subscribe(&client, subject, None).await?;
                let next = tokio::time::timeout(SAMPLE_WAIT, messages.next()).await;
                let next = next.ok().flatten();
                Ok(next.map(|m| message::sample(&m.payload, &m.subject, m.headers.as_ref(), None, &config)))
            }
        }
    }

    fn backfill_ranges(&self, config: &Value) -> &'static [RangeKind] {
        match NatsConfig::read(config).map(|config| config.subscription) {
            Ok(Subscription::Jetstream { .. }) => &[RangeKind::Time, RangeKind::Cursor],
            _ => &[],
        }
    }

    async fn backfill(
        &self,
        config: &Value,
        range: &BackfillRange,
        context: ConnectorContext,
    ) -> Result<Box<dyn PullSource>, ConnectorError> {
        let config = NatsConfig::read(config)?;
        let range = again::Range::read(range)?;
        Ok(Box::new(again::Again { config, range, egress: context.egress }))
    }

    async fn check(&self, config: &Value, context: ConnectorContext) -> Vec<CheckStep> {
        let mut steps = Steps::default();
        let config = match NatsConfig::read(config) {
            Ok(config) => config,
            Err(error) => {
                steps.run("settings", async { Err::<(), _>(error) }, |()| String::new()).await;
                return steps.finish();
            }
        };
        let connecting = config.target();
        let connecting = connecting.connect(&context.egress, CLIENT);
        let said = |c: &async_nats::Client| format!("connected to NATS {}", c.server_info().version);
        let Some(client) = steps.run("connect", connecting, said).await else { return steps.finish() };
        match &config.subscription {
            Subscription::Jetstream { stream, durable, .. } => {
                let context_of = jetstream::new(client);
                let said = |s: &jetstream::stream::Stream| {
                    format!("the stream holds {} messages", s.cached_info().state.messages)
                };
                let finding = jetstream_pull::stream(&context_of, stream);
                let Some(stream) = steps.run("stream", finding, said).await else { return steps.finish() };
                let name = durable.clone().unwrap_or_else(|| default_durable(&context));
                steps.run("consumer", jetstream_pull::look_at(&stream, &name), String::clone).await;
            }
            Subscription::Core { subject, .. } => {
                let trying = async {
                    core::subscribe(&client, subject, None).await?;
                    client.flush().await.map_err(|e| lost(&e))
                };
                steps.run("subscribe", trying, |()| "the subject can be subscribed to".to_owned()).await;
            }
        }
        steps.finish()
    }
}

const CLIENT: &str = "datasource-studio";

fn default_durable(context: &ConnectorContext) -> String {
    format!("studio-{}", context.datasource_id)
}

fn lost(cause: &dyn std::fmt::Display) -> ConnectorError {
    ConnectorError::transient("connection_lost", format!("the connection to NATS broke off: {cause}"))
}

struct Reader {
    config: NatsConfig,
    /// The name of a consumer that the settings do not name.
    consumer: String,
    egress: Arc<Egress>,
}

#[async_trait]
impl PullSource for Reader {
    async fn run(
        &mut self,
        _checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let connecting = self.config.target();
        let connecting = connecting.connect(&self.egress, CLIENT);
        let Some(client) = stop.run_until_cancelled(connecting).await else { return Ok(()) };
        let client = client?;
        let done = match &self.config.subscription {
            Subscription::Jetstream { .. } => {
                jetstream_pull::read(&client, &self.config, &self.consumer, outlet, &stop).await
            }
            Subscription::Core { subject, queue_group } => {
                core::read(&client, subject, queue_group.as_deref(), &self.config, outlet, &stop).await
            }
        };
        // What was acknowledged must have left before the connection goes.
        let _ = tokio::time::timeout(Duration::from_secs(2), client.drain()).await;
        done
    }
}
