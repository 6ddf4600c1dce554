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

/// The place after a row: the text of the cursor, and of the key where there is one and it is not NULL.
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

    /// A value as a text that [`Self::typed`] reads back without loss.
    fn text(self, value: &str) -> String {
        match self {
            Self::Postgres => format!("{value}::text"),
            Self::Mysql => format!("CAST({value} AS CHAR)"),
            // NULL stays NULL; a text of four letters would have its quotes.
            Self::Sqlite => format!("nullif(CAST(json_quote({value}) AS TEXT), 'null')"),
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

    const fn sorts_nulls_last(self) -> bool {
        matches!(self, Self::Postgres)
    }

    /// The text of a position as [`Self::text`] would have it, for one that a person wrote.
    pub(super) fn initial(self, text: &str) -> String {
        match self {
            Self::Sqlite if text.parse::<i64>().is_err() => serde_json::Value::from(text).to_string(),
            _ => text.to_owned(),
        }
    }
}

/// A bound of the cursor, in the text of its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) operator: &'static str,
    pub(super) text: String,
}

/// The rows beyond `after` and within `bounds`, at most `limit`.
pub(super) fn page(
    dialect: Dialect,
    query: &str,
    columns: &[Column],
    cursor: Option<&Cursor>,
    after: Option<&Position>,
    bounds: &[Bound],
    limit: usize,
) -> Result<Page, String> {
    let row = dialect.row(columns);
    let Some(cursor) = cursor else {
        let sql = format!("SELECT {row}, NULL, NULL {} LIMIT {limit}", from(query));
        return Ok(Page { sql, binds: Vec::new() });
    };
    let (column, kind) = named(dialect, columns, &cursor.column)?;
    let mut order = column.clone();
    let mut key_text = "NULL".to_owned();
    let mut values = Values { dialect, binds: Vec::new() };
    let mut beyond = format!("{column} IS NOT NULL");
    if let Some(after) = after {
        beyond = format!("{column} > {}", values.bind(&after.cursor, kind));
    }
    if let Some(key) = &cursor.key {
        let (key_column, key_kind) = named(dialect, columns, key)?;
        if let Some(after) = after {
            let again = values.bind(&after.cursor, kind);
            // A key should be unique and present; one that is NULL must not cost a row.
            let rest = match (&after.key, dialect.sorts_nulls_last()) {
                (Some(key), true) => {
                    format!("({key_column} > {} OR {key_column} IS NULL)", values.bind(key, key_kind))
                }
                (Some(key), false) => format!("{key_column} > {}", values.bind(key, key_kind)),
                (None, true) => "FALSE".to_owned(),
                (None, false) => format!("{key_column} IS NOT NULL"),
            };
            beyond = format!("({beyond} OR ({column} = {again} AND {rest}))");
        }
        key_text = dialect.text(&key_column);
        order = format!("{order}, {key_column}");
    }
    let within = values.within(&column, kind, bounds);
    let (from, cursor_text) = (from(query), dialect.text(&column));
    let sql =
        format!("SELECT {row}, {cursor_text}, {key_text} {from} WHERE {beyond}{within} ORDER BY {order} LIMIT {limit}");
    Ok(Page { sql, binds: values.binds })
}

/// How many rows there are within `bounds`, and the greatest cursor of them.
pub(super) fn extent(
    dialect: Dialect,
    query: &str,
    columns: &[Column],
    cursor: &Cursor,
    bounds: &[Bound],
) -> Result<Page, String> {
    let (column, kind) = named(dialect, columns, &cursor.column)?;
    let mut values = Values { dialect, binds: Vec::new() };
    let within = values.within(&column, kind, bounds);
    let (count, greatest) = (dialect.text("count(*)"), dialect.text(&format!("max({column})")));
    let sql = format!("SELECT {count}, {greatest}, NULL {} WHERE {column} IS NOT NULL{within}", from(query));
    Ok(Page { sql, binds: values.binds })
}

/// A comment at the end of the query must not swallow what follows.
fn from(query: &str) -> String {
    format!("FROM (\n{query}\n) AS q")
}

/// A column of the result, and its type.
pub(super) fn named<'a>(dialect: Dialect, columns: &'a [Column], name: &str) -> Result<(String, &'a str), String> {
    let found = columns.iter().find(|column| column.name == name);
    let found = found.ok_or_else(|| format!("the result of the query has no column {name:?}"))?;
    Ok((format!("q.{}", dialect.quote(name)), found.kind.as_str()))
}

/// The values to bind, in the order in which the statement names them.
struct Values {
    dialect: Dialect,
    binds: Vec<String>,
}

impl Values {
    fn bind(&mut self, text: &str, kind: &str) -> String {
        self.binds.push(text.to_owned());
        self.dialect.typed(self.binds.len(), kind)
    }

    fn within(&mut self, column: &str, kind: &str, bounds: &[Bound]) -> String {
        let conditions =
            bounds.iter().map(|bound| format!(" AND {column} {} {}", bound.operator, self.bind(&bound.text, kind)));
        conditions.collect()
    }
}
