//! `sql` on a real PostgreSQL and a real SQLite; on MariaDB where it is installed, which `make test` sees to.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::mariadb::MariaDb;
use super::{arrive, check, datasource, fails_with, numbered, numbers, publish_again, set_secret};
use crate::harness::{Database, Kind, TestServer, eventually};
use crate::on_both_databases;

/// A database of another system, with the table `items`.
pub(super) struct Shop(Database);

impl Shop {
    pub(super) async fn open() -> Self {
        let shop = Self(Database::create(Kind::Postgres).await);
        shop.run("CREATE TABLE items (n bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), note text)").await;
        shop
    }

    pub(super) async fn run(&self, sql: &str) {
        self.0.postgres().await.execute(AssertSqlSafe(sql)).await.expect("the statement runs");
    }

    pub(super) async fn insert(&self, from: i64, to: i64) {
        self.run(&format!("INSERT INTO items (n) SELECT generate_series({from}, {to})")).await;
    }

    /// The settings of a connection, with the password as a secret.
    pub(super) fn connection(&self) -> (Value, String) {
        let url: url::Url = self.0.url.as_deref().expect("a URL").parse().expect("a URL");
        let settings = json!({
            "type": "postgres", "host": url.host_str(), "port": url.port().unwrap_or(5432),
            "database": url.path().trim_start_matches('/'), "username": url.username(),
            "password": { "$secret": "db" }, "tls": "disable",
        });
        (settings, url.password().unwrap_or("none").to_owned())
    }
}

pub(super) fn query(database: Value, query: &str, cursor: Value) -> Value {
    let mut config = numbered(json!({ "type": "sql", "database": database, "query": query, "schedule": "every 1s" }));
    if !cursor.is_null() {
        config["connector"]["cursor"] = cursor;
    }
    config
}

on_both_databases! {
    async fn new_rows_are_read_once_through_a_restart(server: TestServer) {
        let shop = Shop::open().await;
        shop.insert(1, 1_200).await;
        let (connection, password) = shop.connection();
        let admin = server.admin();
        let id = datasource(&admin, query(connection, "SELECT * FROM items", json!({ "column": "n" }))).await;
        set_secret(&admin, &id, "db", &password).await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=1_200).await;

        let server = TestServer::on(server.stop().await, &[]).await;
        shop.insert(1_201, 1_210).await;
        arrive(&server, &id, 1..=1_210).await;
        eventually("the position is shown", || async {
            (server.admin().state(&id).await["checkpoint"] == json!({ "cursor": "1210" })).then_some(())
        })
        .await;
    }
}

/// A thousand rows of one moment, in batches of ten: the key tells them apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_one_moment_are_told_apart_by_their_key() {
    let server = TestServer::start(Kind::Sqlite).await;
    let shop = Shop::open().await;
    shop.insert(1, 100).await;
    let (connection, password) = shop.connection();
    let admin = server.admin();
    let mut config = query(connection, "SELECT n, at FROM items", json!({ "column": "at" }));
    config["connector"]["batch"] = json!(10);
    let id = datasource(&admin, config.clone()).await;
    set_secret(&admin, &id, "db", &password).await;
    admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
    let message = fails_with(&admin, &id, "cursor_not_unique").await;
    assert!(message.contains("cursor.key"), "{message}");

    config["connector"]["cursor"] = json!({ "column": "at", "key": "n" });
    publish_again(&admin, &id, config).await;
    arrive(&server, &id, 1..=100).await;
    shop.insert(101, 105).await;
    arrive(&server, &id, 1..=105).await;
}

