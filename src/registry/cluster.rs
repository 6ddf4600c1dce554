//! Who runs what, as this node last heard, and what follows for it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::share::{Decision, Seat, decide};
use crate::store::lease::{Assignment, WorkerKey};

/// After a worker came back that no other node wanted, this one keeps what it has for so long.
const KEEP: Duration = Duration::from_secs(300);

/// The workers that run on one node at a time, and the nodes that could run them.
#[derive(Default)]
pub(super) struct Cluster {
    nodes: Vec<Arc<str>>,
    places: HashMap<WorkerKey, Place>,
    /// Whether this node had too many already when it last looked.
    crowded: bool,
    keep_until: Option<Instant>,
    /// Until when nodes that were cut off together with this one may take up their own work.
    yield_until: Option<Instant>,
}

struct Place {
    holder: Option<Arc<str>>,
    since: Instant,
}

impl Cluster {
    /// After a look at everything.
    pub(super) fn replace<'a>(&mut self, nodes: Vec<Arc<str>>, work: impl Iterator<Item = &'a Assignment>) {
        self.nodes = nodes;
        let mut before = std::mem::take(&mut self.places);
        for assignment in work {
            let known = before.remove(&assignment.key());
            self.places.insert(assignment.key(), Place::of(assignment, known));
        }
    }

    /// After a look at all workers of `ids`.
    pub(super) fn update<'a>(&mut self, ids: &HashSet<Uuid>, work: impl Iterator<Item = &'a Assignment>) {
        let mut before: HashMap<_, _> = self.places.extract_if(|key, _| ids.contains(&key.datasource_id)).collect();
        for assignment in work {
            let known = before.remove(&assignment.key());
            self.places.insert(assignment.key(), Place::of(assignment, known));
        }
    }

    pub(super) fn seat(&mut self, key: WorkerKey, node: &Arc<str>) {
        self.places.insert(key, Place { holder: Some(Arc::clone(node)), since: Instant::now() });
    }

    /// Whether anything waits for a node.
    pub(super) fn has_free(&self) -> bool {
        self.places.values().any(|place| place.holder.is_none())
    }

    /// After a look at `work`: what to take, if any of it can be had.
    pub(super) fn takes(&mut self, me: &str, work: &[Assignment], patience: Duration) -> HashSet<WorkerKey> {
        let free = |w: &Assignment| self.places.get(&w.key()).is_some_and(|place| place.holder.is_none());
        if self.yields() || !work.iter().any(free) {
            return HashSet::new();
        }
        let decision = self.decide(me, patience);
        self.note(&decision, me, patience);
        decision.take.into_iter().collect()
    }

    /// After a look at everything: what to take, and what to give away. Only who has too many twice in a row
    /// gives, so that a node that comes and goes moves nothing.
    pub(super) fn rebalance(&mut self, me: &str, patience: Duration) -> (HashSet<WorkerKey>, Vec<WorkerKey>) {
        let decision = self.decide(me, patience);
        self.note(&decision, me, patience);
        let again = std::mem::replace(&mut self.crowded, !decision.give.is_empty());
        let keeps = self.keep_until.is_some_and(|until| Instant::now() < until);
        let give = if again && !keeps { decision.give } else { Vec::new() };
        let take = if self.yields() { Vec::new() } else { decision.take };
        (take.into_iter().collect(), give)
    }

    /// This node was cut off, and perhaps the others were, too: for a while none takes what is free, lest the
    /// first that is back takes all.
    pub(super) fn yield_for(&mut self, time: Duration) {
        self.yield_until = Some(Instant::now() + time);
    }

    fn yields(&self) -> bool {
        self.yield_until.is_some_and(|until| Instant::now() < until)
    }

    fn decide(&self, me: &str, patience: Duration) -> Decision {
        let nodes: Vec<_> = self.nodes.iter().map(AsRef::as_ref).collect();
        let workers: Vec<_> = self.places.iter().map(|(key, place)| (*key, place.seat(patience))).collect();
        decide(me, &nodes, &workers)
    }

    /// Where no other node takes what this one would give, giving is of no use.
    fn note(&mut self, decision: &Decision, me: &str, patience: Duration) {
        let mut others = self.nodes.iter().filter(|node| node.as_ref() != me);
        let neglected = |key| self.places.get(key).is_some_and(|p| p.seat(patience) == Seat::Free { neglected: true });
        if others.next().is_some() && decision.take.iter().any(neglected) {
            self.keep_until = Some(Instant::now() + KEEP);
        }
    }
}

impl Place {
    fn of(assignment: &Assignment, before: Option<Self>) -> Self {
        let holder = assignment.holder.clone().filter(|_| !assignment.free);
        let since = before.filter(|before| before.holder == holder).map_or_else(Instant::now, |before| before.since);
        Self { holder, since }
    }

    fn seat(&self, patience: Duration) -> Seat<'_> {
        match &self.holder {
            Some(node) => Seat::Held(node),
            None => Seat::Free { neglected: self.since.elapsed() >= patience },
        }
    }
}
