//! The circuit breaker before the sink of a datasource: one for all its workers and requests on this node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

mod breaker;

use breaker::{Breaker, Pass};

pub use breaker::Ending;

use super::supervisor::fsm::{Failure, Spec};
use crate::domain::CircuitState;
use crate::mapping::CircuitBreaker as Policy;
use crate::sinks::SinkError;
use crate::telemetry::DatasourceMetrics;

/// The code of what is refused while the circuit is open.
pub const OPEN: &str = "circuit_open";

pub struct Circuit {
    inner: Mutex<Inner>,
    began: Instant,
    /// Why the sink is left alone, until it is well again.
    trouble: watch::Sender<Option<Failure>>,
    prometheus: Arc<DatasourceMetrics>,
}

struct Inner {
    breaker: Breaker,
    /// The version and generation of the worker that it was closed for last.
    serves: Option<(i32, i64)>,
}

/// Leave to write one batch. Dropped without an ending, it leaves its place to the next.
pub struct Permit<'c> {
    circuit: &'c Circuit,
    policy: Policy,
    pass: Pass,
    settled: bool,
}

impl Circuit {
    pub fn new(prometheus: Arc<DatasourceMetrics>) -> Self {
        let inner = Mutex::new(Inner { breaker: Breaker::new(), serves: None });
        Self { inner, began: Instant::now(), trouble: watch::Sender::new(None), prometheus }
    }

    pub fn state(&self) -> CircuitState {
        self.lock().breaker.state()
    }

    /// Tells when the sink comes to be left alone, and when that is over.
    pub fn trouble(&self) -> watch::Receiver<Option<Failure>> {
        self.trouble.subscribe()
    }

    /// Another version, or a restart that somebody asked for, may have mended the sink. A retry has not.
    pub fn serve(&self, spec: Spec) {
        let mut inner = self.lock();
        let worker = Some((spec.version, spec.generation));
        if std::mem::replace(&mut inner.serves, worker) != worker {
            let before = inner.breaker.state();
            inner.breaker.reset();
            self.show(before, inner.breaker.state());
            // Not told: it says nothing about the source of the worker that comes.
            self.trouble.send_if_modified(|trouble| {
                *trouble = None;
                false
            });
        }
    }

    /// Leave to write now, or how long to wait before asking again.
    pub fn admit(&self, policy: Policy) -> Result<Permit<'_>, Duration> {
        let mut inner = self.lock();
        let before = inner.breaker.state();
        let pass = inner.breaker.admit(self.began.elapsed())?;
        self.show(before, inner.breaker.state());
        Ok(Permit { circuit: self, policy, pass, settled: false })
    }

    fn show(&self, before: CircuitState, after: CircuitState) {
        if before != after {
            self.prometheus.set_circuit(after);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Answers with the new state where it is another one than before.
    pub fn settle(mut self, ending: Ending, fault: Option<&SinkError>) -> Option<CircuitState> {
        let change = self.end(ending);
        match change {
            Some(CircuitState::Open) => {
                let failures = self.policy.failures;
                let last = fault.map(ToString::to_string).unwrap_or_default();
                let message = format!(
                    "the sink failed {failures} times in a row and is tried only now and then until it is well; at last {last}"
                );
                let failure = Failure { code: OPEN.into(), message, permanent: false, retry_after: None };
                // A probe that fails is no news.
                self.circuit.trouble.send_if_modified(|known| {
                    let news = known.is_none();
                    known.get_or_insert(failure);
                    news
                });
            }
            Some(CircuitState::Closed) => {
                self.circuit.trouble.send_if_modified(|known| known.take().is_some());
            }
            _ => {}
        }
        change
    }

    fn end(&mut self, ending: Ending) -> Option<CircuitState> {
        self.settled = true;
        let circuit = self.circuit;
        let mut inner = circuit.lock();
        let before = inner.breaker.state();
        inner.breaker.settle(circuit.began.elapsed(), rand::random(), &self.policy, &self.pass, ending);
        let after = inner.breaker.state();
        circuit.show(before, after);
        (before != after).then_some(after)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.end(Ending::Unknown);
        }
    }
}
