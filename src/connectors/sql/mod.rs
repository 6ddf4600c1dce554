//! `sql`: rows of a query, again and again.
//!
//! | file | idea |
//! |---|---|
//! | `config` | the settings, their JSON Schema and their rules |
//! | `guard` | one statement, and only one that reads |
//! | `page` | the statement of one page, in three dialects |
//! | `session` | a read-only connection |
//! | `poll` | one poll: pages, deliveries, checkpoint |
//! | `again` | the rows between two cursors or times, beside the polls |

use std::time::Instant;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::check::Steps;
use super::schedule::Schedule;
use super::{
    CheckStep, Connector, ConnectorContext, ConnectorError, ConnectorSpec, Outlet, Placement, PullSource, Source,
    decode,
};
use crate::domain::{BackfillRange, RangeKind};
use crate::error::Problem;
use crate::mapping::schema_of;

mod again;
mod config;
mod guard;
mod page;
mod poll;
mod session;

use config::SqlConfig;
use page::Position;
use poll::Poller;
use session::{Found, Session};

/// How many rows a sample shows.
const SAMPLE: usize = 20;

pub(super) struct Sql {
    spec: ConnectorSpec,
}

impl Sql {
    pub(super) fn new() -> Self {
        Self {
            spec: ConnectorSpec {
                name: "sql",
                title: "SQL query",
                description: "Reads the rows of a query on PostgreSQL, MySQL or SQLite, and goes on where it stopped.",
                schema_version: 1,
                config_schema: schema_of::<SqlConfig>(),
                sample: json!([
                    {"id": 20_417, "customer": "Ada", "total": 129.9, "updated_at": "2025-03-04T08:31:07.5"},
                    {"id": 20_418, "customer": "Grace", "total": 12.5, "updated_at": "2025-03-04T08:32:40.25"},
                ]),
                placement: Placement::Leased,
            },
        }
    }
}

#[async_trait]
impl Connector for Sql {
    fn spec(&self) -> &ConnectorSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        match SqlConfig::read(config) {
            Ok(config) => config.problems(),
            Err(error) => vec![Problem::new("", error.message)],
        }
    }

    /// A payload is an array of rows, or one row.
    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError> {
        SqlConfig::read(config)?;
        let document = decode::json(payload).map_err(|e| ConnectorError::permanent("decode_failed", e))?;
        Ok(match document {
            Value::Array(rows) => rows,
            row => vec![row],
        })
    }

    async fn start(&self, config: &Value, context: ConnectorContext) -> Result<Source, ConnectorError> {
        let config = SqlConfig::read(config)?;
        // A secret may have changed what the query is.
        guard::check(&config.query, &config.database)
            .map_err(|e| ConnectorError::permanent("config_invalid", format!("query {e}")))?;
        let schedule = Schedule::parse(&config.schedule).map_err(|e| ConnectorError::permanent("config_invalid", e))?;
        Ok(Source::Pull(Box::new(Reader { poller: Poller { config, context, position: None }, schedule })))
    }

    async fn sample(&self, config: &Value, context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError> {
        let config = SqlConfig::read(config)?;
        let mut session = open(&config, &context).await?;
        let rows = first_rows(&mut session, &config, SAMPLE).await?;
        Ok(Some(Value::Array(poll::documents(&rows)?).to_string().into_bytes()))
    }

    fn backfill_ranges(&self, config: &Value) -> &'static [RangeKind] {
        match SqlConfig::read(config).map(|config| config.cursor.is_some()) {
            Ok(true) => &[RangeKind::Time, RangeKind::Cursor],
            _ => &[],
        }
    }

    async fn backfill(
        &self,
        config: &Value,
        range: &BackfillRange,
        context: ConnectorContext,
    ) -> Result<Box<dyn PullSource>, ConnectorError> {
        let config = SqlConfig::read(config)?;
        guard::check(&config.query, &config.database)
            .map_err(|e| ConnectorError::permanent("config_invalid", format!("query {e}")))?;
        Ok(Box::new(again::Again { poller: Poller { config, context, position: None }, range: range.clone() }))
    }

    async fn check(&self, config: &Value, context: ConnectorContext) -> Vec<CheckStep> {
        let mut steps = Steps::default();
        let connecting = async {
            let config = SqlConfig::read(config)?;
            let session = open(&config, &context).await?;
            Ok((config, session))
        };
        let connected = steps.run("connect", connecting, |_| "connected to the database".to_owned()).await;
        let Some((config, mut session)) = connected else { return steps.finish() };
        let began = Instant::now();
        if let Ok(true) = session.is_superuser(config.timeout.0).await {
            let warning = "warning: the user is a superuser, so a query may reach the files and programs of the \
                           server; give the connector a user who may only read";
            steps.add("rights", Ok(warning.to_owned()), began.elapsed());
        }
        let querying = first_rows(&mut session, &config, 1);
        steps
            .run("query", querying, |rows| {
                if rows.is_empty() { "the query has no row now".into() } else { "the query gives rows".into() }
            })
            .await;
        steps.finish()
    }
}

async fn open(config: &SqlConfig, context: &ConnectorContext) -> Result<Session, ConnectorError> {
    guard::check(&config.query, &config.database)
        .map_err(|e| ConnectorError::permanent("config_invalid", format!("query {e}")))?;
    Session::open(&config.database, context, config.timeout.0).await
}

async fn first_rows(session: &mut Session, config: &SqlConfig, limit: usize) -> Result<Vec<Found>, ConnectorError> {
    let columns = session.columns(&config.query).await?;
    let asked = page::page(session.dialect(), &config.query, &columns, config.cursor.as_ref(), None, &[], limit)
        .map_err(|e| ConnectorError::permanent("query_failed", e))?;
    Ok(session.rows(asked, config.timeout.0).await?.0)
}

struct Reader {
    poller: Poller,
    schedule: Schedule,
}

#[async_trait]
impl PullSource for Reader {
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        // A checkpoint of another form than ours means a first poll.
        self.poller.position = checkpoint.and_then(|value| Position::deserialize(value).ok());
        if self.schedule.polls_at_once() {
            self.poller.poll(outlet, &stop).await?;
        }
        while let Some(Some(())) = stop.run_until_cancelled(self.schedule.tick()).await {
            self.poller.poll(outlet, &stop).await?;
        }
        if stop.is_cancelled() {
            return Ok(());
        }
        Err(ConnectorError::permanent("schedule_ended", "the schedule names no further time; change it to read again"))
    }
}
