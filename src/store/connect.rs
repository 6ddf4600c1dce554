//! Opens the pools.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use secrecy::{ExposeSecret, SecretString};

use super::migrate::lock_file;
use super::{Feed, Inner, Store, classify};
use crate::config::Settings;
use crate::error::{Error, Result};

/// Where the database is.
#[derive(Clone)]
pub enum DatabaseUrl {
    Postgres(SecretString),
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    pub fn from_settings(settings: &Settings) -> Result<Self, String> {
        if let Some(owner) = &settings.database.migration_database_url
            && !is_postgres(owner)
        {
            return Err("STUDIO_MIGRATION_DATABASE_URL: must begin with postgres://".into());
        }
        let Some(url) = &settings.database.database_url else {
            return Ok(Self::Sqlite(settings.node.data_dir.join("studio.db")));
        };
        if is_postgres(url) {
            return Ok(Self::Postgres(url.clone()));
        }
        let text = url.expose_secret();
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:"));
        match path.map(|p| p.split('?').next().unwrap_or(p)) {
            Some("" | ":memory:") => Err("DATABASE_URL: an in-memory SQLite database would lose everything at the end of the process; name a file".into()),
            Some(path) => Ok(Self::Sqlite(path.into())),
            None => Err("DATABASE_URL: must begin with postgres:// or sqlite://".into()),
        }
    }
}

fn is_postgres(url: &SecretString) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| url.expose_secret().starts_with(scheme))
}

impl Store {
    pub async fn connect(url: DatabaseUrl, settings: &Settings) -> Result<Self> {
        let statements = Arc::new(AtomicU64::new(0));
        let (writer, reader) = match &url {
            DatabaseUrl::Postgres(secret) => {
                let max = settings.database.database_max_connections;
                let pool = counted(postgres(secret, max, settings).await?, &statements);
                (pool.clone(), pool)
            }
            DatabaseUrl::Sqlite(path) => {
                if let Some(dir) = path.parent() {
                    std::fs::create_dir_all(dir)
                        .map_err(|e| Error::internal(format!("cannot create {}: {e}", dir.display())))?;
                }
                begin(path, settings).await?;
                let writer = counted(sqlite(path, 1, settings).await?, &statements);
                let reader =
                    counted(sqlite(path, settings.database.database_max_connections, settings).await?, &statements);
                (writer, reader)
            }
        };
        let feed = Feed::new();
        Ok(Self { inner: Arc::new(Inner { url, writer, reader, feed, statements }) })
    }

    pub(super) fn url(&self) -> &DatabaseUrl {
        &self.inner.url
    }
}

/// A pool of one for work that needs its own session.
pub(super) async fn single(url: &DatabaseUrl, settings: &Settings) -> Result<DatabaseConnection> {
    match url {
        DatabaseUrl::Postgres(secret) => postgres(secret, 1, settings).await,
        DatabaseUrl::Sqlite(path) => sqlite(path, 1, settings).await,
    }
}

async fn postgres(url: &SecretString, max: u32, settings: &Settings) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url.expose_secret());
    common(&mut options, max, settings);
    options.set_schema_search_path(migration::SCHEMAS.join(","));
    options.set_application_name("datasource-studio");
    // A dead connection shows at its next use; asking before each use would double a point look-up.
    options.test_before_acquire(false).test_before_acquire_if_idle_for(Duration::from_secs(30));
    connect(options).await
}

async fn sqlite(path: &Path, max: u32, settings: &Settings) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
    common(&mut options, max, settings);
    options.test_before_acquire(false);
    options.map_sqlx_sqlite_opts(|options: SqliteConnectOptions| {
        options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
    });
    connect(options).await
}

/// Puts a file into WAL mode once, under the lock of migrations: of processes that do so at the same
/// time SQLite lets one through and refuses the others without waiting.
async fn begin(path: &Path, settings: &Settings) -> Result<()> {
    if !is_wal(path) {
        let _lock = lock_file(path).await?;
        sqlite(path, 1, settings).await?.close().await.map_err(classify)?;
    }
    Ok(())
}

/// By the file format versions in the header: 2 to write and 2 to read are WAL.
fn is_wal(path: &Path) -> bool {
    let mut header = [0; 20];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).is_ok_and(|()| header[18..] == [2, 2])
}

fn common(options: &mut ConnectOptions, max: u32, settings: &Settings) {
    options
        .max_connections(max)
        .min_connections(0)
        .acquire_timeout(settings.database.database_acquire_timeout.0)
        .connect_timeout(Duration::from_secs(10))
        .sqlx_logging(false);
}

async fn connect(options: ConnectOptions) -> Result<DatabaseConnection> {
    Database::connect(options).await.map_err(|e| {
        let error = classify(e);
        Error::unavailable(
            "cannot connect to the database; check DATABASE_URL and that the server runs",
            error.detail().unwrap_or_default(),
        )
    })
}

fn counted(mut connection: DatabaseConnection, statements: &Arc<AtomicU64>) -> DatabaseConnection {
    let statements = Arc::clone(statements);
    connection.set_metric_callback(move |_| {
        statements.fetch_add(1, Ordering::Relaxed);
    });
    connection
}
