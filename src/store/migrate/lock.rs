//! The lock of migrations: of two processes that start at once, one migrates and one waits, and says for whom.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use migration::SCHEMAS;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::super::connect::single;
use super::super::{DatabaseUrl, classify};
use crate::config::Settings;
use crate::error::{Error, Result};

/// How often a lock is asked for that somebody else has.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How often the log is told that it is still waited for.
const TELL_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Lock {
    pub(super) connection: DatabaseConnection,
    /// Dropping it lets go.
    _file: Option<File>,
}

impl Lock {
    pub(super) async fn take(url: &DatabaseUrl, settings: &Settings) -> Result<Self> {
        let file = match url {
            DatabaseUrl::Sqlite(path) => Some(lock_file(path).await?),
            DatabaseUrl::Postgres(_) => None,
        };
        let connection = match (url, &settings.database.migration_database_url) {
            (DatabaseUrl::Postgres(_), Some(owner)) => single(&DatabaseUrl::Postgres(owner.clone()), settings).await?,
            _ => single(url, settings).await?,
        };
        if file.is_none() {
            let patience = settings.database.migration_lock_timeout.0;
            // All take them in one order, so that no two wait for each other.
            for schema in SCHEMAS {
                if let Err(error) = advisory(&connection, schema, patience).await {
                    let _ = connection.close().await;
                    return Err(error);
                }
            }
        }
        Ok(Self { connection, _file: file })
    }

    /// Ends the session, and with it the locks of the session.
    pub(super) async fn release(self) {
        let _ = self.connection.close().await;
    }
}

/// One lock a schema, by the hash of its name.
async fn advisory(db: &DatabaseConnection, schema: &str, patience: Duration) -> Result<()> {
    let began = Instant::now();
    let mut told: Option<Instant> = None;
    loop {
        let taken: Option<bool> = ask(db, "SELECT pg_try_advisory_lock(hashtext($1))", schema).await?;
        if taken == Some(true) {
            return Ok(());
        }
        if began.elapsed() >= patience {
            let holder = holder(db, schema).await?;
            return Err(Error::unavailable(
                "another process migrates the database",
                format!(
                    "the lock of the schema {schema} is held by {holder}; waited for {} s \
                     (--migration-lock-timeout, STUDIO_MIGRATION_LOCK_TIMEOUT); see what it does, and start again",
                    patience.as_secs()
                ),
            ));
        }
        if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            told = Some(Instant::now());
            tracing::info!(schema, holder = holder(db, schema).await?, "waits for another process that migrates");
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Who has the lock, as the database knows it.
async fn holder(db: &DatabaseConnection, schema: &str) -> Result<String> {
    let sql =
        "SELECT format('process %s (%s, user %s, from %s, since %s)', a.pid, nullif(a.application_name, ''), a.usename,
            coalesce(host(a.client_addr), 'this machine'), to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'))
        FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtext($1)::bigint";
    let name: Option<String> = ask(db, sql, schema).await?;
    Ok(name.unwrap_or_else(|| "a process that just let go".to_owned()))
}

async fn ask<T: sea_orm::TryGetable>(db: &DatabaseConnection, sql: &str, schema: &str) -> Result<Option<T>> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [schema.into()]);
    let row = db.query_one_raw(statement).await.map_err(classify)?;
    row.map(|row| row.try_get_by_index(0).map_err(classify)).transpose()
}

/// SQLite has no advisory lock; a file beside the database stands in.
pub(in crate::store) async fn lock_file(database: &Path) -> Result<File> {
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
