//! Closed sets on the wire: the words of the domain, in lower case.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::connectors::Catalog;
use crate::domain;

macro_rules! words {
    ($($name:ident: $doc:literal),+ $(,)?) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub(in crate::rest) struct $name(pub(in crate::rest) domain::$name);

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                words(domain::$name::ALL.iter().map(|word| word.as_str()), $doc)
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl From<domain::$name> for $name {
            fn from(value: domain::$name) -> Self {
                Self(value)
            }
        }
    )+};
}

words! {
    ApprovalAction: "What can need a second person.",
    ApprovalState: "Whether a second person agreed.",
    ApprovalStatus: "Where a request for approval is in its life.",
    CircuitState: "Whether the sink of a datasource is written to.",
    DatasourceStatus: "What people see of a datasource at a glance.",
    DeadLetterScope: "What a dead letter holds.",
    DesiredState: "What people want of a worker.",
    DiffOp: "What became of one place of a document.",
    EventType: "An entry kind on the timeline.",
    ExportStatus: "How far an export is.",
    JobKind: "What a job does.",
    JobStatus: "Where a job is in its life.",
    Lifecycle: "What people say of a datasource; what runs does not follow it.",
    LogLevel: "How much a log line matters; each level includes those before it.",
    MetadataField: "A field of governance metadata.",
    MetadataItemSource: "Where the content of a metadata item came from.",
    MetadataItemType: "What a metadata item is.",
    MetadataLayer: "What metadata items are loaded from.",
    MetadataVisibility: "Who sees a metadata item.",
    NotificationStatus: "What became of a message to an endpoint of notifications.",
    Outcome: "How an audited attempt ended.",
    Role: "What a caller may do; each role may do all that the one before it may.",
    RotationKind: "What a key rotation moves.",
    RotationStatus: "How far a key rotation is.",
    VersionState: "Where a version is in its life.",
    WorkerStatus: "What the registry last saw of a worker.",
}

/// Texts as people type them; the rules are those of `domain::validate`.
macro_rules! texts {
    ($($name:ident: $least:literal to $most:literal, $pattern:literal, $doc:literal);+ $(;)?) => {$(
        #[doc = $doc]
        pub(in crate::rest) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).description(Some($doc));
                text.min_length(Some($least)).max_length(Some($most)).pattern(Some($pattern)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

texts! {
    Name: 1 to 120, r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$",
        "A line of text that does not begin or end with white space.";
    Label: 0 to 120, r"^[^\x00-\x1f\x7f-\x9f]*$", "A line of text; empty is the same as none.";
    Tag: 1 to 50, r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", "A line of text.";
    Comment: 0 to 4000, r"^[^\x00]*$", "Any text without the NUL character.";
}

/// A list of tags. Their order carries no meaning.
pub(in crate::rest) struct Tags;

impl PartialSchema for Tags {
    fn schema() -> RefOr<Schema> {
        utoipa::openapi::schema::ArrayBuilder::new().items(Tag::schema()).max_items(Some(32)).into()
    }
}

impl ToSchema for Tags {
    fn name() -> Cow<'static, str> {
        "Tags".into()
    }
}

fn words<'a>(words: impl Iterator<Item = &'a str>, description: &str) -> RefOr<Schema> {
    let words: Vec<_> = words.collect();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).description(Some(description)).into()
}

/// The connector types of this build.
pub(in crate::rest) fn connector_type() -> RefOr<Schema> {
    let catalog = Catalog::standard();
    words(catalog.iter().map(|c| c.spec().name), "The connector type; see `GET /api/v1/connector-types`.")
}
