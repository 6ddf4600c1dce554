//! Compares what should run with what runs, and keeps the leases of this node alive.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::stats::Beat;
use super::workers::CHUNK;
use super::{Registry, Shared};
use crate::config::NodeRole;
use crate::connectors::Placement;
use crate::error::{Error, Result};
use crate::store::Signal;
use crate::store::worker::Counted;
use crate::telemetry::LeaseEvent;

/// How soon what still waits for a node is looked at again.
const SOON: Duration = Duration::from_millis(250);
/// How many changes are looked at together at most.
const BATCH: usize = 1_000;

impl Registry {
    /// Runs until [`Registry::shutdown`].
    pub async fn run(&self) {
        let shared = &self.0;
        let signals = shared.deps.store.feed().subscribe();
        shared.join().await;
        tokio::join!(
            shared.watch_all(),
            shared.watch(signals),
            shared.keep_leases(),
            shared.keep_counters(),
            shared.work_on_jobs(),
            super::rotation::work(shared),
            shared.tell_stakeholders(),
            super::live::relay(shared)
        );
    }

    /// Ends the loops, drains all workers and jobs within `grace` and gives the leases back.
    pub async fn shutdown(&self, grace: Duration) {
        let shared = &self.0;
        shared.stop.cancel();
        // The others count without this node before the first lease is free for them.
        if let Err(error) = shared.deps.store.leave(&shared.identity).await {
            tracing::warn!(%error, "could not say that this node goes; the others find out by themselves");
        }
        let entries = std::mem::take(&mut shared.workers.lock().await.entries);
        let mut drains: JoinSet<()> = entries.into_values().map(|entry| entry.shutdown()).collect();
        let all = async {
            while drains.join_next().await.is_some() {}
            // They need the database once more, to go back to the queue.
            shared.jobs_ended.cancelled().await;
            shared.notifications_ended.cancelled().await;
        };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("some workers or jobs did not drain in time; what they had not acknowledged is read again");
        }
        shared.drained.cancel();
        shared.flush_metrics().await;
    }
}

impl Shared {
    async fn work_on_jobs(self: &Arc<Self>) {
        super::jobs::work(self).await;
        self.jobs_ended.cancel();
    }

    async fn tell_stakeholders(self: &Arc<Self>) {
        super::notify::work(self).await;
        self.notifications_ended.cancel();
    }

    async fn join(&self) {
        while let Err(error) = self.deps.store.join(&self.identity, self.node.lease_ttl).await {
            tracing::warn!(%error, detail = error.detail(), "this node could not present itself; trying again");
            if self.stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none() {
                return;
            }
        }
    }

