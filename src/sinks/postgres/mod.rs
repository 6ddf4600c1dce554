//! `postgres`: records as rows of a table, one row for each thing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Executor, PgConnection, SqlSafeStr};
use tokio::sync::Mutex;

use super::{Sink, SinkContext, SinkError, SinkSpec, SinkType, WriteError};
use crate::domain::Record;
use crate::egress::Egress;
use crate::egress::database::{self, TlsMode, failed};
use crate::error::Problem;
use crate::mapping::{SecretText, schema_of};

/// How long the database may take for a batch.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// Rows of one statement.
const ROWS: usize = 1_000;

/// Settings of a table.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "PostgreSQL",
    extend("examples" = [
        {"host": "db.example.com", "database": "warehouse", "username": "studio", "password": "{{secret.db_password}}",
         "table": "records", "create_table": true},
    ])
)]
struct PostgresConfig {
    /// The host name or address.
    #[schemars(title = "Host", length(min = 1, max = 253))]
    host: String,
    /// The port of the server.
    #[serde(default = "port_default")]
    #[schemars(title = "Port")]
    port: u16,
    /// The name of the database.
    #[schemars(title = "Database", length(min = 1, max = 128))]
    database: String,
    /// The user, who needs to read, insert and update the table.
    #[schemars(title = "User", length(min = 1, max = 128))]
    username: String,
    /// The password of the user.
    #[serde(default)]
    #[schemars(title = "Password")]
    password: Option<SecretText>,
    /// How the connection is protected.
    #[serde(default)]
    #[schemars(title = "TLS")]
    tls: TlsMode,
    /// Certificates (PEM) of the authorities to trust with `verify`; the usual public ones by default.
    #[serde(default)]
    #[schemars(title = "Authorities", length(max = 65536))]
    ca: Option<String>,
    /// The schema of the table.
    #[serde(default = "schema_default")]
    #[schemars(title = "Schema", length(min = 1, max = 63))]
    schema: String,
    /// The table of the records.
    #[schemars(title = "Table", example = &"records", length(min = 1, max = 63))]
    table: String,
    /// Makes the table if it is not there; the user needs the right to.
    #[serde(default)]
    #[schemars(title = "Create the table")]
    create_table: bool,
}

const fn port_default() -> u16 {
    5432
}

fn schema_default() -> String {
    "public".into()
}

fn read(config: &Value) -> Result<PostgresConfig, SinkError> {
    // The cause could repeat a resolved secret.
    PostgresConfig::deserialize(config).map_err(|_| {
        let message = "the settings are not those of a postgres sink; save a valid version";
        SinkError::permanent("config_invalid", message)
    })
}

pub(super) struct Postgres {
    spec: SinkSpec,
}

impl Postgres {
    pub(super) fn new() -> Self {
        Self {
            spec: SinkSpec {
                name: "postgres",
                title: "PostgreSQL",
                description: "Keeps each record as a row of a PostgreSQL table; a later record of the same kind and id replaces it.",
                config_schema: schema_of::<PostgresConfig>(),
            },
        }
    }
}

#[async_trait]
impl SinkType for Postgres {
    fn spec(&self) -> &SinkSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        let config = match read(config) {
            Ok(config) => config,
            Err(error) => return vec![Problem::new("", error.message)],
        };
        let names = [("/schema", &config.schema), ("/table", &config.table)];
        let wrong = names.into_iter().filter(|(_, name)| name.chars().any(char::is_control));
        wrong.map(|(at, _)| Problem::new(at, "must not have control characters")).collect()
    }

    async fn open(&self, config: &Value, context: SinkContext) -> Result<Arc<dyn Sink>, SinkError> {
        let config = read(config)?;
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let table = format!("{}.{}", quote(&config.schema), quote(&config.table));
        let sink = Table { config, table, egress: context.egress, connection: Mutex::default() };
        let opening = async {
            let mut connection = sink.connect().await?;
            sink.prepare(&mut connection).await?;
            *sink.connection.lock().await = Some(connection);
            Ok::<(), SinkError>(())
        };
        tokio::time::timeout(WRITE_MAX, opening).await.map_err(|_| late())??;
        Ok(Arc::new(sink))
    }
}

fn late() -> SinkError {
    SinkError::transient("timeout", format!("the database did not answer within {} s", WRITE_MAX.as_secs()))
}

struct Table {
    config: PostgresConfig,
    /// Quoted, with its schema.
    table: String,
    egress: Arc<Egress>,
    /// Gone after a failure, so that the next write connects anew.
    connection: Mutex<Option<PgConnection>>,
}

