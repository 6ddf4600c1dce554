//! Closed sets on the wire, each a mirror of its set in the domain.

use async_graphql::Enum;

use crate::domain;

macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident of $source:ty { $($(#[$vdoc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::graphql) enum $name { $($(#[$vdoc])* $variant),+ }

        impl From<$source> for $name {
            fn from(value: $source) -> Self {
                match value { $(<$source>::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $source {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

mirror! {
    /// What a caller may do; each role may do all that the one before it may.
    Role of domain::Role {
        /// Reads the catalog, versions, state, metrics, events and test results.
        Viewer,
        /// Also drafts, tests, starts, stops and restarts.
        Operator,
        /// Also publishes, rolls back, archives, and manages secrets and the audit log.
        Admin,
    }
}

mirror! {
    /// What people see of a datasource at a glance.
    DatasourceStatus of domain::DatasourceStatus {
        /// Never published.
        Draft,
        /// Published and wanted.
        Active,
        /// Stopped by somebody.
        Disabled,
        /// Wanted, but its worker fails.
        Error,
    }
}

mirror! {
    /// Where a version is in its life.
    VersionState of domain::VersionState {
        /// Not published yet.
        Draft,
        /// The one that runs.
        Published,
        /// Was published before; a rollback can bring it back.
        Archived,
    }
}

mirror! {
    /// Whether a second person agreed.
    ApprovalState of domain::ApprovalState {
        /// No policy asks for it, or nobody was asked yet.
        NotRequired,
        /// Waits for a decision.
        Pending,
        /// Somebody agreed.
        Approved,
        /// Somebody refused.
        Rejected,
    }
}

mirror! {
    /// What can need a second person.
    ApprovalAction of domain::ApprovalAction {
        /// A draft goes live.
        Publish,
        /// A version that was published before goes live again.
        Rollback,
        /// A secret gets a value.
        SecretChange,
    }
}

mirror! {
    /// Where a request for approval is in its life.
    ApprovalStatus of domain::ApprovalStatus {
        /// Waits for people to agree.
        Pending,
        /// As many agreed as have to; it waits to be used.
        Approved,
        /// Somebody refused.
        Rejected,
        /// It was taken back.
        Withdrawn,
        /// Nobody acted on it in time.
        Expired,
        /// What it was asked for is not what it was; the reason says what changed.
        Void,
        /// What was approved is done.
        Used,
    }
}

mirror! {
    /// What people say of a datasource; what runs does not follow it.
    Lifecycle of domain::Lifecycle {
        /// Not meant for consumers yet.
        Draft,
        /// For consumers.
        Published,
        /// Still there, but not for new consumers.
        Deprecated,
        /// For nobody any more.
        Retired,
    }
}

mirror! {
    /// A field of governance metadata that rules can ask for.
    MetadataField of domain::MetadataField {
        /// Who answers for it.
        Owner,
        /// The team that it belongs to.
        Team,
        /// Its category.
        Category,
        /// At least one tag.
        Tags,
        /// At least one community or group.
        Visibility,
        /// What consumers may expect.
        Sla,
        /// A custom rate limit.
        RateLimit,
    }
}

mirror! {
    /// How much a log line matters; each level includes those before it.
    LogLevel of domain::LogLevel {
        /// Something does not work.
        Error,
        /// Something may stop working, or was tried again.
        Warn,
        /// What a person may want to know.
        Info,
        /// Each record.
        Debug,
    }
}

mirror! {
    /// What a job does.
    JobKind of domain::JobKind {
        /// Reads a part of the source again.
        Backfill,
        /// Delivers dead letters again.
        Replay,
    }
}

mirror! {
    /// Where a job is in its life.
    JobStatus of domain::JobStatus {
        /// Waits for a node, or for its next try.
        Queued,
        /// A node works on it.
        Running,
        /// All is done.
        Succeeded,
        /// It gave up; the error says why.
        Failed,
        /// Somebody ended it.
        Cancelled,
    }
}

mirror! {
    /// What became of a message to an endpoint of notifications.
    NotificationStatus of domain::NotificationStatus {
        /// It waits for its next attempt.
        Pending,
        /// The receiver took it.
        Delivered,
        /// It was tried as often as it was to be; `redeliverNotification` tries again.
        Failed,
    }
}

mirror! {
    /// What a dead letter holds.
    DeadLetterScope of domain::DeadLetterScope {
        /// The record that failed.
        Record,
        /// The document of which all or the rest failed.
        Document,
    }
}

mirror! {
    /// What people want of a worker.
    DesiredState of domain::DesiredState {
        /// It should run.
        Running,
        /// It should not run.
        Stopped,
    }
}

mirror! {
    /// Whether the sink of a datasource is written to.
    CircuitState of domain::CircuitState {
        /// Always.
        Closed,
        /// Not now: it failed too often in a row.
        Open,
        /// One batch shows whether it is well again.
        HalfOpen,
    }
}

mirror! {
    /// What the registry last saw of a worker.
    WorkerStatus of domain::WorkerStatus {
        /// Connecting.
        Starting,
        /// Reading, or ready to be called.
        Running,
        /// Failed, and waiting for its next try.
        BackingOff,
        /// Failed in a way that no retry mends: change the configuration or a secret, or restart it.
        Error,
        /// Not running, as wanted.
        Stopped,
    }
}

mirror! {
    /// What became of one place of a document.
    DiffOp of domain::DiffOp {
        /// It is new.
        Add,
        /// It is gone.
        Remove,
        /// It has another value.
        Replace,
    }
}

mirror! {
    /// How an audited attempt ended.
    AuditOutcome of domain::Outcome {
        /// It was done.
        Success,
        /// It was not allowed.
        Refused,
        /// It was allowed and went wrong.
        Failed,
    }
}

mirror! {
    /// An entry kind on the timeline.
    EventType of domain::EventType {
        /// A datasource was created.
        Created,
        /// Its name or description was edited.
        Updated,
        /// It was archived.
        Archived,
        /// It was brought back from the archive.
        Restored,
        /// It was created as a copy of another.
        Cloned,
        /// A draft was created.
        VersionCreated,
        /// A version went live.
        Published,
        /// An earlier version went live again.
        RolledBack,
        /// Somebody started it.
        Started,
        /// Somebody stopped it.
        Stopped,
        /// Somebody asked for a fresh worker.
        Restarted,
        /// A configuration was tested.
        TestRun,
        /// Its source was checked for being reachable.
        SourceChecked,
        /// The worker failed.
        WorkerError,
        /// The worker runs again after a failure.
        Recovered,
        /// Another worker took the place of the one that ran. The payload says which, and how the old one ended.
        Reloaded,
        /// A secret got a value.
        SecretSet,
        /// A secret was deleted.
        SecretDeleted,
        /// The published version runs with newer secret values.
        SecretsRepinned,
        /// A backfill was asked for.
        Backfill,
        /// A backfill ended; the payload says how.
        BackfillEnded,
        /// A replay of dead letters was asked for.
        DeadLettersReplayed,
        /// A replay ended; the payload says how.
        ReplayEnded,
        /// The payload of a dead letter was edited.
        DeadLetterEdited,
        /// Dead letters were discarded.
        DeadLettersDiscarded,
        /// Somebody ended a job.
        JobCancelled,
        /// The log level of the worker was raised for some time.
        LogLevelSet,
        /// Somebody asked for a second person.
        ApprovalRequested,
        /// Somebody agreed to a request.
        ApprovalGranted,
        /// Somebody refused a request.
        ApprovalRejected,
        /// A request was taken back.
        ApprovalWithdrawn,
        /// What a request was about has changed; the payload says what.
        ApprovalVoided,
        /// Nobody acted on a request in time.
        ApprovalExpired,
        /// Its governance metadata was changed, or brought back.
        MetadataUpdated,
        /// Not an event: a gap in a feed, whose events are no longer kept. The payload says from where to where.
        Dropped,
    }
}

mirror! {
    /// What a key rotation moves.
    RotationKind of domain::RotationKind {
        /// Data keys are wrapped anew by the current master key; secrets stay as they are.
        MasterKey,
        /// Secrets move to a new data key.
        DataKey,
    }
}

mirror! {
    /// What a metadata item is.
    MetadataItemType of domain::MetadataItemType {
        /// A configuration with placeholders, from which datasources are created.
        ConnectorTemplate,
        /// The mapping of a configuration, with placeholders.
        MappingTemplate,
        /// A filter, an order and columns of a list.
        SavedView,
    }
}

mirror! {
    /// Where the content of a metadata item came from.
    MetadataItemSource of domain::MetadataItemSource {
        /// A file: one that was imported, or one of the directory of the server.
        Filesystem,
        /// The history of the item: an earlier version that was restored.
        Database,
        /// GraphQL or REST.
        Api,
        /// The program, which ships it.
        Migration,
    }
}

mirror! {
    /// What metadata items are loaded from; the first one that has a name decides.
    MetadataLayer of domain::MetadataLayer {
        /// What the organisation stored.
        Database,
        /// What the program ships.
        Registry,
        /// The directory of the server.
        Filesystem,
    }
}

mirror! {
    /// Who sees a metadata item.
    MetadataVisibility of domain::MetadataVisibility {
        /// Its owner, and admins.
        Private,
        /// Everybody in the organisation.
        Shared,
    }
}

mirror! {
    /// How far a key rotation is.
    RotationStatus of domain::RotationStatus {
        /// It goes on, or waits for its next try.
        Running,
        /// All moved.
        Succeeded,
        /// Some could not be moved, and stay under their old key.
        Failed,
    }
}

mirror! {
    /// How far an export is.
    ExportStatus of domain::ExportStatus {
        /// It waits for a node, or for its next try.
        Queued,
        /// It is being made.
        Running,
        /// It can be downloaded.
        Succeeded,
        /// It could not be made.
        Failed,
        /// It is kept no longer.
        Expired,
    }
}
