//! `object_store`: files of a bucket or a directory, each read once.
//!
//! | file | idea |
//! |---|---|
//! | `config` | the settings, their JSON Schema and their rules |
//! | `store` | S3 or a directory, under the egress policy and the input directory |
//! | `read` | one look through the folder |
//! | `records` | one object, decompressed and cut in bounded memory |
//! | `checkpoint` | which objects are done |

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::check::Steps;
use super::schedule::Schedule;
use super::{
    CheckStep, Connector, ConnectorContext, ConnectorError, ConnectorSpec, Outlet, Placement, PullSource, Source,
    decode, envelope,
};
use crate::domain::{BackfillRange, RangeKind};
use crate::error::Problem;
use crate::mapping::schema_of;

mod checkpoint;
mod config;
mod read;
mod records;
mod store;

use checkpoint::Checkpoint;
use config::{FIELDS, Layout, ObjectFormat, ObjectsConfig};
use read::{Part, Scanner};
use records::{Cut, Records};
use store::Opened;

/// How many records a sample shows.
const SAMPLE: usize = 20;

pub(super) struct Objects {
    spec: ConnectorSpec,
}

impl Objects {
    pub(super) fn new() -> Self {
        Self {
            spec: ConnectorSpec {
                name: "object_store",
                title: "Object store",
                description: "Reads the files of an S3 bucket or a local directory, each once: JSON, JSON Lines or CSV, \
                              also compressed.",
                schema_version: 1,
                config_schema: schema_of::<ObjectsConfig>(),
                sample: json!({
                    "order_id": "A-20417", "sku": "SN-7712", "quantity": 3, "warehouse": "HAM",
                    "shipped_at": "2025-03-04T08:31:07Z",
                }),
                placement: Placement::Leased,
            },
        }
    }
}

#[async_trait]
impl Connector for Objects {
    fn spec(&self) -> &ConnectorSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        match ObjectsConfig::read(config) {
            Ok(config) => config.problems(),
            Err(error) => vec![Problem::new("", error.message)],
        }
    }

    /// A payload is the decompressed text of an object.
    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError> {
        let config = ObjectsConfig::read(config)?;
        let value = |payload: &[u8]| decode_text(&config, payload);
        let decoded = if config.envelope { FIELDS.decode(payload, value) } else { value(payload) };
        decoded.map_err(|e| ConnectorError::permanent("decode_failed", e))
    }

    async fn start(&self, config: &Value, context: ConnectorContext) -> Result<Source, ConnectorError> {
        let config = ObjectsConfig::read(config)?;
        let schedule = Schedule::parse(&config.schedule).map_err(|e| ConnectorError::permanent("config_invalid", e))?;
        Ok(Source::Pull(Box::new(Reader { config: Arc::new(config), schedule, context })))
    }

    /// The beginning of the newest object, decompressed.
    async fn sample(&self, config: &Value, context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError> {
        let config = ObjectsConfig::read(config)?;
        let opened = Opened::open(&config.store, &context).await?;
        let listing = read::list(&opened, &config, &Checkpoint::default(), None).await?;
        let Some((object, layout)) = listing.objects.last() else { return Ok(None) };
        if !opened.admits(object).await {
            return Ok(None);
        }
        let mut records = Records::open(&opened, &config, object, *layout, 0).await?;
        let mut sample = if config.envelope { Vec::new() } else { records.header.clone() };
        for _ in 0..SAMPLE {
            let Some(Cut::Whole(record) | Cut::TooLong(record)) = records.next(object).await? else { break };
            match config.metadata(object) {
                None => sample.extend_from_slice(&record),
                Some(metadata) => {
                    sample.extend(envelope::sample(&record, &metadata, records.decode(&record)));
                    sample.push(b'\n');
                }
            }
        }
        Ok(Some(sample))
    }

    fn backfill_ranges(&self, _config: &Value) -> &'static [RangeKind] {
        &[RangeKind::Time, RangeKind::Prefix]
    }

    async fn backfill(
        &self,
        config: &Value,
        range: &BackfillRange,
        context: ConnectorContext,
    ) -> Result<Box<dyn PullSource>, ConnectorError> {
        let config = Arc::new(ObjectsConfig::read(config)?);
        let part = Part::read(range, &config)?;
        Ok(Box::new(ReadingAgain { config, part, context }))
    }

    async fn check(&self, config: &Value, context: ConnectorContext) -> Vec<CheckStep> {
        let mut steps = Steps::default();
        let opening = async {
            let config = ObjectsConfig::read(config)?;
            let opened = Opened::open(&config.store, &context).await?;
            Ok((config, opened))
        };
        let Some((config, opened)) = steps.run("open", opening, |_| "the store can be used".to_owned()).await else {
            return steps.finish();
        };
        let nothing_read = Checkpoint::default();
        let listing = read::list(&opened, &config, &nothing_read, None);
        let said = |listing: &read::Listing| {
            let (total, passed_over) = (listing.total, listing.passed_over);
            format!("{total} objects; {passed_over} of them are passed over for their names")
        };
        let Some(listing) = steps.run("list", listing, said).await else { return steps.finish() };
        if let Some((object, layout)) = listing.objects.last() {
            let reading = async {
                let mut records = Records::open(&opened, &config, object, *layout, 0).await?;
                let Some(Cut::Whole(record)) = records.next(object).await? else { return Ok(0) };
                let decoded = records.decode(&record).map_err(|e| ConnectorError::permanent("decode_failed", e))?;
                Ok(decoded.len())
            };
            steps.run("read", reading, |_| format!("the beginning of {} can be read", object.location)).await;
        }
        steps.finish()
    }
}

