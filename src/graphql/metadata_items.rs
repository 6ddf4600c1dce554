//! Templates and saved views.

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, InputObject, Json, Object, Result, SimpleObject};
use serde_json::Value;

use super::connection::{Plain, edges};
use super::error::Shape;
use super::guard::HasRole;
use super::types::{MetadataItemSource, MetadataItemType, MetadataLayer, MetadataVisibility};
use crate::app::{self, App, CatalogItem, OpContext};
use crate::auth::Permission;
use crate::domain::paging::PageRequest;
use crate::domain::{self, Timestamp};

/// A page of items, and how many there are in all.
pub(super) type MetadataItemConnection = Connection<String, MetadataItem, ItemTotal>;

/// How many items there are in all.
#[derive(SimpleObject)]
pub(super) struct ItemTotal {
    /// How many items match, whatever the page.
    total_count: u64,
}

/// A template or a saved view.
pub(super) struct MetadataItem(CatalogItem);

/// A template or a saved view: a name, and data that is what the schema of its type says.
#[Object]
impl MetadataItem {
    /// Its name, unique in its type and the organisation.
    async fn name(&self) -> &str {
        &self.0.item.name
    }

    /// What it is.
    #[graphql(name = "type")]
    async fn item_type(&self) -> MetadataItemType {
        self.0.item.item_type.into()
    }

    /// Its content; `metadataItemTypes` has the schema.
    async fn data(&self) -> Json<Value> {
        Json(self.0.item.data.clone())
    }

    /// Counts the contents that it had.
    async fn version(&self) -> i32 {
        self.0.item.version
    }

    /// SHA-256 of the canonical JSON of its data.
    async fn checksum(&self) -> &str {
        &self.0.item.checksum
    }

    /// Where its content came from.
    async fn source(&self) -> MetadataItemSource {
        self.0.item.source.into()
    }

    /// What it was loaded from.
    async fn layer(&self) -> MetadataLayer {
        self.0.item.layer.into()
    }

    /// The layers that have another one of this name, which this one takes the place of.
    async fn shadows(&self) -> Vec<MetadataLayer> {
        self.0.shadows.iter().copied().map(Into::into).collect()
    }

    /// False for one that was just deleted.
    async fn active(&self) -> bool {
        self.0.item.active
    }

    /// Who answers for it; of a private view, who sees it.
    async fn owner(&self) -> &str {
        &self.0.item.owner
    }

    /// Who sees it.
    async fn visibility(&self) -> MetadataVisibility {
        self.0.item.visibility.into()
    }

    /// Its tags, in alphabetical order.
    async fn tags(&self) -> &[String] {
        &self.0.item.tags
    }

    /// Counts the changes; quote it as `expectedRevision` to not overwrite somebody else's. 0 for what is not stored.
    async fn revision(&self) -> i64 {
        self.0.item.revision
    }

    /// When it was first saved; null for what is not stored.
    async fn created_at(&self) -> Option<Timestamp> {
        self.0.item.stamps.as_ref().map(|stamps| stamps.created_at)
    }

    /// Who first saved it.
    async fn created_by(&self) -> Option<&str> {
        self.0.item.stamps.as_ref().map(|stamps| stamps.created_by.as_str())
    }

    /// When it was last changed; null for what is not stored.
    async fn updated_at(&self) -> Option<Timestamp> {
        self.0.item.stamps.as_ref().map(|stamps| stamps.updated_at)
    }

    /// Who last changed it.
    async fn updated_by(&self) -> Option<&str> {
        self.0.item.stamps.as_ref().map(|stamps| stamps.updated_by.as_str())
    }
}

/// A content that an item has or had. It never changes.
#[derive(SimpleObject)]
pub(super) struct MetadataItemVersion {
    /// Its number.
    version: i32,
    /// The content.
    data: Json<Value>,
    /// SHA-256 of the canonical JSON of the content.
    checksum: String,
    /// Where it came from.
    source: MetadataItemSource,
    /// What was said of it.
    comment: Option<String>,
    /// When it was saved.
    created_at: Timestamp,
    /// Who saved it.
    created_by: String,
}

