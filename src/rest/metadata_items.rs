//! `/metadata`: templates and saved views.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Body, Caller, Named, NoBody, once};
use super::idempotency::{self, lost};
use super::link::{Position, whole};
use super::model::{MetadataItem, MetadataItemTypeInfo, MetadataItemVersion, RestoreMetadataItem, SaveMetadataItem};
use super::model::{MetadataItemSource, MetadataLayer};
use super::reply::{Answer, Reply, TOTAL_COUNT};
use super::versions::PageParameters;
use super::{Api, etag};
use crate::app::{self, CatalogItem};
use crate::auth::policy::grant::{Read, SaveViews};
use crate::domain::{MetadataItemFilter, MetadataItemType};
use crate::error::{Error, Result};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TypePath {
    /// The type of the items, such as `connector_template`; see `GET /api/v1/metadata`.
    #[serde(rename = "type")]
    #[param(rename = "type", required = true)]
    item_type: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ItemPath {
    /// The type of the item, such as `connector_template`; see `GET /api/v1/metadata`.
    #[serde(rename = "type")]
    #[param(rename = "type", required = true)]
    item_type: String,
    /// The name of the item.
    name: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ItemParameters {
    /// With this tag; repeated, with all of them.
    #[serde(default)]
    tag: Vec<String>,
    /// Of this owner.
    owner: Option<String>,
    /// With all of these words in name, title, description, owner or tags, whatever the case.
    #[param(max_length = 200)]
    search: Option<String>,
    /// With a content that came from here.
    source: Option<MetadataItemSource>,
    /// Loaded from here.
    layer: Option<MetadataLayer>,
    /// At most so many; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only what follows; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteParameters {
    /// Why; for the audit log.
    #[param(max_length = 4000)]
    reason: Option<String>,
}

/// What has no such type has no such item either.
fn kind(text: &str) -> Result<MetadataItemType> {
    text.parse().map_err(|message: String| Error::invalid("/type", message))
}

fn shown(item: CatalogItem) -> Result<Reply> {
    let revision = item.item.revision;
    Ok(Reply::ok(&MetadataItem::from(item))?.revision(revision))
}

/// List the types of metadata items
///
/// Each with the JSON Schema of its data.
#[utoipa::path(
    get, path = "/metadata", operation_id = "metadataItemTypes", tag = "metadata-items",
    responses((status = 200, description = "All of them.", body = Vec<MetadataItemTypeInfo>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn types(State(api): State<Api>, caller: Caller<Read>) -> Answer {
    let all = api.app.metadata_item_types(&caller.ctx)?;
    Ok(whole(&all.map(MetadataItemTypeInfo::from).collect::<Vec<_>>())?)
}

/// List metadata items
///
/// Those of a type that the caller sees, by name. What is stored comes before what the program ships, and that before
/// files of the server.
#[utoipa::path(
    get, path = "/metadata/{type}", operation_id = "metadataItems", tag = "metadata-items",
    params(TypePath, ItemParameters),
    responses((status = 200, description = "The page.", body = Vec<MetadataItem>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller<Read, ItemParameters>,
    Named(path): Named<TypePath>,
) -> Answer {
    let (caller, query) = caller.split();
    let filter = MetadataItemFilter {
        tags: query.tag,
        owner: query.owner,
        search: query.search,
        source: query.source.map(|source| source.0),
        layer: query.layer.map(|layer| layer.0),
    };
    let mut position = Position { limit: query.limit, offset: query.offset, cursor: query.cursor, total: None };
    let kind = kind(&path.item_type)?;
    let (page, total) = api.app.metadata_items(&caller.ctx, kind, &filter, &position.request()?).await?;
    position.total = Some(total);
    let reply = position.reply(&caller, page, |found| found.item.name.clone(), MetadataItem::from)?;
    Ok(reply.header(TOTAL_COUNT, total.to_string()))
}

/// Read a metadata item
///
/// The one that counts: `layer` says what it was loaded from, and `shadows` which layers have another one.
#[utoipa::path(
    get, path = "/metadata/{type}/{name}", operation_id = "metadataItem", tag = "metadata-items",
    params(ItemPath),
    responses(
        (status = 200, description = "The item.", body = MetadataItem),
        (status = 304, description = "It is as the caller has it."),
    ),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller<Read>, Named(path): Named<ItemPath>) -> Answer {
    let found = api.app.metadata_item(&caller.ctx, kind(&path.item_type)?, &path.name).await?;
    Ok(shown(found.ok_or_else(|| Error::not_found("metadata item"))?)?.unless_known(&caller.headers))
}

/// Save a metadata item
///
/// Another content makes a new version; the same makes none. Everybody saves views of their own; templates, and views
/// that all see, need the role admin.
#[utoipa::path(
    put, path = "/metadata/{type}/{name}", operation_id = "saveMetadataItem", tag = "metadata-items",
    params(ItemPath), request_body = SaveMetadataItem,
    responses((status = 200, description = "The item as it is now.", body = MetadataItem)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn save(
    State(api): State<Api>,
    caller: Caller<SaveViews>,
    Named(path): Named<ItemPath>,
    body: Body<SaveMetadataItem>,
) -> Answer {
    let SaveMetadataItem { data, tags, visibility, comment } = body.value;
    let input = app::SaveMetadataItem {
        item_type: kind(&path.item_type)?,
        name: path.name,
        data,
        tags,
        visibility: visibility.map(|visibility| visibility.0),
        expected_revision: etag::if_match(&caller.headers)?,
        comment,
    };
    Ok(shown(api.app.save_metadata_item(&caller.ctx, input).await?)?)
}

/// Delete a metadata item
///
/// What is stored; its history stays, and a file or what the program ships of this name counts again.
#[utoipa::path(
    delete, path = "/metadata/{type}/{name}", operation_id = "deleteMetadataItem", tag = "metadata-items",
    params(ItemPath, DeleteParameters),
    responses((status = 200, description = "The item, which is not active any more.", body = MetadataItem)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller<SaveViews, DeleteParameters>,
    Named(path): Named<ItemPath>,
    _: NoBody,
) -> Answer {
    let (caller, query) = caller.split();
    let input = app::DeleteMetadataItem {
        item_type: kind(&path.item_type)?,
        name: path.name,
        expected_revision: etag::if_match(&caller.headers)?,
        reason: query.reason,
    };
    Ok(shown(api.app.delete_metadata_item(&caller.ctx, input).await?)?)
}

/// Read the history of a metadata item
///
/// Every content that it had, newest first, also of one that was deleted.
#[utoipa::path(
    get, path = "/metadata/{type}/{name}/versions", operation_id = "metadataItemVersions", tag = "metadata-items",
    params(ItemPath, PageParameters),
    responses((status = 200, description = "The page.", body = Vec<MetadataItemVersion>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn versions(
    State(api): State<Api>,
    caller: Caller<Read, PageParameters>,
    Named(path): Named<ItemPath>,
) -> Answer {
    let (caller, query) = caller.split();
    let mut position = Position::from(query);
    let kind = kind(&path.item_type)?;
    let page = position.request()?;
    let (page, total) = api.app.metadata_item_versions(&caller.ctx, kind, &path.name, &page).await?;
    position.total = Some(total);
    let reply = position.reply(&caller, page, |content| content.version, MetadataItemVersion::from)?;
    Ok(reply.header(TOTAL_COUNT, total.to_string()))
}

/// Restore a content of a metadata item
///
/// Makes an earlier content the newest one, also of an item that was deleted.
#[utoipa::path(
    post, path = "/metadata/{type}/{name}/restore", operation_id = "restoreMetadataItem", tag = "metadata-items",
    params(ItemPath), request_body = RestoreMetadataItem,
    responses((status = 200, description = "The item as it is now.", body = MetadataItem)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn restore(
    State(api): State<Api>,
    caller: Caller<SaveViews>,
    Named(path): Named<ItemPath>,
    body: Body<RestoreMetadataItem>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let RestoreMetadataItem { version, comment } = body.value;
    let input = app::RestoreMetadataItem {
        item_type: kind(&path.item_type)?,
        name: path.name,
        version,
        expected_revision: etag::if_match(&caller.headers)?,
        comment,
    };
    let effect = async { shown(api.app.restore_metadata_item(&ctx, input).await?) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("it was restored; see its versions")) }).await
}
