//! Templates and saved views: one catalog over three layers (the database, what the program ships, and files), and the
//! use-cases that read and change it.

mod builtin;
mod catalog;
mod check;
mod files;
mod fill;
mod import;
mod save;
mod template;
mod types;

pub use catalog::CatalogItem;
pub use fill::{UseMapping, UseTemplate};
pub use import::{ImportedItem, ItemReport};
pub use save::{DeleteMetadataItem, RestoreMetadataItem, SaveMetadataItem};
pub use types::MetadataItemSpec;

pub(super) use builtin::registry;
pub(super) use catalog::MetadataItems;

use super::{App, OpContext};
use crate::auth::policy::grant::{ManageItems, Read};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{MetadataItem, MetadataItemFilter, MetadataItemType, MetadataItemVersion, MetadataVisibility};
use crate::error::{Error, Result};

const SEARCH_MAX: usize = 200;

impl App {
    /// Every type, with the schema of its data.
    pub fn metadata_item_types(&self, ctx: &OpContext) -> Result<impl Iterator<Item = &'static MetadataItemSpec>> {
        ctx.authorize::<Read>()?;
        Ok(types::all())
    }

    /// By name; and how many there are in all.
    pub async fn metadata_items(
        &self,
        ctx: &OpContext,
        kind: MetadataItemType,
        filter: &MetadataItemFilter,
        page: &PageRequest<String>,
    ) -> Result<(Page<CatalogItem>, u64)> {
        let proof = ctx.authorize::<Read>()?;
        if filter.search.as_ref().is_some_and(|s| s.chars().count() > SEARCH_MAX) {
            return Err(Error::invalid("/filter/search", format!("must have at most {SEARCH_MAX} characters")));
        }
        let view = self.items.view(proof.scope()).await?;
        let mut found = view.load_many(kind, sees(ctx));
        found.retain(|found| catalog::matches(&found.item, filter));
        let total = found.len() as u64;
        let before = |name: &str| page.before.as_deref().is_none_or(|before| name < before);
        let after = |name: &str| page.after.as_deref().is_none_or(|after| name > after);
        found.retain(|found| before(&found.item.name) && after(&found.item.name));
        if page.backward {
            found.reverse();
        }
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let rows = found.into_iter().skip(size(page.offset)).take(size(page.limit.saturating_add(1)));
        Ok((Page::from_rows(rows.collect(), page), total))
    }

    /// The one that counts.
    pub async fn metadata_item(
        &self,
        ctx: &OpContext,
        kind: MetadataItemType,
        name: &str,
    ) -> Result<Option<CatalogItem>> {
        let proof = ctx.authorize::<Read>()?;
        Ok(self.items.view(proof.scope()).await?.load(kind, name, sees(ctx)))
    }

    /// Every content that an item had, newest first, also of one that was deleted; and how many there are in all.
    pub async fn metadata_item_versions(
        &self,
        ctx: &OpContext,
        kind: MetadataItemType,
        name: &str,
        page: &PageRequest<i32>,
    ) -> Result<(Page<MetadataItemVersion>, u64)> {
        let proof = ctx.authorize::<Read>()?;
        let sees = sees(ctx);
        let tx = self.store.read(proof.scope()).await?;
        let active = tx.metadata_item(kind, name).await?.filter(|item| sees(item));
        let item = match active {
            Some(item) => Some(item),
            None => tx.deleted_metadata_items(kind, name).await?.into_iter().find(|item| sees(item)),
        };
        let Some(item) = item else {
            drop(tx);
            return match self.metadata_item(ctx, kind, name).await? {
                // It never changed here.
                Some(_) => Ok((Page { items: Vec::new(), has_next: false, has_previous: false }, 0)),
                None => Err(Error::not_found("metadata item")),
            };
        };
        // Numbers have no gaps, and no version is ever removed.
        let total = u64::try_from(item.version).unwrap_or_default();
        Ok((tx.metadata_item_versions(item.id, page).await?, total))
    }
}

/// What the caller sees: what is shared, what is their own, and as an admin all.
fn sees(ctx: &OpContext) -> impl Fn(&MetadataItem) -> bool {
    let manages = ctx.authorize::<ManageItems>().is_ok();
    let subject = ctx.actor.subject.clone();
    move |item| manages || item.visibility == MetadataVisibility::Shared || *item.owner == *subject
}
