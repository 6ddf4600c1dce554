//! The database: PostgreSQL, or SQLite embedded.
//!
//! All access goes through a [`Tx`], which is bound to a tenant scope. Reads
//! take a [`Scope`], writes take a proof that the policy made.

pub mod access;
pub mod approval;
pub mod audit;
pub mod blob;
pub mod chain;
mod claim;
mod connect;
pub mod contract;
pub mod data_key;
pub mod datasource;
pub mod dead_letter;
mod entity;
pub mod event;
pub mod export;
pub mod feed;
pub mod governance;
mod grant;
pub mod idempotency;
pub mod installation;
pub mod job;
pub mod lease;
pub mod metadata_item;
mod migrate;
pub mod node;
pub mod notification;
pub mod outbox;
pub mod quota;
pub mod retention;
mod roster;
pub mod rotation;
pub mod sample;
pub mod secret;
mod signing_secret;
pub mod state;
mod tx;
pub mod version;
pub mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr, SqlErr};

pub use claim::Claim;
pub use connect::DatabaseUrl;
pub use feed::{Feed, Signal};
pub use migrate::{AppliedMigration, DataRun, MigrationInfo, MigrationState, OpenData, Up};
pub use tx::{NewAudit, NewEvent, Tx};

use crate::error::{Error, ErrorCode, Result};

/// A handle to the database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    url: DatabaseUrl,
    /// SQLite takes one writer at a time: a pool of one queues writers instead of failing them.
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    feed: Feed,
    statements: Arc<AtomicU64>,
}

impl Store {
    pub fn backend(&self) -> DbBackend {
        self.inner.writer.get_database_backend()
    }

    pub fn feed(&self) -> &Feed {
        &self.inner.feed
    }

    /// Statements executed so far, without BEGIN and COMMIT.
    pub fn statements(&self) -> u64 {
        self.inner.statements.load(Ordering::Relaxed)
    }

    /// Connections of the pools: (in use, idle).
    pub fn pool_usage(&self) -> (u32, u32) {
        let count = |size: u32, idle: usize| {
            let idle = u32::try_from(idle).unwrap_or(size);
            (size.saturating_sub(idle), idle)
        };
        match self.backend() {
            DbBackend::Postgres => {
                let pool = self.inner.reader.get_postgres_connection_pool();
                count(pool.size(), pool.num_idle())
            }
            _ => {
                let (reader, writer) =
                    (self.inner.reader.get_sqlite_connection_pool(), self.inner.writer.get_sqlite_connection_pool());
                count(reader.size() + writer.size(), reader.num_idle() + writer.num_idle())
            }
        }
    }

    /// One cheap question, to know whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.inner.reader.ping().await.map_err(classify)
    }

    pub async fn close(&self) {
        self.inner.feed.stop();
        // Closing waits for connections in use; both handles share the pool on PostgreSQL.
        let _ = self.inner.reader.clone().close().await;
        if self.backend() == DbBackend::Sqlite {
            let _ = self.inner.writer.clone().close().await;
        }
    }
}

/// PostgreSQL's code for a character that its encoding does not have.
const NOT_A_TEXT: &str = "22021";

/// Gives a database error the code that callers act on. Texts of the database stay in the detail.
pub(crate) fn classify(error: DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(detail)) => {
            return Error::conflict("something with this key exists already").with_detail(detail);
        }
        Some(SqlErr::ForeignKeyConstraintViolation(detail)) => {
            return Error::conflict("something that this refers to is gone").with_detail(detail);
        }
        _ => {}
    }
    if let DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) = &error
        && let sqlx::Error::Database(e) = &**e
        && e.code().is_some_and(|code| code == NOT_A_TEXT)
    {
        return Error::new(ErrorCode::ValidationFailed, "a text must not contain the NUL character");
    }
    let transient = match &error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) => is_transient(e),
        _ => false,
    };
    if transient {
        Error::unavailable("the database does not answer right now; try again", error)
    } else {
        Error::internal(error)
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL: connection loss, shutdown, serialization failure, deadlock; SQLite: busy.
        sqlx::Error::Database(e) => e.code().is_some_and(|code| {
            code.starts_with("08") || code.starts_with("57P") || matches!(&*code, "40001" | "40P01" | "5" | "517")
        }),
        _ => false,
    }
}

/// A stored value that does not parse names its row and is nobody's panic.
pub(crate) fn corrupt(table: &str, row: impl std::fmt::Display, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Internal, format!("a stored row cannot be read: {table} {row}"))
        .with_detail(format!("{table} {row}: {what}"))
}
