//! Tells stakeholders of changes, by signed webhooks.
//!
//! The timeline is the outbox: a change writes nothing more, and an endpoint has a cursor on it. Every node serves
//! endpoints; one at a time has the lease of an endpoint, turns what is new into messages, sends what is due, and gives
//! the endpoint back. What a node did not write down before it ended is sent again, under the same id.

mod keys;
mod send;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use self::keys::{Signers, SigningKeys};
use super::{Registry, Shared};
use crate::domain::{
    FieldChange, HumanDuration, NotificationAttempt, NotificationDelivery, Outcome, Tenant, Timestamp, now,
};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::store::feed::POLL_INTERVAL;
use crate::store::outbox::{Tenure, Verdict};
use crate::store::{NewAudit, Signal};
use crate::telemetry::Told;

/// Endpoints that a node serves at once: one that is slow holds up no other.
const SERVED_AT_ONCE: usize = 32;
/// Requests to one endpoint at once.
const SENT_AT_ONCE: usize = 4;
/// Messages that an endpoint is sent before others have their turn.
const BATCH: u64 = 16;
/// How long changes are gathered before they are looked at together.
const GATHER: Duration = Duration::from_millis(50);
/// How long an endpoint is left alone with which nothing can be done now.
const PAUSE: Duration = Duration::from_secs(5);
/// In how many turns of the timer what waits is counted.
const COUNTED_EVERY: u32 = 5;
/// No wait is stretched by more than this part of it, so that those that failed together do not come back together.
const JITTER: f64 = 0.2;
/// A receiver that answers so wants no more.
const GONE: u16 = 410;

/// How messages are sent.
#[derive(Clone, Debug)]
pub struct NotificationOptions {
    /// How long to wait after each attempt that failed.
    pub retry: Vec<Duration>,
    pub timeout: Duration,
    /// After how long without a success an endpoint is switched off.
    pub disable_after: Duration,
}

impl Registry {
    /// Looks for endpoints that have something to be told at once.
    pub fn nudge_notifications(&self) {
        self.0.notification_asked.notify_one();
    }

    /// Whether a place is out of bounds on its face; a host name is judged when it is resolved.
    pub fn check_egress(&self, url: &url::Url) -> Result<(), Fault> {
        self.0.deps.egress.check(url)
    }
}

/// Serves endpoints until the registry stops; then those that are served end what they began.
pub(super) async fn work(shared: &Arc<Shared>) {
    let mut signals = shared.deps.store.feed().subscribe();
    let mut timer = tokio::time::interval(POLL_INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let keys = Arc::new(SigningKeys::default());
    let mut tenures = JoinSet::new();
    let mut busy = HashMap::new();
    let (mut anybody, mut turn) = (false, 0_u32);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => break,
            () = shared.notification_asked.notified() => anybody = true,
            _ = timer.tick() => {
                anybody = somebody_to_tell(shared, anybody, turn).await;
                turn = turn.wrapping_add(1);
            }
            heard = heard(&mut signals) => match heard {
                None => break,
                Some(false) => continue,
                Some(true) => {}
            },
            Some(ended) = tenures.join_next_with_id() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                busy.remove(&id);
            }
        }
        let free = SERVED_AT_ONCE.saturating_sub(busy.len());
        if !anybody || free == 0 {
            continue;
        }
        let held: Vec<Uuid> = busy.values().copied().collect();
        match shared.deps.store.claim_endpoints(&shared.node.name, shared.node.lease_ttl, &held, free).await {
            Ok(claimed) => {
                for tenure in claimed {
                    let endpoint = tenure.endpoint.id;
                    let task = tenures.spawn(serve(Arc::clone(shared), Arc::clone(&keys), tenure));
                    busy.insert(task.id(), endpoint);
                }
            }
            Err(error) => tracing::warn!(%error, detail = error.detail(), "could not look for endpoints to tell"),
        }
    }
    while tenures.join_next().await.is_some() {}
}

/// Whether there is any endpoint; without one, changes are not looked at. From time to time it counts what waits.
async fn somebody_to_tell(shared: &Shared, before: bool, turn: u32) -> bool {
    let store = &shared.deps.store;
    let found = match store.has_active_endpoints().await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "could not look for endpoints to tell");
            before
        }
    };
    if (found || before) && turn.is_multiple_of(COUNTED_EVERY) {
        match store.pending_notifications().await {
            Ok(pending) => shared.deps.metrics.notifications_pending(pending),
            Err(error) => tracing::debug!(%error, "could not count the notifications that wait"),
        }
    }
    found
}

