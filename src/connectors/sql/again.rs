//! Rows that are read again: pages between two cursors or two times, beside the polls.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::config::Cursor;
use super::page::{Bound, Column, Dialect, Position, extent, named};
use super::poll::{Poller, documents};
use super::session::Session;
use crate::connectors::{ConnectorError, Outlet, PullSource};
use crate::domain::{BackfillRange, Timestamp};

/// Longest time for a count, which is a courtesy.
const COUNT_MAX: Duration = Duration::from_secs(5);

pub(super) struct Again {
    pub(super) poller: Poller,
    pub(super) range: BackfillRange,
}

/// How far the range was read, and where it ends. This is the checkpoint.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Plan {
    total: Option<u64>,
    /// The greatest cursor when the backfill began, where counting told it.
    until: Option<String>,
    reached: Option<Position>,
}

#[async_trait]
impl PullSource for Again {
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let Some(cursor) = self.poller.config.cursor.clone() else {
            return Err(ConnectorError::permanent("range_unsupported", "a query without a cursor has no parts"));
        };
        let (dialect, columns) = self.look().await?;
        let mut bounds = bounds(dialect, &columns, &cursor, &self.range)?;
        let stored = checkpoint.and_then(|stored| Plan::deserialize(stored).ok());
        let is_new = stored.is_none();
        let mut plan = match stored {
            Some(plan) => plan,
            None => self.plan(&cursor, &columns, &bounds).await?,
        };
        if let Some(total) = plan.total {
            outlet.expect(total);
        }
        if is_new {
            // Whoever goes on after a crash must stop at the same end.
            outlet.deliver(Vec::new(), serde_json::to_value(&plan).ok()).await?;
        }
        bounds.extend(plan.until.clone().map(|text| Bound { operator: "<=", text }));
        while !stop.is_cancelled() && plan.total != Some(0) {
            let (rows, more) = self.poller.read(plan.reached.as_ref(), &bounds).await?;
            if let Some(reached) = rows.last().and_then(|row| row.position.clone()) {
                plan.reached = Some(reached);
                outlet.deliver(documents(&rows)?, serde_json::to_value(&plan).ok()).await?;
            }
            if !more {
                break;
            }
        }
        Ok(())
    }
}

impl Again {
    async fn look(&self) -> Result<(Dialect, Vec<Column>), ConnectorError> {
        let config = &self.poller.config;
        let mut session = Session::open(&config.database, &self.poller.context, config.timeout.0).await?;
        Ok((session.dialect(), session.columns(&config.query).await?))
    }

    /// Counts what there is; a count that takes long tells nothing.
    async fn plan(&self, cursor: &Cursor, columns: &[Column], bounds: &[Bound]) -> Result<Plan, ConnectorError> {
        let config = &self.poller.config;
        let timeout = config.timeout.0.min(COUNT_MAX);
        let mut session = Session::open(&config.database, &self.poller.context, timeout).await?;
        let asked = extent(session.dialect(), &config.query, columns, cursor, bounds)
            .map_err(|e| ConnectorError::permanent("query_failed", e))?;
        match session.rows(asked, timeout).await {
            Ok((rows, _)) => {
                let row = rows.into_iter().next();
                // SQLite quotes no number, and the others quote nothing.
                let total = row.as_ref().and_then(|row| row.json.parse().ok());
                let until = row.and_then(|row| row.position).map(|position| position.cursor);
                Ok(Plan { total, until, reached: None })
            }
            Err(error) if error.code == "timeout" => Ok(Plan::default()),
            Err(error) => Err(error),
        }
    }
}

fn bounds(
    dialect: Dialect,
    columns: &[Column],
    cursor: &Cursor,
    range: &BackfillRange,
) -> Result<Vec<Bound>, ConnectorError> {
    let (_, kind) =
        named(dialect, columns, &cursor.column).map_err(|e| ConnectorError::permanent("query_failed", e))?;
    let mut found = Vec::new();
    let mut add = |operator, text: Option<String>| found.extend(text.map(|text| Bound { operator, text }));
    add(">=", range.from_cursor.as_deref().map(|text| dialect.initial(text)));
    add("<=", range.to_cursor.as_deref().map(|text| dialect.initial(text)));
    let time = |at: Option<Timestamp>| at.map(|at| in_time(dialect, kind, at)).transpose();
    let refused = |()| {
        let message = format!(
            "the cursor {} is no timestamp of the database (its type is {kind}); name fromCursor and toCursor instead",
            cursor.column
        );
        ConnectorError::permanent("range_unsupported", message)
    };
    add(">=", time(range.from).map_err(refused)?);
    add("<", time(range.to).map_err(refused)?);
    Ok(found)
}

/// A time as the database writes it; one without a zone is taken for UTC.
fn in_time(dialect: Dialect, kind: &str, at: Timestamp) -> Result<String, ()> {
    match (dialect, kind) {
        (Dialect::Postgres, "TIMESTAMPTZ" | "TIMESTAMP" | "DATE") => {
            Ok(at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
        }
        (Dialect::Mysql, "TIMESTAMP" | "DATETIME" | "DATE") => Ok(at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(dialect: Dialect, kind: &str, range: &str) -> Result<Vec<Bound>, ConnectorError> {
        let columns = [Column { name: "at".into(), kind: kind.into() }];
        let cursor = Cursor { column: "at".into(), key: None, initial: None };
        bounds(dialect, &columns, &cursor, &serde_json::from_str(range).expect("a range"))
    }

    #[test]
    fn a_range_of_time_needs_a_cursor_of_time() {
        let march = r#"{"from": "2026-03-01T00:00:00Z", "to": "2026-03-31T22:00:00.5-02:00"}"#;
        let found = bounded(Dialect::Postgres, "TIMESTAMPTZ", march).expect("bounds");
        let expected = [(">=", "2026-03-01 00:00:00.000000+00"), ("<", "2026-04-01 00:00:00.500000+00")];
        assert_eq!(found, expected.map(|(operator, text)| Bound { operator, text: text.into() }));
        for (dialect, kind) in [(Dialect::Postgres, "INT8"), (Dialect::Mysql, "BIGINT"), (Dialect::Sqlite, "DATETIME")]
        {
            let error = bounded(dialect, kind, march).expect_err(kind);
            assert_eq!(error.code, "range_unsupported");
            assert!(error.message.contains("fromCursor"), "{error}");
        }
    }

    #[test]
    fn both_ends_of_a_range_of_cursors_are_within_it() {
        let found = bounded(Dialect::Sqlite, "INTEGER", r#"{"from_cursor": "5", "to_cursor": "b"}"#).expect("bounds");
        let expected = [(">=", "5"), ("<=", "\"b\"")];
        assert_eq!(found, expected.map(|(operator, text)| Bound { operator, text: text.into() }));
    }
}
