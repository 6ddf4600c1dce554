//! The worker's state machine. It knows no clock and does no IO: time and
//! inputs come in, actions go out.
//!
//! Two things are told apart: the worker that runs, and the one that is wanted
//! but does not run yet. That is why a version that fails to start leaves the
//! one before it untouched.

use std::time::Duration;

use crate::domain::WorkerStatus;
use crate::mapping::Retry;

/// What a worker runs: a version, how often its restart was asked for, and under which lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    pub version: i32,
    pub generation: i64,
    /// The epoch of the lease that its writes are fenced by; 0 where every node runs one.
    pub epoch: i64,
}

/// Why a worker did not start or did not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: String,
    pub message: String,
    pub permanent: bool,
    /// The peer named a time before which there is no use in trying.
    pub retry_after: Option<Duration>,
}

#[derive(Clone, Debug)]
pub enum Input {
    /// What should run from now on.
    Want(Option<Spec>),
    Started(Spec),
    /// The worker did its work once: it reached its source, or is open to be called.
    Proven(Spec),
    /// The worker runs, but cannot do its work for now.
    Troubled(Spec, Failure),
    StartFailed(Spec, Failure),
    /// A running worker ended; `None` means that it came to an end by itself.
    Exited(Spec, Option<Failure>),
    /// Time has passed.
    Tick,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Build a worker, beside the one that may be running.
    Start(Spec),
    /// Forget a start that is under way.
    CancelStart,
    /// Drain and stop the running worker.
    Stop,
    /// Drain and stop what runs, and let the worker that was built take over.
    Switch,
}

/// What does not run yet.
#[derive(Clone, Debug, PartialEq)]
enum Pending {
    Nothing,
    Starting(Spec),
    /// Failed, and tried again at a time.
    Waiting(Spec, Duration),
    /// Failed for good, until something else is wanted.
    Refused(Spec),
}

#[derive(Clone, Debug)]
pub struct Fsm {
    running: Option<(Spec, Duration)>,
    pending: Pending,
    wanted: Option<Spec>,
    retry: Retry,
    /// Failures in a row.
    failures: u32,
    restarts: u32,
    /// Of which spec, and what.
    failure: Option<(Spec, Failure)>,
}

/// How long a worker must run until its earlier failures are forgotten.
const STABLE_AFTER: Duration = Duration::from_secs(60);

impl Fsm {
    pub fn new(retry: Retry) -> Self {
        Self { running: None, pending: Pending::Nothing, wanted: None, retry, failures: 0, restarts: 0, failure: None }
    }

    /// The policy of the version that is being started.
    pub fn set_retry(&mut self, retry: Retry) {
        self.retry = retry;
    }

    pub fn observed(&self) -> WorkerStatus {
        match (&self.running, &self.pending) {
            (Some(_), _) => WorkerStatus::Running,
            (None, Pending::Nothing) => WorkerStatus::Stopped,
            (None, Pending::Starting(_)) => WorkerStatus::Starting,
            (None, Pending::Waiting(..)) => WorkerStatus::BackingOff,
            (None, Pending::Refused(_)) => WorkerStatus::Error,
        }
    }

