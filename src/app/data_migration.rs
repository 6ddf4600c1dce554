//! Migrations of data, in the background: the service goes on, and so does whatever was cut off.

use std::time::Duration;

use super::App;
use crate::error::Result;
use crate::store::{DataRun, OpenData};

/// How often a node looks whether something is open that another node had.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How fast rows are changed that are there already.
#[derive(Clone, Copy, Debug)]
pub struct DataPace {
    /// Rows of one transaction.
    pub batch: u32,
    /// Between two transactions, for others.
    pub pause: Duration,
    /// How long a node keeps a migration without a word.
    pub lease: Duration,
}

/// How a run came to its end.
enum End {
    Done,
    /// Another node has it now.
    Lost,
}

impl App {
    /// Runs until all data migrations of this build are applied, by this node or others.
    pub async fn migrate_data(&self, node: &str, pace: DataPace) {
        loop {
            match self.store.open_data_migrations().await {
                Ok(OpenData::None) => return,
                Ok(OpenData::NotYet) => {}
                Ok(OpenData::These(names)) => {
                    for name in names {
                        self.migrate_one(name, node, pace).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "could not look for data migrations"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn migrate_one(&self, name: &str, node: &str, pace: DataPace) {
        let mut run = match self.store.claim_data_migration(name, node, pace.lease).await {
            Ok(Some(run)) => run,
            Ok(None) => return,
            Err(error) => return tracing::warn!(migration = name, %error, "could not take a data migration"),
        };
        tracing::info!(migration = name, done = run.done, total = run.total, "a data migration goes on");
        match self.migrate_rows(&mut run, pace).await {
            Ok(End::Done) => tracing::info!(migration = name, rows = run.done, "a data migration is applied"),
            Ok(End::Lost) => tracing::warn!(migration = name, "another node has the data migration now"),
            Err(error) => {
                let why = error.detail().unwrap_or(error.message());
                tracing::warn!(migration = name, %error, why, "a data migration waits");
                if let Err(error) = self.store.postpone_data_migration(&run, error.message()).await {
                    tracing::warn!(%error, "a data migration could not be postponed; its lease ends by itself");
                }
            }
        }
    }

    async fn migrate_rows(&self, run: &mut DataRun, pace: DataPace) -> Result<End> {
        self.metrics.data_migration(run.name, run.done, run.total);
        if self.store.advance_data_migration(run).await?.is_err() {
            return Ok(End::Lost);
        }
        for org in self.store.orgs().await? {
            loop {
                let changed = self.store.run_data_batch(run, &org, pace.batch).await?;
                if changed == 0 {
                    break;
                }
                run.done += changed;
                run.total = run.total.max(run.done);
                self.metrics.data_migration(run.name, run.done, run.total);
                if self.store.advance_data_migration(run).await?.is_err() {
                    return Ok(End::Lost);
                }
                tokio::time::sleep(pace.pause).await;
            }
        }
        let ended = self.store.end_data_migration(run).await?;
        self.metrics.data_migration(run.name, run.done, run.done);
        Ok(if ended.is_err() { End::Lost } else { End::Done })
    }
}
