//! Compares what should run with what runs, and keeps the leases of this node alive.

use std::collections::hash_map::Entry::Vacant;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::supervisor::actor::{self, Handle};
use super::supervisor::fsm::Spec;
use super::worker::Subject;
use super::{Registry, Shared, Stats};
use crate::config::NodeRole;
use crate::connectors::Placement;
use crate::domain::{DeadLetterFilter, Scope, Tenant, WorkerMetrics};
use crate::error::Result;
use crate::store::worker::{Assignment, Lease};

/// A datasource that this node looks after.
pub(super) struct Entry {
    handle: Handle,
    placement: Placement,
    /// What its supervisor was told last; `None`: to rest.
    told: Option<(Spec, Option<Lease>)>,
}

impl Entry {
    fn lease(&self) -> Option<&Lease> {
        self.told.as_ref().and_then(|(_, lease)| lease.as_ref())
    }

    fn run(&mut self, spec: Spec, lease: Option<Lease>) {
        let now = Some((spec, lease));
        if self.told != now {
            self.told.clone_from(&now);
            if let Some((spec, lease)) = now {
                self.handle.run(spec, lease);
            }
        }
    }

    fn rest(&mut self, release: bool) {
        if self.told.take().is_some() {
            self.handle.rest(release);
        }
    }
}

impl Registry {
    /// Runs until [`Registry::shutdown`].
    pub async fn run(&self) {
        let signals = self.0.deps.store.feed().subscribe();
        tokio::join!(self.watch(signals), self.heartbeat(), super::jobs::work(&self.0), super::live::relay(&self.0));
    }

    /// Ends the loops, drains all workers within `grace` and gives the leases back.
    pub async fn shutdown(&self, grace: Duration) {
        self.0.stop.cancel();
        let entries = std::mem::take(&mut *self.0.supervisors.lock().await);
        let mut drains: JoinSet<()> = entries.into_values().map(|entry| entry.handle.shutdown()).collect();
        let all = async { while drains.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("some workers did not drain in time; what they had not acknowledged is read again");
        }
        self.0.flush_metrics().await;
    }

    async fn watch(&self, mut signals: tokio::sync::broadcast::Receiver<crate::store::Signal>) {
        let shared = &self.0;
        let mut timer = tokio::time::interval(shared.node.reconcile_interval);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let one = tokio::select! {
                () = shared.stop.cancelled() => return,
                _ = timer.tick() => None,
                signal = signals.recv() => match signal {
                    Ok(signal) => signal.datasource_id,
                    Err(RecvError::Lagged(_)) => None,
                    Err(RecvError::Closed) => return,
                },
            };
            let began = Instant::now();
            let result = match one {
                Some(id) => shared.reconcile_one(id).await,
                None => shared.reconcile_all().await,
            };
            shared.deps.metrics.reconciled(began.elapsed());
            match result {
                Ok(()) => shared.reconciled_at.store(chrono::Utc::now().timestamp_millis(), Ordering::Relaxed),
                Err(error) => {
                    tracing::warn!(%error, detail = error.detail(), "could not compare desired and running workers");
                }
            }
        }
    }

    async fn heartbeat(&self) {
        let shared = &self.0;
        let mut timer = tokio::time::interval(shared.node.heartbeat_interval);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                _ = timer.tick() => {}
            }
            // Held from the question to its consequences: a lease that is taken meanwhile must not look lost.
            let mut entries = shared.supervisors.lock().await;
            match shared.deps.store.renew_leases(&shared.node.name, shared.node.lease_ttl).await {
                Ok(held) => {
                    renewed = Instant::now();
                    drop_leases_except(&mut entries, &held.into_iter().collect());
                }
                Err(error) => {
                    tracing::warn!(%error, "could not renew leases");
                    // Another node may take over from now on: better nobody reads than two.
                    if renewed.elapsed() >= shared.node.lease_ttl {
                        drop_leases_except(&mut entries, &HashMap::new());
                    }
                }
            }
            drop(entries);
            shared.flush_metrics().await;
        }
    }
}

impl Shared {
    async fn reconcile_all(self: &Arc<Self>) -> Result<()> {
        let work = self.deps.store.assignments().await?;
        self.deps.store.settle_stopped().await?;
        let mut entries = self.supervisors.lock().await;
        let wanted: HashSet<_> = work.iter().map(|w| w.datasource_id).collect();
        for (id, entry) in entries.iter_mut() {
            if !wanted.contains(id) {
                self.ingest.expect_no_more(*id);
                entry.rest(true);
            }
        }
        entries.retain(|id, entry| {
            if entry.handle.is_dead() {
                tracing::error!(datasource = %id, "a supervisor ended unexpectedly; starting another");
            }
            !entry.handle.is_dead()
        });
        // What rests and has nothing left to do is forgotten; its counters go with it.
        entries.retain(|id, entry| {
            let keep = entry.told.is_some() || !entry.handle.settled();
            if !keep {
                self.stats().remove(id);
            }
            keep
        });
        for assignment in work {
            self.assign(&mut entries, assignment).await?;
        }
        self.ingest.settle();
        Ok(())
    }