fn decode_text(config: &ObjectsConfig, payload: &[u8]) -> Result<Vec<Value>, String> {
    let csv = |name| records::decode_csv(payload, config.layout(name).unwrap_or(Layout::Json));
    match config.format {
        ObjectFormat::Json => decode::json(payload).map(|document| vec![document]),
        ObjectFormat::JsonLines => decode::json_lines(payload),
        ObjectFormat::Csv => csv(".csv"),
        // Without a name the text itself must tell.
        ObjectFormat::Auto => {
            let json = decode::json(payload).map(|document| vec![document]);
            let json = json.or_else(|_| decode::json_lines(payload));
            let looks_like_json = matches!(payload.trim_ascii().first(), Some(b'{' | b'[' | b'"') | None);
            let tabs = payload.split(|byte| *byte == b'\n').next().is_some_and(|line| line.contains(&b'\t'));
            if looks_like_json { json } else { json.or_else(|_| csv(if tabs { ".tsv" } else { ".csv" })) }
        }
    }
}

struct Reader {
    config: Arc<ObjectsConfig>,
    schedule: Schedule,
    context: ConnectorContext,
}

#[async_trait]
impl PullSource for Reader {
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let opened = Opened::open(&self.config.store, &self.context).await?;
        let checkpoint = Checkpoint::read(checkpoint.as_ref());
        let mut scanner = Scanner { config: Arc::clone(&self.config), opened, checkpoint, part: None };
        if self.schedule.polls_at_once() {
            scanner.scan(outlet, &stop).await?;
        }
        while let Some(Some(())) = stop.run_until_cancelled(self.schedule.tick()).await {
            scanner.scan(outlet, &stop).await?;
        }
        if stop.is_cancelled() {
            return Ok(());
        }
        Err(ConnectorError::permanent("schedule_ended", "the schedule names no further time; change it to read again"))
    }
}

/// One look through a part of the folder, to the youngest object that was there at its begin.
struct ReadingAgain {
    config: Arc<ObjectsConfig>,
    part: Part,
    context: ConnectorContext,
}

#[async_trait]
impl PullSource for ReadingAgain {
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let opened = Opened::open(&self.config.store, &self.context).await?;
        let checkpoint = Checkpoint::read(checkpoint.as_ref());
        let (config, part) = (Arc::clone(&self.config), Some(self.part.clone()));
        Scanner { config, opened, checkpoint, part }.scan(outlet, &stop).await
    }
}

#[cfg(test)]
mod tests;
