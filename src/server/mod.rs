//! Composition root: settings, then store, registry and app, then transports; and the way down again.

mod client;
mod connection;
mod http;
mod listener;
mod offline;
mod sync;
mod tls;

pub use offline::Offline;

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::{Action, App, Authenticator, DataPace, ExportPace, Item, OpContext, Retention};
use crate::auth::Actor;
use crate::auth::jwt::{Minter, TokenRequest, Verifier};
use crate::blobs::Blobs;
use crate::config::{NodeRole, ServeSettings, Settings};
use crate::connectors::Catalog;
use crate::console;
use crate::domain::Role;
use crate::egress::Egress;
use crate::error::ErrorCode;
use crate::graphql::{EmbeddedToken, Gateway};
use crate::mapping::SinkSection;
use crate::rate_limit::RateLimits;
use crate::registry::{Deps, NodeOptions, NotificationOptions, Registry, Turns, parse_sink};
use crate::secrets::{External, Keyring, Keys, Signer, is_embedded};
use crate::sinks::SinkCatalog;
use crate::store::{DatabaseUrl, Store, Up};
use crate::telemetry::Metrics;
use listener::Listener;
use sync::SyncDir;

/// A day's token: long enough for a first look, short enough to not matter in a shell history.
const EMBEDDED_TOKEN_TTL: Duration = Duration::from_secs(86_400);

/// How long a shutdown waits for what is left to write to the audit log.
const AUDIT_GRACE: Duration = Duration::from_secs(5);

/// A server that is ready to run.
pub struct Server {
    listener: Listener,
    routes: axum::Router,
    store: Store,
    registry: Registry,
    app: App,
    authenticator: Arc<Authenticator>,
    settings: Settings,
    token: Option<String>,
    first_webhook: Option<Uuid>,
    sync: Option<SyncDir>,
    _data_dir: Option<File>,
}

impl Server {
    /// Connects, migrates, seeds and binds. What is wrong with the settings is said by name.
    pub async fn start(settings: Settings, serve: ServeSettings) -> Result<Self, String> {
        settings.check()?;
        let url = DatabaseUrl::from_settings(&settings)?;
        let embedded = is_embedded(&settings);
        let keys = Keys::resolve(&settings, embedded)?;
        let metrics = Metrics::new(settings.node.metrics_max_datasources);
        let verifier = Verifier::new(&settings.auth, keys.jwt_secret.as_ref(), &metrics)?;
        default_sink(&settings)?;
        let sync = SyncDir::from_settings(&serve)?;
        // Bound before anything is changed: an address in use must not cost a migration.
        let listener = Listener::bind(settings.node.listen, &settings.http, settings.node.request_timeout.0).await?;
        let data_dir = match &url {
            DatabaseUrl::Sqlite(path) => Some(own(path)?),
            DatabaseUrl::Postgres(_) => None,
        };

        let store = Store::connect(url.clone(), &settings).await.map_err(plain)?;
        if settings.database.migrate_on_start {
            for name in store.migrate_up(&settings, Up::default()).await.map_err(plain)? {
                tracing::info!(migration = name, "applied a migration");
            }
        }
        store.check_migrations().await.map_err(plain)?;
        if let Err(error) = store.ensure_partitions().await {
            tracing::warn!(%error, "could not prepare event partitions; events go to the default one");
        }

        let keyring = Arc::new(keys.keyring);
        let (registry, app) = assemble(&settings, &store, keyring, serve.role, &metrics)?;
        let signer = Signer::from_settings(&settings)?;
        if signer.is_none() && !settings.audit.audit_checkpoint_interval.0.is_zero() {
            tracing::warn!("there is no key to sign the audit log with; set STUDIO_AUDIT_SIGNING_KEY");
        }
        let app = app.signing_with(signer);
        app.read_item_files().await;
        let first_webhook = seed(&app, &settings).await;

        let minter =
            if embedded { Minter::new(&settings.auth, keys.jwt_secret.as_ref()).ok().map(Arc::new) } else { None };
        let token = minter.as_ref().and_then(|m| embedded_token(m));
        let (limits, timeout) = (settings.graphql.clone(), settings.node.request_timeout.0);
        let gateway =
            Gateway::new(app.clone(), limits, console::documents().as_deref(), timeout, Arc::clone(&metrics))?;
        let embedded_token = EmbeddedToken(
            minter.map(|m| -> Arc<dyn Fn() -> Option<String> + Send + Sync> { Arc::new(move || embedded_token(&m)) }),
        );
        let authenticator = Arc::new(Authenticator::new(verifier, &app).await.map_err(plain)?);
        let gate = Arc::clone(&authenticator);
        let routes = http::routes(&settings, serve.role, app.clone(), gateway, gate, embedded_token, metrics);
        Ok(Self {
            listener,
            routes,
            store,
            registry,
            app,
            authenticator,
            settings,
            token,
            first_webhook,
            sync,
            _data_dir: data_dir,
        })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.address()
    }

