//! Attempts that were refused, for the audit log.
//!
//! A refusal must cost the server no more than it costs the caller: what is alike is counted
//! and not repeated, what waits to be written is bounded, and nothing is written by the request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{App, OpContext};
use crate::domain::{FieldChange, Outcome, Tenant};
use crate::error::ErrorCode;
use crate::store::NewAudit;
use crate::telemetry::Metrics;

/// What is alike within this time is one entry with a count, after the first, which is written at once.
const WINDOW: Duration = Duration::from_secs(60);
/// Lets what comes at once be written at once.
const BATCH_DELAY: Duration = Duration::from_millis(250);
/// Entries of one transaction.
const BATCH: usize = 200;
/// Attempts that are told apart within the window: of all organisations, of one of them, and of one actor.
const CAPACITY: usize = 10_000;
const CAPACITY_OF_ORG: usize = 1_000;
const CAPACITY_OF_ACTOR: usize = 100;
/// Beyond that, those of one actor are told by their code alone, as far as there is room for these.
const CAPACITY_BEYOND: usize = 2 * CAPACITY;
/// The operation of what is told by its code alone.
const MANY: &str = "many_operations";
/// Targets that one actor can name with one operation and code; what is beyond shares an entry without a target.
const TARGETS: usize = 20;

/// What a caller tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The name of the operation, which both APIs share.
    pub operation: String,
    /// The id that it named, whether or not there is such a thing.
    pub target: Option<Uuid>,
    pub kind: AttemptKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptKind {
    Change,
    /// Needs more than the lowest role.
    GuardedRead,
    Read,
}

impl Attempt {
    /// Whether a refusal with this code is one for the audit log: what failed was not refused, and who may
    /// read a thing may ask for one that is not there.
    fn is_refused_by(&self, code: ErrorCode) -> bool {
        use ErrorCode::{
            ApprovalRequired, ConfigInvalid, Conflict, Forbidden, NotFound, QueryTooComplex, RateLimited,
            SecretMissing, ValidationFailed,
        };
        match code {
            Forbidden | QueryTooComplex => true,
            NotFound => self.kind != AttemptKind::Read,
            Conflict | ValidationFailed | ConfigInvalid | SecretMissing | ApprovalRequired | RateLimited => {
                self.kind == AttemptKind::Change
            }
            _ => false,
        }
    }
}

/// Refusals that wait to be written, and those that were written within the window.
pub(super) struct Refusals {
    known: Mutex<Known>,
    news: Notify,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Known {
    by_kind: HashMap<Kind, HashMap<Option<Uuid>, Tally>>,
    tallies: usize,
    by_org: HashMap<Arc<str>, usize>,
    by_actor: HashMap<(Arc<str>, Arc<str>), usize>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    org: Arc<str>,
    actor: Arc<str>,
    operation: String,
    code: ErrorCode,
}

impl Kind {
    fn who(&self) -> (Arc<str>, Arc<str>) {
        (Arc::clone(&self.org), Arc::clone(&self.actor))
    }
}

#[derive(Clone)]
struct Tally {
    since: Instant,
    /// Not written yet.
    count: u64,
    written: bool,
    project: Arc<str>,
    source_address: Option<IpAddr>,
    request_id: String,
}

/// A tally that is due.
struct Due {
    kind: Kind,
    target: Option<Uuid>,
    tally: Tally,
}

impl Refusals {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { known: Mutex::default(), news: Notify::new(), metrics }
    }

    fn note(&self, ctx: &OpContext, attempt: &Attempt, code: ErrorCode, now: Instant) {
        let kind = Kind {
            org: ctx.actor.scope.org_id().clone(),
            actor: ctx.actor.subject.clone(),
            operation: attempt.operation.clone(),
            code,
        };
        let fresh = Tally {
            since: now,
            count: 1,
            written: false,
            project: ctx.actor.default_project.clone(),
            source_address: ctx.source_address,
            request_id: ctx.request_id.clone(),
        };
        if self.lock().add(kind, attempt.target, fresh) {
            self.news.notify_one();
        } else {
            self.metrics.refusals_dropped(1);
        }
    }

    /// What is to be written now; with `all`, also what waits for the end of its window.
    fn due(&self, now: Instant, all: bool) -> Vec<Due> {
        let mut known = self.lock();
        let mut due = Vec::new();
        for (kind, targets) in &mut known.by_kind {
            for (target, tally) in targets.iter_mut() {
                let over = now.duration_since(tally.since) >= WINDOW;
                if tally.count > 0 && (all || over || !tally.written) {
                    due.push(Due { kind: kind.clone(), target: *target, tally: tally.clone() });
                    let since = if over { now } else { tally.since };
                    *tally = Tally { count: 0, written: true, since, ..tally.clone() };
                }
            }
            targets.retain(|_, tally| tally.count > 0 || now.duration_since(tally.since) < WINDOW);
        }
        known.by_kind.retain(|_, targets| !targets.is_empty());
        known.tallies = known.by_kind.values().map(HashMap::len).sum();
        let (mut by_org, mut by_actor) = (HashMap::new(), HashMap::new());
        for (kind, targets) in &known.by_kind {
            *by_org.entry(Arc::clone(&kind.org)).or_default() += targets.len();
            *by_actor.entry(kind.who()).or_default() += targets.len();
        }
        known.by_org = by_org;
        known.by_actor = by_actor;
        due
    }

