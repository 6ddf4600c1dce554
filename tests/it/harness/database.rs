use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// An empty database of its own, gone when dropped.
pub struct Database {
    pub kind: Kind,
    /// What `DATABASE_URL` is to be; absent for SQLite in the data directory.
    pub url: Option<String>,
    pub(super) name: Option<String>,
    pub data_dir: TempDir,
}

impl Database {
    pub async fn create(kind: Kind) -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        if kind == Kind::Sqlite {
            return Self { kind, url: None, name: None, data_dir };
        }
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(&base_url()).await.expect("PostgreSQL answers");
        connection
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .expect("a database is created");
        let mut url = url::Url::parse(&base_url()).expect("TEST_DATABASE_URL is a URL");
        url.set_path(&name);
        Self { kind, url: Some(url.into()), name: Some(name), data_dir }
    }

    /// A connection beside the server, to look at or to spoil what is stored.
    pub async fn postgres(&self) -> PgConnection {
        PgConnection::connect(self.url.as_deref().expect("a PostgreSQL database")).await.expect("PostgreSQL answers")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        // A drop cannot wait on the test's runtime, which may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&base_url()).await.map_err(std::io::Error::other)?;
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                connection.execute(sqlx::AssertSqlSafe(sql)).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(())
            })
        });
        if !matches!(dropped.join(), Ok(Ok(()))) {
            eprintln!("a test database was left behind");
        }
    }
}

fn base_url() -> String {
    std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL names a PostgreSQL server: run `make test`")
}