    async fn reconcile_one(self: &Arc<Self>, id: Uuid) -> Result<()> {
        if let Some(stats) = self.stats().get(&id) {
            stats.ask_recount();
        }
        let work = self.deps.store.assignment(id).await?;
        let mut entries = self.supervisors.lock().await;
        match work {
            Some(assignment) => self.assign(&mut entries, assignment).await,
            None => {
                self.ingest.expect_no_more(id);
                if let Some(entry) = entries.get_mut(&id) {
                    entry.rest(true);
                }
                Ok(())
            }
        }
    }

    async fn assign(self: &Arc<Self>, entries: &mut HashMap<Uuid, Entry>, work: Assignment) -> Result<()> {
        let Some(placement) = self.deps.connectors.get(&work.connector_type).map(|c| c.spec().placement) else {
            tracing::error!(datasource = %work.datasource_id, connector = work.connector_type, "this build lacks the connector");
            return Ok(());
        };
        let ours = match self.node.role {
            NodeRole::All => true,
            NodeRole::Gateway => placement == Placement::EveryNode,
            NodeRole::Worker => placement == Placement::Leased,
        };
        if !ours {
            return Ok(());
        }
        let id = work.datasource_id;
        self.live.view(id).set_level(work.log_level);
        let held = entries.get(&id).and_then(Entry::lease).cloned();
        let still_held =
            held.filter(|l| l.epoch == work.lease_epoch && work.holder.as_deref() == Some(&self.node.name));
        let lease = match still_held {
            Some(lease) => Some(lease),
            None if work.free || work.holder.as_deref() == Some(&self.node.name) => {
                self.deps.store.acquire_lease(&self.node.name, &work, self.node.lease_ttl).await?
            }
            None => None,
        };
        if lease.is_none() && placement == Placement::Leased {
            if let Some(entry) = entries.get_mut(&id) {
                entry.rest(false);
            }
            return Ok(());
        }
        let epoch = match placement {
            Placement::Leased => lease.as_ref().map_or(0, |l| l.epoch),
            Placement::EveryNode => 0,
        };
        let spec = Spec { version: work.version, generation: work.generation, epoch };
        if placement == Placement::EveryNode {
            self.ingest.expect(id);
        }
        if let Vacant(slot) = entries.entry(id) {
            let stats = self.stats_of(&work).await?;
            let subject = Subject { tenant: work.tenant, datasource_id: id, name: work.name };
            let handle = actor::spawn(Arc::clone(self), subject, stats);
            slot.insert(Entry { handle, placement, told: None });
        }
        if let Some(entry) = entries.get_mut(&id) {
            entry.run(spec, lease);
        }
        Ok(())
    }

    async fn stats_of(&self, work: &Assignment) -> Result<Arc<Stats>> {
        if let Some(stats) = self.stats().get(&work.datasource_id) {
            return Ok(Arc::clone(stats));
        }
        let tx = self.deps.store.read(&Scope::org(work.tenant.org.clone())).await?;
        let state = tx.states(&[work.datasource_id]).await?.pop();
        drop(tx);
        let dead_letters = self.count_dead_letters(&work.tenant, work.datasource_id).await?;
        let totals = state.map_or_else(WorkerMetrics::default, |s| s.metrics);
        let labels = self.deps.metrics.datasource(work.datasource_id);
        labels.set_dead_letters(dead_letters);
        let stats = Arc::new(Stats::new(work.tenant.clone(), labels, totals));
        self.stats().insert(work.datasource_id, Arc::clone(&stats));
        Ok(stats)
    }

    async fn count_dead_letters(&self, tenant: &Tenant, id: Uuid) -> Result<u64> {
        let tx = self.deps.store.read(&Scope::org(tenant.org.clone())).await?;
        tx.count_dead_letters(id, &DeadLetterFilter::default()).await
    }

    async fn flush_metrics(&self) {
        let all: Vec<_> = self.stats().iter().map(|(id, s)| (*id, Arc::clone(s))).collect();
        for (id, stats) in all {
            if stats.takes_recount()
                && let Ok(count) = self.count_dead_letters(stats.tenant(), id).await
            {
                stats.prometheus.set_dead_letters(count);
            }
            let Some((metrics, at)) = stats.beat() else { continue };
            if let Err(error) = self.deps.store.save_metrics(stats.tenant(), id, &metrics, at).await {
                tracing::debug!(datasource = %id, %error, "counters could not be stored; the next beat tries again");
            }
        }
    }
}

/// What another node took over must stop here at once; a webhook goes on, but no longer writes its state.
fn drop_leases_except(entries: &mut HashMap<Uuid, Entry>, held: &HashMap<Uuid, i64>) {
    for (id, entry) in entries.iter_mut() {
        if entry.lease().is_none_or(|lease| held.get(id) == Some(&lease.epoch)) {
            continue;
        }
        match (entry.placement, entry.told.as_ref().map(|(spec, _)| *spec)) {
            (Placement::EveryNode, Some(spec)) => entry.run(spec, None),
            _ => entry.rest(false),
        }
    }
}
