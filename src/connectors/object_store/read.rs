//! One look through the folder: what is new, oldest first, each object record by record.

use std::collections::BinaryHeap;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, path::Path};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::checkpoint::{Checkpoint, Place};
use super::config::{Layout, ObjectsConfig};
use super::records::{Cut, Records};
use super::store::{Opened, failed};
use crate::connectors::envelope::wrap;
use crate::connectors::{ConnectorError, Outlet};
use crate::domain::{BackfillRange, Timestamp};

/// Most objects that one listing keeps in memory; the next listing has the rest.
const KEPT: usize = 1_000;
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: u64 = 4 << 20;

pub(super) struct Scanner {
    pub(super) config: Arc<ObjectsConfig>,
    pub(super) opened: Opened,
    pub(super) checkpoint: Checkpoint,
    /// Absent: all that is new, which the live worker reads.
    pub(super) part: Option<Part>,
}

/// The part of the folder that a backfill reads; the second time is exclusive.
#[derive(Clone, Default)]
pub(super) struct Part {
    pub(super) prefix: String,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

impl Part {
    pub(super) fn read(range: &BackfillRange, config: &ObjectsConfig) -> Result<Self, ConnectorError> {
        let prefix = range.prefix.clone().unwrap_or_default();
        let folder = config.prefix.trim_matches('/');
        let within = prefix
            .strip_prefix(folder)
            .is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'));
        if range.prefix.is_some() && !within {
            let message = format!("the prefix must begin with the folder of the settings, {folder}/");
            return Err(ConnectorError::permanent("range_unsupported", message));
        }
        Ok(Self { prefix, from: range.from, to: range.to })
    }

    fn has(&self, object: &ObjectMeta, until: Option<&Place>) -> bool {
        object.location.as_ref().starts_with(&self.prefix)
            && self.from.is_none_or(|from| object.last_modified >= from)
            && self.to.is_none_or(|to| object.last_modified < to)
            && until.is_none_or(|until| Place::of(object) <= *until)
    }

