//! Batches into the sink: retries what may pass, and finds the records that never will.

use std::collections::HashSet;
use std::time::Duration;

use tracing::Level;

use super::search::{Refusal, Search};
use super::{Patience, Pipeline};
use crate::connectors::{ConnectorError, ErrorKind};
use crate::domain::{CircuitState, Record};
use crate::registry::circuit::{self, Ending, Permit};
use crate::sinks::{Rejection, WriteError};

/// Waits between the tries of one batch, the last of them from then on. Soon the circuit opens, and sets the pace.
const RETRY_WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_millis(2_000)];

/// What to do about records that the sink never takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Find each of them, and write all others.
    FindAll,
    /// The first is reason enough to stop.
    FindOne,
}

impl Pipeline {
    /// Returns when all is in the sink but for the records that it never takes, which are named in order.
    pub(super) async fn write(
        &self,
        records: &[Record],
        patience: Patience<'_>,
        refused: Refused,
    ) -> Result<Vec<Refusal>, ConnectorError> {
        let mut refusals = Vec::new();
        for (i, batch) in records.chunks(self.batch_max).enumerate() {
            let first = i * self.batch_max;
            let found = self.write_batch(batch, patience, refused).await?;
            self.show(batch, &found);
            refusals.extend(found.into_iter().map(|(at, fault)| (first + at, fault)));
            if refused == Refused::FindOne && !refusals.is_empty() {
                break;
            }
        }
        Ok(refusals)
    }

    async fn write_batch(
        &self,
        batch: &[Record],
        patience: Patience<'_>,
        refused: Refused,
    ) -> Result<Vec<Refusal>, ConnectorError> {
        let mut search = Search::of(batch.len());
        while let Some(part) = search.next() {
            let rejections = self.try_write(&batch[part.clone()], patience).await?;
            search.rejected(&part, rejections);
            if refused == Refused::FindOne && search.has_found() {
                break;
            }
        }
        Ok(search.into_found())
    }

    /// Answers with what the sink rejects; all else is written. Whoever waits holds its batch and reads nothing more.
    async fn try_write(&self, batch: &[Record], patience: Patience<'_>) -> Result<Vec<Rejection>, ConnectorError> {
        let mut waits = RETRY_WAITS.iter().peekable();
        loop {
            let (error, wait) = match self.stats.circuit.admit(self.breaker) {
                Ok(permit) => match self.write_once(batch, permit).await {
                    Ok(rejections) => return Ok(rejections),
                    Err(error) if error.is_permanent() => return Err(error),
                    Err(error) => {
                        let wait = waits.peek().copied().copied().unwrap_or_default();
                        if waits.len() > 1 {
                            waits.next();
                        }
                        let wait =
                            wait.mul_f64(rand::random_range(0.5..1.5)).max(error.retry_after().unwrap_or_default());
                        (error, wait)
                    }
                },
                Err(wait) => {
                    let message = "the sink failed too often in a row; nothing is sent to it for now";
                    (ConnectorError::transient_after(circuit::OPEN, message, Some(wait)), wait)
                }
            };
            let Patience::Until(stop) = patience else { return Err(error) };
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Err(error);
            }
        }
    }

    async fn write_once(&self, batch: &[Record], permit: Permit<'_>) -> Result<Vec<Rejection>, ConnectorError> {
        let (result, ending) = match self.sink.write(batch).await {
            Ok(()) => (Ok(Vec::new()), Ending::Well),
            Err(WriteError::Rejected(rejections)) => (Ok(rejections), Ending::Well),
            Err(WriteError::Failed(fault)) if fault.is_rejected() => {
                (Ok(vec![Rejection { records: 0..batch.len(), fault }]), Ending::Well)
            }
            Err(WriteError::Failed(fault)) => {
                let ending = match fault.kind {
                    ErrorKind::Transient { retry_after } => Ending::Failed { retry_after },
                    _ => Ending::Unknown,
                };
                (Err(fault), ending)
            }
        };
        if let Some(state) = permit.settle(ending, result.as_ref().err()) {
            let level = if state == CircuitState::Closed { Level::INFO } else { Level::WARN };
            self.log(level, None, &format!("the circuit to the sink is {state}"));
        }
        result.map_err(|error| {
            self.stats.prometheus.error("sink");
            self.log(Level::WARN, None, &format!("the sink did not take a batch: {error}"));
            ConnectorError { message: format!("sink: {}", error.message), ..error }
        })
    }

    fn show(&self, batch: &[Record], refusals: &[Refusal]) {
        if refusals.is_empty() {
            self.view.show(batch);
        } else {
            let places: HashSet<_> = refusals.iter().map(|(at, _)| *at).collect();
            let written = batch.iter().enumerate().filter(|(at, _)| !places.contains(at));
            self.view.show(&written.map(|(_, record)| record.clone()).collect::<Vec<_>>());
        }
        if self.view.is_verbose() {
            for (at, record) in batch.iter().enumerate() {
                let refused = refusals.iter().any(|(refused, _)| *refused == at);
                let done = if refused { "the sink never takes one" } else { "delivered one" };
                self.log(Level::DEBUG, Some(&record.id), &format!("{done} of kind {}", record.kind));
            }
        }
    }
}