impl Table {
    async fn connect(&self) -> Result<PgConnection, SinkError> {
        let config = &self.config;
        let server = database::Postgres {
            host: &config.host,
            port: config.port,
            database: &config.database,
            username: &config.username,
            password: config.password.as_ref().map_or("", |p| p.expose()),
            tls: config.tls,
            ca: config.ca.as_deref(),
        };
        server.connect(&self.egress).await
    }

    /// Makes the table if that is wanted, and tells now what is wrong with it.
    async fn prepare(&self, connection: &mut PgConnection) -> Result<(), SinkError> {
        if self.config.create_table {
            let create = format!(
                "CREATE TABLE IF NOT EXISTS {} (datasource_id uuid NOT NULL, kind text NOT NULL, id text NOT NULL, \
                 data jsonb NOT NULL, version integer NOT NULL, ingested_at timestamptz NOT NULL, \
                 PRIMARY KEY (datasource_id, kind, id))",
                self.table
            );
            // Two workers that make it at once: one of them finds it made.
            if let Err(error) = connection.execute(AssertSqlSafe(create)).await {
                let raced = error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "23505");
                if !raced {
                    return Err(failed(&error));
                }
            }
        }
        let upsert = AssertSqlSafe(self.upsert()).into_sql_str();
        connection.prepare(upsert).await.map(drop).map_err(|e| failed(&e))
    }

    fn upsert(&self) -> String {
        format!(
            "INSERT INTO {} AS t (datasource_id, kind, id, data, version, ingested_at) \
             SELECT d::uuid, k, i, j::jsonb, v, a::timestamptz \
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::text[]) AS r (d, k, i, j, v, a) \
             ON CONFLICT (datasource_id, kind, id) DO UPDATE \
             SET data = excluded.data, version = excluded.version, ingested_at = excluded.ingested_at \
             WHERE t.ingested_at <= excluded.ingested_at",
            self.table
        )
    }

    async fn insert(&self, connection: &mut PgConnection, records: &[Record]) -> Result<(), SinkError> {
        // One statement can set a row only once; of several records of one thing the last counts.
        let mut last: HashMap<(&str, &str), usize> = HashMap::new();
        for (i, record) in records.iter().enumerate() {
            last.insert((&record.kind, &record.id), i);
        }
        let mut kept: Vec<_> = last.into_values().collect();
        kept.sort_unstable();
        for some in kept.chunks(ROWS) {
            let each = || some.iter().map(|i| &records[*i]);
            let data = each().map(|r| Value::Object(without_nul(&r.data)).to_string());
            let query = sqlx::query(AssertSqlSafe(self.upsert()))
                .bind(each().map(|r| r.datasource_id.to_string()).collect::<Vec<_>>())
                .bind(each().map(|r| clean(&r.kind)).collect::<Vec<_>>())
                .bind(each().map(|r| clean(&r.id)).collect::<Vec<_>>())
                .bind(data.collect::<Vec<_>>())
                .bind(each().map(|r| r.version).collect::<Vec<_>>())
                .bind(each().map(|r| r.ingested_at.to_rfc3339()).collect::<Vec<_>>());
            query.execute(&mut *connection).await.map_err(|e| refused(&e))?;
        }
        Ok(())
    }
}

/// A value that its column does not take, or a row that a constraint keeps out, is the fault of the data.
fn refused(error: &sqlx::Error) -> SinkError {
    let code = error.as_database_error().and_then(|said| said.code()).unwrap_or_default();
    let fault = failed(error);
    match &code[..code.len().min(2)] {
        "22" | "23" => SinkError::rejected("row_refused", fault.message),
        _ => fault,
    }
}

/// PostgreSQL's texts hold no NUL.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn without_nul(object: &Map<String, Value>) -> Map<String, Value> {
    fn value(of: &Value) -> Value {
        match of {
            Value::String(text) => Value::String(clean(text)),
            Value::Array(items) => items.iter().map(value).collect(),
            Value::Object(fields) => Value::Object(without_nul(fields)),
            other => other.clone(),
        }
    }
    object.iter().map(|(name, of)| (clean(name), value(of))).collect()
}

#[async_trait]
impl Sink for Table {
    async fn write(&self, records: &[Record]) -> Result<(), WriteError> {
        let writing = async {
            let mut slot = self.connection.lock().await;
            let mut connection = match slot.take() {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let done = self.insert(&mut connection, records).await;
            // After any failure but of a statement its state is unknown.
            if done.as_ref().err().is_none_or(SinkError::is_rejected) {
                *slot = Some(connection);
            }
            done
        };
        Ok(tokio::time::timeout(WRITE_MAX, writing).await.unwrap_or_else(|_| Err(late()))?)
    }

    async fn close(&self) -> Result<(), SinkError> {
        self.connection.lock().await.take();
        Ok(())
    }
}