    async fn watch_all(self: &Arc<Self>) {
        let mut timer = tokio::time::interval(self.node.reconcile_interval);
        timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = timer.tick() => {}
                () = self.look_asked.notified() => {}
            }
            self.observed(|| self.reconcile_all()).await;
        }
    }

    /// Follows changes of single datasources; what comes together is looked at together.
    async fn watch(self: &Arc<Self>, mut signals: Receiver<Signal>) {
        loop {
            let Some(first) = self.stop.run_until_cancelled(signals.recv()).await else { return };
            let (mut ids, mut all) = (HashSet::new(), false);
            match first {
                Ok(signal) => all |= note(&mut ids, &signal),
                Err(RecvError::Lagged(_)) => all = true,
                Err(RecvError::Closed) => return,
            }
            while ids.len() < BATCH {
                match signals.try_recv() {
                    Ok(signal) => all |= note(&mut ids, &signal),
                    Err(TryRecvError::Lagged(_)) => all = true,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            if all {
                self.look_asked.notify_one();
            }
            if !ids.is_empty() {
                self.observed(|| self.reconcile_some(&ids)).await;
            }
        }
    }

    async fn observed<F: Future<Output = Result<()>>>(&self, look: impl FnOnce() -> F) {
        let began = Instant::now();
        let result = look().await;
        self.deps.metrics.reconciled(began.elapsed());
        match result {
            Ok(()) => self.reconciled_at.store(chrono::Utc::now().timestamp_millis(), Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(%error, detail = error.detail(), "could not compare desired and running workers");
            }
        }
    }

    async fn reconcile_all(self: &Arc<Self>) -> Result<()> {
        self.renew_if_late().await;
        self.workers.lock().await.overtaken.clear();
        let nodes = self.deps.store.nodes().await?;
        let asked = Instant::now();
        let work = self.deps.store.assignments(None).await?;
        self.deps.store.settle_stopped().await?;
        for unknown in work.iter().filter(|w| self.placement(w).is_none()) {
            let (id, connector) = (unknown.datasource_id, &unknown.connector_type);
            tracing::error!(datasource = %id, connector, "this build lacks the connector");
        }
        let nodes = nodes.into_iter().filter(|node| node.alive && node.role != NodeRole::Gateway.as_str());
        let nodes = nodes.map(|node| node.name.into()).collect();
        let (take, give) = {
            let mut workers = self.workers.lock().await;
            let wanted = work.iter().map(|w| w.key()).collect();
            workers.tidy(self, &wanted, asked);
            workers.cluster.replace(nodes, work.iter().filter(|w| self.placement(w) == Some(Placement::Leased)));
            if self.node.role == NodeRole::Gateway {
                Default::default()
            } else {
                workers.cluster.rebalance(&self.node.name, self.patience())
            }
        };
        self.apply(&work, &take, true).await?;
        self.ingest.settle();
        let mut workers = self.workers.lock().await;
        if !give.is_empty() {
            tracing::info!(workers = give.len(), "other nodes have fewer workers; giving some away");
        }
        give.iter().for_each(|key| workers.give(key));
        self.look_soon_if_needed(workers.cluster.has_free());
        Ok(())
    }

    async fn reconcile_some(self: &Arc<Self>, ids: &HashSet<Uuid>) -> Result<()> {
        self.stats().iter().filter(|(id, _)| ids.contains(id)).for_each(|(_, stats)| stats.ask_recount());
        let all: Vec<_> = ids.iter().copied().collect();
        let asked = Instant::now();
        let work = self.deps.store.assignments(Some(&all)).await?;
        let wanted: HashSet<_> = work.iter().map(|w| w.key()).collect();
        let take = {
            let mut workers = self.workers.lock().await;
            workers.overtaken.extend(ids);
            let runs: HashSet<_> = work.iter().map(|w| w.datasource_id).collect();
            self.ingest.expect_no_more(asked, |id| ids.contains(&id) && !runs.contains(&id));
            for (key, entry) in &mut workers.entries {
                if ids.contains(&key.datasource_id) && !wanted.contains(key) {
                    entry.rest(true);
                }
            }
            workers.cluster.update(ids, work.iter().filter(|w| self.placement(w) == Some(Placement::Leased)));
            if self.node.role == NodeRole::Gateway {
                HashSet::new()
            } else {
                workers.cluster.takes(&self.node.name, &work, self.patience())
            }
        };
        self.apply(&work, &take, false).await?;
        self.look_soon_if_needed(self.workers.lock().await.cluster.has_free());
        Ok(())
    }

    /// How long those nodes are waited for that should take a free worker.
    fn patience(&self) -> Duration {
        self.node.lease_ttl / 2
    }

    /// What waits for a node is not left to the timer.
    fn look_soon_if_needed(self: &Arc<Self>, needed: bool) {
        if self.node.role == NodeRole::Gateway || !needed || self.look_planned.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(SOON).await;
            shared.look_planned.store(false, Ordering::Release);
            shared.look_asked.notify_one();
        });
    }

    async fn keep_leases(self: &Arc<Self>) {
        let mut timer = tokio::time::interval(self.node.heartbeat_interval);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Not only until the node is told to stop: what drains relies on its lease.
                () = self.drained.cancelled() => return,
                _ = timer.tick() => self.beat().await,
            }
        }
    }

    /// After a long sleep nothing is begun on the strength of old leases.
    async fn renew_if_late(&self) {
        if !self.deps.fence.holds() {
            self.beat().await;
        }
    }

    async fn beat(&self) {
        let (asked, ttl) = (Instant::now(), self.node.lease_ttl);
        let beat = tokio::time::timeout(ttl / 2, self.deps.store.heartbeat(&self.identity, ttl)).await;
        let beat =
            beat.unwrap_or_else(|_| Err(Error::unavailable("the database does not answer in time", "heartbeat")));
        match beat {
            Ok(beat) => {
                let lapsed = self.deps.fence.extend(asked, ttl);
                let lost = {
                    let mut workers = self.workers.lock().await;
                    self.deps.metrics.leases_held(beat.held.len());
                    if lapsed {
                        // Whatever is still ours by luck begins anew, under a lease that never ended.
                        workers.cluster.yield_for(self.node.heartbeat_interval * 2);
                        workers.drop_leases_except(&HashMap::new(), asked)
                    } else {
                        workers.drop_leases_except(&beat.held, asked)
                    }
                };
                if lost > 0 {
                    self.deps.metrics.lease(LeaseEvent::Lost, lost);
                    self.look_asked.notify_one();
                }
                if beat.name_taken && !self.stop.is_cancelled() {
                    tracing::error!(
                        node = %self.node.name,
                        "another process calls itself the same, or this one was taken for dead; give every node a name of its own (--node-name)"
                    );
                    self.join().await;
                }
            }
            Err(error) => {
                self.deps.metrics.lease(LeaseEvent::RenewFailed, 1);
                tracing::warn!(%error, "could not renew leases");
                // Another node may take over from now on: better nobody reads than two.
                if !self.deps.fence.holds() {
                    let lost = self.workers.lock().await.drop_leases_except(&HashMap::new(), asked);
                    self.deps.metrics.lease(LeaseEvent::Lost, lost);
                }
            }
        }
    }

    async fn keep_counters(&self) {
        let mut timer = tokio::time::interval(self.node.heartbeat_interval);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = timer.tick() => self.flush_metrics().await,
            }
        }
    }

    async fn flush_metrics(&self) {
        let all: Vec<_> = self.stats().iter().map(|(id, s)| (*id, Arc::clone(s))).collect();
        let recount: HashSet<_> = all.iter().filter(|(_, s)| s.takes_recount()).map(|(id, _)| *id).collect();
        if !recount.is_empty()
            && let Ok(counts) = self.deps.store.dead_letter_counts(&Vec::from_iter(recount.iter().copied())).await
        {
            for (id, stats) in all.iter().filter(|(id, _)| recount.contains(id)) {
                stats.prometheus.set_dead_letters(counts.get(id).copied().unwrap_or(0));
            }
        }
        let beats: Vec<_> = all.iter().filter_map(|(id, stats)| Some((*id, stats, stats.beat()?))).collect();
        for beats in beats.chunks(CHUNK) {
            let counted = |(id, _, beat): &(Uuid, _, Beat)| Counted {
                datasource_id: *id,
                added: beat.added,
                metrics: beat.metrics,
                last_record_at: beat.last_record_at,
            };
            match self.deps.store.add_metrics(&beats.iter().map(counted).collect::<Vec<_>>()).await {
                Ok(sums) => {
                    for (id, stats, beat) in beats {
                        if let Some(sum) = sums.get(id) {
                            stats.stored(beat, *sum);
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, "counters could not be stored; the next beat tries again"),
            }
        }
    }
}

/// Answers whether the signal says to look at everything.
fn note(ids: &mut HashSet<Uuid>, signal: &Signal) -> bool {
    signal.datasource_id.is_none_or(|id| {
        ids.insert(id);
        false
    })
}
