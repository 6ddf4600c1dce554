//! Mapping, then sink: the way of every record of one version.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::live::View;
use super::stats::{Delivered, Stats};
use crate::connectors::ConnectorError;
use crate::domain::{DeadLetterScope, LogLevel, OnError, Record, Tenant, Timestamp, now};
use crate::mapping::{BatchReceiver, CircuitBreaker, Limits, Mapped, Mapping, Path, Summary};
use crate::sinks::Sink;
use crate::store::Store;

mod group;
mod letters;
mod search;
mod write;

pub use group::Group;
pub use letters::Refusals;
use letters::{Origin, Undelivered};
use write::Refused;

/// Stands for what is not kept.
const REDACTED: &str = "[redacted]";
/// What all transforms of one delivery may take.
const TRANSFORM_TIME: Duration = Duration::from_secs(10);

pub struct Pipeline {
    pub datasource_id: Uuid,
    pub tenant: Tenant,
    pub version: i32,
    pub mapping: Mapping,
    pub on_error: OnError,
    /// What of a record is not kept when it becomes a dead letter.
    pub redact: Vec<Path>,
    pub batch_max: usize,
    /// What a reader refused since its last delivery, which keeps it.
    pub refused: Mutex<Refusals>,
    pub breaker: CircuitBreaker,
    pub sink: Arc<dyn Sink>,
    pub stats: Arc<Stats>,
    pub view: Arc<View>,
    pub store: Store,
}

/// Documents that are mapped, and not yet written.
struct Prepared {
    began: Instant,
    documents: Vec<Value>,
    records: Vec<Record>,
    /// How many records there were to write.
    count: u64,
    /// Where each record is from.
    origins: Vec<Origin>,
    /// What could not be mapped.
    undelivered: Vec<Undelivered>,
    /// What a transform dropped.
    dropped: u64,
}

/// How long a batch is tried when the sink does not take it.
#[derive(Clone, Copy, Debug)]
pub enum Patience<'s> {
    /// The caller is a client that can try again itself.
    Once,
    /// The source waits, until it is told to stop.
    Until(&'s CancellationToken),
}

impl Pipeline {
    /// Returns when every record is in the sink, or set aside as `on_error` says. After an
    /// error the caller delivers the same documents again: a record may come twice, never not at all.
    pub async fn deliver(&self, documents: Vec<Value>, patience: Patience<'_>) -> Result<Delivered, ConnectorError> {
        let mut prepared = self.prepare(documents)?;
        let records = std::mem::take(&mut prepared.records);
        let refused = if self.on_error == OnError::Stop { Refused::FindOne } else { Refused::FindAll };
        let refusals = self.write(&records, patience, refused).await?;
        let refusals =
            refusals.into_iter().map(|(at, fault)| self.refused(prepared.origins[at], &records[at], fault)).collect();
        let outcome = self.finish(prepared, refusals).await?;
        Ok(outcome + self.keep_refused().await?)
    }

    /// Maps; what cannot be mapped is a reason to stop, if `on_error` says so, before anything is written.
    fn prepare(&self, documents: Vec<Value>) -> Result<Prepared, ConnectorError> {
        let began = Instant::now();
        let (records, origins, undelivered, dropped) = self.map(&documents);
        match undelivered.first() {
            Some(first) if self.on_error == OnError::Stop => Err(self.stopped(first, undelivered.len(), began)),
            _ => Ok(Prepared { began, documents, count: records.len() as u64, records, origins, undelivered, dropped }),
        }
    }

    /// Counts, and keeps what was not delivered. Only now: a batch that comes again because the sink failed
    /// must not leave its letters twice.
    async fn finish(&self, prepared: Prepared, refusals: Vec<Undelivered>) -> Result<Delivered, ConnectorError> {
        let Prepared { began, documents, count, mut undelivered, dropped, .. } = prepared;
        if let Some(first) = refusals.first()
            && self.on_error == OnError::Stop
        {
            return Err(self.stopped(first, refusals.len(), began));
        }
        let delivered = count - refusals.len() as u64;
        undelivered.extend(refusals);
        let lost = undelivered.len() as u64;
        let (failed, skipped) = if self.on_error == OnError::Skip { (0, lost) } else { (lost, 0) };
        if self.on_error == OnError::DeadLetter {
            self.keep(&documents, undelivered).await?;
        }
        let outcome = Delivered { delivered, failed, skipped: skipped + dropped };
        self.stats.record(outcome, began.elapsed());
        Ok(outcome)
    }

