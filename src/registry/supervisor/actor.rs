//! The hands of the state machine: builds, runs, drains and reports one datasource.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::fsm::{Action, Failure, Fsm, Input, Spec};
use super::reload::Reload;
use crate::domain::{DatasourceStatus, EventType, LogLevel, SecretPins, WorkerStatus};
use crate::mapping::Retry;
use crate::registry::Shared;
use crate::registry::live::View;
use crate::registry::stats::Stats;
use crate::registry::worker::{Built, Replaced, Running, SECRETS_REFUSED, Subject, Turn, build};
use crate::store::NewEvent;
use crate::store::lease::Lease;
use crate::store::worker::{Fenced, Report};
use crate::telemetry::LeaseEvent;

/// How long a first start goes on untold.
const BRIEF: Duration = Duration::from_millis(500);
const REPORT_RETRY: Duration = Duration::from_secs(2);

/// What the reconcile loop tells a supervisor.
#[derive(Debug)]
enum Command {
    /// Run this, on the strength of this lease.
    Run(Spec, Option<Lease>),
    /// Drain, and give the lease back if it is still ours.
    Rest { release: bool },
}

/// The other end of a supervisor.
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    told: u64,
    done: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Handle {
    pub fn run(&mut self, spec: Spec, lease: Option<Lease>) {
        self.tell(Command::Run(spec, lease));
    }

    /// The worker drains and ends; its lease goes back, unless it was lost.
    pub fn rest(&mut self, release: bool) {
        self.tell(Command::Rest { release });
    }

    /// Whether all that was told is done.
    pub fn settled(&self) -> bool {
        self.done.load(Ordering::Acquire) == self.told
    }

    /// Whether it ended although nobody asked it to: a defect, which must not cost the datasource.
    pub fn is_dead(&self) -> bool {
        self.task.is_finished()
    }

    /// Drains, gives the lease back, and ends.
    pub async fn shutdown(mut self) {
        self.rest(true);
        drop(self.commands);
        let _ = self.task.await;
    }

    fn tell(&mut self, command: Command) {
        self.told += 1;
        // A supervisor ends only when its handle is dropped.
        let _ = self.commands.send(command);
    }
}

pub fn spawn(shared: Arc<Shared>, subject: Subject, stats: Arc<Stats>) -> Handle {
    let (commands, inbox) = mpsc::unbounded_channel();
    let done = Arc::new(AtomicU64::new(0));
    let supervisor = Supervisor {
        view: shared.live.view(subject.datasource_id),
        trouble: stats.circuit.trouble(),
        shared,
        subject,
        stats,
        lease: None,
        fsm: Fsm::new(Retry::default()),
        began: Instant::now(),
        starting: None,
        built: None,
        running: None,
        pins: SecretPins::new(),
        wanted: None,
        reported: None,
        report_again: None,
        hasty: false,
        reload: None,
    };
    let task = tokio::spawn(supervisor.run(inbox, Arc::clone(&done)));
    Handle { commands, told: 0, done, task }
}

struct Supervisor {
    shared: Arc<Shared>,
    subject: Subject,
    stats: Arc<Stats>,
    view: Arc<View>,
    /// Why the sink is left alone, if it is.
    trouble: watch::Receiver<Option<Failure>>,
    lease: Option<Lease>,
    fsm: Fsm,
    began: Instant,
    starting: Option<(Spec, JoinHandle<Result<Built, Failure>>)>,
    built: Option<Built>,
    running: Option<(Spec, Running)>,
    /// The values that the secrets of what runs have.
    pins: SecretPins,
    wanted: Option<Spec>,
    reported: Option<Reported>,
    /// The database did not take the last report.
    report_again: Option<Instant>,
    /// The state is to be told although it may not last.
    hasty: bool,
    /// A change of workers that the database was not told of yet.
    reload: Option<Reload>,
}

/// What the database was told last.
#[derive(Clone, Debug, PartialEq)]
struct Reported {
    epoch: i64,
    wanted: Option<Spec>,
    observed: WorkerStatus,
    running: Option<i32>,
    restarts: u32,
    failure: Option<Failure>,
    failed: Option<Spec>,
}

