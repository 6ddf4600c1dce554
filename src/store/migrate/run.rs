//! Applies and reverts migrations: each in a transaction of its own, which writes it down too.

use std::time::Instant;

use migration::{Category, MIGRATIONS, Migration};
use sea_orm::{DatabaseConnection, TransactionTrait};

use super::super::{Store, classify};
use super::ledger::{self, Ledger};
use super::lock::Lock;
use super::{MigrationInfo, MigrationState, accept, compare};
use crate::config::Settings;
use crate::error::{Error, Result};

/// What is to be applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Up {
    /// At most so many.
    pub steps: Option<u32>,
    /// Release migrations too.
    pub release: bool,
}

impl Store {
    /// Applies what is pending; answers with the names. To an empty database everything is applied: nothing runs on it
    /// that a release migration could break, and there is no row that a data migration would have to change.
    pub async fn migrate_up(&self, settings: &Settings, up: Up) -> Result<Vec<String>> {
        // A login that only serves may not even try to create a schema.
        let all = self.migrations().await?;
        accept(&all)?;
        let kept = Ledger::read(&self.inner.reader).await?.kept;
        let release = up.release || ledger::is_fresh(&self.inner.reader).await?;
        if kept && !all.iter().any(|m| m.is_due() || release && m.waits_for_release()) {
            return Ok(Vec::new());
        }
        let lock = Lock::take(self.url(), settings).await?;
        let done = apply(&lock.connection, up).await;
        lock.release().await;
        done
    }

    /// Reverts the last `steps` migrations; answers with the names.
    pub async fn migrate_down(&self, settings: &Settings, steps: u32) -> Result<Vec<String>> {
        let lock = Lock::take(self.url(), settings).await?;
        let done = revert(&lock.connection, steps).await;
        lock.release().await;
        done
    }
}

async fn apply(db: &DatabaseConnection, up: Up) -> Result<Vec<String>> {
    let begun = begin(db).await?;
    let empty = begun.applied.is_empty() || ledger::is_fresh(db).await?;
    let all = compare(&begun, db.get_database_backend());
    // Another process may have been faster, and newer.
    accept(&all)?;
    let wanted = |m: &MigrationInfo| {
        m.is_due() || up.release && m.waits_for_release() || empty && m.state == MigrationState::Pending
    };
    if empty {
        ledger::set_fresh(db, true).await?;
    }
    let mut done = Vec::new();
    let most = up.steps.map_or(usize::MAX, |steps| steps as usize);
    for info in all.iter().filter(|m| wanted(m)).take(most) {
        let Some(migration) = of_build(&info.name) else { continue };
        let began = Instant::now();
        let tx = db.begin().await.map_err(classify)?;
        migration.up(&tx).await.map_err(|e| failed("apply", migration.name, &e))?;
        let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        ledger::note(&tx, migration, took).await?;
        tx.commit().await.map_err(|e| failed("apply", migration.name, &e))?;
        done.push(info.name.clone());
    }
    if empty && all.iter().filter(|m| wanted(m)).count() == done.len() {
        ledger::set_fresh(db, false).await?;
    }
    Ok(done)
}

async fn revert(db: &DatabaseConnection, steps: u32) -> Result<Vec<String>> {
    let ledger = begin(db).await?;
    let all = compare(&ledger, db.get_database_backend());
    if let Some(unknown) = all.iter().find(|m| m.state == MigrationState::Unknown) {
        return Err(Error::internal(format!(
            "a newer build applied {}; revert it with that build first",
            unknown.name
        )));
    }
    let mut done = Vec::new();
    // One that was begun in the background goes like one that was applied.
    let there = all.iter().rev().filter(|m| m.state != MigrationState::Pending);
    for info in there.take(steps as usize) {
        let Some(migration) = of_build(&info.name) else { continue };
        let tx = db.begin().await.map_err(classify)?;
        migration.down(&tx).await.map_err(|e| failed("revert", migration.name, &e))?;
        ledger::strike(&tx, migration.name).await?;
        tx.commit().await.map_err(|e| failed("revert", migration.name, &e))?;
        done.push(info.name.clone());
    }
    Ok(done)
}

/// What even the first migration needs, and what earlier builds left.
async fn begin(db: &DatabaseConnection) -> Result<Ledger> {
    migration::prepare(db).await.map_err(classify)?;
    let ledger = Ledger::read(db).await?;
    if !ledger.applied.is_empty() {
        return Ok(ledger);
    }
    migration::prepare_earlier(db).await.map_err(classify)?;
    ledger::adopt(db).await?;
    Ledger::read(db).await
}

fn of_build(name: &str) -> Option<&'static Migration> {
    MIGRATIONS.iter().find(|migration| migration.name == name)
}

/// Those that go through rows in the background, with what they run.
pub(super) fn of_data() -> impl Iterator<Item = (&'static Migration, migration::Steps)> {
    MIGRATIONS.iter().filter(|m| m.category() == Category::Data).filter_map(|m| Some((m, m.steps()?)))
}

fn failed(verb: &str, name: &str, error: &sea_orm::DbErr) -> Error {
    Error::internal(format!("cannot {verb} the migration {name}: {error}"))
}