    /// Delivers dead letters once more. Answers for each, in order, why it failed again;
    /// none of it is set aside anew.
    pub async fn redeliver(
        &self,
        letters: &[(DeadLetterScope, Value)],
        stop: &CancellationToken,
    ) -> Result<Vec<Option<Undelivered>>, ConnectorError> {
        let began = Instant::now();
        let ingested_at = now();
        let mut failures = vec![None; letters.len()];
        let (mut records, mut origins) = (Vec::new(), Vec::new());
        for scope in [DeadLetterScope::Record, DeadLetterScope::Document] {
            let places: Vec<_> = (0..letters.len()).filter(|i| letters[*i].0 == scope).collect();
            let inputs: Vec<_> = places.iter().map(|i| letters[*i].1.clone()).collect();
            self.apply(scope, &inputs, &mut |i, result| match result {
                Ok(mapped) => {
                    origins.push(Origin { document: places[i], record: mapped.record });
                    records.push(self.record(mapped, ingested_at));
                }
                Err(error) => drop(failures[places[i]].get_or_insert(Undelivered::unmapped(places[i], error))),
            });
        }
        let refusals = self.write(&records, Patience::Until(stop), Refused::FindAll).await?;
        let delivered = (records.len() - refusals.len()) as u64;
        for (at, fault) in refusals {
            let again = self.refused(origins[at], &records[at], fault);
            failures[origins[at].document].get_or_insert(again);
        }
        self.stats.record(Delivered { delivered, ..Delivered::default() }, began.elapsed());
        Ok(failures)
    }

    /// A line for the log of the datasource.
    pub fn log(&self, level: tracing::Level, record_id: Option<&str>, message: &str) {
        let level = match level {
            tracing::Level::ERROR => LogLevel::Error,
            tracing::Level::WARN => LogLevel::Warn,
            tracing::Level::INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        self.view.log(level, Some(self.version), record_id, message);
    }

    /// The records, where each is from, what could not be mapped, and how many a transform dropped.
    fn map(&self, documents: &[Value]) -> (Vec<Record>, Vec<Origin>, Vec<Undelivered>, u64) {
        let ingested_at = now();
        let (mut records, mut origins, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let summaries = self.apply(DeadLetterScope::Document, documents, &mut |document, result| match result {
            Ok(mapped) => {
                origins.push(Origin { document, record: mapped.record });
                records.push(self.record(mapped, ingested_at));
            }
            Err(error) => failed.push(Undelivered::unmapped(document, error)),
        });
        let dropped = summaries.iter().map(|s| s.dropped as u64).sum();
        (records, origins, failed, dropped)
    }

    /// A transform computes: it must hold up neither its worker for long nor other tasks at all.
    fn apply(&self, scope: DeadLetterScope, inputs: &[Value], out: &mut BatchReceiver<'_>) -> Vec<Summary> {
        let map = |limits: &Limits, out: &mut BatchReceiver<'_>| match scope {
            DeadLetterScope::Document => self.mapping.apply_all(inputs, limits, out),
            DeadLetterScope::Record => self.mapping.apply_records(inputs, limits, out),
        };
        if self.mapping.has_transform() {
            let limits = Limits { deadline: Some(Instant::now() + TRANSFORM_TIME), ..Limits::default() };
            tokio::task::block_in_place(|| map(&limits, out))
        } else {
            map(&Limits::default(), out)
        }
    }

    fn record(&self, mapped: Mapped, ingested_at: Timestamp) -> Record {
        Record {
            id: mapped.id,
            kind: mapped.kind,
            data: mapped.data,
            datasource_id: self.datasource_id,
            version: self.version,
            ingested_at,
        }
    }
}
