//! Templates and saved views, and every content that they had.

use sea_orm::prelude::Uuid;
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use serde_json::{Value, json};

use super::entity::metadata_item::{ActiveModel, Column, Entity, Model};
use super::entity::metadata_item_version as version;
use super::{Tx, classify, corrupt};
use crate::auth::Authorized;
use crate::auth::policy::Grant;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    MetadataItem, MetadataItemType, MetadataItemVersion, MetadataLayer, MetadataVisibility, Stamps, canonical_json,
};
use crate::error::{Error, Result};

/// Deleted items of one name that are looked at.
const DELETED_MAX: u64 = 100;

impl Tx {
    /// All that are active, by type and name.
    pub async fn metadata_items(&self) -> Result<Vec<MetadataItem>> {
        let query = self.select_items().filter(Column::Active.eq(true));
        let query = query.order_by_asc(Column::ItemType).order_by_asc(Column::Name);
        let rows = query.all(&self.db).await.map_err(classify)?;
        rows.into_iter().map(MetadataItem::try_from).collect()
    }

    /// The active one of a name, locked until the commit.
    pub async fn metadata_item_for_update(&self, kind: MetadataItemType, name: &str) -> Result<Option<MetadataItem>> {
        let query = self.named(kind, name).filter(Column::Active.eq(true)).lock_exclusive();
        query.one(&self.db).await.map_err(classify)?.map(MetadataItem::try_from).transpose()
    }

    /// The active one of a name.
    pub async fn metadata_item(&self, kind: MetadataItemType, name: &str) -> Result<Option<MetadataItem>> {
        let query = self.named(kind, name).filter(Column::Active.eq(true));
        query.one(&self.db).await.map_err(classify)?.map(MetadataItem::try_from).transpose()
    }

    /// Those of a name that were deleted, the last one first.
    pub async fn deleted_metadata_items(&self, kind: MetadataItemType, name: &str) -> Result<Vec<MetadataItem>> {
        let rows = self.deleted(kind, name).all(&self.db).await.map_err(classify)?;
        rows.into_iter().map(MetadataItem::try_from).collect()
    }

    /// The same, locked until the commit.
    pub async fn deleted_metadata_items_for_update(
        &self,
        kind: MetadataItemType,
        name: &str,
    ) -> Result<Vec<MetadataItem>> {
        let rows = self.deleted(kind, name).lock_exclusive().all(&self.db).await.map_err(classify)?;
        rows.into_iter().map(MetadataItem::try_from).collect()
    }

    /// How many active views only their owner sees.
    pub async fn private_items_of(&self, owner: &str) -> Result<u64> {
        let query = self.select_items().filter(Column::Active.eq(true)).filter(Column::Owner.eq(owner));
        let query = query.filter(Column::Visibility.eq(MetadataVisibility::Private.as_str()));
        query.count(&self.db).await.map_err(classify)
    }

    pub async fn insert_metadata_item<P: Grant>(&mut self, _: &Authorized<P>, item: &MetadataItem) -> Result<()> {
        let row = active(self.scope.org_id(), item)?;
        Entity::insert(row).exec_without_returning(&self.db).await.map_err(|e| taken(e, item))?;
        self.call_everybody();
        Ok(())
    }

    /// Writes all that can change. The row is locked, so that its revision is the caller's.
    pub async fn save_metadata_item<P: Grant>(&mut self, _: &Authorized<P>, item: &MetadataItem) -> Result<()> {
        let mut row = active(self.scope.org_id(), item)?;
        row.id = Unchanged(item.id);
        Entity::update(row).exec(&self.db).await.map_err(|e| taken(e, item))?;
        self.call_everybody();
        Ok(())
    }