impl From<domain::MetadataItemVersion> for MetadataItemVersion {
    fn from(content: domain::MetadataItemVersion) -> Self {
        Self {
            version: content.version,
            data: Json(content.data),
            checksum: content.checksum,
            source: content.source.into(),
            comment: content.comment,
            created_at: content.created_at,
            created_by: content.created_by,
        }
    }
}

/// A type of metadata item.
#[derive(SimpleObject)]
struct MetadataItemTypeInfo {
    /// The type.
    #[graphql(name = "type")]
    item_type: MetadataItemType,
    /// Its name for people.
    title: &'static str,
    /// What items of it are for.
    description: &'static str,
    /// JSON Schema (2020-12) of the data.
    schema: Json<Value>,
}

/// The item as it is now.
#[derive(SimpleObject)]
struct MetadataItemPayload {
    /// As it is now.
    item: MetadataItem,
}

impl From<CatalogItem> for MetadataItemPayload {
    fn from(item: CatalogItem) -> Self {
        Self { item: MetadataItem(item) }
    }
}

/// Narrows a list of items. What is absent does not narrow.
#[derive(InputObject, Default)]
struct MetadataItemFilterInput {
    /// With all of these tags.
    tags: Option<Vec<String>>,
    /// Of this owner.
    owner: Option<String>,
    /// With all of these words in name, title, description, owner or tags, whatever the case; at most 200 characters.
    search: Option<String>,
    /// With a content that came from here.
    source: Option<MetadataItemSource>,
    /// Loaded from here.
    layer: Option<MetadataLayer>,
}

/// An item as it is to be. What is absent stays as it is.
#[derive(InputObject)]
struct SaveMetadataItemInput {
    /// What it is.
    #[graphql(name = "type")]
    item_type: MetadataItemType,
    /// Its name. One that is stored is changed; one that is not is new.
    name: String,
    /// Its content, at most 256 KiB.
    data: Json<Value>,
    /// The tags from now on, all of them.
    tags: Option<Vec<String>>,
    /// Who sees it. A new view is private; a template is always shared.
    visibility: Option<MetadataVisibility>,
    /// Refuse with CONFLICT when this is not its revision any more; 0 means that nothing is stored under the name.
    expected_revision: Option<i64>,
    /// What to say of the new version.
    comment: Option<String>,
}

/// An item to delete.
#[derive(InputObject)]
struct DeleteMetadataItemInput {
    /// What it is.
    #[graphql(name = "type")]
    item_type: MetadataItemType,
    /// Its name.
    name: String,
    /// Refuse with CONFLICT when this is not its revision any more.
    expected_revision: Option<i64>,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// A content to bring back.
#[derive(InputObject)]
struct RestoreMetadataItemInput {
    /// What the item is.
    #[graphql(name = "type")]
    item_type: MetadataItemType,
    /// Its name.
    name: String,
    /// The number of the version whose content becomes the newest one.
    version: i32,
    /// Refuse with CONFLICT when this is not its revision any more; 0 for one that was deleted.
    expected_revision: Option<i64>,
    /// What to say of the new version.
    comment: Option<String>,
}

#[derive(Default)]
pub struct MetadataItemQuery;

/// Templates and saved views.
#[Object]
impl MetadataItemQuery {
    /// The items of a type that the caller sees, by name. What is stored comes before what the program ships, and that
    /// before files of the server.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn metadata_items(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Their type.", name = "type")] item_type: MetadataItemType,
        #[graphql(desc = "Which ones.")] filter: Option<MetadataItemFilterInput>,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
    ) -> Result<MetadataItemConnection> {
        let input = filter.unwrap_or_default();
        let filter = domain::MetadataItemFilter {
            tags: input.tags.unwrap_or_default(),
            owner: input.owner,
            search: input.search,
            source: input.source.map(Into::into),
            layer: input.layer.map(Into::into),
        };
        let page = PageRequest::relay(first, after.as_deref(), None, None).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let (found, total_count) =
            Box::pin(app.metadata_items(op, item_type.into(), &filter, &page)).await.shaped(ctx)?;
        Ok(edges(found, ItemTotal { total_count }, |found| found.item.name.clone(), MetadataItem))
    }