    /// The deepest whole folder that holds the part; stores list by folders.
    fn folder(&self) -> &str {
        self.prefix.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// An object and its place, ordered by that alone.
struct Found(Place, ObjectMeta, Layout);

impl Ord for Found {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Found {}

/// The objects that are to be read, oldest first, at most `KEPT`.
pub(super) struct Listing {
    pub(super) objects: Vec<(ObjectMeta, Layout)>,
    /// All objects of the folder.
    pub(super) total: usize,
    /// Those whose name or format is not read.
    pub(super) passed_over: usize,
    /// The youngest that is to be read, kept or not.
    newest: Option<Place>,
    more: bool,
}

pub(super) async fn list(
    opened: &Opened,
    config: &ObjectsConfig,
    checkpoint: &Checkpoint,
    part: Option<&Part>,
) -> Result<Listing, ConnectorError> {
    let folder = config.prefix.trim_matches('/');
    let prefix = Path::from(part.map(Part::folder).filter(|deeper| deeper.len() > folder.len()).unwrap_or(folder));
    let ripe = chrono::Utc::now() - config.min_age.0;
    let is_done = checkpoint.judge();
    let mut kept = BinaryHeap::new();
    let mut newest = None;
    let (mut total, mut passed_over, mut more) = (0, 0, false);
    let mut objects = opened.store.list(Some(&prefix));
    while let Some(object) = objects.try_next().await.map_err(|e| failed("list the objects", &e))? {
        total += 1;
        let layout = config.layout(object.location.filename().unwrap_or_default());
        let Some(layout) = layout.filter(|_| object.location.as_ref().ends_with(&config.ending)) else {
            passed_over += 1;
            continue;
        };
        let wanted = part.is_none_or(|part| part.has(&object, checkpoint.until.as_ref()));
        if object.last_modified > ripe || !wanted || is_done(&object) {
            continue;
        }
        newest = newest.max(Some(Place::of(&object)));
        kept.push(Found(Place::of(&object), object, layout));
        if kept.len() > KEPT {
            kept.pop();
            more = true;
        }
    }
    let objects = kept.into_sorted_vec().into_iter().map(|found| (found.1, found.2)).collect();
    Ok(Listing { objects, total, passed_over, newest, more })
}

impl Scanner {
    /// Reads all that is new.
    pub(super) async fn scan(&mut self, outlet: &dyn Outlet, stop: &CancellationToken) -> Result<(), ConnectorError> {
        loop {
            let listing = list(&self.opened, &self.config, &self.checkpoint, self.part.as_ref()).await?;
            if self.part.is_some() && self.checkpoint.until.is_none() {
                self.checkpoint.until = listing.newest;
            }
            if listing.objects.is_empty() {
                outlet.idle(Some(0.0));
            }
            for (object, layout) in &listing.objects {
                if stop.is_cancelled() {
                    return Ok(());
                }
                self.object(object, *layout, outlet, stop).await?;
            }
            if !listing.more {
                return Ok(());
            }
        }
    }

    async fn object(
        &mut self,
        object: &ObjectMeta,
        layout: Layout,
        outlet: &dyn Outlet,
        stop: &CancellationToken,
    ) -> Result<(), ConnectorError> {
        if !self.opened.admits(object).await {
            outlet.log(Level::WARN, &format!("{} leads out of its directory and was passed over", object.location));
            return self.save(Vec::new(), self.checkpoint.finished(object), outlet).await;
        }
        let offset = self.checkpoint.offset(object);
        let mut records = match Records::open(&self.opened, &self.config, object, layout, offset).await {
            Ok(records) => records,
            // Deleted or replaced since it was listed; what replaced it is listed next time.
            Err(error) if error.code == "not_found" => {
                outlet.log(Level::WARN, &format!("{} went away before it was read", object.location));
                return self.save(Vec::new(), self.checkpoint.finished(object), outlet).await;
            }
            Err(error) => return self.give_up(object, error, outlet).await,
        };
        let metadata = self.config.metadata(object);
        let mut documents = Vec::new();
        let mut begun = records.offset;
        loop {
            match records.next(object).await {
                Ok(Some(Cut::Whole(record))) => match records.decode(&record) {
                    Ok(decoded) => documents.extend(decoded.into_iter().map(|value| match &metadata {
                        Some(metadata) => wrap(metadata, value),
                        None => value,
                    })),
                    Err(why) => {
                        let why = format!("{} before byte {}: {why}", object.location, records.offset);
                        outlet.refuse(&record, ConnectorError::permanent("decode_failed", why)).await?;
                    }
                },
                Ok(Some(Cut::TooLong(head))) => {
                    let why = format!(
                        "{} before byte {}: the record is longer than the {} bytes of max_record",
                        object.location, records.offset, self.config.max_record
                    );
                    outlet.refuse(&head, ConnectorError::permanent("record_too_long", why)).await?;
                }
                Ok(None) => return self.save(documents, self.checkpoint.finished(object), outlet).await,
                Err(error) if error.is_permanent() => {
                    self.save(std::mem::take(&mut documents), self.checkpoint.at(object, begun), outlet).await?;
                    return self.give_up(object, error, outlet).await;
                }
                Err(error) => return Err(error),
            }
            if documents.len() >= BATCH_RECORDS || records.offset - begun >= BATCH_BYTES {
                begun = records.offset;
                self.save(std::mem::take(&mut documents), self.checkpoint.at(object, begun), outlet).await?;
                if stop.is_cancelled() {
                    return Ok(());
                }
            }
        }
    }

    /// What cannot be read to its end is set aside by name, so that it does not hold up the others.
    async fn give_up(
        &mut self,
        object: &ObjectMeta,
        error: ConnectorError,
        outlet: &dyn Outlet,
    ) -> Result<(), ConnectorError> {
        if !matches!(error.code, "object_damaged" | "object_too_long") {
            return Err(error);
        }
        outlet.refuse(object.location.as_ref().as_bytes(), error).await?;
        self.save(Vec::new(), self.checkpoint.finished(object), outlet).await
    }

    async fn save(
        &mut self,
        documents: Vec<Value>,
        reached: Checkpoint,
        outlet: &dyn Outlet,
    ) -> Result<(), ConnectorError> {
        outlet.deliver(documents, reached.to_value()).await?;
        self.checkpoint = reached;
        Ok(())
    }
}