    pub fn running(&self) -> Option<Spec> {
        self.running.map(|(spec, _)| spec)
    }

    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// The last failure, until a worker of what is wanted has done its work once.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().map(|(_, failure)| failure)
    }

    /// What failed; it may not be wanted any more.
    pub fn failed(&self) -> Option<Spec> {
        self.failure.as_ref().map(|(spec, _)| *spec)
    }

    /// When a tick is due.
    pub fn wake_at(&self) -> Option<Duration> {
        match self.pending {
            Pending::Waiting(_, until) => Some(until),
            _ => None,
        }
    }

    /// One step. `now` is any monotonic time; `dice` in 0..1 spreads retries.
    pub fn step(&mut self, now: Duration, dice: f64, input: Input) -> Vec<Action> {
        match input {
            Input::Want(None) => {
                self.wanted = None;
                self.failures = 0;
                self.failure = None;
                let mut actions = self.cancel_pending();
                if self.running.take().is_some() {
                    actions.push(Action::Stop);
                }
                actions
            }
            Input::Want(Some(spec)) => self.want(spec),
            Input::Started(spec) => {
                if self.pending != Pending::Starting(spec) {
                    return Vec::new();
                }
                self.pending = Pending::Nothing;
                self.running = Some((spec, now));
                vec![Action::Switch]
            }
            Input::Proven(spec) => {
                if self.running() == Some(spec) && self.wanted == Some(spec) {
                    self.failure = None;
                }
                Vec::new()
            }
            Input::Troubled(spec, failure) => {
                if self.running() == Some(spec) && self.wanted == Some(spec) {
                    self.failure = Some((spec, failure));
                }
                Vec::new()
            }
            Input::StartFailed(spec, failure) => {
                if self.pending == Pending::Starting(spec) {
                    self.fail(now, dice, spec, failure);
                }
                Vec::new()
            }
            Input::Exited(spec, failure) => {
                let Some((running, since)) = self.running else { return Vec::new() };
                if running != spec {
                    return Vec::new();
                }
                self.running = None;
                if now.saturating_sub(since) >= STABLE_AFTER {
                    self.failures = 0;
                }
                // A start that is under way replaces it anyway.
                if self.wanted == Some(spec) && self.pending == Pending::Nothing {
                    let failure = failure.unwrap_or_else(|| Failure {
                        code: "worker_ended".into(),
                        message: "the source came to its end".into(),
                        permanent: false,
                        retry_after: None,
                    });
                    self.fail(now, dice, spec, failure);
                }
                Vec::new()
            }
            Input::Tick => match self.pending {
                Pending::Waiting(spec, until) if now >= until => {
                    self.restarts = self.restarts.saturating_add(1);
                    self.pending = Pending::Starting(spec);
                    vec![Action::Start(spec)]
                }
                _ => Vec::new(),
            },
        }
    }

    fn want(&mut self, spec: Spec) -> Vec<Action> {
        self.wanted = Some(spec);
        if self.running() == Some(spec) {
            // Its own failure stays until it is proven; that of another is of no matter any more.
            self.failure.take_if(|(failed, _)| *failed != spec);
            return self.cancel_pending();
        }
        match self.pending {
            Pending::Starting(s) | Pending::Waiting(s, _) | Pending::Refused(s) if s == spec => Vec::new(),
            _ => {
                let mut actions = self.cancel_pending();
                self.failures = 0;
                self.pending = Pending::Starting(spec);
                actions.push(Action::Start(spec));
                actions
            }
        }
    }

    fn fail(&mut self, now: Duration, dice: f64, spec: Spec, failure: Failure) {
        self.pending = if failure.permanent {
            Pending::Refused(spec)
        } else {
            let wait = backoff(&self.retry, self.failures, dice).max(failure.retry_after.unwrap_or_default());
            Pending::Waiting(spec, now + wait)
        };
        self.failures = self.failures.saturating_add(1);
        self.failure = Some((spec, failure));
    }

    fn cancel_pending(&mut self) -> Vec<Action> {
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Starting(_) => vec![Action::CancelStart],
            _ => Vec::new(),
        }
    }
}

/// Exponential, capped, and spread over its upper half so that workers that failed together do not come back together.
fn backoff(retry: &Retry, failures: u32, dice: f64) -> Duration {
    let grown = retry.initial.0.as_secs_f64() * retry.multiplier.powf(f64::from(failures.min(64)));
    let capped = grown.min(retry.max.0.as_secs_f64());
    Duration::from_secs_f64(capped * (0.5 + dice.clamp(0.0, 1.0) / 2.0))
}

#[cfg(test)]
#[path = "fsm_tests.rs"]
mod tests;
