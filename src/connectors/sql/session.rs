//! One connection for one poll, in a read-only transaction that ends by itself.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions, Executor, MySqlConnection, PgConnection, Row, SqlSafeStr,
    SqliteConnection, Statement, TypeInfo,
};

use super::config::Database;
use super::page::{Column, Dialect, Page, Position};
use crate::connectors::{ConnectorContext, ConnectorError};
use crate::domain::{relative_parts, safe_name};
use crate::egress::database::{Postgres, TlsMode, failed, peer};

/// What the rows of one statement may take in memory.
const BYTES: usize = 16 << 20;

pub(super) enum Session {
    Postgres(PgConnection),
    Mysql(MySqlConnection),
    Sqlite(SqliteConnection),
}

/// The texts of one row.
pub(super) struct Found {
    pub(super) json: String,
    pub(super) position: Option<Position>,
}

impl Session {
    pub(super) async fn open(
        database: &Database,
        context: &ConnectorContext,
        timeout: Duration,
    ) -> Result<Self, ConnectorError> {
        let opening = Self::connect(database, context, timeout);
        tokio::time::timeout(timeout, opening).await.map_err(|_| late(timeout))?
    }

    async fn connect(
        database: &Database,
        context: &ConnectorContext,
        timeout: Duration,
    ) -> Result<Self, ConnectorError> {
        match database {
            Database::Postgres { host, port, database, username, password, tls, ca } => {
                let password = password.as_ref().map_or("", |p| p.expose());
                let server = Postgres { host, port: *port, database, username, password, tls: *tls, ca: ca.as_deref() };
                let mut connection = server.connect(&context.egress).await?;
                let begin = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {}", timeout.as_millis());
                sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await.map_err(|e| failed(&e))?;
                Ok(Self::Postgres(connection))
            }
            Database::Mysql { host, port, database, username, password, tls, ca } => {
                let mut options = MySqlConnectOptions::new()
                    .host(&peer(&context.egress, host, *port, *tls).await?)
                    .port(*port)
                    .database(database)
                    .username(username)
                    .password(password.as_ref().map_or("", |p| p.expose()))
                    .ssl_mode(match tls {
                        TlsMode::Verify => MySqlSslMode::VerifyIdentity,
                        TlsMode::Require => MySqlSslMode::Required,
                        TlsMode::Disable => MySqlSslMode::Disabled,
                    });
                if let Some(ca) = ca {
                    options = options.ssl_ca_from_pem(ca.as_bytes().to_vec());
                }
                let mut connection = options.disable_statement_logging().connect().await.map_err(|e| failed(&e))?;
                // MySQL counts milliseconds, MariaDB seconds; one of the two knows its setting.
                let limits = [
                    format!("SET SESSION max_execution_time = {}", timeout.as_millis()),
                    format!("SET SESSION max_statement_time = {}", timeout.as_secs_f64()),
                ];
                for limit in limits {
                    let _ = sqlx::raw_sql(AssertSqlSafe(limit)).execute(&mut connection).await;
                }
                let begin = sqlx::raw_sql("START TRANSACTION READ ONLY").execute(&mut connection).await;
                begin.map_err(|e| failed(&e))?;
                Ok(Self::Mysql(connection))
            }
            Database::Sqlite { path } => {
                let options = SqliteConnectOptions::new()
                    .filename(file(path, context).await?)
                    .read_only(true)
                    .busy_timeout(timeout)
                    .pragma("query_only", "on")
                    .pragma("trusted_schema", "off");
                let mut connection = options.disable_statement_logging().connect().await.map_err(|e| failed(&e))?;
                let until = Instant::now() + timeout;
                connection
                    .lock_handle()
                    .await
                    .map_err(|e| failed(&e))?
                    .set_progress_handler(10_000, move || Instant::now() < until);
                Ok(Self::Sqlite(connection))
            }
        }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Mysql(_) => Dialect::Mysql,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Whether the user may do anything that the server can, beyond the database itself. Only PostgreSQL tells.
    pub(super) async fn is_superuser(&mut self, timeout: Duration) -> Result<bool, ConnectorError> {
        let Self::Postgres(connection) = self else { return Ok(false) };
        let asked = sqlx::query_scalar("SELECT current_setting('is_superuser') = 'on'").fetch_one(connection);
        let answer = tokio::time::timeout(timeout, asked).await.map_err(|_| late(timeout))?;
        answer.map_err(|e| failed(&e))
    }

    /// The columns of a query, which does not run for it.
    pub(super) async fn columns(&mut self, query: &str) -> Result<Vec<Column>, ConnectorError> {
        let sql = AssertSqlSafe(format!("SELECT q.* FROM (\n{query}\n) AS q")).into_sql_str();
        macro_rules! columns {
            ($connection:expr) => {{
                let statement = $connection.prepare(sql).await.map_err(|e| failed(&e))?;
                let columns = statement.columns().iter();
                columns.map(|c| Column { name: c.name().to_owned(), kind: c.type_info().name().to_owned() }).collect()
            }};
        }
        Ok(match self {
            Self::Postgres(connection) => columns!(connection),
            Self::Mysql(connection) => columns!(connection),
            Self::Sqlite(connection) => columns!(connection),
        })
    }

    /// The rows of a page, and whether it was cut off because it grew too large.
    pub(super) async fn rows(&mut self, page: Page, timeout: Duration) -> Result<(Vec<Found>, bool), ConnectorError> {
        tokio::time::timeout(timeout, self.fetch(page)).await.map_err(|_| late(timeout))?
    }

    async fn fetch(&mut self, page: Page) -> Result<(Vec<Found>, bool), ConnectorError> {
        let mut found = Vec::new();
        let (mut bytes, mut cut) = (0, false);
        macro_rules! fetch {
            ($connection:expr) => {{
                let mut query = sqlx::query(AssertSqlSafe(page.sql)).persistent(false);
                for bind in page.binds {
                    query = query.bind(bind);
                }
                let mut rows = query.fetch($connection);
                while let Some(row) = rows.try_next().await.map_err(|e| failed(&e))? {
                    let text = |i: usize| row.try_get_unchecked::<Option<String>, _>(i).map_err(|e| failed(&e));
                    let json = text(0)?.unwrap_or_else(|| "null".to_owned());
                    let key = text(2)?;
                    bytes += json.len();
                    found.push(Found { json, position: text(1)?.map(|cursor| Position { cursor, key }) });
                    if bytes > BYTES {
                        cut = true;
                        break;
                    }
                }
            }};
        }
        match self {
            Self::Postgres(connection) => fetch!(connection),
            Self::Mysql(connection) => fetch!(connection),
            Self::Sqlite(connection) => fetch!(connection),
        }
        Ok((found, cut))
    }
}

async fn file(path: &str, context: &ConnectorContext) -> Result<PathBuf, ConnectorError> {
    let home = context.input_dir.join(safe_name(&context.tenant.org));
    let parts = relative_parts(path).map_err(|e| ConnectorError::permanent("config_invalid", e))?;
    let wanted: PathBuf = std::iter::once(home.as_path()).chain(parts.iter().map(std::path::Path::new)).collect();
    let missing = |_| {
        let message = format!("the file {} is not there or cannot be read", wanted.display());
        ConnectorError::transient("file_missing", message)
    };
    let home = tokio::fs::canonicalize(&home).await.map_err(missing)?;
    let file = tokio::fs::canonicalize(&wanted).await.map_err(missing)?;
    if file.starts_with(&home) {
        return Ok(file);
    }
    Err(ConnectorError::permanent("path_not_allowed", "the path leads out of the input directory through a link"))
}

fn late(timeout: Duration) -> ConnectorError {
    let message = format!("the database did not answer within the timeout of {} s", timeout.as_secs_f64());
    ConnectorError::transient("timeout", message)
}
