//! What was not delivered, as `on_error` says: kept, counted, or a reason to stop.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Pipeline, REDACTED};
use crate::auth::Actor;
use crate::connectors::ConnectorError;
use crate::domain::{DeadLetterScope, OnError, Record, canonical_json};
use crate::mapping::MappingError;
use crate::registry::stats::Delivered;
use crate::store::dead_letter::{NewDeadLetter, PAYLOAD_MAX};

/// Refused payloads that wait together at most, and their bytes.
const REFUSED_MAX: usize = 1_000;
const REFUSED_BYTES: usize = 4 * 1024 * 1024;

/// Payloads of which no document could be made.
#[derive(Default)]
pub struct Refusals {
    /// Those that are not kept yet.
    letters: Vec<NewDeadLetter>,
    bytes: usize,
    /// What they count, with those that are kept.
    outcome: Delivered,
}

impl Refusals {
    fn take_letters(&mut self) -> Vec<NewDeadLetter> {
        self.bytes = 0;
        std::mem::take(&mut self.letters)
    }
}

/// Which input record of which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub document: usize,
    pub record: usize,
}

/// Why a record was not delivered.
#[derive(Clone, Debug)]
pub struct Undelivered {
    pub origin: Origin,
    /// Whether those after it in its document were not even looked at.
    pub ended: bool,
    pub code: &'static str,
    /// JSON pointer of the part of the configuration that failed.
    pub path: String,
    pub message: String,
}

impl Undelivered {
    pub(super) fn unmapped(document: usize, error: MappingError) -> Self {
        let MappingError { code, path, record, ended, message } = error;
        Self { origin: Origin { document, record }, ended, code, path, message }
    }
}

impl Pipeline {
    pub(super) fn refused(&self, origin: Origin, record: &Record, fault: ConnectorError) -> Undelivered {
        // The id may be one of the values that are not kept.
        let which = if self.redact.is_empty() { format!("the record {:?}", record.id) } else { "a record".to_owned() };
        let message = format!("the sink does not take {which}: {}", fault.message);
        Undelivered { origin, ended: false, code: fault.code, path: "/delivery/sink".to_owned(), message }
    }

    /// The error with which `on_error: stop` ends a worker.
    pub(super) fn stopped(&self, first: &Undelivered, count: usize, began: Instant) -> ConnectorError {
        self.stats.prometheus.error("record_failed");
        self.stats.record(Delivered { failed: count as u64, ..Delivered::default() }, began.elapsed());
        let message = format!("{} at {}: {} (on_error is stop)", first.code, first.path, first.message);
        ConnectorError::permanent("record_failed", message)
    }

    /// Returns when each is safe in the database.
    pub(super) async fn keep(
        &self,
        documents: &[Value],
        mut undelivered: Vec<Undelivered>,
    ) -> Result<(), ConnectorError> {
        if self.view.is_verbose() {
            for Undelivered { code, path, message, .. } in &undelivered {
                self.log(tracing::Level::DEBUG, None, &format!("{code} at {path}: {message}"));
            }
        }
        // A record that fails twice, in two outputs, is kept once: a replay repeats all of it.
        undelivered.sort_by_key(|u| (u.origin.document, u.origin.record));
        undelivered.dedup_by_key(|u| (u.origin.document, u.origin.record));
        self.set_aside(self.letters(documents, undelivered)).await
    }

    /// Each failure with the record that failed, or with its document where the rest of that was not mapped.
    /// Failures come in the order of the documents.
    fn letters(&self, documents: &[Value], failed: Vec<Undelivered>) -> Vec<NewDeadLetter> {
        let mut known: Option<(usize, Vec<&Value>)> = None;
        let mut letters = Vec::with_capacity(failed.len());
        for Undelivered { origin: Origin { document, record }, ended, code, path, message } in failed {
            if known.as_ref().is_none_or(|(at, _)| *at != document) {
                known = Some((document, self.mapping.records(&documents[document]).unwrap_or_default()));
            }
            let record = known.as_ref().and_then(|(_, records)| records.get(record)).filter(|_| !ended);
            let (scope, value) = match record {
                Some(record) => (DeadLetterScope::Record, *record),
                None => (DeadLetterScope::Document, &documents[document]),
            };
            let (payload, redacted) = self.redacted(scope, value);
            let code = code.to_owned();
            letters.push(NewDeadLetter { version: self.version, code, path, message, scope, payload, redacted });
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

    /// Sets aside a payload of which no document could be made, as `on_error` says. It is safe when the next
    /// delivery returned, before any checkpoint behind it moves: a batch of garbage costs one write, not one each.
    pub async fn refuse(&self, payload: &[u8], why: ConnectorError) -> Result<(), ConnectorError> {
        let letter = match self.on_error {
            OnError::Skip => {
                self.refusals().outcome.skipped += 1;
                return Ok(());
            }
            OnError::Stop => {
                self.stats.prometheus.error("record_failed");
                self.stats.record(Delivered { failed: 1, ..Delivered::default() }, Duration::ZERO);
                return Err(ConnectorError { message: format!("{} (on_error is stop)", why.message), ..why });
            }
            OnError::DeadLetter => {
                // The paths to redact lead into a record, and this became none.
                let redacted = !self.redact.is_empty();
                let kept = if redacted { REDACTED.as_bytes() } else { payload.get(..=PAYLOAD_MAX).unwrap_or(payload) };
                NewDeadLetter {
                    version: self.version,
                    code: why.code.to_owned(),
                    path: "/connector".to_owned(),
                    message: why.message,
                    scope: DeadLetterScope::Document,
                    payload: String::from_utf8_lossy(kept).into_owned(),
                    redacted,
                }
            }
        };
        let full = {
            let mut refused = self.refusals();
            refused.outcome.failed += 1;
            refused.bytes += letter.payload.len();
            refused.letters.push(letter);
            let full = refused.letters.len() >= REFUSED_MAX || refused.bytes >= REFUSED_BYTES;
            full.then(|| refused.take_letters())
        };
        match full {
            Some(letters) => self.set_aside(letters).await,
            None => Ok(()),
        }
    }

    /// Keeps what was refused since the last delivery; answers with what it counts.
    pub(super) async fn keep_refused(&self) -> Result<Delivered, ConnectorError> {
        let (letters, outcome) = {
            let mut refused = self.refusals();
            (refused.take_letters(), std::mem::take(&mut refused.outcome))
        };
        self.set_aside(letters).await?;
        if outcome != Delivered::default() {
            self.stats.record(outcome, Duration::ZERO);
        }
        Ok(outcome)
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn set_aside(&self, letters: Vec<NewDeadLetter>) -> Result<(), ConnectorError> {
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
}
