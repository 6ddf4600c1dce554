//! Migrations: what this build has, what was applied to the database, and whether the two agree.

mod data;
mod ledger;
mod lock;
mod run;

use migration::{Category, MIGRATIONS, Migration};
use sea_orm::{ConnectionTrait, DbBackend};
use sha2::{Digest, Sha256};

pub use data::{DataRun, OpenData};
pub(super) use lock::lock_file;
pub use run::Up;

use super::entity::{data_migration, migration_history};
use super::{Store, classify};
use crate::domain::Timestamp;
use crate::error::{Error, Result};
use ledger::Ledger;

/// What runs, as the history tells it.
const BUILD: &str = env!("CARGO_PKG_VERSION");

/// A migration that this build has, or the database, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationInfo {
    pub name: String,
    /// `startup`, `release`, `seed` or `data`.
    pub category: String,
    pub state: MigrationState,
    /// SHA-256 of the scripts of this build for this database; of what was applied, where this build has none.
    pub checksum: String,
    pub applied: Option<AppliedMigration>,
}

/// When something was applied, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    pub at: Timestamp,
    /// Absent where a build applied it that did not measure.
    pub milliseconds: Option<i64>,
    /// The version of the program; empty where a build applied it that did not say.
    pub build: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationState {
    Applied,
    Pending,
    /// A data migration that was begun.
    Running {
        done: u64,
        total: u64,
        /// Why it waits.
        error: Option<String>,
    },
    /// Applied with scripts other than those of this build.
    Changed {
        applied: String,
    },
    /// Applied by a build that has it; this one has not.
    Unknown,
}

impl MigrationState {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Running { .. } => "running",
            Self::Changed { .. } => "changed",
            Self::Unknown => "unknown",
        }
    }
}

impl MigrationInfo {
    /// Whether the schema is not yet what this build works on.
    pub fn is_due(&self) -> bool {
        self.state == MigrationState::Pending && self.runs_at_start()
    }

    /// Whether somebody has to start it.
    pub fn waits_for_release(&self) -> bool {
        self.state == MigrationState::Pending && self.category == Category::Release.as_str()
    }

    fn runs_at_start(&self) -> bool {
        [Category::Startup, Category::Seed].iter().any(|c| c.as_str() == self.category)
    }

    /// Why this build must not work on the database.
    pub fn refusal(&self) -> Option<String> {
        let name = &self.name;
        match &self.state {
            MigrationState::Changed { applied } => Some(format!(
                "the migration {name} is not the one that was applied to this database: its checksum is {}, and {applied} \
                 was applied{}. An applied migration is never edited: put its scripts back and write a new migration, or \
                 run the build that applied it",
                self.checksum,
                self.applied_by()
            )),
            MigrationState::Unknown if !self.runs_at_start() && self.category != Category::Data.as_str() => {
                Some(format!(
                    "the database has the {} migration {name}, which this build ({BUILD}) does not know{}: it cannot work \
                     on this schema any more; run the newer build, or restore a backup from before",
                    self.category,
                    self.applied_by()
                ))
            }
            _ => None,
        }
    }

    fn applied_by(&self) -> String {
        let Some(applied) = &self.applied else { return String::new() };
        let by =
            if applied.build.is_empty() { "an earlier build".to_owned() } else { format!("build {}", applied.build) };
        format!(" (by {by}, {})", applied.at.format("%Y-%m-%d %H:%M:%S UTC"))
    }
}

impl Store {
    /// Every migration of this build, in their order, and what else was applied. Changes nothing.
    pub async fn migrations(&self) -> Result<Vec<MigrationInfo>> {
        let db = &self.inner.reader;
        Ok(compare(&Ledger::read(db).await?, db.get_database_backend()))
    }

    /// Refuses a database that this build must not work on, and says what a newer build did to it.
    pub async fn check_migrations(&self) -> Result<()> {
        let all = self.migrations().await?;
        accept(&all)?;
        for unknown in all.iter().filter(|m| m.state == MigrationState::Unknown) {
            tracing::info!(migration = unknown.name, build = ?unknown.applied.as_ref().map(|a| &a.build),
                "a newer build applied a migration that breaks nothing here");
        }
        Ok(())
    }

    /// Prepares the months ahead for the event table; PostgreSQL only, elsewhere there is nothing to do.
    pub async fn ensure_partitions(&self) -> Result<()> {
        if self.backend() == DbBackend::Postgres {
            let tx = self.begin_everything().await?;
            tx.db.execute_unprepared("SELECT studio.ensure_event_partitions(3)").await.map_err(classify)?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Fails with the first reason not to work on the database.
fn accept(all: &[MigrationInfo]) -> Result<()> {
    all.iter().find_map(MigrationInfo::refusal).map_or(Ok(()), |why| Err(Error::internal(why)))
}

fn checksum(migration: &Migration, backend: DbBackend) -> String {
    hex::encode(Sha256::digest(migration.text(backend).as_bytes()))
}

fn compare(ledger: &Ledger, backend: DbBackend) -> Vec<MigrationInfo> {
    let known = MIGRATIONS.iter().map(|migration| {
        let checksum = checksum(migration, backend);
        let row = ledger.applied.iter().find(|row| row.name == migration.name);
        let state = match row {
            // What earlier builds noted has no checksum until the next run of migrations.
            Some(row) if row.checksum.is_empty() || row.checksum == checksum => MigrationState::Applied,
            Some(row) => MigrationState::Changed { applied: row.checksum.clone() },
            None => {
                ledger.running.iter().find(|row| row.name == migration.name).map_or(MigrationState::Pending, running)
            }
        };
        MigrationInfo {
            name: migration.name.to_owned(),
            category: migration.category().as_str().to_owned(),
            state,
            checksum,
            applied: row.map(AppliedMigration::from),
        }
    });
    let is_known = |name: &str| MIGRATIONS.iter().any(|migration| migration.name == name);
    let unknown = ledger.applied.iter().filter(|row| !is_known(&row.name)).map(|row| MigrationInfo {
        name: row.name.clone(),
        category: row.category.clone(),
        state: MigrationState::Unknown,
        checksum: row.checksum.clone(),
        applied: Some(row.into()),
    });
    known.chain(unknown).collect()
}

fn running(row: &data_migration::Model) -> MigrationState {
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    MigrationState::Running { done: count(row.done), total: count(row.total), error: row.error_message.clone() }
}

impl From<&migration_history::Model> for AppliedMigration {
    fn from(row: &migration_history::Model) -> Self {
        Self { at: row.applied_at, milliseconds: row.duration_ms, build: row.build.clone() }
    }
}
