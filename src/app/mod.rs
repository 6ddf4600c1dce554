//! Use-cases. Each one authorises, validates, runs one transaction and notifies;
//! GraphQL, REST and the command line call the same ones.

mod access;
mod approval;
mod audit;
mod blob;
mod bundle;
mod chain;
mod change;
mod check;
mod context;
mod contract;
mod data_migration;
mod datasource;
mod dead_letter;
mod event;
mod governance;
mod health;
mod housekeeping;
mod idempotency;
mod job;
mod keys;
mod lifecycle;
mod live;
mod metadata;
mod metadata_item;
mod metric;
mod notification;
mod overview;
mod quota;
mod refused;
mod registry;
mod secret;
mod test_run;
mod transfer;
mod version;

use std::path::PathBuf;
use std::sync::Arc;

pub use access::{
    Authenticator, CreateApiKey, CreateServiceAccount, GrantAccess, GrantTarget, NewApiKey, RevokeToken,
    SetServiceAccountDisabled,
};
pub use approval::{Decide, RequestApproval, SetApprovalPolicy, Verdict, WithdrawApproval};
pub use bundle::{CreateExport, ExportPace};
pub use chain::{ExportedAudit, Verified, verify_export};
pub use check::{CheckRequest, CheckRun};
pub use context::OpContext;
pub use contract::GrantedContract;
pub use data_migration::DataPace;
pub use datasource::{CloneDatasource, CreateDatasource, UpdateDatasource};
pub use dead_letter::DeadLetterBatch;
pub use event::{EventStream, StateStream};
pub use governance::SetGovernanceRules;
pub use health::Check;
pub use housekeeping::Retention;
pub use idempotency::{Once, Replay};
pub use job::{Backfill, JobStream};
pub use keys::{EncryptionKeys, MasterKeyState};
pub use lifecycle::{ActOn, Publish, Rollback};
pub use live::{WatchStream, Watched};
pub use metadata::{METADATA_FIELDS, MetadataChanges, RollbackMetadata, SlaChanges, UpdateMetadata, VisibilityChanges};
pub use metadata_item::{
    CatalogItem, DeleteMetadataItem, ImportedItem, ItemReport, MetadataItemSpec, RestoreMetadataItem, SaveMetadataItem,
    UseMapping, UseTemplate,
};
pub use metric::Metric;
pub use notification::{
    CreateNotificationEndpoint, NewSigningSecret, RecoverNotifications, RotateNotificationSecret,
    UpdateNotificationEndpoint,
};
pub use overview::Overview;
pub use refused::{Attempt, AttemptKind};
pub use secret::{DeleteSecret, SecretChange, SetSecret};
pub use test_run::{TestInput, TestOutput, TestRecordError, TestRequest, TestRun};
pub use transfer::{Action, Exported, Finding, FindingKind, ImportOptions, Item, Mode, Position, Report, Watch};
pub use version::{CreateVersion, VersionDiff};

use crate::blobs::Blobs;
use crate::config::QuotaSettings;
use crate::connectors::{Catalog, ConnectorSpec};
use crate::rate_limit::RateLimits;
use crate::registry::Registry;
use crate::secrets::{DataKey, Keyring, Signer};
use crate::sinks::{SinkCatalog, SinkSpec};
use crate::store::Store;
use crate::telemetry::Metrics;

/// Everything a use-case needs; cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) registry: Registry,
    pub(crate) metrics: Arc<Metrics>,
    retention: Retention,
    directory: Arc<access::Directory>,
    refusals: Arc<refused::Refusals>,
    signer: Option<Arc<Signer>>,
    quotas: Arc<QuotaSettings>,
    limits: RateLimits,
    blobs: Blobs,
    /// The longest sample, in bytes, that stays in its row.
    sample_inline_max: usize,
    export_asked: Arc<tokio::sync::Notify>,
    test_slots: Arc<tokio::sync::Semaphore>,
    installation_key: Arc<tokio::sync::OnceCell<Arc<DataKey>>>,
    items: Arc<metadata_item::MetadataItems>,
}

impl App {
    #[allow(clippy::too_many_arguments, reason = "called once, by the composition root, which has them all")]
    pub fn new(
        store: Store,
        keyring: Arc<Keyring>,
        registry: Registry,
        metrics: Arc<Metrics>,
        retention: Retention,
        quotas: QuotaSettings,
        limits: RateLimits,
        blobs: Blobs,
        sample_inline_max: usize,
    ) -> Self {
        let test_slots = Arc::new(tokio::sync::Semaphore::new(test_run::CONCURRENT_RUNS));
        let refusals = Arc::new(refused::Refusals::new(Arc::clone(&metrics)));
        let directory = Arc::new(access::Directory::new(store.clone(), retention.token_leeway));
        let items = metadata_item::MetadataItems::new(store.clone(), metadata_item::registry(registry.connectors()));
        Self {
            store,
            keyring,
            registry,
            metrics,
            retention,
            directory,
            refusals,
            signer: None,
            quotas: Arc::new(quotas),
            limits,
            blobs,
            sample_inline_max,
            export_asked: Arc::default(),
            test_slots,
            installation_key: Arc::default(),
            items: Arc::new(items),
        }
    }

    /// With the key that signs the audit log.
    #[must_use]
    pub fn signing_with(self, signer: Option<Signer>) -> Self {
        Self { signer: signer.map(Arc::new), ..self }
    }

    /// With a directory of metadata items for every organisation; it is to be read by [`App::read_item_files`].
    #[must_use]
    pub fn with_item_files(self, directory: Option<PathBuf>) -> Self {
        let registry = metadata_item::registry(self.connectors());
        let items = metadata_item::MetadataItems::new(self.store.clone(), registry).with_directory(directory);
        Self { items: Arc::new(items), ..self }
    }

    pub fn connector_types(&self) -> impl Iterator<Item = &ConnectorSpec> {
        self.connectors().iter().map(|c| c.spec())
    }

    pub fn sink_types(&self) -> impl Iterator<Item = &SinkSpec> {
        self.sinks().iter().map(|s| s.spec())
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn limits(&self) -> &RateLimits {
        &self.limits
    }

    pub(crate) fn connectors(&self) -> &Catalog {
        self.registry.connectors()
    }

    pub(crate) fn sinks(&self) -> &SinkCatalog {
        self.registry.sinks()
    }
}
