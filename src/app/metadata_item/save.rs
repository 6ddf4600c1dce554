//! Save, delete and restore. Every content stays in the history of its item.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::change::{change, check, check_comment};
use super::super::{App, OpContext};
use super::catalog::CatalogItem;
use super::check::under;
use super::sees;
use crate::auth::Authorized;
use crate::auth::policy::grant::{ManageItems, SaveViews};
use crate::domain::{
    FieldChange, MetadataItem, MetadataItemSource, MetadataItemType, MetadataItemVersion, MetadataLayer,
    MetadataVisibility, Quota, Stamps, check_name, check_tags, checksum, normalise_tags, now,
};
use crate::error::{Error, Problem, Result};
use crate::store::Tx;

/// Contents of one item that are kept.
const VERSIONS_MAX: i32 = 10_000;
/// Views of one person that nobody else sees.
const PRIVATE_MAX: u64 = 100;

/// An item as it is to be. What is absent stays as it is.
#[derive(Clone, Debug)]
pub struct SaveMetadataItem {
    pub item_type: MetadataItemType,
    pub name: String,
    pub data: Value,
    pub tags: Option<Vec<String>>,
    pub visibility: Option<MetadataVisibility>,
    /// 0 means that nothing is stored under the name yet.
    pub expected_revision: Option<i64>,
    pub comment: Option<String>,
}

#[derive(Clone, Debug)]
pub struct DeleteMetadataItem {
    pub item_type: MetadataItemType,
    pub name: String,
    pub expected_revision: Option<i64>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub struct RestoreMetadataItem {
    pub item_type: MetadataItemType,
    pub name: String,
    pub version: i32,
    pub expected_revision: Option<i64>,
    pub comment: Option<String>,
}

/// What a save comes from, and who is to own what is new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provenance<'a> {
    pub(super) source: MetadataItemSource,
    pub(super) owner: Option<&'a str>,
    pub(super) action: &'static str,
}

impl App {
    pub async fn save_metadata_item(&self, ctx: &OpContext, input: SaveMetadataItem) -> Result<CatalogItem> {
        let provenance = Provenance { source: MetadataItemSource::Api, owner: None, action: "metadata_item_saved" };
        self.keep_item(ctx, input, provenance).await
    }

    /// The same content makes no new version, and the same item no change at all.
    pub(super) async fn keep_item(
        &self,
        ctx: &OpContext,
        input: SaveMetadataItem,
        provenance: Provenance<'_>,
    ) -> Result<CatalogItem> {
        let proof = authorized(ctx, input.item_type)?;
        let mut problems = Vec::new();
        check_name("/name", &input.name, &mut problems);
        check_tags("/tags", input.tags.as_deref().unwrap_or_default(), &mut problems);
        let template = input.item_type != MetadataItemType::SavedView;
        if template && input.visibility == Some(MetadataVisibility::Private) {
            problems.push(Problem::new("/visibility", "must be shared: a template is for all"));
        }
        problems.extend(under("/data", self.check_item(input.item_type, &input.data)));
        check(problems)?;
        check_comment("/comment", input.comment.as_deref())?;

        let mut tx = ctx.begin(&self.store, &proof).await?;
        let before = stored(ctx, &tx, input.item_type, &input.name).await?;
        check_revision(before.as_ref(), input.expected_revision)?;
        let at = now();
        let mut item = before.clone().unwrap_or_else(|| blank(ctx, &input, at));
        item.visibility = input.visibility.unwrap_or(item.visibility);
        if item.visibility == MetadataVisibility::Shared {
            ctx.authorize::<ManageItems>()?;
        }
        item.tags = input.tags.map_or(item.tags, normalise_tags);
        item.owner = provenance.owner.map_or(item.owner, str::to_owned);
        item.data = input.data;
        self.write_item(ctx, &proof, &mut tx, before, &mut item, input.comment, provenance).await?;
        self.done(ctx, tx, item).await
    }