/// NULL sorts first in one database and last in another; neither may cost a row at the border of a page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_whose_key_is_null_are_read_once_too() {
    let server = TestServer::start(Kind::Sqlite).await;
    let rows =
        "(1, 1, 'a'), (2, 1, NULL), (3, 1, 'b'), (4, 2, NULL), (5, 2, 'a'), (6, NULL, 'z'), (7, 3, 'a'), (8, 3, NULL)";
    let create = "CREATE TABLE marks (n bigint, at bigint, key text)";
    let shop = Shop::open().await;
    shop.run(create).await;
    shop.run(&format!("INSERT INTO marks VALUES {rows}")).await;
    let home = server.database.data_dir.path().join("in/acme");
    std::fs::create_dir_all(&home).expect("made");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(home.join("marks.db")).create_if_missing(true);
    let mut file = sqlx::SqliteConnection::connect_with(&options).await.expect("a database");
    sqlx::raw_sql(AssertSqlSafe(format!("{create}; INSERT INTO marks VALUES {rows}")))
        .execute(&mut file)
        .await
        .expect("filled");

    let (connection, password) = shop.connection();
    let admin = server.admin();
    for database in [connection, json!({ "type": "sqlite", "path": "marks.db" })] {
        for batch in 1..=3 {
            let mut config = query(database.clone(), "SELECT * FROM marks", json!({ "column": "at", "key": "key" }));
            config["connector"]["batch"] = json!(batch);
            let id = datasource(&admin, config).await;
            set_secret(&admin, &id, "db", &password).await;
            admin.publish(&id).await;
            eventually("all arrive", || async { (numbers(&server, &id).len() >= 7).then_some(()) }).await;
            let mut found = numbers(&server, &id);
            found.sort_unstable();
            assert_eq!(found, [1, 2, 3, 4, 5, 7, 8], "a row without a cursor is not read; batch {batch}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_postgresql_arrives_as_json() {
    let server = TestServer::start(Kind::Sqlite).await;
    let shop = Shop::open().await;
    let (connection, password) = shop.connection();
    let all = "SELECT 1 AS n, 1.5::numeric AS price, true AS yes, NULL AS nothing, ARRAY[1,2] AS list, \
               '{\"a\": {\"b\": 1}}'::jsonb AS nested, '2025-03-04 08:31:07+00'::timestamptz AS at, 'x\"y' AS \"odd \"\"name\", \
               '\\x00ff'::bytea AS bytes";
    let admin = server.admin();
    let mut config = query(connection, all, Value::Null);
    config["mapping"] = json!({ "outputs": [{ "kind": "row", "id": "$.n" }] });
    let id = datasource(&admin, config).await;
    set_secret(&admin, &id, "db", &password).await;
    let fetched = admin.mutate("testDatasource", json!({ "id": id, "fetch": true }), "run { outputs { data } }").await;
    assert_eq!(
        fetched["run"]["outputs"][0]["data"],
        json!({
            "n": 1, "price": 1.5, "yes": true, "nothing": null, "list": [1, 2], "nested": { "a": { "b": 1 } },
            "at": "2025-03-04T08:31:07+00:00", "odd \"name": "x\"y", "bytes": "\\x00ff",
        })
    );
}

/// The wall behind the wall: what the statement check cannot see, the database refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_can_neither_write_nor_run_on() {
    let server = TestServer::start(Kind::Sqlite).await;
    let shop = Shop::open().await;
    shop.insert(1, 3).await;
    shop.run("CREATE FUNCTION wipe() RETURNS bigint LANGUAGE sql AS 'DELETE FROM items RETURNING n'").await;
    let (connection, password) = shop.connection();
    let admin = server.admin();
    for (text, code) in [
        ("SELECT wipe() AS n", "query!database_failed"),
        ("SELECT n, (SELECT count(*) FROM generate_series(1, 100000000000)) FROM items", "query!timeout"),
    ] {
        let mut config = query(connection.clone(), text, Value::Null);
        config["connector"]["timeout"] = json!("500ms");
        let id = datasource(&admin, config).await;
        set_secret(&admin, &id, "db", &password).await;
        let (steps, run) = check(&admin, &id).await;
        assert_eq!(steps, ["connect", "rights", code], "{run}");
    }
    let mut direct = PgConnection::connect(shop.0.url.as_deref().expect("a URL")).await.expect("a connection");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM items").fetch_one(&mut direct).await.expect("a count");
    assert_eq!(left, 3, "nothing was written");

    let create = "mutation($input: CreateDatasourceInput!) { createDatasource(input: $input) { datasource { id } } }";
    for text in [
        "DELETE FROM items",
        "SELECT 1; SELECT 2",
        "SELECT 1) q; DROP TABLE items --",
        "SELECT pg_read_file('/etc/passwd')",
    ] {
        let input = json!({ "name": text, "type": "sql", "config": query(connection.clone(), text, Value::Null) });
        let refused = admin.send(create, json!({ "input": input })).await;
        assert_eq!(refused["errors"][0]["extensions"]["problems"][0]["pointer"], "/connector/query", "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_tells_a_wrong_password_from_a_wrong_query() {
    let server = TestServer::start(Kind::Sqlite).await;
    let shop = Shop::open().await;
    let (connection, password) = shop.connection();
    let admin = server.admin();
    let id = datasource(&admin, query(connection, "SELECT missing FROM items", Value::Null)).await;
    set_secret(&admin, &id, "db", "wrong-password").await;
    let (steps, run) = check(&admin, &id).await;
    assert_eq!(steps, ["connect!unauthorized"], "{run}");
    assert!(!run.to_string().contains("wrong-password"), "{run}");
    set_secret(&admin, &id, "db", &password).await;
    let (steps, run) = check(&admin, &id).await;
    assert_eq!(steps, ["connect", "rights", "query!query_failed"], "{run}");
    assert!(run.to_string().contains("missing"), "the database's own words help: {run}");
    assert!(run.to_string().contains("superuser"), "a user who may do anything is told of: {run}");

    let reader = format!("reader_{}", uuid::Uuid::now_v7().simple());
    shop.run(&format!("CREATE ROLE {reader} LOGIN PASSWORD 'of the reader'")).await;
    shop.run(&format!("GRANT SELECT ON items TO {reader}")).await;
    let (mut connection, _) = shop.connection();
    connection["username"] = json!(reader);
    let id = datasource(&admin, query(connection, "SELECT n FROM items", Value::Null)).await;
    set_secret(&admin, &id, "db", "of the reader").await;
    let (steps, run) = check(&admin, &id).await;
    shop.run(&format!("DROP OWNED BY {reader}")).await;
    shop.run(&format!("DROP ROLE {reader}")).await;
    assert_eq!(steps, ["connect", "query"], "{run}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_read_below_the_input_directory_and_never_written() {
    let server = TestServer::start(Kind::Sqlite).await;
    let home = server.database.data_dir.path().join("in/acme/erp");
    std::fs::create_dir_all(&home).expect("made");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(home.join("shop.db")).create_if_missing(true);
    let mut shop = sqlx::SqliteConnection::connect_with(&options).await.expect("a database");
    let fill = "CREATE TABLE items (n INTEGER PRIMARY KEY, price REAL, note TEXT, picture BLOB);
        INSERT INTO items VALUES (1, 1.5, 'one', x'00ff'), (2, NULL, 'it''s', NULL), (3, 3, NULL, NULL);";
    sqlx::raw_sql(fill).execute(&mut shop).await.expect("filled");

    let admin = server.admin();
    let database = json!({ "type": "sqlite", "path": "erp/shop.db" });
    let mut config = query(database, "SELECT * FROM items", json!({ "column": "n" }));
    config["connector"]["batch"] = json!(2);
    config["mapping"]["outputs"][0]["fields"] = json!({ "n": "$.n", "all": "$" });
    let id = datasource(&admin, config).await;
    admin.publish(&id).await;
    arrive(&server, &id, 1..=3).await;
    assert_eq!(
        server.delivered("acme", &id)[0]["data"]["all"],
        json!({ "n": 1, "price": 1.5, "note": "one", "picture": "00FF" })
    );
    sqlx::raw_sql("INSERT INTO items (n) VALUES (4)").execute(&mut shop).await.expect("inserted");
    arrive(&server, &id, 1..=4).await;

    let own = query(json!({ "type": "sqlite", "path": "../../studio.db" }), "SELECT 1 AS n", Value::Null);
    let refused = admin
        .send("query($c: JSON!) { validateConfig(type: \"sql\", config: $c) { pointer } }", json!({ "c": own }))
        .await;
    assert!(refused.to_string().contains("/connector/database/path"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_is_read_by_its_cursor() {
    let server = TestServer::start(Kind::Sqlite).await;
    let shop = MariaDb::start().await;
    shop.run("CREATE TABLE items (n BIGINT PRIMARY KEY, price DECIMAL(20,2), at DATETIME(6) NOT NULL, note TEXT)")
        .await;
    shop.run("INSERT INTO items VALUES (1, 1.50, '2025-03-04 08:31:07.5', 'it''s'), (2, NULL, '2025-03-04 08:31:07.5', NULL)")
        .await;
    let database = json!({
        "type": "mysql", "host": "127.0.0.1", "port": shop.port, "database": "shop", "username": "studio",
        "password": { "$secret": "db" }, "tls": "disable",
    });
    let admin = server.admin();
    let mut config = query(database, "SELECT * FROM items", json!({ "column": "at", "key": "n" }));
    config["connector"]["batch"] = json!(1);
    config["mapping"]["outputs"][0]["fields"] = json!({ "n": "$.n", "price": "$.price", "note": "$.note" });
    let id = datasource(&admin, config).await;
    set_secret(&admin, &id, "db", "wrong-password").await;
    assert_eq!(check(&admin, &id).await.0, ["connect!unauthorized"]);
    set_secret(&admin, &id, "db", MariaDb::PASSWORD).await;
    assert_eq!(check(&admin, &id).await.0, ["connect", "query"]);
    admin.publish(&id).await;
    arrive(&server, &id, 1..=2).await;
    assert_eq!(server.delivered("acme", &id)[0]["data"], json!({ "n": 1, "price": 1.5, "note": "it's" }));
    shop.run("INSERT INTO items VALUES (3, 0, '2025-03-04 08:31:08', NULL)").await;
    arrive(&server, &id, 1..=3).await;
    assert_eq!(numbers(&server, &id).len(), 3, "each once");
}
