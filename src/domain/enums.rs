//! Closed sets. The snake_case name is what REST, events and the database carry.

use std::fmt;
use std::str::FromStr;

macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(format!(
                        "{other:?} is not one of {}",
                        Self::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>().join(", "),
                    )),
                }
            }
        }
    };
}

string_enum! {
    /// What people see of a datasource at a glance.
    DatasourceStatus {
        Draft = "draft",
        Active = "active",
        Disabled = "disabled",
        Error = "error",
    }
}

string_enum! {
    VersionState { Draft = "draft", Published = "published", Archived = "archived" }
}

string_enum! {
    ApprovalState {
        NotRequired = "not_required",
        Pending = "pending",
        Approved = "approved",
        Rejected = "rejected",
    }
}

string_enum! {
    /// What can need a second person.
    ApprovalAction { Publish = "publish", Rollback = "rollback", SecretChange = "secret_change" }
}

string_enum! {
    /// Where a request for approval is in its life.
    ApprovalStatus {
        Pending = "pending",
        Approved = "approved",
        Rejected = "rejected",
        Withdrawn = "withdrawn",
        Expired = "expired",
        /// What it was asked for is not what it was.
        Void = "void",
        /// What was approved is done.
        Used = "used",
    }
}

string_enum! {
    /// What people want of a worker.
    DesiredState { Running = "running", Stopped = "stopped" }
}

string_enum! {
    /// What the registry last saw of a worker.
    WorkerStatus {
        Starting = "starting",
        Running = "running",
        BackingOff = "backing_off",
        Error = "error",
        Stopped = "stopped",
    }
}

string_enum! {
    /// Whether a sink is written to: always, not now, or once to see whether it is well again.
    CircuitState { Closed = "closed", Open = "open", HalfOpen = "half_open" }
}

#[allow(clippy::derivable_impls, reason = "the macro derives the same for all")]
impl Default for CircuitState {
    fn default() -> Self {
        Self::Closed
    }
}

string_enum! {
    /// What a dead letter holds: the record that failed, or the document of which all or the rest failed.
    DeadLetterScope { Record = "record", Document = "document" }
}

string_enum! {
    /// How much a log line matters; each level includes those before it.
    LogLevel { Error = "error", Warn = "warn", Info = "info", Debug = "debug" }
}

string_enum! {
    /// What a key rotation moves.
    RotationKind { MasterKey = "master_key", DataKey = "data_key" }
}

impl RotationKind {
    /// In a sentence.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::MasterKey => "master key",
            Self::DataKey => "data key",
        }
    }
}

string_enum! {
    RotationStatus { Running = "running", Succeeded = "succeeded", Failed = "failed" }
}

string_enum! {
    /// What a job does.
    JobKind { Backfill = "backfill", Replay = "replay" }
}

string_enum! {
    JobStatus {
        Queued = "queued",
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

string_enum! {
    /// What a blob holds.
    BlobKind { TestSample = "test_sample", Export = "export" }
}

string_enum! {
    /// How far an export is.
    ExportStatus {
        Queued = "queued",
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
        /// It was made, and is kept no longer.
        Expired = "expired",
    }
}

string_enum! {
    /// What became of a message to an endpoint.
    NotificationStatus {
        /// Waits for its next attempt.
        Pending = "pending",
        Delivered = "delivered",
        /// As often as it was to be tried.
        Failed = "failed",
    }
}

string_enum! {
    /// What happens to a record that cannot be mapped or delivered.
    OnError { DeadLetter = "dead_letter", Skip = "skip", Stop = "stop" }
}

string_enum! {
    /// What became of one place of a document.
    DiffOp { Add = "add", Remove = "remove", Replace = "replace" }
}

string_enum! {
    /// How an audited attempt ended.
    Outcome { Success = "success", Refused = "refused", Failed = "failed" }
}

string_enum! {
    /// What an organisation may have so much of and no more.
    Quota {
        /// Without archived ones.
        Datasources = "datasources",
        VersionsPerDatasource = "versions_per_datasource",
        /// Of all stored samples together.
        SampleBytes = "sample_bytes",
        RequestsPerMinute = "requests_per_minute",
        /// That are to run, parallel ones each.
        Workers = "workers",
        /// That are neither revoked nor expired.
        ApiKeys = "api_keys",
        /// That are active, of all types.
        MetadataItems = "metadata_items",
        NotificationEndpoints = "notification_endpoints",
    }
}

string_enum! {
    /// What a metadata item is.
    MetadataItemType {
        ConnectorTemplate = "connector_template",
        MappingTemplate = "mapping_template",
        SavedView = "saved_view",
    }
}

string_enum! {
    /// Where the content of a metadata item came from.
    MetadataItemSource {
        /// A file: one that was imported, or one of the directory of the server.
        Filesystem = "filesystem",
        /// The history of the item itself: an earlier version that was restored.
        Database = "database",
        /// GraphQL or REST.
        Api = "api",
        /// The program, which ships it.
        Migration = "migration",
    }
}

string_enum! {
    /// What metadata items are loaded from; the first one that has a name decides.
    MetadataLayer { Database = "database", Registry = "registry", Filesystem = "filesystem" }
}

string_enum! {
    /// Who sees a metadata item.
    MetadataVisibility { Private = "private", Shared = "shared" }
}

string_enum! {
    /// Ordered: a role may do all that a lower one may.
    Role { Viewer = "viewer", Operator = "operator", Admin = "admin" }
}

string_enum! {
    /// What people say of a datasource; what runs does not follow it.
    Lifecycle { Draft = "draft", Published = "published", Deprecated = "deprecated", Retired = "retired" }
}

#[allow(clippy::derivable_impls, reason = "the macro derives the same for all")]
impl Default for Lifecycle {
    fn default() -> Self {
        Self::Draft
    }
}

string_enum! {
    /// A field of governance metadata that rules can ask for.
    MetadataField {
        Owner = "owner",
        Team = "team",
        Category = "category",
        Tags = "tags",
        Visibility = "visibility",
        Sla = "sla",
        RateLimit = "rate_limit",
    }
}

string_enum! {
    /// An entry kind on the timeline of a datasource.
    EventType {
        Created = "create",
        Updated = "update",
        Archived = "archive",
        Restored = "restore",
        Cloned = "clone",
        VersionCreated = "version_created",
        Published = "publish",
        RolledBack = "rollback",
        Started = "start",
        Stopped = "stop",
        Restarted = "restart",
        TestRun = "test_run",
        SourceChecked = "check",
        WorkerError = "error",
        Recovered = "recovered",
        Reloaded = "reloaded",
        SecretSet = "secret_set",
        SecretDeleted = "secret_deleted",
        SecretsRepinned = "secrets_repinned",
        Backfill = "backfill",
        BackfillEnded = "backfill_ended",
        DeadLettersReplayed = "dead_letters_replayed",
        ReplayEnded = "replay_ended",
        DeadLetterEdited = "dead_letter_edited",
        DeadLettersDiscarded = "dead_letters_discarded",
        JobCancelled = "job_cancelled",
        LogLevelSet = "log_level_set",
        ApprovalRequested = "approval_requested",
        ApprovalGranted = "approval_granted",
        ApprovalRejected = "approval_rejected",
        ApprovalWithdrawn = "approval_withdrawn",
        ApprovalVoided = "approval_voided",
        ApprovalExpired = "approval_expired",
        MetadataUpdated = "metadata_updated",
        /// Never stored: marks a gap in a feed whose events are no longer kept.
        Dropped = "dropped",
    }
}
