//! Only one statement, and only one that reads. The database is told so too: its transactions are read-only.
//! That does not hold functions back that act on files, sessions or other servers: they are refused by name.

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
    if let Some(name) = calls(&tokens).find(|name| acts(name, database)) {
        return Err(format!("calls {name}(), which does more than read"));
    }
    let statements = Parser::parse_sql(dialect, &text).map_err(|e| format!("is not understood: {e}"))?;
    match statements.as_slice() {
        [Statement::Query(query)] if reads(query) => Ok(()),
        [_] => Err("must be a SELECT that only reads: no writing, no INTO, no FOR UPDATE".into()),
        _ => Err("must be one SELECT".into()),
    }
}

/// The names before parentheses, without their schemas: every call of a function looks like this, wherever
/// it stands. A tree would have to be walked through all that this dialect can nest.
fn calls(tokens: &[Token]) -> impl Iterator<Item = String> {
    let passed_over = |token: &&Token| !matches!(token, Token::Whitespace(_));
    let said: Vec<_> = tokens.iter().filter(passed_over).collect();
    let pairs: Vec<_> = said.windows(2).filter(|pair| *pair[1] == Token::LParen).map(|pair| pair[0]).collect();
    pairs.into_iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.value.to_lowercase()),
        _ => None,
    })
}

/// Functions that write, act on the server or another one, wait, or run a query that is a text.
/// A star stands for the rest of a name.
const ON_POSTGRES: &str = "dblink* lo_* lowrite loread pg_read_file pg_read_binary_file pg_file_* \
    pg_stat_file pg_ls_* pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile* pg_log_* pg_promote \
    pg_switch_* pg_create_* pg_drop_* pg_copy_* pg_replication_* pg_logical_* pg_wal_replay_* pg_start_backup \
    pg_stop_backup pg_backup_* pg_export_snapshot pg_import_* pg_stat_reset* pg_stat_clear_* pg_advisory_* \
    pg_try_advisory_* pg_notify pg_sleep* set_config nextval setval query_to_xml* cursor_to_xml* database_to_xml* ts_stat \
    ts_rewrite crosstab* connectby xpath_table plpgsql_*";
const ON_MYSQL: &str = "load_file sleep benchmark get_lock release_lock release_all_locks nextval setval lastval \
    master_pos_wait source_pos_wait master_gtid_wait wait_for_executed_gtid_set wait_until_sql_thread_after_gtids \
    sys_exec sys_eval sys_get sys_set lib_mysqludf_*";
const ON_SQLITE: &str = "load_extension readfile writefile edit fts3_tokenizer";

fn acts(name: &str, database: &Database) -> bool {
    let names = match database {
        Database::Postgres { .. } => ON_POSTGRES,
        Database::Mysql { .. } => ON_MYSQL,
        Database::Sqlite { .. } => ON_SQLITE,
    };
    // U&"\0070g_sleep" is another way to write a name.
    name.contains('\\')
        || names.split_whitespace().any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == known,
        })
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

    fn on(kind: &str, query: &str) -> Result<(), String> {
        let settings = match kind {
            "sqlite" => serde_json::json!({ "type": "sqlite", "path": "p" }),
            kind => serde_json::json!({ "type": kind, "host": "h", "database": "d", "username": "u" }),
        };
        check(query, &serde_json::from_value(settings).expect("settings"))
    }

    fn on_postgres(query: &str) -> Result<(), String> {
        on("postgres", query)
    }

    #[test]
    fn each_database_has_functions_of_its_own_that_act() {
        for (kind, call) in [
            ("mysql", "load_file('/etc/passwd')"),
            ("mysql", "SLEEP(10)"),
            ("mysql", "`sleep`(10)"),
            ("mysql", "/*!50000 sleep(10) */"),
            ("mysql", "benchmark(1, 1)"),
            ("mysql", "get_lock('a', 1)"),
            ("mysql", "nextval(a)"),
            ("sqlite", "load_extension('x')"),
            ("sqlite", "[load_extension]('x')"),
            ("sqlite", "writefile('x', 'y')"),
        ] {
            assert!(on(kind, &format!("SELECT {call}")).is_err(), "{kind}: {call}");
        }
        assert_eq!(on("mysql", "SELECT count(*), upper(a) FROM t"), Ok(()));
        assert_eq!(on("sqlite", "SELECT json_extract(a, '$.b') FROM t"), Ok(()));
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
            "SELECT count(*), max(nextval) FROM pg_sleep WHERE name = 'pg_sleep(1)' -- nextval('a')",
            "SELECT currval('a'), current_setting('a'), lower(note), sleep(1) FROM t",
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
        for call in [
            "dblink('host=x', 'SELECT 1')",
            "dblink_exec('x')",
            "lo_import('/etc/passwd')",
            "lo_export(1, '/tmp/x')",
            "lowrite(1, 'x')",
            "pg_read_file('/etc/passwd')",
            "pg_read_binary_file('/etc/passwd')",
            "pg_ls_dir('/')",
            "pg_terminate_backend(1)",
            "pg_cancel_backend(1)",
            "pg_reload_conf()",
            "pg_rotate_logfile()",
            "set_config('a', 'b', false)",
            "pg_advisory_lock(1)",
            "pg_try_advisory_xact_lock(1)",
            "nextval('a')",
            "setval('a', 1)",
            "query_to_xml('SELECT pg_sleep(1)', true, true, '')",
            "query_to_xml_and_xmlschema('SELECT 1', true, true, '')",
            "pg_notify('a', 'b')",
            "pg_sleep(1)",
            "PG_Sleep_For('1s')",
            "pg_catalog . pg_sleep /* here */ (1)",
            "\"pg_sleep\"(1)",
            "\"pg_catalog\".\"pg_sleep\"\n(1)",
            "U&\"\\0070g_sleep\"(1)",
        ] {
            for query in [
                format!("SELECT {call}"),
                format!("SELECT n FROM orders WHERE EXISTS (SELECT 1 FROM {call} AS f)"),
                format!("WITH a AS (SELECT CASE WHEN true THEN {call} END) SELECT * FROM a"),
                format!("SELECT n FROM orders ORDER BY coalesce({call}, 1)"),
                format!("VALUES (array[{call}])"),
            ] {
                let refusal = on_postgres(&query).expect_err(&query);
                assert!(refusal.contains("more than read") || call.starts_with("U&"), "{query}: {refusal}");
            }
        }
        let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(on_postgres(&deep).is_err(), "a deep one is refused and not fatal");
    }
}
