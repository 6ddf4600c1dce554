//! Items as a tree of files says: the same modes as an import of datasources.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::super::transfer::{FileItem, read_items};
use super::super::{Action, App, Finding, Mode, OpContext, Position};
use super::save::{Provenance, SaveMetadataItem};
use crate::auth::policy::grant::ManageItems;
use crate::domain::{MetadataItem, MetadataItemSource, MetadataItemType, checksum, diff, normalise_tags};
use crate::error::{Error, Result};

/// The most places of the data that a plan names.
const PLACES_MAX: usize = 20;

/// One item of a plan.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportedItem {
    pub action: Action,
    #[serde(rename = "type")]
    pub item_type: Option<MetadataItemType>,
    pub name: String,
    pub file: Arc<str>,
    #[serde(flatten)]
    pub position: Position,
    /// What differs; within the data by JSON pointer. Never the values.
    pub changes: Vec<String>,
    /// Why it is a conflict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub findings: Vec<Finding>,
    /// What went wrong when it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The revision that was compared with.
    #[serde(skip)]
    revision: i64,
}

/// What an import of items did, or would do.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemReport {
    pub mode: Mode,
    /// Whether anything was written at all.
    pub applied: bool,
    pub items: Vec<ImportedItem>,
    /// About files that could not be read.
    pub findings: Vec<Finding>,
    pub summary: BTreeMap<&'static str, usize>,
}

impl ItemReport {
    /// Whether something of the tree could not be read, planned or applied.
    pub fn failed(&self) -> bool {
        let refused =
            |item: &ImportedItem| matches!(item.action, Action::Refused | Action::Conflict) || item.error.is_some();
        !self.findings.is_empty() || self.items.iter().any(refused)
    }

    /// Whether the database is not what the tree says.
    pub fn drifts(&self) -> bool {
        self.mode == Mode::Check && self.items.iter().any(|item| item.action.writes())
    }
}

impl App {
    /// Plans the import of files and directories, and applies the plan unless told otherwise.
    pub async fn import_metadata_items(
        &self,
        ctx: &OpContext,
        paths: &[PathBuf],
        mode: Mode,
        dry_run: bool,
    ) -> Result<ItemReport> {
        let proof = ctx.authorize::<ManageItems>()?;
        let owned = paths.to_vec();
        let tree = tokio::task::spawn_blocking(move || read_items(&owned)).await.map_err(Error::internal)?;
        let stored = self.store.read(proof.scope()).await?.metadata_items().await?;
        let stored: BTreeMap<_, _> =
            stored.into_iter().map(|item| ((item.item_type, item.name.clone()), item)).collect();
        let mut files = tree.items;
        for file in &mut files {
            if let Some(kind) = file.item_type {
                let problems = self.check_file_item(kind, file, false);
                file.judge(&problems);
            }
        }
        let items = files.iter().map(|file| planned(file, &files, &stored, mode)).collect();
        let applied = mode != Mode::Check && !dry_run;
        let mut report = ItemReport { mode, applied, items, findings: tree.findings, summary: BTreeMap::new() };
        for (item, file) in report.items.iter_mut().zip(files).filter(|(item, _)| applied && item.action.writes()) {
            if let Err(error) = self.apply_item(ctx, item.revision, file).await {
                if let Some(detail) = error.detail() {
                    tracing::warn!(name = item.name, %error, detail, "an import failed");
                }
                item.error = Some(error.message().to_owned());
            }
        }
        for item in &report.items {
            let outcome = if item.error.is_some() { "failed" } else { item.action.as_str() };
            *report.summary.entry(outcome).or_default() += 1;
        }
        if !report.findings.is_empty() {
            report.summary.insert("unread", report.findings.len());
        }
        Ok(report)
    }

    /// What changed since the plan was made is not overwritten.
    async fn apply_item(&self, ctx: &OpContext, revision: i64, file: FileItem) -> Result<()> {
        let Some(item_type) = file.item_type else { return Ok(()) };
        let owner = file.owner.clone();
        let provenance = Provenance {
            source: MetadataItemSource::Filesystem,
            owner: owner.as_deref(),
            action: "metadata_item_imported",
        };
        let input = SaveMetadataItem {
            item_type,
            name: file.name.clone(),
            data: file.data,
            tags: Some(file.tags),
            visibility: file.visibility,
            expected_revision: Some(revision),
            comment: Some("imported from a file".to_owned()),
        };
        self.keep_item(ctx, input, provenance).await.map(drop)
    }
}

fn planned(
    file: &FileItem,
    all: &[FileItem],
    stored: &BTreeMap<(MetadataItemType, String), MetadataItem>,
    mode: Mode,
) -> ImportedItem {
    let existing = file.item_type.and_then(|kind| stored.get(&(kind, file.name.clone())));
    let mut item = ImportedItem {
        action: Action::Create,
        item_type: file.item_type,
        name: file.name.clone(),
        file: Arc::clone(file.file()),
        position: file.position(),
        changes: Vec::new(),
        reason: None,
        findings: file.findings().to_vec(),
        error: None,
        revision: existing.map_or(0, |existing| existing.revision),
    };
    let same = |other: &&FileItem| (other.item_type, &other.name) == (file.item_type, &file.name);
    let twin = all.iter().filter(same).find(|other| !std::ptr::eq(*other, file));
    if file.is_invalid() {
        item.action = Action::Refused;
    } else if let Some(twin) = twin {
        item.action = Action::Conflict;
        item.reason = Some(format!("{}:{} holds the same item; keep one of them", twin.file(), twin.position().line));
    } else if let Some(existing) = existing {
        item.changes = differences(file, existing);
        item.action = match mode {
            _ if item.changes.is_empty() => Action::Unchanged,
            Mode::Bootstrap => Action::Kept,
            Mode::Sync | Mode::Check => Action::Update,
        };
    }
    item
}

fn differences(file: &FileItem, existing: &MetadataItem) -> Vec<String> {
    let mut changes = Vec::new();
    let mut differs = |name: &str, yes: bool| changes.extend(yes.then(|| name.to_owned()));
    differs("owner", file.owner.as_ref().is_some_and(|owner| *owner != existing.owner));
    differs("visibility", file.visibility.is_some_and(|visibility| visibility != existing.visibility));
    differs("tags", normalise_tags(file.tags.clone()) != existing.tags);
    if checksum(&file.data) != existing.checksum {
        let places = diff(&existing.data, &file.data);
        changes.extend(places.iter().take(PLACES_MAX).map(|place| format!("data{}", place.path)));
        // Such as a number that is spelled otherwise.
        if places.is_empty() {
            changes.push("data".to_owned());
        }
    }
    changes
}
