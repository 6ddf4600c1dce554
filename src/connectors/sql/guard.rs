//! Only one statement, and only one that reads. The database is told so too: its transactions are read-only.

use sqlparser::ast::{Query, SetExpr, Statement};
use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::config::Database;

pub(super) fn check(query: &str, database: &Database) -> Result<(), String> {
    let dialect: &dyn Dialect = match database {
        Database::Postgres { .. } => &PostgreSqlDialect {},
        Database::Mysql { .. } => &MySqlDialect {},
        Database::Sqlite { .. } => &SQLiteDialect {},
    };
    // Where a secret stands is no matter here, and its name is no SQL outside of quotes.
    let text = query.replace("{{", "").replace("}}", "");
    let tokens = Tokenizer::new(dialect, &text).tokenize().map_err(|e| format!("is not SQL: {e}"))?;
    if tokens.contains(&Token::SemiColon) {
        return Err("must be one statement, without a semicolon".into());
    }
    let statements = Parser::parse_sql(dialect, &text).map_err(|e| format!("is not understood: {e}"))?;
    match statements.as_slice() {
        [Statement::Query(query)] if reads(query) => Ok(()),
        [_] => Err("must be a SELECT that only reads: no writing, no INTO, no FOR UPDATE".into()),
        _ => Err("must be one SELECT".into()),
    }
}

fn reads(query: &Query) -> bool {
    let parts = query.with.iter().flat_map(|with| with.cte_tables.iter().map(|cte| cte.query.as_ref()));
    query.locks.is_empty() && parts.into_iter().all(reads) && body_reads(&query.body)
}

fn body_reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => reads(query),
        SetExpr::SetOperation { left, right, .. } => body_reads(left) && body_reads(right),
        SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_postgres(query: &str) -> Result<(), String> {
        let settings = serde_json::json!({ "type": "postgres", "host": "h", "database": "d", "username": "u" });
        check(query, &serde_json::from_value(settings).expect("settings"))
    }

    #[test]
    fn what_reads_passes() {
        for query in [
            "SELECT 1",
            "select * from orders -- all of them",
            "WITH recent AS (SELECT * FROM orders WHERE at > now() - interval '1 day') SELECT * FROM recent",
            "SELECT a FROM x UNION ALL (SELECT b FROM y ORDER BY 1 LIMIT 5)",
            "SELECT data->>'a' AS a, ';' AS semicolon FROM t WHERE tags @> ARRAY['x'] AND name = '{{secret.name}}'",
            "VALUES (1), (2)",
        ] {
            assert_eq!(on_postgres(query), Ok(()), "{query}");
        }
    }

    #[test]
    fn what_writes_or_is_more_than_one_is_refused() {
        for query in [
            "",
            "DELETE FROM orders",
            "UPDATE orders SET a = 1",
            "SELECT 1; DROP TABLE orders",
            "SELECT 1;",
            "SELECT * INTO copy FROM orders",
            "SELECT * FROM orders FOR UPDATE",
            "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
            "COPY orders TO '/tmp/x'",
            "SET transaction_read_only = off",
            "SELECT 1) q; DROP TABLE orders --",
            "EXPLAIN ANALYZE SELECT 1",
            "CALL refresh()",
        ] {
            assert!(on_postgres(query).is_err(), "{query}");
        }
        let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(on_postgres(&deep).is_err(), "a deep one is refused and not fatal");
    }
}
