//! The directory of the settings: items for every organisation of this server, read at the start and on change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::App;
use super::super::transfer::{FileItem, changed_files, read_items};
use super::catalog::Layer;
use super::check::under;
use crate::domain::{
    MetadataItem, MetadataItemSource, MetadataItemType, MetadataLayer, MetadataVisibility, check_name, check_tags,
    checksum, normalise_tags,
};
use crate::error::Problem;

/// Who answers for a file that does not say so.
const OWNER: &str = "filesystem";
/// Not every file system tells of a change.
const POLL: Duration = Duration::from_secs(5);

impl App {
    /// Keeps what is in memory of items as all nodes and the directory have it, until it is dropped.
    pub async fn keep_metadata_items(&self) {
        tokio::join!(self.items.follow(), self.follow_item_files());
    }

    /// Reads the directory anew. What is wrong there is told, and left out.
    pub async fn read_item_files(&self) {
        let Some(directory) = self.items.directory() else { return };
        let paths = vec![directory.to_owned()];
        let tree = match tokio::task::spawn_blocking(move || read_items(&paths)).await {
            Ok(tree) => tree,
            Err(error) => return tracing::error!(%error, "the directory of metadata items cannot be read"),
        };
        for finding in &tree.findings {
            tracing::warn!(%finding, "a file of the directory of metadata items is left out");
        }
        let mut layer: BTreeMap<_, (FileItem, Arc<MetadataItem>)> = BTreeMap::new();
        for mut file in tree.items {
            let Some(item) = self.file_item(&mut file) else {
                for finding in file.findings() {
                    tracing::warn!(%finding, "an item of the directory of metadata items is left out");
                }
                continue;
            };
            let key = (item.item_type, item.name.clone());
            if let Some((first, _)) = layer.get(&key) {
                let (first, second) = (first.file(), file.file());
                tracing::warn!(%first, %second, name = item.name, "two files hold the same item; the first one counts");
                continue;
            }
            layer.insert(key, (file, Arc::new(item)));
        }
        let layer: Layer = layer.into_iter().map(|(key, (_, item))| (key, item)).collect();
        tracing::info!(items = layer.len(), "read the directory of metadata items");
        self.items.replace_files(layer);
    }

    async fn follow_item_files(&self) {
        let Some(directory) = self.items.directory() else { return };
        let paths = [directory.to_owned()];
        let mut seen = None;
        loop {
            changed_files(&paths, POLL, &mut seen).await;
            self.read_item_files().await;
        }
    }

    /// `None` when something is wrong with it, which is then among its findings.
    fn file_item(&self, file: &mut FileItem) -> Option<MetadataItem> {
        let kind = file.item_type?;
        let problems = self.check_file_item(kind, file, true);
        file.judge(&problems);
        if file.is_invalid() {
            return None;
        }
        Some(MetadataItem {
            id: uuid::Uuid::nil(),
            item_type: kind,
            name: file.name.clone(),
            data: file.data.clone(),
            checksum: checksum(&file.data),
            version: 1,
            revision: 0,
            visibility: MetadataVisibility::Shared,
            source: MetadataItemSource::Filesystem,
            layer: MetadataLayer::Filesystem,
            active: true,
            owner: file.owner.clone().unwrap_or_else(|| OWNER.to_owned()),
            tags: normalise_tags(file.tags.clone()),
            stamps: None,
        })
    }

    /// All that is wrong with what a file says; pointers as [`FileItem::judge`] takes them. `for_all` means that
    /// everybody is to see it.
    pub(super) fn check_file_item(&self, kind: MetadataItemType, file: &FileItem, for_all: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        check_name("/name", &file.name, &mut problems);
        check_tags("/tags", &file.tags, &mut problems);
        if let Some(owner) = &file.owner {
            check_name("/owner", owner, &mut problems);
        }
        if file.visibility == Some(MetadataVisibility::Private) {
            let message = match kind {
                MetadataItemType::SavedView if !for_all => None,
                MetadataItemType::SavedView => Some("must be shared: what is in this directory is for all"),
                _ => Some("must be shared: a template is for all"),
            };
            problems.extend(message.map(|message| Problem::new("/visibility", message)));
        }
        problems.extend(under("/data", self.check_item(kind, &file.data)));
        problems
    }
}
