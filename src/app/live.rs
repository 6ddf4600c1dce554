//! A datasource as it runs: samples of its records, lines of its log, and how much it logs.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::access::Validity;
use super::change::{Journal, check_comment, check_not_archived, journal};
use super::{App, OpContext};
use crate::auth::policy::grant::{Operate, Read};
use crate::domain::{Datasource, EventType, LogLevel, Scope, now};
use crate::error::{Error, Result};
use crate::registry::live::{LogLine, Sample, View};
use crate::store::{Signal, Store};

/// The longest time for which a log level is raised.
const RAISED_MAX: Duration = Duration::from_secs(86_400);

/// Something that is shown, and how many went by unshown before it.
#[derive(Clone, Debug)]
pub struct Watched<T> {
    pub item: Arc<T>,
    pub passed: u64,
}

/// What is shown from now on.
pub type WatchStream<T> = std::pin::Pin<Box<dyn Stream<Item = Watched<T>> + Send>>;

impl App {
    /// Some of the records that the sink acknowledges from now on. Ends when the credential does.
    pub async fn watch_records(&self, ctx: &OpContext, id: Uuid) -> Result<WatchStream<Sample>> {
        let (view, sight) = self.visible(ctx, id).await?;
        let receiver = view.samples();
        Ok(follow(self.directory.validity(&ctx.actor), sight, view, receiver, |sample| Some(sample.passed)))
    }

    /// The lines of at least `level` that the datasource logs from now on.
    pub async fn watch_logs(&self, ctx: &OpContext, id: Uuid, level: LogLevel) -> Result<WatchStream<LogLine>> {
        let (view, sight) = self.visible(ctx, id).await?;
        let receiver = view.lines();
        Ok(follow(self.directory.validity(&ctx.actor), sight, view, receiver, move |line| {
            (line.level <= level).then_some(line.passed)
        }))
    }

    /// Lets the worker log from `level` on, for some time.
    pub async fn set_log_level(
        &self,
        ctx: &OpContext,
        id: Uuid,
        level: LogLevel,
        span: Duration,
        reason: Option<&str>,
    ) -> Result<Datasource> {
        let proof = ctx.authorize::<Operate>()?;
        check_comment("/reason", reason)?;
        if span > RAISED_MAX {
            return Err(Error::invalid("/duration", "must be at most 24h"));
        }
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(id).await?;
        check_not_archived(&row)?;
        let until = now() + span;
        tx.set_log_level(&proof, id, level, until).await?;
        let entry = journal(&row, EventType::LogLevelSet, json!({ "level": level, "until": until }));
        ctx.journal(&mut tx, Journal { version: row.current_version, reason, ..entry });
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::LogLevelSet);
        Ok(row)
    }

    async fn visible(&self, ctx: &OpContext, id: Uuid) -> Result<(Arc<View>, Sight)> {
        let proof = ctx.authorize::<Read>()?;
        // Listening begins before the first look, so that nothing falls between the two.
        let signals = self.store.feed().subscribe();
        let sight = Sight { store: self.store.clone(), scope: proof.scope().clone(), id, signals, due: false };
        if sight.is_lost().await? {
            return Err(Error::not_found("datasource"));
        }
        Ok((self.registry.view(id), sight))
    }
}

/// Whether a datasource is still shown to who watches it.
struct Sight {
    store: Store,
    scope: Scope,
    id: Uuid,
    signals: Receiver<Signal>,
    /// Something changed since the last look.
    due: bool,
}

impl Sight {
    async fn is_lost(&self) -> Result<bool> {
        Ok(self.store.read(&self.scope).await?.datasource(self.id).await?.is_none())
    }

    /// Looks again where that is due. Who cannot be told is not shown more.
    async fn holds(&mut self) -> bool {
        !std::mem::take(&mut self.due) || !self.is_lost().await.unwrap_or(true)
    }

    /// Returns when it is time to look again.
    async fn changed(&mut self) {
        while !self.due {
            self.due = match self.signals.recv().await {
                Ok(signal) => signal.datasource_id.is_none_or(|id| id == self.id),
                Err(RecvError::Lagged(_)) => true,
                // The store closes, and everything ends.
                Err(RecvError::Closed) => std::future::pending().await,
            };
        }
    }
}

/// `passed` tells how many went by before an item, and nothing of an item that is not to be shown.
fn follow<T: Send + Sync + 'static>(
    validity: Validity,
    sight: Sight,
    view: Arc<View>,
    receiver: Receiver<Arc<T>>,
    passed: impl Fn(&T) -> Option<u64> + Copy + Send + Sync + 'static,
) -> WatchStream<T> {
    // The view is kept with its watcher: without one it would be forgotten.
    let state = (view, receiver, validity, sight);
    Box::pin(futures::stream::unfold(state, move |(view, mut receiver, validity, mut sight)| async move {
        let next = async {
            let mut missed = 0;
            loop {
                match receiver.recv().await {
                    Ok(item) => {
                        if let Some(passed) = passed(&item) {
                            return Some(Watched { item, passed: passed + missed });
                        }
                    }
                    Err(RecvError::Lagged(count)) => missed += count,
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        let shown = async {
            let mut next = std::pin::pin!(next);
            // What was hidden meanwhile is not shown, however fast it comes.
            while sight.holds().await {
                tokio::select! {
                    biased;
                    () = sight.changed() => {}
                    item = &mut next => return item,
                }
            }
            None
        };
        let item = validity.until(shown).await??;
        Some((item, (view, receiver, validity, sight)))
    }))
}
