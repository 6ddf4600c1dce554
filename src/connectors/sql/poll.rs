//! One poll: pages of rows until there is no more, each delivered with the position behind it.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::config::SqlConfig;
use super::page::{Bound, Position, page};
use super::session::{Found, Session};
use crate::connectors::{ConnectorContext, ConnectorError, Outlet};

/// Most rows of a query without a cursor, which has to be held as a whole.
const SNAPSHOT: usize = 100_000;

pub(super) struct Poller {
    pub(super) config: SqlConfig,
    pub(super) context: ConnectorContext,
    pub(super) position: Option<Position>,
}

impl Poller {
    pub(super) async fn poll(&mut self, outlet: &dyn Outlet, stop: &CancellationToken) -> Result<(), ConnectorError> {
        let mut empty = true;
        loop {
            let (rows, more) = self.read(self.position.as_ref(), &[]).await?;
            if self.config.cursor.is_none() {
                return self.snapshot(rows, more, outlet).await;
            }
            empty &= rows.is_empty();
            if let Some(position) = rows.last().and_then(|row| row.position.clone()) {
                let checkpoint = serde_json::to_value(&position).ok();
                outlet.deliver(documents(&rows)?, checkpoint).await?;
                self.position = Some(position);
            }
            if !more || stop.is_cancelled() {
                break;
            }
        }
        if empty {
            outlet.idle(Some(0.0));
        }
        Ok(())
    }

    /// The rows beyond a position and within bounds, and whether there are more. Where there is neither, the first
    /// poll begins beyond the initial position of the settings.
    pub(super) async fn read(
        &self,
        position: Option<&Position>,
        bounds: &[Bound],
    ) -> Result<(Vec<Found>, bool), ConnectorError> {
        let timeout = self.config.timeout.0;
        // A connection a page: no transaction of ours stays open while a sink is slow.
        let mut session = Session::open(&self.config.database, &self.context, timeout).await?;
        let dialect = session.dialect();
        let columns = session.columns(&self.config.query).await?;
        let cursor = self.config.cursor.as_ref();
        let limit = if cursor.is_some() { self.config.batch + 1 } else { SNAPSHOT + 1 };
        let first = cursor.and_then(|c| c.initial.as_deref()).filter(|_| position.is_none() && bounds.is_empty());
        let first = first.map(|text| Bound { operator: ">", text: dialect.initial(text) });
        let bounds = if first.is_some() { first.as_slice() } else { bounds };
        let asked = page(dialect, &self.config.query, &columns, cursor, position, bounds, limit)
            .map_err(|e| ConnectorError::permanent("query_failed", e))?;
        let (rows, cut) = session.rows(asked, timeout).await?;
        let more = cut || rows.len() >= limit;
        let rows = if more && cursor.is_some() { whole_groups(rows)? } else { rows };
        Ok((rows, more))
    }

    async fn snapshot(&self, rows: Vec<Found>, more: bool, outlet: &dyn Outlet) -> Result<(), ConnectorError> {
        if more {
            let message =
                format!("the result has more than {SNAPSHOT} rows or 16 MiB; name a cursor to read it in parts");
            return Err(ConnectorError::permanent("result_too_large", message));
        }
        if rows.is_empty() {
            outlet.idle(Some(0.0));
        }
        for batch in rows.chunks(self.config.batch) {
            outlet.deliver(documents(batch)?, None).await?;
        }
        Ok(())
    }
}

pub(super) fn documents(rows: &[Found]) -> Result<Vec<Value>, ConnectorError> {
    let parse = |row: &Found| {
        serde_json::from_str(&row.json)
            .map_err(|_| ConnectorError::permanent("decode_failed", "a row cannot be written as JSON"))
    };
    rows.iter().map(parse).collect()
}

/// Of a page that has more behind it, the rows whose position no later row can share.
fn whole_groups(mut rows: Vec<Found>) -> Result<Vec<Found>, ConnectorError> {
    let Some(next) = rows.pop() else { return Ok(rows) };
    while rows.last().is_some_and(|row| row.position == next.position) {
        rows.pop();
    }
    if rows.is_empty() {
        let at = json!(next.position.map(|p| p.cursor));
        let message =
            format!("more rows than fit a batch have the same cursor {at}; name a unique column as cursor.key");
        return Err(ConnectorError::permanent("cursor_not_unique", message));
    }
    Ok(rows)
}
