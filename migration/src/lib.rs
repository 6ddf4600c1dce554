//! Schema migrations for PostgreSQL and SQLite: their scripts, and what a script is told by its name.
//!
//! A name carries its category: startup `001`-`099` (automatic, breaks no build that runs), release
//! `100`-`199` (by hand), seed `S001`- (reference data), data `DM001`- (batches in the background).
//! To add one, write its scripts into `sql/` and its line into [`MIGRATIONS`]. An applied migration is
//! never edited, for its checksum is stored; a change is a new one.

mod list;
mod script;

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};

pub use list::MIGRATIONS;
pub use script::{Category, Migration, Steps};

/// The schemas that the product owns on PostgreSQL, in search-path order, which is the order of their locks too.
pub const SCHEMAS: [&str; 2] = ["studio", "audit"];

/// Where earlier builds noted what they applied; `100_sea_orm_history` drops it.
pub const EARLIER_HISTORY: &str = "seaql_migrations";

/// Creates what even the first migration needs: the schemas, and the table of what was applied. Idempotent.
pub async fn prepare(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        for schema in SCHEMAS {
            db.execute_unprepared(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await?;
        }
    }
    db.execute_unprepared(&script::spell(backend, include_str!("../sql/history.sql"))).await?;
    if backend == DbBackend::Postgres {
        // A login that only serves must see which migrations are applied.
        db.execute_unprepared("GRANT SELECT ON studio.migration_history TO PUBLIC").await?;
    }
    Ok(())
}

/// Creates the table of earlier builds, which a script of theirs names.
pub async fn prepare_earlier(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {EARLIER_HISTORY} (version varchar(255) NOT NULL PRIMARY KEY, applied_at bigint NOT NULL)"
    );
    db.execute_unprepared(&sql).await.map(drop)
}
