//! The database as it is stored: to look beneath the API, and to spoil what it relies on.

use std::time::Duration;

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement, TryGetable};

use super::Database;

/// A connection of its own, beside those of the server.
pub struct Sql(DatabaseConnection);

impl Database {
    pub async fn sql(&self) -> Sql {
        let mut options = match &self.url {
            Some(url) => {
                let mut options = ConnectOptions::new(url);
                options.set_schema_search_path("studio,audit");
                options
            }
            None => {
                ConnectOptions::new(format!("sqlite://{}?mode=rw", self.data_dir.path().join("studio.db").display()))
            }
        };
        options.max_connections(1).sqlx_logging(false);
        // The server writes too; this one waits its turn.
        options.map_sqlx_sqlite_opts(|o: SqliteConnectOptions| o.busy_timeout(Duration::from_secs(10)));
        Sql(sea_orm::Database::connect(options).await.expect("the database answers"))
    }
}

impl Sql {
    /// As another login of a PostgreSQL, with its own search path.
    pub async fn connect(url: &str) -> Self {
        let mut options = ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        Self(sea_orm::Database::connect(options).await.expect("the database answers"))
    }

    /// Runs a statement; answers with the number of rows that it changed.
    pub async fn run(&self, statement: &str) -> u64 {
        self.0.execute_unprepared(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}")).rows_affected()
    }

    /// Runs a statement that the database is to refuse; answers with its reason.
    pub async fn refusal(&self, statement: &str) -> String {
        match self.0.execute_unprepared(statement).await {
            Ok(_) => panic!("not refused: {statement}"),
            Err(error) => error.to_string(),
        }
    }

    /// Takes away what keeps history as it is, as only the owner of the database can: on PostgreSQL for this connection.
    pub async fn disarm(&self) {
        if self.0.get_database_backend() == DbBackend::Postgres {
            self.run("SET session_replication_role = replica").await;
            return;
        }
        for trigger in self.column::<String>("SELECT name FROM sqlite_master WHERE type = 'trigger'").await {
            self.run(&format!("DROP TRIGGER {trigger}")).await;
        }
    }

    /// The first column of every row.
    pub async fn column<T: TryGetable>(&self, query: &str) -> Vec<T> {
        let statement = Statement::from_string(self.0.get_database_backend(), query);
        let rows = self.0.query_all_raw(statement).await.unwrap_or_else(|e| panic!("{query}: {e}"));
        rows.iter().map(|row| row.try_get_by_index(0).unwrap_or_else(|e| panic!("{query}: {e:?}"))).collect()
    }

    /// The one number that a query answers with.
    pub async fn number(&self, query: &str) -> i64 {
        let rows = self.column::<i64>(query).await;
        assert_eq!(rows.len(), 1, "one row: {query}");
        rows[0]
    }

    pub async fn close(self) {
        self.0.close().await.expect("the connection closes");
    }
}