    /// An admin token; only in embedded mode there is one.
    pub fn embedded_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A webhook that was just loaded and runs. It was published without a secret, so it takes what anybody sends.
    pub fn first_webhook(&self) -> Option<Uuid> {
        self.first_webhook
    }

    /// Serves until `stop`, then drains: requests first, then workers, then the store.
    pub async fn run(self, stop: CancellationToken) -> std::io::Result<()> {
        let grace = self.settings.node.shutdown_grace.0;
        let loops = {
            let (store, registry, app) = (self.store.clone(), self.registry.clone(), self.app.clone());
            let (authenticator, interval) = (self.authenticator, self.settings.audit.audit_checkpoint_interval.0);
            let (node, pace) = (registry.node_name().to_owned(), data_pace(&self.settings));
            let exports = ExportPace {
                lease: self.settings.registry.lease_ttl.0,
                retention: self.settings.blobs.export_retention.0,
            };
            tokio::spawn(async move {
                tokio::join!(
                    store.listen(),
                    registry.run(),
                    app.keep_house(),
                    app.keep_rates(),
                    app.keep_metadata_items(),
                    app.write_refusals(),
                    app.sign_audit(interval),
                    app.keyring.keep(),
                    app.migrate_data(&node, pace),
                    app.make_exports(&node, exports),
                    app.sweep(),
                    authenticator.keep_fresh()
                )
            })
        };
        let syncing = self.sync.map(|sync| {
            let (app, store, settings) = (self.app.clone(), self.store.clone(), self.settings.clone());
            let stop = stop.clone();
            tokio::spawn(async move { sync.run(&app, &store, &settings, &stop).await })
        });
        // Subscriptions never end by themselves; a short while is for requests only.
        let serving = tokio::spawn(self.listener.serve(self.routes, stop.clone(), grace / 4));
        stop.cancelled().await;
        tracing::info!("shutting down: requests and workers finish what they began");
        if let Err(error) = serving.await.map_err(std::io::Error::other).flatten() {
            tracing::error!(%error, "the listener ended badly");
        }
        if let Some(syncing) = syncing {
            // What is being applied is whole or not at all, so it need not be waited for long.
            let _ = tokio::time::timeout(grace / 4, syncing).await;
        }
        self.registry.shutdown(grace).await;
        let audit = async {
            self.app.flush_refusals(true).await;
            if !self.settings.audit.audit_checkpoint_interval.0.is_zero() {
                self.app.add_checkpoints(Duration::ZERO).await;
            }
        };
        if tokio::time::timeout(AUDIT_GRACE, audit).await.is_err() {
            tracing::warn!(
                "the database did not answer in time: the end of the audit log is not signed, or lacks refused attempts"
            );
        }
        self.store.close().await;
        loops.abort();
        Ok(())
    }
}

/// The registry and the use-cases on a store; nothing of it runs yet.
fn assemble(
    settings: &Settings,
    store: &Store,
    keyring: Arc<Keyring>,
    role: NodeRole,
    metrics: &Arc<Metrics>,
) -> Result<(Registry, App), String> {
    let node = settings.node.node_name.clone().unwrap_or_else(|| match DatabaseUrl::from_settings(settings) {
        Ok(DatabaseUrl::Sqlite(_)) => "embedded".to_owned(),
        _ => format!("node-{}", &Uuid::now_v7().simple().to_string()[20..]),
    });
    let registry = Registry::new(
        Deps {
            store: store.clone(),
            keyring: Arc::clone(&keyring),
            external: External::from_settings(&settings.keys)?,
            connectors: Catalog::standard(),
            sinks: SinkCatalog::standard(),
            egress: Arc::new(Egress::new(settings.registry.egress_allow.clone())),
            metrics: Arc::clone(metrics),
            output_dir: settings.node.data_dir.join("out"),
            input_dir: settings.registry.input_dir.clone().unwrap_or_else(|| settings.node.data_dir.join("in")),
            default_sink: default_sink(settings)?,
            drain_grace: settings.registry.drain_grace.0,
            fence: Arc::default(),
            turns: Turns::default(),
            notifications: NotificationOptions {
                retry: settings.notification.notification_retry.iter().map(|wait| wait.0).collect(),
                timeout: settings.notification.notification_timeout.0,
                disable_after: settings.notification.notification_disable_after.0,
            },
        },
        NodeOptions {
            name: node.into(),
            role,
            lease_ttl: settings.registry.lease_ttl.0,
            heartbeat_interval: settings.registry.heartbeat_interval.0,
            reconcile_interval: settings.registry.reconcile_interval.0,
        },
    );
    let retention = Retention {
        dead_letter_age: settings.registry.dead_letter_retention.0,
        dead_letters_max: settings.registry.dead_letters_max,
        interval: settings.registry.housekeeping_interval.0,
        token_leeway: settings.auth.jwt_leeway.0,
        notifications: settings.notification.notification_retention.0,
    };
    let quotas = settings.quota.clone();
    let cost_max = settings.graphql.graphql_max_complexity;
    let limits = RateLimits::from_setting(&settings.http.rate_limits, cost_max, Arc::clone(metrics))?;
    let blobs = Blobs::from_settings(&settings.blobs, &settings.node.data_dir)?;
    let (metrics, inline) = (Arc::clone(metrics), settings.blobs.sample_inline_max);
    let app = App::new(store.clone(), keyring, registry.clone(), metrics, retention, quotas, limits, blobs, inline);
    Ok((registry, app.with_item_files(settings.metadata.metadata_dir.clone())))
}