/// Waits for signals, and answers whether one of them may be of an event; `None` when there will be none any more.
async fn heard(signals: &mut Receiver<Signal>) -> Option<bool> {
    fn tells(signal: &Signal) -> bool {
        signal.seq > 0 || signal.datasource_id.is_none()
    }
    let mut told = match signals.recv().await {
        Ok(signal) => tells(&signal),
        Err(RecvError::Lagged(_)) => true,
        Err(RecvError::Closed) => return None,
    };
    tokio::time::sleep(GATHER).await;
    loop {
        match signals.try_recv() {
            Ok(signal) => told |= tells(&signal),
            Err(TryRecvError::Lagged(_)) => told = true,
            Err(TryRecvError::Empty) => return Some(told),
            Err(TryRecvError::Closed) => return told.then_some(true),
        }
    }
}

/// How serving an endpoint ended.
enum End {
    /// There may be more at once.
    Worked,
    /// Nothing could be done.
    Idle,
    /// Another node has it now.
    Lost,
}

async fn serve(shared: Arc<Shared>, keys: Arc<SigningKeys>, tenure: Tenure) {
    let endpoint = tenure.endpoint.id;
    let ended = tokio::select! {
        ended = tell(&shared, &keys, &tenure) => ended,
        () = keep(&shared, &tenure) => Ok(End::Lost),
        () = overdue(&shared) => {
            tracing::warn!(%endpoint, "a receiver did not answer before the shutdown; it is told again");
            Ok(End::Worked)
        }
    };
    let pause = match ended {
        Ok(End::Lost) => return tracing::warn!(%endpoint, "another node serves the endpoint now"),
        Ok(End::Worked) => None,
        Ok(End::Idle) => Some(PAUSE),
        Err(error) => {
            tracing::warn!(%endpoint, %error, detail = error.detail(), "an endpoint cannot be told; trying again");
            Some(PAUSE)
        }
    };
    if let Err(error) = shared.deps.store.end_tenure(&tenure, pause).await {
        tracing::warn!(%endpoint, %error, "an endpoint could not be given back; its lease ends by itself");
    }
}

/// Keeps the lease; ends when it is lost.
async fn keep(shared: &Shared, tenure: &Tenure) {
    let ttl = shared.node.lease_ttl;
    loop {
        tokio::time::sleep(ttl / 3).await;
        match shared.deps.store.renew_tenure(tenure, ttl).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(error) => tracing::warn!(%error, "the lease of an endpoint could not be renewed; trying again"),
        }
    }
}

/// What was begun has had its time when the node stops.
async fn overdue(shared: &Shared) {
    shared.stop.cancelled().await;
    tokio::time::sleep(shared.deps.drain_grace).await;
}

async fn tell(shared: &Shared, keys: &SigningKeys, tenure: &Tenure) -> Result<End> {
    let store = &shared.deps.store;
    let Ok(looked) = store.fan_out(tenure).await? else { return Ok(End::Lost) };
    let due = store.due_notifications(tenure, BATCH).await?;
    if due.is_empty() {
        return Ok(if looked > 0 { End::Worked } else { End::Idle });
    }
    let signers = keys.of(&shared.deps, tenure).await?;
    let (off, lost) = (AtomicBool::new(false), AtomicBool::new(false));
    let round = Round { shared, tenure, signers, off: &off, lost: &lost };
    let sent = futures::stream::iter(due).map(|message| round.deliver(message)).buffer_unordered(SENT_AT_ONCE);
    // All of them end before an error counts: what was sent is to be written down.
    let sent: Vec<Result<()>> = sent.collect().await;
    sent.into_iter().collect::<Result<()>>()?;
    Ok(if lost.load(Ordering::Relaxed) { End::Lost } else { End::Worked })
}

/// Messages that are sent together.
struct Round<'a> {
    shared: &'a Shared,
    tenure: &'a Tenure,
    signers: Signers,
    /// The endpoint was switched off.
    off: &'a AtomicBool,
    /// Another node has the endpoint.
    lost: &'a AtomicBool,
}

