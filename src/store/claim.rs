//! Work that one process at a time may do, such as following a directory.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::connect::single;
use super::{DatabaseUrl, Store, classify};
use crate::config::Settings;
use crate::error::Result;

/// Held until it is released, or its process or its session ends.
pub struct Claim {
    /// Absent on SQLite, where one server has the file to itself.
    session: Option<DatabaseConnection>,
}

impl Store {
    /// `None` while another process holds the claim of this name.
    pub async fn try_claim(&self, settings: &Settings, name: &str) -> Result<Option<Claim>> {
        let DatabaseUrl::Postgres(_) = self.url() else { return Ok(Some(Claim { session: None })) };
        let session = single(self.url(), settings).await?;
        let sql = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
        let taken = yes(&session, Statement::from_sql_and_values(DbBackend::Postgres, sql, [name.into()])).await?;
        if taken {
            return Ok(Some(Claim { session: Some(session) }));
        }
        let _ = session.close().await;
        Ok(None)
    }
}

impl Claim {
    /// A session that was lost has lost its claim too, although a new one took its place.
    pub async fn holds(&self) -> bool {
        let Some(session) = &self.session else { return true };
        let sql =
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted)";
        yes(session, Statement::from_string(DbBackend::Postgres, sql)).await.unwrap_or(false)
    }

    pub async fn release(self) {
        if let Some(session) = self.session {
            let _ = session.close().await;
        }
    }
}

async fn yes(session: &DatabaseConnection, statement: Statement) -> Result<bool> {
    let row = session.query_one_raw(statement).await.map_err(classify)?;
    row.map_or(Ok(false), |row| row.try_get_by_index(0).map_err(classify))
}
