//! Templates and saved views: named pieces of metadata, each with a type that says what its data is.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{MetadataItemSource, MetadataItemType, MetadataLayer, MetadataVisibility, Timestamp};

/// One item, as one of the layers has it.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataItem {
    /// Nil for what is not in the database.
    pub id: Uuid,
    pub item_type: MetadataItemType,
    /// Unique in its type and organisation while it is active.
    pub name: String,
    pub data: Value,
    /// SHA-256 of the canonical JSON of `data`.
    pub checksum: String,
    /// Counts the contents that it had.
    pub version: i32,
    /// Counts the changes; 0 for what is not in the database.
    pub revision: i64,
    pub visibility: MetadataVisibility,
    pub source: MetadataItemSource,
    pub layer: MetadataLayer,
    pub active: bool,
    pub owner: String,
    pub tags: Vec<String>,
    /// `None` for what is not in the database.
    pub stamps: Option<Stamps>,
}

/// When something was written, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamps {
    pub created_at: Timestamp,
    pub created_by: String,
    pub updated_at: Timestamp,
    pub updated_by: String,
}

/// A content that an item has or had; immutable.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataItemVersion {
    pub item_id: Uuid,
    pub version: i32,
    pub data: Value,
    pub checksum: String,
    pub source: MetadataItemSource,
    pub comment: Option<String>,
    pub created_at: Timestamp,
    pub created_by: String,
}

/// Narrows a list of items. What is empty does not narrow.
#[derive(Clone, Debug, Default)]
pub struct MetadataItemFilter {
    /// With all of these.
    pub tags: Vec<String>,
    pub owner: Option<String>,
    /// All of these words in name, owner, tags, title or description, whatever the case.
    pub search: Option<String>,
    pub source: Option<MetadataItemSource>,
    pub layer: Option<MetadataLayer>,
}

/// Which version of a template was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateUse {
    pub name: String,
    pub version: i32,
    pub checksum: String,
}

/// The templates that a datasource was created from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateOrigin {
    #[serde(flatten)]
    pub template: TemplateUse,
    /// The mapping template, where one was used too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<TemplateUse>,
}
