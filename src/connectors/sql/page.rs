//! The statement of one page: the user's query as a subquery, its rows as JSON texts in the order of the cursor.

use super::config::Cursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Mysql,
    Sqlite,
}

/// A column of the query's result, with the type as the database names it.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
}

/// A place between rows: the text of the cursor, and of the key where there is one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Position {
    pub(super) cursor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

/// What the database is asked: three texts a row (JSON, cursor, key), and the values to bind.
pub(super) struct Page {
    pub(super) sql: String,
    pub(super) binds: Vec<String>,
}

impl Dialect {
    fn quote(self, name: &str) -> String {
        match self {
            Self::Mysql => format!("`{}`", name.replace('`', "``")),
            Self::Postgres | Self::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    fn row(self, columns: &[Column]) -> String {
        let text = |name: &str| match self {
            Self::Mysql => format!("'{}'", name.replace('\\', "\\\\").replace('\'', "''")),
            _ => format!("'{}'", name.replace('\'', "''")),
        };
        match self {
            Self::Postgres => "to_jsonb(q)::text".to_owned(),
            Self::Mysql => {
                let parts = columns.iter().map(|c| format!("{}, q.{}", text(&c.name), self.quote(&c.name)));
                format!("CAST(JSON_OBJECT({}) AS CHAR)", parts.collect::<Vec<_>>().join(", "))
            }
            // At most 127 arguments a function before SQLite 3.48, so wide rows are made of several objects.
            Self::Sqlite => {
                let value = |c: &Column| {
                    let name = self.quote(&c.name);
                    format!("{}, CASE typeof(q.{name}) WHEN 'blob' THEN hex(q.{name}) ELSE q.{name} END", text(&c.name))
                };
                let part =
                    |some: &[Column]| format!("json_object({})", some.iter().map(value).collect::<Vec<_>>().join(", "));
                let mut parts = columns.chunks(60).map(part);
                let first = parts.next().unwrap_or_else(|| "json_object()".to_owned());
                parts.fold(first, |all, more| format!("json_patch({all}, {more})"))
            }
        }
    }

    /// A column as a text that [`Self::typed`] reads back without loss.
    fn text(self, column: &str) -> String {
        let column = format!("q.{}", self.quote(column));
        match self {
            Self::Postgres => format!("{column}::text"),
            Self::Mysql => format!("CAST({column} AS CHAR)"),
            Self::Sqlite => format!("CAST(json_quote({column}) AS TEXT)"),
        }
    }

    /// A bound text as a value of the column's type.
    fn typed(self, index: usize, kind: &str) -> String {
        match self {
            Self::Postgres => format!("${index}::text::{kind}"),
            Self::Sqlite => format!("json_extract(?{index}, '$')"),
            Self::Mysql => match kind {
                kind if kind.contains("UNSIGNED") => "CAST(? AS UNSIGNED)".to_owned(),
                kind if kind.contains("INT") => "CAST(? AS SIGNED)".to_owned(),
                "DECIMAL" => "CAST(? AS DECIMAL(65, 30))".to_owned(),
                "DATETIME" | "TIMESTAMP" => "CAST(? AS DATETIME(6))".to_owned(),
                "DATE" => "CAST(? AS DATE)".to_owned(),
                _ => "?".to_owned(),
            },
        }
    }

    /// The text of a position as [`Self::text`] would have it, for one that a person wrote.
    pub(super) fn initial(self, text: &str) -> String {
        match self {
            Self::Sqlite if text.parse::<i64>().is_err() => serde_json::Value::from(text).to_string(),
            _ => text.to_owned(),
        }
    }
}

/// The rows beyond `after`, at most `limit`.
pub(super) fn page(
    dialect: Dialect,
    query: &str,
    columns: &[Column],
    cursor: Option<&Cursor>,
    after: Option<&Position>,
    limit: usize,
) -> Result<Page, String> {
    // A comment at the end of the query must not swallow what follows.
    let from = format!("FROM (\n{query}\n) AS q");
    let row = dialect.row(columns);
    let Some(cursor) = cursor else {
        return Ok(Page { sql: format!("SELECT {row}, NULL, NULL {from} LIMIT {limit}"), binds: Vec::new() });
    };
    let kind_of = |name: &String| {
        let found = columns.iter().find(|column| column.name == *name).map(|column| column.kind.clone());
        found.ok_or_else(|| format!("the result of the query has no column {name:?}"))
    };
    let kind = kind_of(&cursor.column)?;
    let column = format!("q.{}", dialect.quote(&cursor.column));
    let mut order = column.clone();
    let mut key_text = "NULL".to_owned();
    let mut binds = Vec::new();
    let mut beyond = format!("{column} IS NOT NULL");
    if let Some(after) = after {
        binds.push(after.cursor.clone());
        beyond = format!("{column} > {}", dialect.typed(1, &kind));
    }
    if let Some(key) = &cursor.key {
        let key_kind = kind_of(key)?;
        let key_column = format!("q.{}", dialect.quote(key));
        if let Some(Position { cursor: at, key: Some(key) }) = after {
            let (again, last) = (dialect.typed(2, &kind), dialect.typed(3, &key_kind));
            binds.extend([at.clone(), key.clone()]);
            beyond = format!("({beyond} OR ({column} = {again} AND {key_column} > {last}))");
        }
        key_text = dialect.text(key);
        order = format!("{order}, {key_column}");
    }
    let cursor_text = dialect.text(&cursor.column);
    let sql = format!("SELECT {row}, {cursor_text}, {key_text} {from} WHERE {beyond} ORDER BY {order} LIMIT {limit}");
    Ok(Page { sql, binds })
}