impl Round<'_> {
    async fn deliver(&self, message: NotificationDelivery) -> Result<()> {
        let halted = self.off.load(Ordering::Relaxed) || self.lost.load(Ordering::Relaxed);
        if halted || self.shared.stop.is_cancelled() {
            return Ok(());
        }
        if !self.shared.deps.store.holds(self.tenure).await? {
            self.lost.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let deps = &self.shared.deps;
        let options = &deps.notifications;
        let (started_at, began) = (now(), Instant::now());
        let url = &self.tenure.endpoint.url;
        let answer = send::send(&deps.egress, url, &message, &self.signers, started_at, options.timeout).await;
        let attempt = NotificationAttempt {
            started_at,
            duration: began.elapsed(),
            status: answer.status,
            response: answer.response,
            error: answer.error,
            node: self.shared.node.name.to_string(),
        };
        let gone = attempt.status == Some(GONE);
        let verdict = match (&attempt.error, gone) {
            (None, _) => Verdict::Delivered,
            (Some(_), true) => Verdict::GivenUp,
            (Some(_), false) => again(&options.retry, message.attempts, answer.retry_after),
        };
        let recorded = deps.store.record_attempt(self.tenure, &message, &attempt, verdict).await?;
        let Ok(failing_since) = recorded else {
            self.lost.store(true, Ordering::Relaxed);
            return Ok(());
        };
        let told = match verdict {
            Verdict::Delivered => Told::Delivered,
            Verdict::Retry(_) => Told::Retried,
            Verdict::GivenUp => Told::GivenUp,
        };
        deps.metrics.notification(told, attempt.duration);
        if gone {
            return self.switch_off("the receiver answered 410 Gone: it wants no more".to_owned()).await;
        }
        if failing_since.is_some_and(|since| is_over(since, options.disable_after)) {
            let limit = HumanDuration(options.disable_after);
            return self.switch_off(format!("no attempt succeeded for {limit}")).await;
        }
        Ok(())
    }

    async fn switch_off(&self, reason: String) -> Result<()> {
        self.off.store(true, Ordering::Relaxed);
        let endpoint = &self.tenure.endpoint;
        let entry = NewAudit {
            tenant: Tenant { org: Arc::clone(&endpoint.org), project: "".into() },
            datasource_id: None,
            action: "notification_endpoint_disabled".to_owned(),
            actor: "system:notifications".to_owned(),
            source_address: None,
            request_id: Uuid::now_v7().to_string(),
            reason: Some(reason.clone()),
            outcome: Outcome::Success,
            changes: vec![FieldChange {
                field: format!("notificationEndpoints.{}.active", endpoint.id),
                old: json!(true),
                new: json!(false),
            }],
        };
        if self.shared.deps.store.disable_endpoint(self.tenure, &reason, entry).await? {
            tracing::warn!(endpoint = %endpoint.id, reason, "an endpoint of notifications was switched off");
        }
        Ok(())
    }
}

/// After so many failures in a row before this one. The receiver may ask for a longer wait, not for a shorter one.
fn again(retry: &[Duration], failures: i32, asked: Option<Duration>) -> Verdict {
    match usize::try_from(failures).ok().and_then(|failures| retry.get(failures)) {
        Some(wait) => {
            let wait = wait.mul_f64(rand::random_range(1.0..1.0 + JITTER));
            Verdict::Retry(wait.max(asked.unwrap_or_default()))
        }
        None => Verdict::GivenUp,
    }
}

fn is_over(since: Timestamp, limit: Duration) -> bool {
    (now() - since).to_std().is_ok_and(|lasted| lasted >= limit)
}

/// A secret that was stored and is none: nobody but a defect, or somebody at the tables, makes it so.
fn unusable(endpoint: Uuid) -> Error {
    Error::internal(format!("the endpoint {endpoint} has no secret that signs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_longer_and_the_last_one_gives_up() {
        let retry = [Duration::from_secs(5), Duration::from_secs(300)];
        for (failures, least) in [(0, 5), (1, 300)] {
            let Verdict::Retry(wait) = again(&retry, failures, None) else { panic!("another attempt") };
            let least = Duration::from_secs(least);
            assert!(wait >= least && wait <= least.mul_f64(1.0 + JITTER), "{wait:?}");
        }
        assert_eq!(again(&retry, 2, None), Verdict::GivenUp);
        let asked = Duration::from_secs(60);
        assert_eq!(again(&retry, 0, Some(asked)), Verdict::Retry(asked), "as late as the receiver asks");
        assert_eq!(again(&[], 0, Some(asked)), Verdict::GivenUp);
    }
}