impl Supervisor {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>, done: Arc<AtomicU64>) {
        loop {
            let input = tokio::select! {
                biased;
                command = inbox.recv() => {
                    match command {
                        Some(Command::Run(spec, lease)) => {
                            self.lease = lease;
                            self.wanted = Some(spec);
                            self.apply(Input::Want(Some(spec))).await;
                        }
                        Some(Command::Rest { release }) => self.rest(release).await,
                        None => return,
                    }
                    done.fetch_add(1, Ordering::Release);
                    continue;
                }
                (spec, result) = next_start(&mut self.starting) => match result {
                    Ok(built) => {
                        self.fsm.set_retry(built.retry);
                        self.built = Some(built);
                        Input::Started(spec)
                    }
                    Err(failure) => Input::StartFailed(spec, failure),
                },
                (spec, turn) = next_turn(&mut self.running) => match turn {
                    Turn::Proven => self.health(spec),
                    Turn::Ended(failure) => {
                        self.retire_running().await;
                        Input::Exited(spec, failure)
                    }
                },
                Ok(()) = self.trouble.changed() => match self.fsm.running() {
                    Some(spec) => self.health(spec),
                    None => continue,
                },
                () = until(self.fsm.wake_at().map(|at| self.began + at)) => Input::Tick,
                () = until(self.report_again) => {
                    self.hasty = true;
                    self.report().await;
                    continue;
                }
            };
            self.apply(input).await;
        }
    }

    /// Whether a worker that runs can do its work.
    fn health(&self, spec: Spec) -> Input {
        match self.trouble.borrow().clone() {
            Some(failure) => Input::Troubled(spec, failure),
            None => Input::Proven(spec),
        }
    }

    async fn rest(&mut self, release: bool) {
        self.wanted = None;
        if !release {
            // Its state is another node's to write by now.
            self.lease = None;
        }
        self.apply(Input::Want(None)).await;
        if let Some(lease) = self.lease.take() {
            let _turn = self.shared.deps.turns.one().await;
            match self.shared.deps.store.release_lease(&lease).await {
                Ok(()) => self.shared.deps.metrics.lease(LeaseEvent::Released, 1),
                Err(error) => tracing::warn!(%error, "a lease could not be given back; it ends by itself"),
            }
        }
        self.reported = None;
    }

    async fn apply(&mut self, input: Input) {
        let actions = self.fsm.step(self.began.elapsed(), rand::random(), input);
        for action in actions {
            if let Some(follow_up) = self.perform(action).await {
                self.fsm.step(self.began.elapsed(), rand::random(), follow_up);
            }
        }
        // Built for something that is not wanted any more.
        if let Some(built) = self.built.take() {
            built.discard().await;
        }
        self.report().await;
    }

    async fn perform(&mut self, action: Action) -> Option<Input> {
        let grace = self.shared.deps.drain_grace;
        match action {
            Action::Start(spec) => {
                let (shared, subject) = (Arc::clone(&self.shared), self.subject.clone());
                let (stats, view) = (Arc::clone(&self.stats), Arc::clone(&self.view));
                let replaces = self
                    .running
                    .as_ref()
                    .map(|(running, _)| Replaced { version: running.version, pins: self.pins.clone() });
                let task =
                    tokio::spawn(async move { build(&shared.deps, &subject, spec, replaces, stats, view).await });
                self.starting = Some((spec, task));
            }
            Action::CancelStart => {
                if let Some((_, task)) = self.starting.take() {
                    task.abort();
                }
            }
            Action::Stop => {
                if let Some((_, running)) = self.running.take() {
                    if let Running::Push(worker) = &running {
                        self.shared.ingest.remove(self.subject.datasource_id, worker);
                    }
                    running.drain(grace).await;
                }
            }
            Action::Switch => {
                let built = self.built.take()?;
                let (spec, push) = (built.spec, built.is_push());
                let pins = built.pins.clone();
                let mut old = self.running.take();
                let from = old.as_ref().map(|(spec, _)| *spec);
                let mut drained = None;
                // Two readers of one source must not overlap; two takers of requests must.
                if !push && let Some((_, running)) = old.take() {
                    drained = Some(running.drain(grace).await);
                }
                match built.run(&self.shared.deps, self.lease.as_ref(), drained.as_ref()).await {
                    Ok(running) => {
                        if let Running::Push(worker) = &running {
                            self.shared.ingest.insert(self.subject.datasource_id, Arc::clone(worker));
                        }
                        self.view.log(LogLevel::Info, Some(spec.version), None, "worker started");
                        self.running = Some((spec, running));
                        let secrets = std::mem::replace(&mut self.pins, pins) != self.pins;
                        if let Some((_, running)) = old {
                            drained = Some(running.drain(grace).await);
                        }
                        if let (Some(from), Some(drained)) = (from, drained) {
                            let reload = Reload { from, to: spec, secrets, drained };
                            self.view.log(LogLevel::Info, Some(spec.version), None, &reload.to_string());
                            self.reload = Some(reload);
                        }
                        // A webhook that is open has done all that it can do by itself.
                        return push.then(|| self.health(spec));
                    }
                    // A worker that was built but cannot run is a worker that ended at once.
                    Err(failure) => return Some(Input::Exited(spec, Some(failure))),
                }
            }
        }
        None
    }

    /// After a worker ended by itself: it is no longer reachable, and its sink is let go.
    async fn retire_running(&mut self) {
        if let Some((_, running)) = self.running.take() {
            if let Running::Push(worker) = &running {
                self.shared.ingest.remove(self.subject.datasource_id, worker);
            }
            running.drain(Duration::from_secs(1)).await;
        }
    }

    async fn report(&mut self) {
        self.report_again = None;
        let observed = self.fsm.observed();
        if self.subject.slot == 0 {
            self.stats.prometheus.set_status(Some(observed));
        }
        let Some(lease) = &self.lease else {
            self.reported = None;
            self.reload = None;
            return;
        };
        let now = Reported {
            epoch: lease.epoch,
            wanted: self.wanted,
            observed,
            running: self.fsm.running().map(|s| s.version),
            restarts: self.fsm.restarts(),
            failure: self.fsm.failure().cloned(),
            failed: self.fsm.failed(),
        };
        if self.reported.as_ref() == Some(&now) && self.reload.is_none() {
            return;
        }
        // When thousands start at once, most are through before anybody could read that they began to.
        let brief = now.observed == WorkerStatus::Starting && now.failure.is_none() && self.reported.is_none();
        if brief && !std::mem::take(&mut self.hasty) {
            self.report_again = Some(Instant::now() + BRIEF);
            return;
        }
        self.hasty = false;
        let mut events = self.events(&now, lease);
        events.extend(self.reload.as_ref().map(|reload| reload.event(lease)));
        let status = match (&now.failure, now.observed) {
            (Some(_), _) => Some((DatasourceStatus::Active, DatasourceStatus::Error)),
            (None, WorkerStatus::Running) => Some((DatasourceStatus::Error, DatasourceStatus::Active)),
            _ => None,
        };
        let report = Report {
            observed,
            running_version: now.running,
            restart_count: i32::try_from(now.restarts).unwrap_or(i32::MAX),
            error: match (&now.failure, observed) {
                (Some(f), _) => Some(Some((f.code.clone(), f.message.clone()))),
                // While a retry is under way the last error stays in sight.
                (None, WorkerStatus::Starting) => None,
                (None, _) => Some(None),
            },
            status,
        };
        let restarted = self.reported.as_ref().is_some_and(|r| now.restarts > r.restarts);
        let turn = self.shared.deps.turns.one().await;
        let written = self.shared.deps.store.report(lease, &report, events).await;
        drop(turn);
        match written {
            Ok(Ok(())) => {
                if restarted {
                    self.stats.prometheus.restarted();
                }
                self.reported = Some(now);
                self.reload = None;
            }
            Ok(Err(Fenced)) => {
                self.reload = None;
                tracing::warn!(datasource = %self.subject.datasource_id, "the lease was lost; its state is another node's to write");
            }
            Err(error) => {
                tracing::warn!(datasource = %self.subject.datasource_id, %error, detail = error.detail(), "a worker's state could not be stored; trying again");
                self.report_again = Some(Instant::now() + REPORT_RETRY);
            }
        }
    }

    fn events(&self, now: &Reported, lease: &Lease) -> Vec<NewEvent> {
        let before = self.reported.as_ref();
        let event = |event_type, version: Option<i32>, payload| NewEvent {
            tenant: lease.tenant.clone(),
            datasource_id: lease.datasource_id,
            version,
            event_type,
            actor: "system:registry".to_owned(),
            payload,
        };
        let version = now.failed.map(|s| s.version);
        match (&now.failure, before.and_then(|b| b.failure.as_ref())) {
            (Some(f), old) if old != Some(f) || before.is_some_and(|b| b.failed != now.failed) => {
                let end = if f.permanent { "it is not tried again by itself" } else { "it is tried again" };
                self.view.log(
                    LogLevel::Warn,
                    version,
                    None,
                    &format!("worker failed: {}: {}; {end}", f.code, f.message),
                );
                let mut payload = json!({ "code": f.code, "message": f.message, "permanent": f.permanent });
                // A reload that failed left the worker before it as it was.
                if let (Some(kept), Some(failed)) = (self.fsm.running(), now.failed)
                    && kept != failed
                {
                    payload["reload"] = super::reload::kept(kept, failed, f.code == SECRETS_REFUSED);
                }
                vec![event(EventType::WorkerError, version, payload)]
            }
            (None, Some(_)) if now.observed == WorkerStatus::Running => {
                self.view.log(LogLevel::Info, now.running, None, "worker recovered");
                vec![event(EventType::Recovered, now.running, json!({}))]
            }
            _ => Vec::new(),
        }
    }
}

async fn next_start(
    starting: &mut Option<(Spec, JoinHandle<Result<Built, Failure>>)>,
) -> (Spec, Result<Built, Failure>) {
    let Some((spec, task)) = starting else { return std::future::pending().await };
    let spec = *spec;
    let result = task.await.unwrap_or_else(|_| {
        Err(Failure {
            code: "start_panicked".into(),
            message: "the worker could not be built; the log has more".into(),
            permanent: true,
            retry_after: None,
        })
    });
    *starting = None;
    (spec, result)
}

async fn next_turn(running: &mut Option<(Spec, Running)>) -> (Spec, Turn) {
    let Some((spec, running)) = running else { return std::future::pending().await };
    let turn = running.turn().await;
    (*spec, turn)
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
