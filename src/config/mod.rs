//! Every setting, declared once: its flag, environment variable, default and help.
//!
//! A value comes from the flag, else the environment, else the TOML file, else
//! the default. `docs/configuration.md` is printed from this declaration.

mod audit;
mod auth;
mod blobs;
mod database;
mod file;
mod graphql;
mod http;
mod keys;
mod metadata;
mod node;
mod notification;
mod quota;
mod registry;

use clap::Args;

pub use audit::AuditSettings;
pub use auth::{AuthSettings, IssuerList, IssuerSettings};
pub use blobs::BlobSettings;
pub use database::DatabaseSettings;
pub use file::{apply_file, file_from, reference};
pub use graphql::{DocumentPolicy, GraphqlSettings};
pub use http::HttpSettings;
pub use keys::{KeyProviderKind, KeySettings, VaultAuth};
pub use metadata::MetadataSettings;
pub use node::{LogFormat, NodeRole, NodeSettings, ServeSettings};
pub use notification::NotificationSettings;
pub use quota::QuotaSettings;
pub use registry::{EgressRule, RegistrySettings};

/// The settings of a process.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    #[command(flatten)]
    pub node: NodeSettings,
    #[command(flatten)]
    pub http: HttpSettings,
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub auth: AuthSettings,
    #[command(flatten)]
    pub keys: KeySettings,
    #[command(flatten)]
    pub graphql: GraphqlSettings,
    #[command(flatten)]
    pub registry: RegistrySettings,
    #[command(flatten)]
    pub audit: AuditSettings,
    #[command(flatten)]
    pub quota: QuotaSettings,
    #[command(flatten)]
    pub blobs: BlobSettings,
    #[command(flatten)]
    pub metadata: MetadataSettings,
    #[command(flatten)]
    pub notification: NotificationSettings,
}

impl Settings {
    /// What no single value can tell.
    pub fn check(&self) -> Result<(), String> {
        let registry = &self.registry;
        let durations = [
            ("--request-timeout", "STUDIO_REQUEST_TIMEOUT", self.node.request_timeout),
            ("--header-timeout", "STUDIO_HEADER_TIMEOUT", self.http.header_timeout),
            ("--database-acquire-timeout", "STUDIO_DATABASE_ACQUIRE_TIMEOUT", self.database.database_acquire_timeout),
            ("--heartbeat-interval", "STUDIO_HEARTBEAT_INTERVAL", registry.heartbeat_interval),
            ("--lease-ttl", "STUDIO_LEASE_TTL", registry.lease_ttl),
            ("--dead-letter-retention", "STUDIO_DEAD_LETTER_RETENTION", registry.dead_letter_retention),
            ("--housekeeping-interval", "STUDIO_HOUSEKEEPING_INTERVAL", registry.housekeeping_interval),
            ("--reconcile-interval", "STUDIO_RECONCILE_INTERVAL", registry.reconcile_interval),
            ("--notification-timeout", "STUDIO_NOTIFICATION_TIMEOUT", self.notification.notification_timeout),
            (
                "--notification-disable-after",
                "STUDIO_NOTIFICATION_DISABLE_AFTER",
                self.notification.notification_disable_after,
            ),
            ("--notification-retention", "STUDIO_NOTIFICATION_RETENTION", self.notification.notification_retention),
        ];
        if let Some((flag, variable, _)) = durations.iter().find(|(_, _, d)| d.0.is_zero()) {
            return Err(format!("{flag} ({variable}) must be longer than 0s"));
        }
        if registry.lease_ttl.0 < registry.heartbeat_interval.0 * 2 {
            return Err(format!(
                "--lease-ttl (STUDIO_LEASE_TTL) is {}, and must be at least twice --heartbeat-interval ({}): a lease that \
                 ends between two heartbeats is lost for nothing",
                registry.lease_ttl, registry.heartbeat_interval
            ));
        }
        if registry.drain_grace.0 > self.node.shutdown_grace.0 {
            return Err(format!(
                "--drain-grace (STUDIO_DRAIN_GRACE) is {}, and must be at most --shutdown-grace ({}): a shutdown waits \
                 no longer for a worker than for all of them",
                registry.drain_grace, self.node.shutdown_grace
            ));
        }
        if registry.hook_max_body == 0 {
            return Err("--hook-max-body (STUDIO_HOOK_MAX_BODY) must be at least 1".into());
        }
        Ok(())
    }
}
