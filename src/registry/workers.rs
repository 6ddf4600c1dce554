//! What this node looks after, and how it comes to it.

use std::collections::hash_map::Entry::Vacant;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use super::cluster::Cluster;
use super::supervisor::actor::{self, Handle};
use super::supervisor::fsm::Spec;
use super::worker::Subject;
use super::{Shared, Stats};
use crate::config::NodeRole;
use crate::connectors::Placement;
use crate::domain::WorkerMetrics;
use crate::error::Result;
use crate::store::lease::{Assignment, Lease, WorkerKey};
use crate::telemetry::LeaseEvent;

/// What is done between two moments at which somebody else may act.
pub(super) const CHUNK: usize = 500;
/// Looks after which a worker that was given away and is still here stays.
const PARTING_MAX: u8 = 3;

#[derive(Default)]
pub(super) struct Workers {
    pub(super) entries: HashMap<WorkerKey, Entry>,
    pub(super) cluster: Cluster,
    /// Looked at by itself since the last look at everything began, which knows less of it.
    pub(super) overtaken: HashSet<Uuid>,
}

/// A worker that this node looks after.
pub(super) struct Entry {
    handle: Handle,
    placement: Placement,
    /// What its supervisor was told last; `None`: to rest.
    told: Option<(Spec, Option<Lease>)>,
    leased_at: Instant,
    /// Since how many looks it is on its way to another node.
    parting: Option<u8>,
}

impl Entry {
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.told.as_ref().and_then(|(_, lease)| lease.as_ref())
    }

    fn run(&mut self, spec: Spec, lease: Option<Lease>) {
        self.parting = None;
        let now = Some((spec, lease));
        if self.told != now {
            self.told.clone_from(&now);
            if let Some((spec, lease)) = now {
                self.handle.run(spec, lease);
            }
        }
    }

    pub(super) fn rest(&mut self, release: bool) {
        if self.told.take().is_some() {
            self.handle.rest(release);
        }
    }

    pub(super) async fn shutdown(self) {
        self.handle.shutdown().await;
    }
}

impl Workers {
    /// What is not wanted any more ends; what ended is forgotten.
    /// `asked` is when `wanted` was.
    pub(super) fn tidy(&mut self, shared: &Shared, wanted: &HashSet<WorkerKey>, asked: Instant) {
        let first = |datasource_id| WorkerKey { datasource_id, slot: 0 };
        shared.ingest.expect_no_more(asked, |id| !wanted.contains(&first(id)) && !self.overtaken.contains(&id));
        for (key, entry) in &mut self.entries {
            if !wanted.contains(key) && !self.overtaken.contains(&key.datasource_id) {
                entry.rest(true);
            }
            if let Some(looks) = &mut entry.parting {
                *looks += 1;
            }
        }
        let before: HashSet<_> = self.entries.keys().map(|key| key.datasource_id).collect();
        self.entries.retain(|key, entry| {
            if entry.handle.is_dead() {
                tracing::error!(datasource = %key.datasource_id, "a supervisor ended unexpectedly; starting another");
                return false;
            }
            let parting = entry.parting.is_some_and(|looks| looks < PARTING_MAX);
            entry.told.is_some() || parting || !entry.handle.settled()
        });
        // The counters of a datasource go with its last worker.
        let kept: HashSet<_> = self.entries.keys().map(|key| key.datasource_id).collect();
        shared.stats().retain(|id, _| kept.contains(id) || !before.contains(id));
    }

    /// Drains the worker and gives its lease back, for a node that has fewer.
    pub(super) fn give(&mut self, key: &WorkerKey) {
        if let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.lease().is_some()) {
            entry.parting = Some(0);
            entry.rest(true);
        }
    }

    /// What another node took over must stop here at once; a webhook goes on, but no longer writes its state.
    /// What was leased since `asked` is not in `held` yet. Answers with how many were lost.
    pub(super) fn drop_leases_except(&mut self, held: &HashMap<WorkerKey, i64>, asked: Instant) -> usize {
        let mut lost = 0;
        for (key, entry) in &mut self.entries {
            let keeps = |lease: &Lease| held.get(key) == Some(&lease.epoch) || entry.leased_at >= asked;
            if entry.lease().is_none_or(keeps) {
                continue;
            }
            lost += 1;
            match (entry.placement, entry.told.as_ref().map(|(spec, _)| *spec)) {
                (Placement::EveryNode, Some(spec)) => entry.run(spec, None),
                _ => entry.rest(false),
            }
        }
        lost
    }

    fn still_held(&self, node: &str, work: &Assignment) -> Option<&Lease> {
        let lease = self.entries.get(&work.key()).and_then(Entry::lease);
        lease.filter(|l| l.epoch == work.lease_epoch && work.holder.as_deref() == Some(node))
    }

    fn is_parting(&self, key: &WorkerKey) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.parting.is_some())
    }
}

impl Shared {
    /// Where the workers of a datasource run, if this build has its connector and this node may run them.
    pub(super) fn ours(&self, work: &Assignment) -> Option<Placement> {
        let placement = self.placement(work)?;
        let ours = match self.node.role {
            NodeRole::All => true,
            NodeRole::Gateway => placement == Placement::EveryNode,
            NodeRole::Worker => placement == Placement::Leased,
        };
        ours.then_some(placement)
    }

