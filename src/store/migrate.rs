//! Migrations under a lock: of two processes that start at once, one migrates and one waits.

use std::fs::File;
use std::path::Path;

use migration::Migrator;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use sea_orm_migration::{MigrationStatus, MigratorTrait};

use super::connect::single;
use super::{DatabaseUrl, Store, classify};
use crate::config::Settings;
use crate::error::{Error, Result};

/// Any fixed number; all processes of the product take the same lock.
const LOCK: i64 = 0x5354_5544_494f_0001;

/// A migration of this build and whether the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationInfo {
    pub name: String,
    pub applied: bool,
}

impl Store {
    /// Applies what is pending (at most `steps`); answers with the names.
    pub async fn migrate_up(&self, settings: &Settings, steps: Option<u32>) -> Result<Vec<String>> {
        // A login that only serves may not even try to create a schema.
        if self.migrations().await?.iter().all(|m| m.applied) {
            return Ok(Vec::new());
        }
        let lock = Lock::take(self.url(), settings).await?;
        let db = &lock.connection;
        migration::prepare(db).await.map_err(classify)?;
        let pending = Migrator::get_pending_migrations(db).await.map_err(classify)?;
        let names =
            pending.iter().map(|m| m.name().to_owned()).take(steps.map_or(usize::MAX, |n| n as usize)).collect();
        Migrator::up(db, steps).await.map_err(|e| failed("apply", &e))?;
        lock.release().await;
        Ok(names)
    }

    /// Reverts the last `steps` migrations; answers with the names.
    pub async fn migrate_down(&self, settings: &Settings, steps: u32) -> Result<Vec<String>> {
        let lock = Lock::take(self.url(), settings).await?;
        let db = &lock.connection;
        migration::prepare(db).await.map_err(classify)?;
        let applied = Migrator::get_applied_migrations(db).await.map_err(classify)?;
        let names = applied.iter().rev().take(steps as usize).map(|m| m.name().to_owned()).collect();
        Migrator::down(db, Some(steps)).await.map_err(|e| failed("revert", &e))?;
        lock.release().await;
        Ok(names)
    }

    /// Every migration of this build, oldest first. Changes nothing.
    pub async fn migrations(&self) -> Result<Vec<MigrationInfo>> {
        let all = Migrator::get_migration_with_status_read_only(&self.inner.reader).await.map_err(classify)?;
        let info = |m: &sea_orm_migration::Migration| MigrationInfo {
            name: m.name().to_owned(),
            applied: m.status() == MigrationStatus::Applied,
        };
        Ok(all.iter().map(info).collect())
    }

    /// Prepares the months ahead for the event table; PostgreSQL only, elsewhere there is nothing to do.
    pub async fn ensure_partitions(&self) -> Result<()> {
        if self.backend() == sea_orm::DbBackend::Postgres {
            let tx = self.begin_everything().await?;
            tx.db.execute_unprepared("SELECT studio.ensure_event_partitions(3)").await.map_err(classify)?;
            tx.commit().await?;
        }
        Ok(())
    }
}

fn failed(verb: &str, error: &sea_orm::DbErr) -> Error {
    Error::internal(format!("cannot {verb} migrations: {error}"))
}

struct Lock {
    connection: DatabaseConnection,
    /// Dropping it lets go.
    _file: Option<File>,
}

impl Lock {
    async fn take(url: &DatabaseUrl, settings: &Settings) -> Result<Self> {
        let file = match url {
            DatabaseUrl::Sqlite(path) => Some(lock_file(path).await?),
            DatabaseUrl::Postgres(_) => None,
        };
        let connection = match (url, &settings.database.migration_database_url) {
            (DatabaseUrl::Postgres(_), Some(owner)) => single(&DatabaseUrl::Postgres(owner.clone()), settings).await?,
            _ => single(url, settings).await?,
        };
        if file.is_none() {
            connection.execute_unprepared(&format!("SELECT pg_advisory_lock({LOCK})")).await.map_err(classify)?;
        }
        Ok(Self { connection, _file: file })
    }

    /// Ends the session, and with it the lock of the session.
    async fn release(self) {
        let _ = self.connection.close().await;
    }
}

/// SQLite has no advisory lock; a file beside the database stands in.
pub(super) async fn lock_file(database: &Path) -> Result<File> {
    let path = database.with_extension("lock");
    let take = move || {
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    tokio::task::spawn_blocking(take)
        .await
        .map_err(Error::internal)?
        .map_err(|e: std::io::Error| Error::internal(format!("cannot lock the database for migration: {e}")))
}
