//! Templates and saved views.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::words::{Comment, MetadataItemSource, MetadataItemType, MetadataLayer, MetadataVisibility, Name, Tags};
use crate::app::{self, CatalogItem};
use crate::domain;
use crate::rest::json::object;

/// A template or a saved view: a name, and data that is what the schema of its type says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct MetadataItem {
    /// What it is.
    #[serde(rename = "type")]
    item_type: MetadataItemType,
    /// Its name, unique in its type and the organisation.
    name: String,
    /// Its content; `GET /api/v1/metadata` has the schema.
    #[schema(value_type = Object)]
    data: Value,
    /// Counts the contents that it had.
    version: i32,
    /// SHA-256 of the canonical JSON of its data.
    checksum: String,
    /// Where its content came from.
    source: MetadataItemSource,
    /// What it was loaded from.
    layer: MetadataLayer,
    /// The layers that have another one of this name, which this one takes the place of.
    shadows: Vec<MetadataLayer>,
    /// False for one that was just deleted.
    active: bool,
    /// Who answers for it; of a private view, who sees it.
    owner_id: String,
    /// Who sees it.
    visibility: MetadataVisibility,
    /// Its tags, in alphabetical order.
    tags: Vec<String>,
    /// Counts the changes, and begins the ETag; 0 for what is not stored.
    revision: i64,
    /// When it was first saved; null for what is not stored.
    created_at: Option<DateTime<Utc>>,
    /// Who first saved it.
    created_by: Option<String>,
    /// When it was last changed; null for what is not stored.
    updated_at: Option<DateTime<Utc>>,
    /// Who last changed it.
    updated_by: Option<String>,
}

impl From<CatalogItem> for MetadataItem {
    fn from(found: CatalogItem) -> Self {
        let CatalogItem { item, shadows } = found;
        let stamps = item.stamps.clone();
        Self {
            item_type: item.item_type.into(),
            name: item.name.clone(),
            data: item.data.clone(),
            version: item.version,
            checksum: item.checksum.clone(),
            source: item.source.into(),
            layer: item.layer.into(),
            shadows: shadows.into_iter().map(Into::into).collect(),
            active: item.active,
            owner_id: item.owner.clone(),
            visibility: item.visibility.into(),
            tags: item.tags.clone(),
            revision: item.revision,
            created_at: stamps.as_ref().map(|s| s.created_at),
            created_by: stamps.as_ref().map(|s| s.created_by.clone()),
            updated_at: stamps.as_ref().map(|s| s.updated_at),
            updated_by: stamps.map(|s| s.updated_by),
        }
    }
}

/// A content that an item has or had. It never changes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct MetadataItemVersion {
    /// Its number.
    version: i32,
    /// The content.
    #[schema(value_type = Object)]
    data: Value,
    /// SHA-256 of the canonical JSON of the content.
    checksum: String,
    /// Where it came from.
    source: MetadataItemSource,
    /// What was said of it.
    comment: Option<String>,
    /// When it was saved.
    created_at: DateTime<Utc>,
    /// Who saved it.
    created_by: String,
}

impl From<domain::MetadataItemVersion> for MetadataItemVersion {
    fn from(content: domain::MetadataItemVersion) -> Self {
        Self {
            version: content.version,
            data: content.data,
            checksum: content.checksum,
            source: content.source.into(),
            comment: content.comment,
            created_at: content.created_at,
            created_by: content.created_by,
        }
    }
}

/// A type of metadata item.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct MetadataItemTypeInfo {
    /// The type.
    #[serde(rename = "type")]
    item_type: MetadataItemType,
    /// Its name for people.
    title: &'static str,
    /// What items of it are for.
    description: &'static str,
    /// JSON Schema (2020-12) of the data.
    #[schema(value_type = Object)]
    schema: Value,
}

impl From<&app::MetadataItemSpec> for MetadataItemTypeInfo {
    fn from(spec: &app::MetadataItemSpec) -> Self {
        Self {
            item_type: spec.item_type.into(),
            title: spec.title,
            description: spec.description,
            schema: spec.schema.clone(),
        }
    }
}

/// An item as it is to be. What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct SaveMetadataItem {
    /// Its content, at most 256 KiB.
    #[schema(value_type = Object)]
    pub(in crate::rest) data: Value,
    /// The tags from now on, all of them: at most 32, each of 1 to 50 characters.
    #[schema(value_type = Option<Tags>)]
    pub(in crate::rest) tags: Option<Vec<String>>,
    /// Who sees it. A new view is private; a template is always shared.
    pub(in crate::rest) visibility: Option<MetadataVisibility>,
    /// What to say of the new version.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) comment: Option<String>,
}

/// A content to bring back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct RestoreMetadataItem {
    /// The number of the version whose content becomes the newest one.
    #[schema(minimum = 1)]
    pub(in crate::rest) version: i32,
    /// What to say of the new version.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) comment: Option<String>,
}

/// A template to create a datasource from.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct UseTemplate {
    /// The connector template.
    #[schema(value_type = Name)]
    name: String,
    /// Absent: as it is now.
    #[schema(minimum = 1)]
    version: Option<i32>,
    /// The name of each parameter, and its value. Defaults may be left out.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
    /// A mapping template for the section `mapping`.
    #[serde(default, deserialize_with = "maybe_object")]
    #[schema(value_type = Option<UseMapping>)]
    mapping: Option<UseMapping>,
}

/// A mapping template, and its parameters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct UseMapping {
    /// The mapping template. Absent: the one that the connector template names.
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    /// Absent: as it is now.
    #[schema(minimum = 1)]
    version: Option<i32>,
    /// The name of each parameter, and its value. Defaults may be left out.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
}

impl From<UseTemplate> for app::UseTemplate {
    fn from(body: UseTemplate) -> Self {
        Self {
            name: body.name,
            version: body.version,
            parameters: body.parameters.unwrap_or_default(),
            mapping: body.mapping.map(|mapping| app::UseMapping {
                name: mapping.name,
                version: mapping.version,
                parameters: mapping.parameters.unwrap_or_default(),
            }),
        }
    }
}

/// An object that may be null.
pub(super) fn maybe_object<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    struct Only<T>(T);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Only<T> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            object(deserializer).map(Self)
        }
    }

    Ok(Option::<Only<T>>::deserialize(deserializer)?.map(|only| only.0))
}

/// The templates that a datasource was created from.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct DatasourceTemplate {
    /// The name of the connector template.
    name: String,
    /// Which version of it.
    version: i32,
    /// The checksum of that version.
    checksum: String,
    /// The mapping template, where one was used too.
    mapping: Option<UsedTemplate>,
}

/// A template that was used.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct UsedTemplate {
    /// Its name.
    name: String,
    /// Which version of it.
    version: i32,
    /// The checksum of that version.
    checksum: String,
}

impl From<domain::TemplateOrigin> for DatasourceTemplate {
    fn from(origin: domain::TemplateOrigin) -> Self {
        let domain::TemplateUse { name, version, checksum } = origin.template;
        let mapping =
            origin.mapping.map(|used| UsedTemplate { name: used.name, version: used.version, checksum: used.checksum });
        Self { name, version, checksum, mapping }
    }
}
