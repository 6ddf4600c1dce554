//! Relay connections from keyset pages.

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Object, OutputType, Result};
use serde::Serialize;

use super::error::Shape;
use crate::app::{App, OpContext};
use crate::domain::DatasourceFilter;
use crate::domain::paging::{Page, encode_cursor};

/// How many datasources match, whatever the page.
pub(super) struct TotalCount {
    pub(super) filter: DatasourceFilter,
}

#[Object]
impl TotalCount {
    /// How many datasources the filter matches in all. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.count_datasources(op, &self.filter)).await.shaped(ctx)
    }
}

/// A page as edges; each row's cursor comes from `key`.
pub(super) fn edges<N, T, K, F>(
    page: Page<T>,
    fields: F,
    key: impl Fn(&T) -> K,
    node: impl Fn(T) -> N,
) -> Connection<String, N, F>
where
    N: OutputType,
    K: Serialize,
    F: async_graphql::ObjectType,
{
    let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, fields);
    connection.edges = page
        .items
        .into_iter()
        .map(|row| {
            let cursor = encode_cursor(&key(&row));
            Edge::new(cursor, node(row))
        })
        .collect();
    connection
}

/// A connection without fields of its own.
pub(super) type Plain<N> = Connection<String, N, EmptyFields>;