fn data_pace(settings: &Settings) -> DataPace {
    DataPace {
        batch: settings.database.data_migration_batch,
        pause: settings.database.data_migration_pause.0,
        // Nothing is heard of a node that pauses.
        lease: settings.registry.lease_ttl.0 + settings.database.data_migration_pause.0,
    }
}

fn default_sink(settings: &Settings) -> Result<SinkSection, String> {
    let sink = parse_sink(&settings.registry.default_sink)?;
    match SinkCatalog::standard().check(&sink.sink_type, &sink.config).first() {
        Some(problem) => Err(format!("STUDIO_DEFAULT_SINK: {} {}", problem.pointer, problem.message)),
        None => Ok(sink),
    }
}

/// For who runs the program: there is no request id to quote, and nothing to hide.
pub(crate) fn plain(error: crate::error::Error) -> String {
    match (error.code(), error.detail()) {
        (ErrorCode::Internal, Some(detail)) => detail.to_owned(),
        (_, Some(detail)) => format!("{}: {detail}", error.message()),
        (_, None) => error.message().to_owned(),
    }
}

fn embedded_token(minter: &Minter) -> Option<String> {
    let request = TokenRequest {
        subject: "admin".to_owned(),
        role: Role::Admin,
        org: "default".to_owned(),
        projects: Vec::new(),
        ttl: EMBEDDED_TOKEN_TTL,
    };
    minter.mint(&request).ok()
}

/// One server per embedded database: a second one would run every worker twice.
fn own(database: &std::path::Path) -> Result<File, String> {
    if let Some(dir) = database.parent() {
        std::fs::create_dir_all(dir).map_err(|e| format!("cannot create {} (--data-dir): {e}", dir.display()))?;
    }
    let path = database.with_extension("server");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|e| format!("cannot open {} (--data-dir): {e}", path.display()))?;
    file.try_lock()
        .map_err(|_| format!("another server uses {}; stop it, or choose another --data-dir", database.display()))?;
    Ok(file)
}

/// Examples are a courtesy: one that cannot be loaded is said, and the server starts.
async fn seed(app: &App, settings: &Settings) -> Option<Uuid> {
    let directory = settings.node.seed_dir.as_ref()?;
    let ctx = OpContext::new(Actor::system("seed", "default"), "seed");
    match app.seed(&ctx, directory).await {
        Ok(Some(report)) => {
            let made = |item: &&Item| item.action == Action::Create && item.error.is_none();
            let runs = |item: &&Item| item.publish && item.missing_secrets.is_empty();
            let webhook = |item: &&Item| item.connector_type.as_deref() == Some("webhook");
            for item in report.items.iter().filter(made) {
                tracing::info!(name = item.name, id = ?item.id, published = runs(&item), "loaded an example");
            }
            for item in report.items.iter().filter(|item| !made(item)) {
                let why = item.error.as_ref().or(item.reason.as_ref());
                tracing::warn!(name = item.name, file = ?item.file, why, findings = ?item.findings, "an example could not be loaded");
            }
            for finding in &report.findings {
                tracing::warn!(%finding, "an example could not be read");
            }
            report.items.iter().filter(made).filter(runs).find(webhook).and_then(|item| item.id)
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(directory = %directory.display(), %error, "examples could not be loaded");
            None
        }
    }
}
