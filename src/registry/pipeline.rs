//! Mapping, then sink: the way of every record of one version.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::live::View;
use super::stats::{Delivered, Stats};
use crate::auth::Actor;
use crate::connectors::ConnectorError;
use crate::domain::{DeadLetterScope, LogLevel, OnError, Record, Tenant, Timestamp, canonical_json, now};
use crate::mapping::{BatchReceiver, Limits, Mapped, Mapping, MappingError, Path, Summary};
use crate::sinks::{Sink, SinkError};
use crate::store::Store;
use crate::store::dead_letter::{NewDeadLetter, PAYLOAD_MAX};

/// Waits between the tries of one batch; after the last the worker backs off as a whole, where people see it.
const RETRY_WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_millis(2_000)];

/// Stands for what is not kept.
const REDACTED: &str = "[redacted]";
/// Who asks for a longer wait than this is not tried again meanwhile: the worker backs off for so long.
const LONGEST_QUICK_WAIT: Duration = Duration::from_secs(2);

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
    pub sink: Arc<dyn Sink>,
    pub stats: Arc<Stats>,
    pub view: Arc<View>,
    pub store: Store,
}

/// How long a batch is tried when the sink does not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The caller is a client that can try again itself.
    Once,
    /// The source waits.
    Retries,
}

impl Pipeline {
    /// Returns when every record is in the sink, or set aside as `on_error` says. After an
    /// error the caller delivers the same documents again: a record may come twice, never not at all.
    pub async fn deliver(&self, documents: &[Value], patience: Patience) -> Result<Delivered, ConnectorError> {
        let began = Instant::now();
        let mut outcome = Delivered::default();
        let (records, letters) = self.map(documents, &mut outcome).inspect_err(|_| {
            self.stats.prometheus.error("record_failed");
            self.stats.record(outcome, began.elapsed());
        })?;
        self.set_aside(letters).await?;
        for batch in records.chunks(self.batch_max) {
            self.write(batch, patience).await?;
        }
        outcome.delivered = records.len() as u64;
        self.stats.record(outcome, began.elapsed());
        Ok(outcome)
    }

    /// Delivers dead letters once more. Answers for each, in order, why it failed again;
    /// none of it is set aside anew.
    pub async fn redeliver(
        &self,
        letters: &[(DeadLetterScope, Value)],
    ) -> Result<Vec<Option<MappingError>>, ConnectorError> {
        let began = Instant::now();
        let ingested_at = now();
        let mut failures = vec![None; letters.len()];
        let mut records = Vec::new();
        for scope in [DeadLetterScope::Record, DeadLetterScope::Document] {
            let places: Vec<_> = (0..letters.len()).filter(|i| letters[*i].0 == scope).collect();
            let inputs: Vec<_> = places.iter().map(|i| letters[*i].1.clone()).collect();
            self.apply(scope, &inputs, &mut |i, result| match result {
                Ok(mapped) => records.push(self.record(mapped, ingested_at)),
                Err(error) => drop(failures[places[i]].get_or_insert(error)),
            });
        }
        for batch in records.chunks(self.batch_max) {
            self.write(batch, Patience::Retries).await?;
        }
        self.stats.record(Delivered { delivered: records.len() as u64, ..Delivered::default() }, began.elapsed());
        Ok(failures)
    }

