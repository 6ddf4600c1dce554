//! The one interface to items, whatever layer they are in: database, then registry, then files. What an organisation
//! stored is kept in memory, and is read anew after a change on any node.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::domain::{MetadataItem, MetadataItemFilter, MetadataItemType, MetadataLayer, Scope};
use crate::error::Result;
use crate::store::{Signal, Store};

/// Should a signal be lost, what is kept is read anew after this.
const KEPT: Duration = Duration::from_secs(30);
/// The bytes of one organisation that are kept, and of all of them.
const ORG_BYTES_MAX: usize = 16 * 1024 * 1024;
const BYTES_MAX: usize = 64 * 1024 * 1024;

pub(super) type Layer = BTreeMap<(MetadataItemType, String), Arc<MetadataItem>>;

/// An item that counts, and the layers below that have one of the same name.
#[derive(Clone, Debug)]
pub struct CatalogItem {
    pub item: Arc<MetadataItem>,
    pub shadows: Vec<MetadataLayer>,
}

pub(in crate::app) struct MetadataItems {
    store: Store,
    registry: Arc<Layer>,
    files: RwLock<Arc<Layer>>,
    directory: Option<PathBuf>,
    cache: RwLock<Cache>,
}

#[derive(Default)]
struct Cache {
    /// Raised by every change: what was read before it is not kept after it.
    generation: u64,
    orgs: HashMap<Arc<str>, Stored>,
}

struct Stored {
    layer: Arc<Layer>,
    bytes: usize,
    read_at: Instant,
}

/// All layers, as one organisation sees them at one moment.
pub(super) struct View {
    layers: [Arc<Layer>; 3],
}

impl View {
    pub(super) fn load(
        &self,
        kind: MetadataItemType,
        name: &str,
        sees: impl Fn(&MetadataItem) -> bool,
    ) -> Option<CatalogItem> {
        let key = (kind, name.to_owned());
        let mut found = self.layers.iter().filter_map(|layer| layer.get(&key)).filter(|item| sees(item));
        let item = Arc::clone(found.next()?);
        Some(CatalogItem { item, shadows: found.map(|item| item.layer).collect() })
    }

    /// By name.
    pub(super) fn load_many(&self, kind: MetadataItemType, sees: impl Fn(&MetadataItem) -> bool) -> Vec<CatalogItem> {
        let keys = self.layers.iter().flat_map(|layer| layer.keys()).filter(|(of, _)| *of == kind);
        let names: BTreeSet<_> = keys.map(|(_, name)| name).collect();
        names.into_iter().filter_map(|name| self.load(kind, name, &sees)).collect()
    }
}

impl MetadataItems {
    pub(in crate::app) fn new(store: Store, registry: Layer) -> Self {
        Self {
            store,
            registry: Arc::new(registry),
            files: RwLock::default(),
            directory: None,
            cache: RwLock::default(),
        }
    }

    pub(in crate::app) fn with_directory(self, directory: Option<PathBuf>) -> Self {
        Self { directory, ..self }
    }

    pub(super) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    pub(super) async fn view(&self, scope: &Scope) -> Result<View> {
        let stored = match self.kept(scope.org_id()) {
            Some(layer) => layer,
            None => self.read(scope).await?,
        };
        Ok(View { layers: [stored, Arc::clone(&self.registry), self.files()] })
    }

    /// The layers below the database that have an item.
    pub(super) fn below(&self, kind: MetadataItemType, name: &str) -> Vec<MetadataLayer> {
        let key = (kind, name.to_owned());
        let layers = [Arc::clone(&self.registry), self.files()];
        layers.iter().filter_map(|layer| layer.get(&key)).map(|item| item.layer).collect()
    }

    pub(super) fn replace_files(&self, layer: Layer) {
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(layer);
    }

    /// What an organisation stored is read anew by whoever asks next.
    pub(super) fn forget(&self, org: &str) {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.generation += 1;
        cache.orgs.remove(org);
    }

    fn forget_all(&self) {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.generation += 1;
        cache.orgs.clear();
    }

    /// Hears what other nodes change, until it is dropped.
    pub(super) async fn follow(&self) {
        let mut signals = self.store.feed().subscribe();
        self.forget_all();
        loop {
            match signals.recv().await {
                Ok(Signal { datasource_id: Some(_), .. }) => {}
                Ok(Signal { org, .. }) if !org.is_empty() => self.forget(&org),
                Ok(_) | Err(RecvError::Lagged(_)) => self.forget_all(),
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    fn files(&self) -> Arc<Layer> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn kept(&self, org: &str) -> Option<Arc<Layer>> {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        let stored = cache.orgs.get(org).filter(|stored| stored.read_at.elapsed() < KEPT)?;
        Some(Arc::clone(&stored.layer))
    }

    async fn read(&self, scope: &Scope) -> Result<Arc<Layer>> {
        let generation = self.cache.read().unwrap_or_else(PoisonError::into_inner).generation;
        let read_at = Instant::now();
        let items = self.store.read(scope).await?.metadata_items().await?;
        let bytes = items.iter().map(|item| item.data.to_string().len() + item.name.len()).sum();
        let layer: Layer =
            items.into_iter().map(|item| ((item.item_type, item.name.clone()), Arc::new(item))).collect();
        let layer = Arc::new(layer);
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if cache.generation == generation && bytes <= ORG_BYTES_MAX {
            let kept: usize = cache.orgs.values().map(|stored| stored.bytes).sum();
            if kept + bytes > BYTES_MAX {
                cache.orgs.clear();
            }
            cache.orgs.insert(Arc::clone(scope.org_id()), Stored { layer: Arc::clone(&layer), bytes, read_at });
        }
        Ok(layer)
    }
}

pub(super) fn matches(item: &MetadataItem, filter: &MetadataItemFilter) -> bool {
    let words = |text: &str| {
        let title = |key: &str| item.data.get(key).and_then(Value::as_str).unwrap_or_default();
        let all =
            [item.name.as_str(), item.owner.as_str(), title("title"), title("description"), &item.tags.join("\n")]
                .join("\n")
                .to_lowercase();
        text.split_whitespace().all(|word| all.contains(&word.to_lowercase()))
    };
    filter.tags.iter().all(|tag| item.tags.contains(tag))
        && filter.owner.as_ref().is_none_or(|owner| *owner == item.owner)
        && filter.source.is_none_or(|source| source == item.source)
        && filter.layer.is_none_or(|layer| layer == item.layer)
        && filter.search.as_deref().is_none_or(words)
}
