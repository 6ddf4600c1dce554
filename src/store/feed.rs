//! The change feed's wake-up call. A signal says only "look": readers always
//! read the events themselves, so a lost signal costs time, never data.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{DatabaseUrl, Store, classify};

/// Says that something changed; the secret of the installation is the rest of the name, as whoever may connect to
/// the database may listen to a channel whose name they know, and speak on it.
pub(super) const NOTIFY_CHANGES: &str = "SELECT pg_notify('studio_changes_' || secret, $1) FROM studio.installation";
/// Carries what people watch live from the node that has it to the nodes that show it.
const NOTIFY_LIVE: &str = "SELECT pg_notify('studio_live_' || secret, $1) FROM studio.installation";
/// PostgreSQL refuses a notification of 8,000 bytes.
pub const LIVE_MAX: usize = 7_900;

/// How long a reader sleeps at most before it looks by itself.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How soon the embedded database's changes by another process, such as an import, are seen.
const FILE_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Something was committed in `org`, up to the event `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    pub org: Arc<str>,
    pub seq: i64,
    /// `None` means that anything may have changed: signals were missed.
    pub datasource_id: Option<Uuid>,
}

impl Signal {
    pub(super) fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn anything() -> Self {
        Self { org: "".into(), seq: 0, datasource_id: None }
    }
}

pub struct Feed {
    signals: broadcast::Sender<Signal>,
    live: broadcast::Sender<Arc<str>>,
    stop: CancellationToken,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { signals: broadcast::channel(4_096).0, live: broadcast::channel(1_024).0, stop: CancellationToken::new() }
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    /// What other nodes show of what they run, and ask to be shown.
    pub fn subscribe_live(&self) -> broadcast::Receiver<Arc<str>> {
        self.live.subscribe()
    }

    pub(super) fn publish(&self, signal: Signal) {
        // No receiver is no error: nobody listens right now.
        let _ = self.signals.send(signal);
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Store {
    /// Hears the commits of other processes until the store closes.
    pub async fn listen(&self) {
        let DatabaseUrl::Postgres(url) = self.url() else { return self.poll_file().await };
        let stop = self.feed().stop.clone();
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.listen_once(url.expose_secret()) => ended,
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "lost the database's change notifications; polling until they are back");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    /// SQLite tells nobody, but counts what others wrote to the file. Asked on the connection that
    /// all our own writes go through, the count moves only when another process writes.
    async fn poll_file(&self) {
        let stop = self.feed().stop.clone();
        let mut seen = None;
        loop {
            match self.file_version().await {
                // The first count says nothing of what was written before it.
                Ok(version) if seen.replace(version) != Some(version) => self.feed().publish(Signal::anything()),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "could not ask what other processes wrote"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(FILE_POLL_INTERVAL) => {}
            }
        }
    }

    async fn file_version(&self) -> crate::error::Result<i64> {
        // Past the counter of statements: nobody asked for this one.
        let pool = self.inner.writer.get_sqlite_connection_pool();
        let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(pool).await;
        version.map_err(|e| classify(sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(e.into()))))
    }

    /// Tells other nodes something that is of use only now. On SQLite there are none.
    pub async fn tell_nodes(&self, payload: &str) -> Result<(), crate::error::Error> {
        if self.backend() != DbBackend::Postgres {
            return Ok(());
        }
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, NOTIFY_LIVE, [payload.into()]);
        let tx = self.begin_everything().await?;
        tx.db.execute_raw(statement).await.map_err(classify)?;
        tx.commit().await
    }

    async fn listen_once(&self, url: &str) -> Result<(), sqlx::Error> {
        let secret = self.installation().await.map_err(|e| sqlx::Error::Protocol(e.message().to_owned()))?.secret;
        let (changes, live) = (format!("studio_changes_{secret}"), format!("studio_live_{secret}"));
        let mut listener = PgListener::connect(url).await?;
        listener.listen_all([changes.as_str(), live.as_str()]).await?;
        // What was committed while nobody listened is found by looking at everything once.
        self.feed().publish(Signal::anything());
        // `try_recv` answers None when the connection was lost and made again: signals may be missing.
        while let Some(notification) = listener.try_recv().await? {
            if notification.channel() == live {
                let _ = self.feed().live.send(notification.payload().into());
                continue;
            }
            match serde_json::from_str(notification.payload()) {
                Ok(signal) => self.feed().publish(signal),
                Err(_) => self.feed().publish(Signal::anything()),
            }
        }
        Ok(())
    }
}