    /// It is gone for all but its history, and can be restored from there.
    pub async fn delete_metadata_item(&self, ctx: &OpContext, input: DeleteMetadataItem) -> Result<CatalogItem> {
        let proof = authorized(ctx, input.item_type)?;
        check_comment("/reason", input.reason.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let found = tx.metadata_item_for_update(input.item_type, &input.name).await?;
        let Some(mut item) = found.filter(sees(ctx)) else {
            return Err(match self.items.below(input.item_type, &input.name).first() {
                Some(MetadataLayer::Registry) => Error::conflict(
                    "the program ships it, and nothing is stored to be deleted; save one of the same name to take its place",
                ),
                Some(_) => Error::conflict("it is a file of the server, and nothing is stored to be deleted"),
                None => Error::not_found("metadata item"),
            });
        };
        check_writable(ctx, &item)?;
        check_revision(Some(&item), input.expected_revision)?;
        item.active = false;
        stamp(ctx, &mut item);
        tx.save_metadata_item(&proof, &item).await?;
        let changes = vec![FieldChange { field: field(&item, "active"), old: json!(true), new: json!(false) }];
        tx.record_audit(ctx.audit("metadata_item_deleted", input.reason.as_deref(), changes));
        self.done(ctx, tx, item).await
    }

    /// Makes an earlier content the newest one, also of an item that was deleted.
    pub async fn restore_metadata_item(&self, ctx: &OpContext, input: RestoreMetadataItem) -> Result<CatalogItem> {
        let proof = authorized(ctx, input.item_type)?;
        check_comment("/comment", input.comment.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let before = stored(ctx, &tx, input.item_type, &input.name).await?;
        let Some(before) = before.filter(sees(ctx)) else { return Err(Error::not_found("metadata item")) };
        check_revision(Some(&before), input.expected_revision)?;
        if before.visibility == MetadataVisibility::Shared {
            ctx.authorize::<ManageItems>()?;
        }
        let content = tx.metadata_item_version(before.id, input.version).await?;
        let content = content.ok_or_else(|| Error::not_found(&format!("version {}", input.version)))?;
        // Rules may be stricter now than they were then.
        check(under("/data", self.check_item(input.item_type, &content.data)))?;
        let mut item = before.clone();
        item.data = content.data;
        let comment = input.comment.or_else(|| Some(format!("restored from version {}", input.version)));
        let (source, action) = (MetadataItemSource::Database, "metadata_item_restored");
        let provenance = Provenance { source, owner: None, action };
        self.write_item(ctx, &proof, &mut tx, Some(before), &mut item, comment, provenance).await?;
        self.done(ctx, tx, item).await
    }

    /// Writes what differs between `before` and `item`, if anything does.
    #[allow(clippy::too_many_arguments, reason = "what a write of an item is made of")]
    async fn write_item(
        &self,
        ctx: &OpContext,
        proof: &Authorized<SaveViews>,
        tx: &mut Tx,
        before: Option<MetadataItem>,
        item: &mut MetadataItem,
        comment: Option<String>,
        provenance: Provenance<'_>,
    ) -> Result<()> {
        item.checksum = checksum(&item.data);
        item.active = true;
        if before.as_ref() == Some(&*item) {
            return Ok(());
        }
        let fresh = before.as_ref().is_none_or(|before| before.checksum != item.checksum);
        if fresh {
            item.version += 1;
            item.source = provenance.source;
            if item.version > VERSIONS_MAX {
                let message =
                    format!("it has {VERSIONS_MAX} versions, the most that are kept; go on under another name");
                return Err(Error::conflict(message));
            }
        }
        stamp(ctx, item);
        match &before {
            Some(_) => tx.save_metadata_item(proof, item).await?,
            None => tx.insert_metadata_item(proof, item).await?,
        }
        let comment = comment.filter(|comment| !comment.is_empty());
        if fresh {
            let content = MetadataItemVersion {
                item_id: item.id,
                version: item.version,
                data: item.data.clone(),
                checksum: item.checksum.clone(),
                source: item.source,
                comment: comment.clone(),
                created_at: now(),
                created_by: ctx.actor.subject.to_string(),
            };
            tx.add_metadata_item_version(proof, &content).await?;
        }
        if before.as_ref().is_none_or(|before| !before.active) {
            self.admit(tx, Quota::MetadataItems).await?;
        }
        let private = item.visibility == MetadataVisibility::Private;
        if private && tx.private_items_of(&item.owner).await? > PRIVATE_MAX {
            let message =
                format!("{PRIVATE_MAX} private views of one person are the most; delete one that is not needed");
            return Err(Error::invalid("/visibility", message));
        }
        tx.record_audit(ctx.audit(provenance.action, comment.as_deref(), changes(before.as_ref(), item)));
        Ok(())
    }

    async fn done(&self, ctx: &OpContext, tx: Tx, item: MetadataItem) -> Result<CatalogItem> {
        tx.commit().await?;
        self.items.forget(ctx.actor.scope.org_id());
        let shadows = if item.active { self.items.below(item.item_type, &item.name) } else { Vec::new() };
        Ok(CatalogItem { item: Arc::new(item), shadows })
    }
}

/// Templates are an admin's to write, whatever their name.
fn authorized(ctx: &OpContext, kind: MetadataItemType) -> Result<Authorized<SaveViews>> {
    let proof = ctx.authorize::<SaveViews>()?;
    if kind != MetadataItemType::SavedView {
        ctx.authorize::<ManageItems>()?;
    }
    Ok(proof)
}

/// What is stored under a name for the caller to change: what is active, or else what was deleted last.
async fn stored(ctx: &OpContext, tx: &Tx, kind: MetadataItemType, name: &str) -> Result<Option<MetadataItem>> {
    if let Some(item) = tx.metadata_item_for_update(kind, name).await? {
        check_writable(ctx, &item)?;
        return Ok(Some(item));
    }
    let deleted = tx.deleted_metadata_items_for_update(kind, name).await?;
    Ok(deleted.into_iter().find(|item| check_writable(ctx, item).is_ok()))
}

fn check_writable(ctx: &OpContext, item: &MetadataItem) -> Result<()> {
    let own = item.visibility == MetadataVisibility::Private && *item.owner == *ctx.actor.subject;
    if own {
        return Ok(());
    }
    let managed = ctx.authorize::<ManageItems>();
    if managed.is_err() && item.visibility == MetadataVisibility::Private {
        // Who may not see it need not know whose it is.
        return Err(Error::conflict(format!("the name {:?} is taken; choose another one", item.name)));
    }
    managed.map(drop)
}

/// What was deleted is as good as not there: its revision is 0, as that of a name that is new.
fn check_revision(item: Option<&MetadataItem>, expected: Option<i64>) -> Result<()> {
    let active = item.filter(|item| item.active);
    let revision = active.map_or(0, |item| item.revision);
    match expected {
        Some(expected) if expected != revision => {
            let who = active.and_then(|item| item.stamps.as_ref()).map_or("somebody", |s| s.updated_by.as_str());
            Err(Error::stale(format!(
                "{who} changed it meanwhile (revision {revision}, you have {expected}); read it again and repeat your change"
            )))
        }
        _ => Ok(()),
    }
}

fn blank(ctx: &OpContext, input: &SaveMetadataItem, at: crate::domain::Timestamp) -> MetadataItem {
    let subject = ctx.actor.subject.to_string();
    let template = input.item_type != MetadataItemType::SavedView;
    MetadataItem {
        id: Uuid::now_v7(),
        item_type: input.item_type,
        name: input.name.clone(),
        data: Value::Null,
        checksum: String::new(),
        version: 0,
        revision: 0,
        visibility: if template { MetadataVisibility::Shared } else { MetadataVisibility::Private },
        source: MetadataItemSource::Api,
        layer: MetadataLayer::Database,
        active: true,
        owner: subject.clone(),
        tags: Vec::new(),
        stamps: Some(Stamps { created_at: at, created_by: subject.clone(), updated_at: at, updated_by: subject }),
    }
}

fn stamp(ctx: &OpContext, item: &mut MetadataItem) {
    item.revision += 1;
    if let Some(stamps) = &mut item.stamps {
        stamps.updated_at = now();
        stamps.updated_by = ctx.actor.subject.to_string();
    }
}

fn field(item: &MetadataItem, name: &str) -> String {
    format!("metadataItems.{}.{}.{name}", item.item_type, item.name)
}

/// The content itself is in the history of the item; the audit log has its number and its hash.
fn changes(before: Option<&MetadataItem>, item: &MetadataItem) -> Vec<FieldChange> {
    let old = |get: fn(&MetadataItem) -> Value| before.map_or(Value::Null, get);
    let was_active = before.map_or(Value::Null, |before| json!(before.active));
    let all = [
        change(&field(item, "version"), old(|i| json!(i.version)), json!(item.version)),
        change(&field(item, "checksum"), old(|i| json!(i.checksum)), json!(item.checksum)),
        change(&field(item, "visibility"), old(|i| json!(i.visibility)), json!(item.visibility)),
        change(&field(item, "owner"), old(|i| json!(i.owner)), json!(item.owner)),
        change(&field(item, "tags"), old(|i| json!(i.tags)), json!(item.tags)),
        change(&field(item, "active"), was_active, json!(item.active)),
    ];
    all.into_iter().flatten().collect()
}