    /// Takes back what could not be written.
    fn put_back(&self, due: Vec<Due>) {
        let mut known = self.lock();
        for Due { kind, target, tally } in due {
            let count = tally.count;
            if let Some(own) = known.by_kind.get_mut(&kind).and_then(|targets| targets.get_mut(&target)) {
                *own = Tally { count: own.count + count, since: own.since, written: false, ..tally };
            } else if !known.add(kind, target, Tally { written: false, ..tally }) {
                self.metrics.refusals_dropped(count);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether there was room for it.
    fn add(&mut self, kind: Kind, target: Option<Uuid>, fresh: Tally) -> bool {
        let (of_org, who) = (self.by_org.get(&kind.org), kind.who());
        let full = self.tallies >= CAPACITY
            || of_org.is_some_and(|n| *n >= CAPACITY_OF_ORG)
            || self.by_actor.get(&who).is_some_and(|n| *n >= CAPACITY_OF_ACTOR);
        let kind = match full && !self.by_kind.contains_key(&kind) {
            true => Kind { operation: MANY.to_owned(), ..kind },
            false => kind,
        };
        if self.tallies >= CAPACITY_BEYOND && !self.by_kind.contains_key(&kind) {
            return false;
        }
        let org = Arc::clone(&kind.org);
        let targets = self.by_kind.entry(kind).or_default();
        let crowded = full || targets.len() >= TARGETS;
        let target = target.filter(|_| !crowded || targets.contains_key(&target));
        match targets.get_mut(&target) {
            Some(tally) => {
                // The first of those that are not written is the one that the entry names.
                if tally.count == 0 {
                    tally.source_address = fresh.source_address;
                    tally.request_id = fresh.request_id;
                }
                tally.count += fresh.count;
            }
            None => {
                targets.insert(target, fresh);
                self.tallies += 1;
                *self.by_org.entry(org).or_default() += 1;
                *self.by_actor.entry(who).or_default() += 1;
            }
        }
        true
    }
}

impl App {
    /// Hears of every error that a caller is answered with; refusals come to the audit log.
    pub fn refused(&self, ctx: &OpContext, attempt: &Attempt, code: ErrorCode) {
        if attempt.is_refused_by(code) {
            self.metrics.refused(code);
            self.refusals.note(ctx, attempt, code, Instant::now());
        }
    }

    /// Hears of a caller who could not be told from others: there is no organisation to whose log this could go,
    /// and nobody may write into a log by guessing.
    pub fn refused_stranger(&self, code: ErrorCode, source_address: Option<IpAddr>, request_id: &str) {
        if matches!(code, ErrorCode::Unauthenticated | ErrorCode::Forbidden) {
            self.metrics.refused(code);
            tracing::info!(%code, source_address = source_address.map(tracing::field::display), request_id,
                "refused a caller without a valid token");
        }
    }

    /// Runs until it is dropped.
    pub async fn write_refusals(&self) {
        loop {
            let _ = tokio::time::timeout(WINDOW / 4, self.refusals.news.notified()).await;
            tokio::time::sleep(BATCH_DELAY).await;
            self.flush_refusals(false).await;
        }
    }

    /// With `all`, also what waits for the end of its window: the process ends.
    pub async fn flush_refusals(&self, all: bool) {
        let mut by_org: HashMap<Arc<str>, Vec<Due>> = HashMap::new();
        for due in self.refusals.due(Instant::now(), all) {
            by_org.entry(due.kind.org.clone()).or_default().push(due);
        }
        for (org, mut due) in by_org {
            while !due.is_empty() {
                let rest = due.split_off(due.len().min(BATCH));
                let entries = due.iter().map(|d| entry(&org, d)).collect();
                if let Err(error) = self.store.append_to_audit(&org, entries).await {
                    tracing::warn!(%error, detail = error.detail(), "refused attempts could not be written; trying again");
                    due.extend(rest);
                    self.refusals.put_back(due);
                    break;
                }
                due = rest;
            }
        }
    }
}

fn entry(org: &Arc<str>, due: &Due) -> NewAudit {
    let Due { kind, target, tally } = due;
    NewAudit {
        tenant: Tenant { org: org.clone(), project: tally.project.clone() },
        datasource_id: *target,
        action: kind.operation.clone(),
        actor: kind.actor.to_string(),
        source_address: tally.source_address.map(|a| a.to_string()),
        request_id: tally.request_id.clone(),
        reason: None,
        outcome: Outcome::Refused,
        changes: vec![FieldChange {
            field: "refusal".to_owned(),
            old: json!(null),
            new: json!({ "code": kind.code.as_str(), "count": tally.count }),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Actor;

    fn attempt(target: Option<Uuid>) -> Attempt {
        Attempt { operation: "publishDatasource".to_owned(), target, kind: AttemptKind::Change }
    }

    fn refusals() -> (Refusals, OpContext, Instant) {
        let ctx = OpContext::new(Actor::system("test", "acme"), "request");
        (Refusals::new(Metrics::new(1)), ctx, Instant::now())
    }

    fn counts(due: &[Due]) -> Vec<u64> {
        due.iter().map(|d| d.tally.count).collect()
    }

    #[test]
    fn the_first_is_due_at_once_and_the_like_at_the_end_of_the_minute() {
        let (refusals, ctx, start) = refusals();
        for _ in 0..3 {
            refusals.note(&ctx, &attempt(None), ErrorCode::Conflict, start);
        }
        assert_eq!(counts(&refusals.due(start, false)), [3]);
        for second in 1..50 {
            let at = start + Duration::from_secs(second);
            refusals.note(&ctx, &attempt(None), ErrorCode::Conflict, at);
            assert!(refusals.due(at, false).is_empty());
        }
        let over = start + WINDOW;
        assert_eq!(counts(&refusals.due(over, false)), [49]);
        refusals.note(&ctx, &attempt(None), ErrorCode::Conflict, over);
        assert!(refusals.due(over, false).is_empty(), "the next minute has begun");
        assert_eq!(counts(&refusals.due(over, true)), [1], "at the end of the process nothing waits");
        refusals.due(over + WINDOW, false);
        assert_eq!(refusals.lock().tallies, 0, "what is over is forgotten");
    }

    #[test]
    fn what_was_not_written_is_due_again() {
        let (refusals, ctx, start) = refusals();
        refusals.note(&ctx, &attempt(None), ErrorCode::Conflict, start);
        let due = refusals.due(start, false);
        refusals.note(&ctx, &attempt(None), ErrorCode::Conflict, start);
        refusals.put_back(due);
        assert_eq!(counts(&refusals.due(start, false)), [2]);
    }

    #[test]
    fn guessed_targets_and_operations_are_bounded() {
        let (refusals, ctx, start) = refusals();
        for _ in 0..1_000 {
            refusals.note(&ctx, &attempt(Some(Uuid::now_v7())), ErrorCode::NotFound, start);
        }
        let due = refusals.due(start, false);
        assert_eq!(due.len(), TARGETS + 1);
        assert_eq!(counts(&due).iter().sum::<u64>(), 1_000, "none is lost");
        for n in 0..2 * CAPACITY {
            let attempt = Attempt { operation: n.to_string(), ..attempt(None) };
            refusals.note(&ctx, &attempt, ErrorCode::NotFound, start);
        }
        let due = refusals.due(start, true);
        assert!(due.len() <= CAPACITY_OF_ACTOR + 1, "{}", due.len());
        let (many, single): (Vec<_>, Vec<_>) = due.into_iter().partition(|d| d.kind.operation == MANY);
        assert_eq!(counts(&many).iter().sum::<u64>() + counts(&single).iter().sum::<u64>(), 20_000, "none is lost");
        assert_eq!(many.len(), 1);
    }

    #[test]
    fn nobody_keeps_the_attempts_of_others_out_of_the_log() {
        let (refusals, _, start) = refusals();
        let flood = |org: &str, actor: usize| {
            let ctx = OpContext::new(Actor::system(&format!("actor {actor}"), org), "request");
            for n in 0..2 * CAPACITY_OF_ACTOR {
                let attempt = Attempt { operation: n.to_string(), ..attempt(None) };
                refusals.note(&ctx, &attempt, ErrorCode::Forbidden, start);
            }
        };
        (0..50).for_each(|actor| flood("acme", actor));
        (0..20).for_each(|org| (0..10).for_each(|actor| flood(&format!("org {org}"), actor)));
        let zed = OpContext::new(Actor::system("zed", "acme"), "request");
        refusals.note(&zed, &attempt(None), ErrorCode::ApprovalRequired, start);
        let due = refusals.due(start, true);
        assert!(due.iter().any(|d| *d.kind.actor == *zed.actor.subject && d.kind.code == ErrorCode::ApprovalRequired));
        assert!(refusals.metrics.render().contains("audit_refused_dropped_total 0"));
        assert!(due.len() <= CAPACITY_BEYOND, "{}", due.len());
    }

    #[test]
    fn a_reader_may_ask_for_what_is_not_there() {
        let of = |kind| Attempt { kind, ..attempt(None) };
        assert!(of(AttemptKind::Read).is_refused_by(ErrorCode::Forbidden));
        assert!(!of(AttemptKind::Read).is_refused_by(ErrorCode::NotFound));
        assert!(of(AttemptKind::GuardedRead).is_refused_by(ErrorCode::NotFound));
        assert!(!of(AttemptKind::GuardedRead).is_refused_by(ErrorCode::ValidationFailed));
        assert!(of(AttemptKind::Change).is_refused_by(ErrorCode::ApprovalRequired));
        assert!(!of(AttemptKind::Change).is_refused_by(ErrorCode::Internal), "that was no refusal");
    }
}