    /// One item; null when there is none of this name that the caller sees.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn metadata_item(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its type.", name = "type")] item_type: MetadataItemType,
        #[graphql(desc = "Its name.")] name: String,
    ) -> Result<Option<MetadataItem>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Ok(Box::pin(app.metadata_item(op, item_type.into(), &name)).await.shaped(ctx)?.map(MetadataItem))
    }

    /// Every content that an item had, newest first, also of one that was deleted.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn metadata_item_versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its type.", name = "type")] item_type: MetadataItemType,
        #[graphql(desc = "Its name.")] name: String,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
    ) -> Result<Plain<MetadataItemVersion>> {
        let page = PageRequest::relay(first, after.as_deref(), None, None).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let (found, _) = Box::pin(app.metadata_item_versions(op, item_type.into(), &name, &page)).await.shaped(ctx)?;
        Ok(edges(found, EmptyFields, |content| content.version, MetadataItemVersion::from))
    }

    /// The types of items, each with the schema of its data.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn metadata_item_types(&self, ctx: &Context<'_>) -> Result<Vec<MetadataItemTypeInfo>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let info = |spec: &app::MetadataItemSpec| MetadataItemTypeInfo {
            item_type: spec.item_type.into(),
            title: spec.title,
            description: spec.description,
            schema: Json(spec.schema.clone()),
        };
        Ok(app.metadata_item_types(op).shaped(ctx)?.map(info).collect())
    }
}

#[derive(Default)]
pub struct MetadataItemMutation;

/// Templates and saved views.
#[Object]
impl MetadataItemMutation {
    /// Saves an item. Another content makes a new version; the same makes none. Everybody saves views of their own;
    /// templates, and views that all see, need the role ADMIN.
    #[graphql(directive = HasRole::apply(Permission::SaveViews))]
    async fn save_metadata_item(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The item.")] input: SaveMetadataItemInput,
    ) -> Result<MetadataItemPayload> {
        let input = app::SaveMetadataItem {
            item_type: input.item_type.into(),
            name: input.name,
            data: input.data.0,
            tags: input.tags,
            visibility: input.visibility.map(Into::into),
            expected_revision: input.expected_revision,
            comment: input.comment,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.save_metadata_item(op, input)).await.shaped(ctx).map(Into::into)
    }

    /// Deletes what is stored. Its history stays, and a file or what the program ships of this name counts again.
    #[graphql(directive = HasRole::apply(Permission::SaveViews))]
    async fn delete_metadata_item(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: DeleteMetadataItemInput,
    ) -> Result<MetadataItemPayload> {
        let input = app::DeleteMetadataItem {
            item_type: input.item_type.into(),
            name: input.name,
            expected_revision: input.expected_revision,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.delete_metadata_item(op, input)).await.shaped(ctx).map(Into::into)
    }

    /// Makes an earlier content the newest one, also of an item that was deleted.
    #[graphql(directive = HasRole::apply(Permission::SaveViews))]
    async fn restore_metadata_item(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which content of which item.")] input: RestoreMetadataItemInput,
    ) -> Result<MetadataItemPayload> {
        let input = app::RestoreMetadataItem {
            item_type: input.item_type.into(),
            name: input.name,
            version: input.version,
            expected_revision: input.expected_revision,
            comment: input.comment,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.restore_metadata_item(op, input)).await.shaped(ctx).map(Into::into)
    }
}