    /// Sets aside a payload of which no document could be made, as `on_error` says.
    pub async fn refuse(&self, payload: &[u8], why: ConnectorError) -> Result<(), ConnectorError> {
        let mut outcome = Delivered::default();
        let done = match self.on_error {
            OnError::Skip => {
                outcome.skipped = 1;
                Ok(())
            }
            OnError::DeadLetter => {
                outcome.failed = 1;
                // The paths to redact lead into a record, and this became none.
                let redacted = !self.redact.is_empty();
                let kept = if redacted { REDACTED.as_bytes() } else { payload.get(..=PAYLOAD_MAX).unwrap_or(payload) };
                let letter = NewDeadLetter {
                    version: self.version,
                    code: why.code.to_owned(),
                    path: "/connector".to_owned(),
                    message: why.message,
                    scope: DeadLetterScope::Document,
                    payload: String::from_utf8_lossy(kept).into_owned(),
                    redacted,
                };
                self.set_aside(vec![letter]).await
            }
            OnError::Stop => {
                outcome.failed = 1;
                self.stats.prometheus.error("record_failed");
                Err(ConnectorError { message: format!("{} (on_error is stop)", why.message), ..why })
            }
        };
        self.stats.record(outcome, Duration::ZERO);
        done
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

    fn map(
        &self,
        documents: &[Value],
        outcome: &mut Delivered,
    ) -> Result<(Vec<Record>, Vec<NewDeadLetter>), ConnectorError> {
        let ingested_at = now();
        let (mut records, mut failed, mut stopped) = (Vec::new(), Vec::new(), None);
        let summaries = self.apply(DeadLetterScope::Document, documents, &mut |document, result| match result {
            Ok(mapped) => records.push(self.record(mapped, ingested_at)),
            Err(error) => match self.on_error {
                OnError::Skip => outcome.skipped += 1,
                OnError::DeadLetter => {
                    outcome.failed += 1;
                    failed.push((document, error));
                }
                OnError::Stop => {
                    outcome.failed += 1;
                    stopped.get_or_insert(error);
                }
            },
        });
        if self.view.is_verbose() {
            for (_, error) in &failed {
                self.log(tracing::Level::DEBUG, None, &format!("{} at {}: {}", error.code, error.path, error.message));
            }
        }
        outcome.skipped += summaries.iter().map(|s| s.dropped as u64).sum::<u64>();
        match stopped {
            None => Ok((records, self.letters(documents, failed))),
            Some(error) => Err(ConnectorError::permanent(
                "record_failed",
                format!("{} at {}: {} (on_error is stop)", error.code, error.path, error.message),
            )),
        }
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

    /// Each failure with the record that failed, or with its document where the rest of that was not mapped.
    /// Failures come in the order of the documents.
    fn letters(&self, documents: &[Value], failed: Vec<(usize, MappingError)>) -> Vec<NewDeadLetter> {
        let mut known: Option<(usize, Vec<&Value>)> = None;
        let mut letters = Vec::with_capacity(failed.len());
        for (document, error) in failed {
            if known.as_ref().is_none_or(|(at, _)| *at != document) {
                known = Some((document, self.mapping.records(&documents[document]).unwrap_or_default()));
            }
            let record = known.as_ref().and_then(|(_, records)| records.get(error.record)).filter(|_| !error.ended);
            let (scope, value) = match record {
                Some(record) => (DeadLetterScope::Record, *record),
                None => (DeadLetterScope::Document, &documents[document]),
            };
            let (payload, redacted) = self.redacted(scope, value);
            letters.push(NewDeadLetter {
                version: self.version,
                code: error.code.to_owned(),
                path: error.path,
                message: error.message,
                scope,
                payload,
                redacted,
            });
        }
        letters
    }

    /// What is kept of a payload, and whether that is less than all. The paths count from a
    /// record: of a whole document, in which they would miss their values, nothing is kept.
    fn redacted(&self, scope: DeadLetterScope, value: &Value) -> (String, bool) {
        if self.redact.is_empty() {
            return (canonical_json(value), false);
        }
        let mark = Value::String(REDACTED.into());
        let mut kept = value.clone();
        let all = self.redact.iter().all(|path| path.replace(&mut kept, &mark).is_ok());
        if !all || scope == DeadLetterScope::Document {
            kept = mark;
        }
        (canonical_json(&kept), kept != *value)
    }

    async fn set_aside(&self, letters: Vec<NewDeadLetter>) -> Result<(), ConnectorError> {
        if letters.is_empty() {
            return Ok(());
        }
        let count = letters.len() as u64;
        let system = Actor::system("registry", self.tenant.org.clone());
        let kept = self.store.keep_dead_letters(&system, &self.tenant, self.datasource_id, letters).await;
        kept.map_err(|e| ConnectorError::transient("dead_letter_not_kept", e.message().to_owned()))?;
        self.stats.prometheus.add_dead_letters(count);
        Ok(())
    }

    async fn write(&self, batch: &[Record], patience: Patience) -> Result<(), ConnectorError> {
        self.try_write(batch, patience).await?;
        self.view.show(batch);
        if self.view.is_verbose() {
            for record in batch {
                let message = format!("delivered one of kind {}", record.kind);
                self.log(tracing::Level::DEBUG, Some(&record.id), &message);
            }
        }
        Ok(())
    }

    async fn try_write(&self, batch: &[Record], patience: Patience) -> Result<(), ConnectorError> {
        let waits = match patience {
            Patience::Once => &[][..],
            Patience::Retries => &RETRY_WAITS[..],
        };
        for wait in waits {
            match self.sink.write(batch).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_permanent() || error.asks_to_wait(LONGEST_QUICK_WAIT) => {
                    return Err(self.failed(error));
                }
                Err(error) => {
                    self.log(tracing::Level::WARN, None, &format!("the sink refused a batch; trying again: {error}"));
                    self.stats.prometheus.error("sink");
                    tokio::time::sleep(wait.mul_f64(rand::random_range(0.5..1.5))).await;
                }
            }
        }
        self.sink.write(batch).await.map_err(|e| self.failed(e))
    }

    fn failed(&self, error: SinkError) -> ConnectorError {
        self.stats.prometheus.error("sink");
        ConnectorError { message: format!("sink: {}", error.message), ..error }
    }
}
