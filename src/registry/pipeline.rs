//! Mapping, then sink: the way of every record of one version.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::stats::{Delivered, Stats};
use crate::auth::Actor;
use crate::connectors::ConnectorError;
use crate::domain::{OnError, Record, Tenant, canonical_json, now};
use crate::mapping::{BatchReceiver, Limits, Mapping, MappingError, Summary};
use crate::sinks::{Sink, SinkError};
use crate::store::Store;
use crate::store::dead_letter::NewDeadLetter;

/// Waits between the tries of one batch; after the last the worker backs off as a whole, where people see it.
const RETRY_WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_millis(2_000)];

/// What all transforms of one delivery may take.
const TRANSFORM_TIME: Duration = Duration::from_secs(10);

pub struct Pipeline {
    pub datasource_id: Uuid,
    pub tenant: Tenant,
    pub version: i32,
    pub mapping: Mapping,
    pub on_error: OnError,
    pub batch_max: usize,
    pub sink: Arc<dyn Sink>,
    pub stats: Arc<Stats>,
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

    fn map(
        &self,
        documents: &[Value],
        outcome: &mut Delivered,
    ) -> Result<(Vec<Record>, Vec<NewDeadLetter>), ConnectorError> {
        let ingested_at = now();
        let (mut records, mut letters, mut stopped) = (Vec::new(), Vec::new(), None);
        let summaries = self.apply(documents, &mut |document, result| match result {
            Ok(mapped) => records.push(Record {
                id: mapped.id,
                kind: mapped.kind,
                data: mapped.data,
                datasource_id: self.datasource_id,
                version: self.version,
                ingested_at,
            }),
            Err(error) => match self.on_error {
                OnError::Skip => outcome.skipped += 1,
                OnError::DeadLetter => {
                    outcome.failed += 1;
                    letters.push(self.letter(&documents[document], error));
                }
                OnError::Stop => {
                    outcome.failed += 1;
                    stopped.get_or_insert(error);
                }
            },
        });
        outcome.skipped += summaries.iter().map(|s| s.dropped as u64).sum::<u64>();
        match stopped {
            None => Ok((records, letters)),
            Some(error) => Err(ConnectorError::permanent(
                "record_failed",
                format!("{} at {}: {} (on_error is stop)", error.code, error.path, error.message),
            )),
        }
    }

    /// A transform computes: it must hold up neither its worker for long nor other tasks at all.
    fn apply(&self, documents: &[Value], out: &mut BatchReceiver<'_>) -> Vec<Summary> {
        if self.mapping.has_transform() {
            let limits = Limits { deadline: Some(Instant::now() + TRANSFORM_TIME), ..Limits::default() };
            tokio::task::block_in_place(|| self.mapping.apply_all(documents, &limits, out))
        } else {
            self.mapping.apply_all(documents, &Limits::default(), out)
        }
    }

    fn letter(&self, document: &Value, error: MappingError) -> NewDeadLetter {
        NewDeadLetter {
            version: self.version,
            code: error.code.to_owned(),
            path: error.path,
            message: error.message,
            payload: canonical_json(document),
        }
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
        let waits = match patience {
            Patience::Once => &[][..],
            Patience::Retries => &RETRY_WAITS[..],
        };
        for wait in waits {
            match self.sink.write(batch).await {
                Ok(()) => return Ok(()),
                Err(error) if error.permanent => return Err(self.failed(error)),
                Err(error) => {
                    tracing::warn!(datasource = %self.datasource_id, version = self.version, %error, "the sink refused a batch; trying again");
                    self.stats.prometheus.error("sink");
                    tokio::time::sleep(wait.mul_f64(rand::random_range(0.5..1.5))).await;
                }
            }
        }
        self.sink.write(batch).await.map_err(|e| self.failed(e))
    }

    fn failed(&self, error: SinkError) -> ConnectorError {
        self.stats.prometheus.error("sink");
        if error.permanent {
            ConnectorError::permanent(error.code, format!("sink: {}", error.message))
        } else {
            ConnectorError::transient(error.code, format!("sink: {}", error.message))
        }
    }
}