    pub(super) fn placement(&self, work: &Assignment) -> Option<Placement> {
        self.deps.connectors.get(&work.connector_type).map(|c| c.spec().placement)
    }

    /// Makes what runs here what `work` says, with the leases of `take` on top of those that this node has.
    /// With `whole`, `work` is from a look at everything. A chunk at a time, so that a change of one
    /// datasource never waits for all others.
    pub(super) async fn apply(
        self: &Arc<Self>,
        work: &[Assignment],
        take: &HashSet<WorkerKey>,
        whole: bool,
    ) -> Result<()> {
        for chunk in work.chunks(CHUNK) {
            self.count_on(chunk, take).await?;
            let mut workers = self.workers.lock().await;
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let work = chunk.iter().filter(|w| !whole || !workers.overtaken.contains(&w.datasource_id));
            let work: Vec<_> = work.filter_map(|w| Some((w, self.ours(w)?))).collect();
            let wanted: Vec<_> = work.iter().filter(|(w, p)| self.wants(&workers, w, *p, take)).collect();
            let wanted: Vec<_> = wanted.into_iter().map(|(w, _)| w.key()).collect();
            let acquired = self.deps.store.acquire_leases(&self.node.name, &wanted, self.node.lease_ttl).await?;
            self.deps.metrics.lease(LeaseEvent::Acquired, acquired.len());
            for (assignment, placement) in work {
                if let Some(stats) = self.stats().get(&assignment.datasource_id) {
                    stats.set_custom_limit(assignment.records_per_second);
                }
                let epoch = acquired.get(&assignment.key()).copied();
                self.assign(&mut workers, assignment, placement, epoch);
            }
        }
        Ok(())
    }

    /// Whether this node asks for the lease of a worker.
    fn wants(&self, workers: &Workers, work: &Assignment, placement: Placement, take: &HashSet<WorkerKey>) -> bool {
        let key = work.key();
        if workers.still_held(&self.node.name, work).is_some() {
            return false;
        }
        let was_ours = work.holder.as_ref() == Some(&self.node.name);
        match placement {
            Placement::Leased => take.contains(&key) || (was_ours && !workers.is_parting(&key)),
            Placement::EveryNode => work.free || was_ours,
        }
    }

    fn assign(self: &Arc<Self>, workers: &mut Workers, work: &Assignment, placement: Placement, acquired: Option<i64>) {
        let key = work.key();
        let lease = match acquired {
            Some(epoch) => Some(Lease {
                tenant: work.tenant.clone(),
                datasource_id: key.datasource_id,
                slot: key.slot,
                node: Arc::clone(&self.node.name),
                epoch,
            }),
            None => workers.still_held(&self.node.name, work).cloned(),
        };
        if placement == Placement::Leased {
            if lease.is_none() {
                if let Some(entry) = workers.entries.get_mut(&key) {
                    entry.rest(false);
                }
                return;
            }
            workers.cluster.seat(key, &self.node.name);
        } else {
            self.ingest.expect(key.datasource_id);
        }
        self.live.view(key.datasource_id).set_level(work.log_level);
        let epoch = match placement {
            Placement::Leased => lease.as_ref().map_or(0, |l| l.epoch),
            Placement::EveryNode => 0,
        };
        let spec = Spec { version: work.version, generation: work.generation, epoch };
        if let Vacant(slot) = workers.entries.entry(key) {
            let Some(stats) = self.stats().get(&key.datasource_id).cloned() else { return };
            let subject = Subject {
                tenant: work.tenant.clone(),
                datasource_id: key.datasource_id,
                slot: key.slot,
                name: work.name.clone(),
            };
            let handle = actor::spawn(Arc::clone(self), subject, stats);
            slot.insert(Entry { handle, placement, told: None, leased_at: Instant::now(), parting: None });
        }
        if let Some(entry) = workers.entries.get_mut(&key) {
            if acquired.is_some() {
                entry.leased_at = Instant::now();
            }
            entry.run(spec, lease);
        }
    }

    /// Counters for what may run here and has none yet, from where an earlier worker left them.
    async fn count_on(&self, work: &[Assignment], take: &HashSet<WorkerKey>) -> Result<()> {
        let fresh: Vec<_> = {
            let known = self.stats();
            let here = work.iter().filter(|w| match self.ours(w) {
                Some(Placement::EveryNode) => true,
                Some(Placement::Leased) => take.contains(&w.key()) || w.holder.as_ref() == Some(&self.node.name),
                None => false,
            });
            here.filter(|w| !known.contains_key(&w.datasource_id)).collect()
        };
        if fresh.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = fresh.iter().map(|w| w.datasource_id).collect();
        let totals = self.deps.store.totals(&ids).await?;
        for assignment in fresh {
            let id = assignment.datasource_id;
            let (metrics, dead_letters) = totals.get(&id).copied().unwrap_or((WorkerMetrics::default(), 0));
            self.stats().entry(id).or_insert_with(|| {
                let labels = self.deps.metrics.datasource(id);
                labels.set_dead_letters(dead_letters);
                Arc::new(Stats::new(assignment.tenant.clone(), labels, metrics))
            });
        }
        Ok(())
    }
}