    pub async fn add_metadata_item_version<P: Grant>(
        &self,
        _: &Authorized<P>,
        content: &MetadataItemVersion,
    ) -> Result<()> {
        let row = version::ActiveModel {
            item_id: Set(content.item_id),
            version: Set(content.version),
            org_id: Set(self.scope.org_id().to_string()),
            data: Set(canonical_json(&content.data)),
            checksum: Set(content.checksum.clone()),
            source: Set(content.source.as_str().to_owned()),
            comment: Set(content.comment.clone()),
            created_at: Set(content.created_at),
            created_by: Set(content.created_by.clone()),
        };
        version::Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// Newest first.
    pub async fn metadata_item_versions(
        &self,
        item: Uuid,
        page: &PageRequest<i32>,
    ) -> Result<Page<MetadataItemVersion>> {
        use version::Column as C;
        let mut query = self.select_contents(item);
        if let Some(after) = page.after {
            query = query.filter(C::Version.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(C::Version.gt(before));
        }
        let query = if page.backward { query.order_by_asc(C::Version) } else { query.order_by_desc(C::Version) };
        let query = query.offset(page.offset).limit(page.limit.saturating_add(1));
        let rows = query.all(&self.db).await.map_err(classify)?;
        let versions = rows.into_iter().map(MetadataItemVersion::try_from).collect::<Result<Vec<_>>>()?;
        Ok(Page::from_rows(versions, page))
    }

    pub async fn metadata_item_version(&self, item: Uuid, number: i32) -> Result<Option<MetadataItemVersion>> {
        let query = self.select_contents(item).filter(version::Column::Version.eq(number));
        query.one(&self.db).await.map_err(classify)?.map(MetadataItemVersion::try_from).transpose()
    }

    fn select_items(&self) -> Select<Entity> {
        Entity::find().filter(Column::OrgId.eq(self.scope.org_id().as_ref()))
    }

    fn named(&self, kind: MetadataItemType, name: &str) -> Select<Entity> {
        self.select_items().filter(Column::ItemType.eq(kind.as_str())).filter(Column::Name.eq(name))
    }

    fn deleted(&self, kind: MetadataItemType, name: &str) -> Select<Entity> {
        let query = self.named(kind, name).filter(Column::Active.eq(false));
        query.order_by_desc(Column::UpdatedAt).order_by_desc(Column::Id).limit(DELETED_MAX)
    }

    fn select_contents(&self, item: Uuid) -> Select<version::Entity> {
        version::Entity::find()
            .filter(version::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(version::Column::ItemId.eq(item))
    }
}

fn taken(error: sea_orm::DbErr, item: &MetadataItem) -> Error {
    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => Error::conflict(format!(
            "somebody else saved the {} {:?} at the same time; read it again and repeat your change",
            item.item_type, item.name
        )),
        _ => classify(error),
    }
}

fn active(org: &str, item: &MetadataItem) -> Result<ActiveModel> {
    let missing = || Error::internal(format!("the item {} is to be stored without times", item.id));
    let stamps = item.stamps.clone().ok_or_else(missing)?;
    Ok(ActiveModel {
        id: Set(item.id),
        org_id: Set(org.to_owned()),
        item_type: Set(item.item_type.as_str().to_owned()),
        name: Set(item.name.clone()),
        data: Set(canonical_json(&item.data)),
        checksum: Set(item.checksum.clone()),
        version: Set(item.version),
        revision: Set(item.revision),
        visibility: Set(item.visibility.as_str().to_owned()),
        source: Set(item.source.as_str().to_owned()),
        active: Set(item.active),
        owner: Set(item.owner.clone()),
        tags: Set(json!(item.tags)),
        created_at: Set(stamps.created_at),
        created_by: Set(stamps.created_by),
        updated_at: Set(stamps.updated_at),
        updated_by: Set(stamps.updated_by),
    })
}

fn parsed(data: &str) -> Result<Value, String> {
    serde_json::from_str(data).map_err(|e| e.to_string())
}

impl TryFrom<Model> for MetadataItem {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let at = |what: String| corrupt("metadata_items", row.id, what);
        Ok(Self {
            item_type: row.item_type.parse().map_err(at)?,
            data: parsed(&row.data).map_err(at)?,
            visibility: row.visibility.parse().map_err(at)?,
            source: row.source.parse().map_err(at)?,
            tags: serde_json::from_value(row.tags).map_err(|e| at(e.to_string()))?,
            layer: MetadataLayer::Database,
            id: row.id,
            name: row.name,
            checksum: row.checksum,
            version: row.version,
            revision: row.revision,
            active: row.active,
            owner: row.owner,
            stamps: Some(Stamps {
                created_at: row.created_at,
                created_by: row.created_by,
                updated_at: row.updated_at,
                updated_by: row.updated_by,
            }),
        })
    }
}

impl TryFrom<version::Model> for MetadataItemVersion {
    type Error = Error;

    fn try_from(row: version::Model) -> Result<Self> {
        let at = |what: String| corrupt("metadata_item_versions", format!("{}/{}", row.item_id, row.version), what);
        Ok(Self {
            data: parsed(&row.data).map_err(at)?,
            source: row.source.parse().map_err(at)?,
            item_id: row.item_id,
            version: row.version,
            checksum: row.checksum,
            comment: row.comment,
            created_at: row.created_at,
            created_by: row.created_by,
        })
    }
}
