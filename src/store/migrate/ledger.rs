//! What a database says of its migrations, whichever build wrote it down.

use migration::{Category, EARLIER_HISTORY, MIGRATIONS};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait, QueryOrder, Statement};

use super::super::entity::{data_migration, migration_history};
use super::{BUILD, checksum, classify};
use crate::domain::{Timestamp, now};
use crate::error::Result;

/// The rows of the history, and of what is under way.
pub(super) struct Ledger {
    pub(super) applied: Vec<migration_history::Model>,
    pub(super) running: Vec<data_migration::Model>,
    /// Whether this build's history is there; otherwise the rows are those of earlier builds.
    pub(super) kept: bool,
}

impl Ledger {
    pub(super) async fn read(db: &impl ConnectionTrait) -> Result<Self> {
        let kept = has_table(db, "migration_history").await?;
        let applied = if kept {
            let rows = migration_history::Entity::find().order_by_asc(migration_history::Column::Name);
            rows.all(db).await.map_err(classify)?
        } else {
            earlier(db).await?
        };
        let running = if has_table(db, "data_migrations").await? {
            data_migration::Entity::find().all(db).await.map_err(classify)?
        } else {
            Vec::new()
        };
        Ok(Self { applied, running, kept })
    }
}

/// There from the first migration of an empty database to the last: whoever goes on after a crash goes on with all.
const FRESH: &str = "migration_fresh";

pub(super) async fn is_fresh(db: &impl ConnectionTrait) -> Result<bool> {
    has_table(db, FRESH).await
}

pub(super) async fn set_fresh(db: &impl ConnectionTrait, fresh: bool) -> Result<()> {
    let sql = match fresh {
        true => format!("CREATE TABLE IF NOT EXISTS {FRESH} (one integer)"),
        false => format!("DROP TABLE IF EXISTS {FRESH}"),
    };
    db.execute_unprepared(&sql).await.map(drop).map_err(classify)
}

/// Takes over what earlier builds noted: once, into a history that is still empty. The checksums are those of the
/// scripts of this build, for nobody knows others.
pub(super) async fn adopt(db: &impl ConnectionTrait) -> Result<()> {
    let rows = earlier(db).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let backend = db.get_database_backend();
    tracing::info!(count = rows.len(), "takes over the migrations of earlier builds");
    let rows = rows.into_iter().map(|row| {
        let known = MIGRATIONS.iter().find(|migration| migration.name == row.name);
        let checksum = known.map_or(row.checksum, |migration| checksum(migration, backend));
        active(migration_history::Model { checksum, ..row })
    });
    migration_history::Entity::insert_many(rows).exec_without_returning(db).await.map(drop).map_err(classify)
}

/// Writes down what was applied just now.
pub(super) async fn note(db: &impl ConnectionTrait, migration: &migration::Migration, milliseconds: i64) -> Result<()> {
    let row = migration_history::Model {
        name: migration.name.to_owned(),
        category: migration.category().as_str().to_owned(),
        checksum: checksum(migration, db.get_database_backend()),
        applied_at: now(),
        duration_ms: Some(milliseconds),
        build: BUILD.to_owned(),
    };
    // A node that died after this, and before it let go, is followed by one that comes to the same end.
    let once = OnConflict::column(migration_history::Column::Name).do_nothing().to_owned();
    let insert = migration_history::Entity::insert(active(row)).on_conflict(once);
    insert.exec_without_returning(db).await.map(drop).map_err(classify)
}

/// Strikes out what was reverted, also where earlier builds would look.
pub(super) async fn strike(db: &impl ConnectionTrait, name: &str) -> Result<()> {
    migration_history::Entity::delete_by_id(name).exec(db).await.map_err(classify)?;
    if has_table(db, "data_migrations").await? {
        data_migration::Entity::delete_by_id(name).exec(db).await.map_err(classify)?;
    }
    if has_table(db, EARLIER_HISTORY).await? {
        let sql = format!("DELETE FROM {EARLIER_HISTORY} WHERE version = $1");
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [name.into()]);
        db.execute_raw(statement).await.map_err(classify)?;
    }
    Ok(())
}

/// What builds noted that had no checksums.
async fn earlier(db: &impl ConnectionTrait) -> Result<Vec<migration_history::Model>> {
    if !has_table(db, EARLIER_HISTORY).await? {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT version, applied_at FROM {EARLIER_HISTORY} ORDER BY version");
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.map_err(classify)?;
    let rows = rows.iter().map(|row| {
        let (name, at): (String, i64) =
            (row.try_get_by_index(0).map_err(classify)?, row.try_get_by_index(1).map_err(classify)?);
        Ok(migration_history::Model {
            category: Category::of(&name).unwrap_or(Category::Release).as_str().to_owned(),
            name,
            checksum: String::new(),
            applied_at: Timestamp::from_timestamp(at, 0).unwrap_or_default(),
            duration_ms: None,
            build: String::new(),
        })
    });
    rows.collect()
}

pub(super) async fn has_table(db: &impl ConnectionTrait, name: &str) -> Result<bool> {
    let (sql, name) = match db.get_database_backend() {
        DbBackend::Postgres => ("SELECT count(*) FROM pg_tables WHERE schemaname = 'studio' AND tablename = $1", name),
        _ => ("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1", name),
    };
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [name.into()]);
    let row = db.query_one_raw(statement).await.map_err(classify)?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0)).map_err(classify)?;
    Ok(count > 0)
}

fn active(row: migration_history::Model) -> migration_history::ActiveModel {
    migration_history::ActiveModel {
        name: Set(row.name),
        category: Set(row.category),
        checksum: Set(row.checksum),
        applied_at: Set(row.applied_at),
        duration_ms: Set(row.duration_ms),
        build: Set(row.build),
    }
}
