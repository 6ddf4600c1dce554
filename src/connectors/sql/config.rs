//! The settings of a query, and the rules that a JSON Schema cannot hold.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::guard;
use crate::connectors::ConnectorError;
use crate::connectors::schedule::Schedule;
use crate::domain::{HumanDuration, relative_parts};
use crate::egress::database::TlsMode;
use crate::error::Problem;
use crate::mapping::SecretText;

/// Settings of a query.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "SQL query",
    extend("examples" = [
        {"database": {"type": "postgres", "host": "db.example.com", "database": "shop", "username": "reader",
                      "password": "{{secret.db_password}}", "tls": "verify"},
         "query": "SELECT id, customer, total, updated_at FROM orders WHERE status = 'paid'",
         "cursor": {"column": "updated_at", "key": "id"}, "schedule": "every 30s"},
        {"database": {"type": "sqlite", "path": "erp/orders.db"}, "query": "SELECT * FROM orders",
         "cursor": {"column": "id"}},
    ])
)]
pub(super) struct SqlConfig {
    /// Where the query runs.
    #[schemars(title = "Database")]
    pub(super) database: Database,
    /// One SELECT, without a semicolon. It becomes a subquery, so its own ORDER BY and LIMIT hold for the whole of it.
    #[schemars(title = "Query", example = &"SELECT id, total, updated_at FROM orders", length(min = 1, max = 32768))]
    pub(super) query: String,
    /// Reads only rows beyond the last one. Without it each poll delivers the whole result.
    #[serde(default)]
    #[schemars(title = "Cursor")]
    pub(super) cursor: Option<Cursor>,
    /// When to poll: `every 30s`, or a cron line in UTC with five or six fields.
    #[serde(default = "schedule_default")]
    #[schemars(title = "Schedule", example = &"every 5m", length(min = 1, max = 128))]
    pub(super) schedule: String,
    /// Most rows of one statement and delivery.
    #[serde(default = "batch_default")]
    #[schemars(title = "Batch", range(min = 1, max = 10_000))]
    pub(super) batch: usize,
    /// Longest time for one statement.
    #[serde(default = "timeout_default")]
    #[schemars(title = "Timeout")]
    pub(super) timeout: HumanDuration,
}

/// Where the query runs.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Database {
    /// PostgreSQL.
    #[schemars(title = "PostgreSQL")]
    Postgres {
        /// The host name or address.
        #[schemars(length(min = 1, max = 253))]
        host: String,
        /// The port of the server.
        #[serde(default = "postgres_port")]
        port: u16,
        /// The name of the database.
        #[schemars(length(min = 1, max = 128))]
        database: String,
        /// The user, who should be allowed to read only what the query needs.
        #[schemars(length(min = 1, max = 128))]
        username: String,
        /// The password of the user.
        #[serde(default)]
        password: Option<SecretText>,
        /// How the connection is protected.
        #[serde(default)]
        tls: TlsMode,
        /// Certificates (PEM) of the authorities to trust with `verify`; the usual public ones by default.
        #[serde(default)]
        #[schemars(length(max = 65536))]
        ca: Option<String>,
    },
    /// MySQL or MariaDB.
    #[schemars(title = "MySQL")]
    Mysql {
        /// The host name or address.
        #[schemars(length(min = 1, max = 253))]
        host: String,
        /// The port of the server.
        #[serde(default = "mysql_port")]
        port: u16,
        /// The name of the database.
        #[schemars(length(min = 1, max = 128))]
        database: String,
        /// The user, who should be allowed to read only what the query needs.
        #[schemars(length(min = 1, max = 128))]
        username: String,
        /// The password of the user.
        #[serde(default)]
        password: Option<SecretText>,
        /// How the connection is protected.
        #[serde(default)]
        tls: TlsMode,
        /// Certificates (PEM) of the authorities to trust with `verify`; the usual public ones by default.
        #[serde(default)]
        #[schemars(length(max = 65536))]
        ca: Option<String>,
    },
    /// A file of SQLite on the node that runs the worker, below the input directory of the organisation.
    #[schemars(title = "SQLite")]
    Sqlite {
        /// The file of the database.
        #[schemars(example = &"erp/orders.db", length(min = 1, max = 512))]
        path: String,
    },
}

/// What orders the rows, so that a poll goes on where the last one ended.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// A column of the result that only grows, such as a serial id or a time of change. Rows where it is NULL are not read.
    #[schemars(title = "Column", example = &"updated_at", length(min = 1, max = 128))]
    pub(super) column: String,
    /// A unique column that orders rows with an equal cursor. Not needed where the cursor itself is unique.
    #[serde(default)]
    #[schemars(title = "Key", example = &"id", length(min = 1, max = 128))]
    pub(super) key: Option<String>,
    /// The first poll reads what lies beyond this value; everything by default.
    #[serde(default)]
    #[schemars(title = "First position", example = &"2025-01-01T00:00:00Z", length(max = 1024))]
    pub(super) initial: Option<String>,
}

const fn postgres_port() -> u16 {
    5432
}

const fn mysql_port() -> u16 {
    3306
}

fn schedule_default() -> String {
    "every 60s".into()
}

const fn batch_default() -> usize {
    500
}

const fn timeout_default() -> HumanDuration {
    HumanDuration(Duration::from_secs(30))
}

impl SqlConfig {
    pub(super) fn read(config: &Value) -> Result<Self, ConnectorError> {
        // The cause could repeat a resolved secret.
        Self::deserialize(config).map_err(|_| {
            let message = "the settings are not those of an SQL query; save a valid version";
            ConnectorError::permanent("config_invalid", message)
        })
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut add = |at: &str, problem: Option<String>| found.extend(problem.map(|text| Problem::new(at, text)));
        add("/query", guard::check(&self.query, &self.database).err());
        add("/schedule", Schedule::parse(&self.schedule).err());
        let short = self.timeout.0 < Duration::from_millis(100) || self.timeout.0 > Duration::from_secs(3_600);
        add("/timeout", short.then(|| "must be from 100ms to 1h".into()));
        if let Database::Sqlite { path } = &self.database {
            add("/database/path", relative_parts(path).err());
        }
        found
    }
}
