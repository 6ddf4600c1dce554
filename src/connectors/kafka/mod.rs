//! `kafka`: messages of topics, as a member of a consumer group.
//!
//! | file | idea |
//! |---|---|
//! | `config` | the settings, their JSON Schema and their rules |
//! | `look` | the cluster and a message of it, without side effects |
//! | `message` | a message, as documents |
//! | `consume` | batches, deliveries, and offsets that are committed after them |
//! | `again` | a part of the topics, outside of the group |
//! | `range` | which part that is |
//! | `aside` | calls of the client that block |

use std::sync::Arc;

use async_trait::async_trait;
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
mod aside;
mod config;
mod consume;
mod look;
mod message;
mod range;

use config::KafkaConfig;

pub(super) struct Kafka {
    spec: ConnectorSpec,
}

impl Kafka {
    pub(super) fn new() -> Self {
        Self {
            spec: ConnectorSpec {
                name: "kafka",
                title: "Kafka",
                description: "Reads topics of Apache Kafka, or what speaks its protocol, as a member of a consumer group.",
                schema_version: 1,
                config_schema: schema_of::<KafkaConfig>(),
                sample: json!({
                    "order_id": "A-20417", "event": "OrderPaid", "total": 129.9, "currency": "EUR",
                    "occurred_at": "2025-03-04T08:31:07Z",
                }),
                placement: Placement::Leased,
            },
        }
    }
}

#[async_trait]
impl Connector for Kafka {
    fn spec(&self) -> &ConnectorSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        match KafkaConfig::read(config) {
            Ok(config) => config.problems(),
            Err(error) => vec![Problem::new("", error.message)],
        }
    }

    fn spreads(&self, _config: &Value) -> bool {
        true
    }

    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError> {
        let config = KafkaConfig::read(config)?;
        let value = |payload: &[u8]| config.format.decode(payload);
        let decoded = if config.envelope { message::FIELDS.decode(payload, value) } else { value(payload) };
        decoded.map_err(|e| ConnectorError::permanent("decode_failed", e))
    }

    async fn start(&self, config: &Value, context: ConnectorContext) -> Result<Source, ConnectorError> {
        let config = KafkaConfig::read(config)?;
        let group = config.group.clone().unwrap_or_else(|| format!("studio-{}", context.datasource_id));
        Ok(Source::Pull(Box::new(Reader { config, group, egress: context.egress })))
    }

    async fn sample(&self, config: &Value, context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError> {
        let config = KafkaConfig::read(config)?;
        let cluster = look::Cluster::reach(&config, &context.egress).await?;
        let newest = cluster.newest(config.topics.clone()).await?;
        Ok(newest.and_then(|newest| message::sample(&newest, &config)))
    }

    fn backfill_ranges(&self, _config: &Value) -> &'static [RangeKind] {
        &[RangeKind::Time, RangeKind::Cursor]
    }

    async fn backfill(
        &self,
        config: &Value,
        range: &BackfillRange,
        context: ConnectorContext,
    ) -> Result<Box<dyn PullSource>, ConnectorError> {
        let config = KafkaConfig::read(config)?;
        let range = range::Range::read(range, &config.topics)?;
        Ok(Box::new(again::Again { config, range, egress: context.egress }))
    }

    async fn check(&self, config: &Value, context: ConnectorContext) -> Vec<CheckStep> {
        let mut steps = Steps::default();
        let reaching = async {
            let config = KafkaConfig::read(config)?;
            let cluster = look::Cluster::reach(&config, &context.egress).await?;
            Ok((config, cluster))
        };
        let said = |(_, cluster): &(KafkaConfig, look::Cluster)| format!("the cluster has {} brokers", cluster.brokers);
        let Some((config, cluster)) = steps.run("connect", reaching, said).await else { return steps.finish() };
        let looking = cluster.partitions(config.topics);
        steps.run("topics", looking, |places| format!("the topics have {} partitions", places.len())).await;
        steps.finish()
    }
}

struct Reader {
    config: KafkaConfig,
    group: String,
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
        // A client that joins the group costs the others a pause, so what can be told without it is told first.
        let reaching = look::Cluster::reach(&self.config, &self.egress);
        let Some(reached) = stop.run_until_cancelled(reaching).await else { return Ok(()) };
        let cluster = reached?;
        let Some(there) = stop.run_until_cancelled(cluster.partitions(self.config.topics.clone())).await else {
            return Ok(());
        };
        there?;
        drop(cluster);
        consume::run(&self.config, &self.group, &self.egress, outlet, &stop).await
    }
}
