//! The use-cases without a server, for commands that work beside a running one.

use std::sync::Arc;
use std::time::Duration;

use super::{assemble, plain};
use crate::app::App;
use crate::config::{NodeRole, Settings};
use crate::secrets::{Keyring, Keys, LocalKeys, MasterKey, is_embedded};
use crate::store::{DatabaseUrl, Store, Up};
use crate::telemetry::Metrics;

/// Use-cases on the database of the settings. It runs no workers; a running server hears of what it commits.
pub struct Offline {
    pub app: App,
    store: Store,
}

impl Offline {
    /// Needs no keys: what it is for reads and sets no secret. Who only reads does not migrate
    /// somebody's database either; the embedded one is nobody else's, but has to be there.
    pub async fn open(settings: &Settings, writes: bool) -> Result<Self, String> {
        let throwaway = LocalKeys::new(MasterKey::throwaway().map_err(|e| e.to_string())?, Vec::new());
        Self::open_by(settings, writes, Keyring::new(Box::new(throwaway), Vec::new(), Duration::ZERO)).await
    }

    /// The same with the keys of the settings, for what reads and moves secrets.
    pub async fn open_with_keys(settings: &Settings) -> Result<Self, String> {
        Self::open_by(settings, false, Keys::keyring(settings, is_embedded(settings))?).await
    }

    async fn open_by(settings: &Settings, writes: bool, keyring: Keyring) -> Result<Self, String> {
        settings.check()?;
        let url = DatabaseUrl::from_settings(settings)?;
        let embedded = matches!(url, DatabaseUrl::Sqlite(_));
        if let DatabaseUrl::Sqlite(path) = &url
            && !writes
            && !path.is_file()
        {
            return Err(format!(
                "there is no database at {}; name the directory of one with --data-dir, or a database with DATABASE_URL",
                path.display()
            ));
        }
        let store = Store::connect(url, settings).await.map_err(plain)?;
        if settings.database.migrate_on_start && (writes || embedded) {
            store.migrate_up(settings, Up::default()).await.map_err(plain)?;
        }
        store.check_migrations().await.map_err(plain)?;
        let all = store.migrations().await.map_err(plain)?;
        if let Some(pending) = all.iter().find(|m| m.is_due()) {
            return Err(format!("the migration {} is pending; run `datasource-studio migrate up`", pending.name));
        }
        let metrics = Metrics::new(settings.node.metrics_max_datasources);
        let (_, app) = assemble(settings, &store, Arc::new(keyring), NodeRole::Gateway, &metrics)?;
        Ok(Self { app, store })
    }

    pub async fn close(self) {
        self.store.close().await;
    }
}
