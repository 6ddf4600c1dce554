//! What an import would do. Pure: a tree and a snapshot in, a plan out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::manifest::secret_keys;
use super::resource::{Finding, FindingKind, Resource};
use super::snapshot::{Existing, Snapshot};
use super::yaml::{Position, escape};
use super::{ImportOptions, Mode};
use crate::app::change::change;
use crate::app::metadata::differences as differences_of;
use crate::domain::{DatasourceStatus, FieldChange, ManagedBy, VersionState, checksum};

/// The most places of a configuration that a plan names.
const PLACES_MAX: usize = 20;

/// What is to happen to one datasource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Create,
    Update,
    /// Everything is as the file says.
    Unchanged,
    /// It exists, and a bootstrap leaves it as it is.
    Kept,
    /// All is done but a publication, which waits for secrets to be set.
    Waiting,
    /// Somebody else keeps it, or the tree says two things of it.
    Conflict,
    /// The file is wrong, or asks for what is not supported.
    Refused,
    /// It came from this source, and the tree has it no more.
    Archive,
}

impl Action {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Kept => "kept",
            Self::Waiting => "waiting",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Archive => "archive",
        }
    }

    pub(in crate::app) fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Archive)
    }
}

/// One datasource of a plan.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    pub action: Action,
    pub project: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub connector_type: Option<String>,
    /// Absent where the tree does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    #[serde(flatten)]
    pub position: Option<Position>,
    /// Fields that differ; within a configuration by JSON pointer. Never their values.
    pub changes: Vec<String>,
    /// Keys that must be set before the configuration can be published.
    pub missing_secrets: Vec<String>,
    /// Why it is a conflict, or who else keeps what is as the file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub findings: Vec<Finding>,
    /// What went wrong when it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the file wants its configuration published.
    #[serde(skip)]
    pub publish: bool,
    /// The resource that is to be applied.
    #[serde(skip)]
    pub(super) index: Option<usize>,
}

/// So few are archived without a question.
const PRUNE_FREE: usize = 5;

/// The plan of a whole tree, in the order of its files; what is to be archived comes last. Beside it, why nothing is
/// archived where that would be too much.
pub(super) fn plan(
    resources: &[Resource],
    unread: bool,
    snapshot: &Snapshot,
    options: &ImportOptions,
) -> (Vec<Item>, Option<String>) {
    let project = |r: &Resource| r.project.clone().unwrap_or_else(|| options.project.clone());
    let mut places: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (i, resource) in resources.iter().enumerate() {
        places.entry((project(resource), resource.name.clone())).or_default().push(i);
    }
    let mut items: Vec<_> = resources
        .iter()
        .enumerate()
        .map(|(index, resource)| {
            let key = (project(resource), resource.name.clone());
            let twin = places.get(&key).into_iter().flatten().find(|other| **other != index);
            let mut item = blank(&key, Some((index, resource)));
            let existing = snapshot.get(&key);
            item.id = existing.map(|e| e.row.id);
            judge(&mut item, resource, existing, twin.map(|i| &resources[*i]), options);
            item
        })
        .collect();
    // A tree that was not read whole, or says nothing at all, is no reason to archive anything.
    if options.prune && options.mode != Mode::Bootstrap && !unread && !resources.is_empty() {
        let kept: Vec<_> = snapshot.iter().filter(|(_, e)| e.row.managed_by == options.manager).collect();
        let gone: Vec<_> = kept.iter().filter(|(key, _)| !places.contains_key(*key)).collect();
        if gone.len() >= PRUNE_FREE && gone.len() * 2 > kept.len() && !options.prune_all {
            let refusal = format!(
                "the tree lacks {} of the {} datasources that {} keeps, so none is archived; check the path and the \
                 source, or repeat with --prune --prune-all",
                gone.len(),
                kept.len(),
                options.manager
            );
            return (items, Some(refusal));
        }
        items.extend(gone.into_iter().map(|(key, existing)| Item {
            action: Action::Archive,
            id: Some(existing.row.id),
            ..blank(key, None)
        }));
    }
    (items, None)
}

fn blank(key: &(String, String), resource: Option<(usize, &Resource)>) -> Item {
    Item {
        action: Action::Unchanged,
        project: key.0.clone(),
        name: key.1.clone(),
        id: None,
        connector_type: resource.map(|(_, r)| r.connector_type.clone()),
        publish: resource.is_some_and(|(_, r)| r.publish),
        file: resource.map(|(_, r)| Arc::clone(&r.source.file)),
        position: resource.map(|(_, r)| r.source.position()),
        changes: Vec::new(),
        missing_secrets: Vec::new(),
        reason: None,
        findings: resource.map(|(_, r)| r.source.findings.clone()).unwrap_or_default(),
        error: None,
        index: resource.map(|(index, _)| index),
    }
}

pub(super) fn judge(
    item: &mut Item,
    resource: &Resource,
    existing: Option<&Existing>,
    twin: Option<&Resource>,
    options: &ImportOptions,
) {
    let unsupported = resource.source.has(FindingKind::Unsupported) && !options.allow_unsupported;
    if resource.source.has(FindingKind::Invalid) || unsupported {
        item.action = Action::Refused;
        return;
    }
    if let Some(twin) = twin {
        let Position { line, .. } = twin.source.position();
        item.action = Action::Conflict;
        item.reason = Some(format!("the tree has this name twice; the other is in {}:{line}", twin.source.file));
        return;
    }
    let Some(existing) = existing else {
        item.action = Action::Create;
        if resource.publish {
            item.missing_secrets = secret_keys(resource.config.iter()).into_iter().collect();
        }
        return;
    };
    if options.mode == Mode::Bootstrap {
        item.action = Action::Kept;
        return;
    }
    if let Err(reason) = may_change(resource, existing, options) {
        // Where nothing differs there is nothing to fight over.
        let row = &existing.row;
        let same = row.connector_type == resource.connector_type
            && difference(resource, existing, &row.managed_by).is_nothing();
        (item.action, item.reason) = match same {
            true => (Action::Unchanged, Some(format!("it is kept by {}; take it over with --adopt", row.managed_by))),
            false => (Action::Conflict, Some(reason)),
        };
        return;
    }
    let difference = difference(resource, existing, &options.manager);
    item.changes = difference.names();
    item.missing_secrets = difference.missing_secrets.iter().cloned().collect();
    item.action = match (difference.writes(), item.missing_secrets.is_empty()) {
        (true, _) => Action::Update,
        (false, false) => Action::Waiting,
        (false, true) => Action::Unchanged,
    };
}

/// Whether the tree may make `existing` its own way.
pub(super) fn may_change(resource: &Resource, existing: &Existing, options: &ImportOptions) -> Result<(), String> {
    let row = &existing.row;
    if row.managed_by != options.manager && !options.adopt {
        return Err(format!("it is kept by {}, not by {}; take it over with --adopt", row.managed_by, options.manager));
    }
    if row.connector_type != resource.connector_type {
        return Err(format!(
            "it is a {} and stays one, the file says {}; archive it, or choose another name",
            row.connector_type, resource.connector_type
        ));
    }
    Ok(())
}

/// What has to be done for the configuration of a file to be what it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConfigStep {
    Nothing,
    /// A new draft, and no more.
    Draft,
    /// A new draft that goes live.
    DraftAndPublish,
    /// A draft that is there goes live.
    Publish(i32),
}

/// Where a datasource is not as its file says.
#[derive(Debug)]
pub(super) struct Difference {
    /// What people see of it, with the old and the new value.
    pub(super) fields: Vec<FieldChange>,
    pub(super) config: ConfigStep,
    places: Vec<String>,
    /// A publication waits for these.
    pub(super) missing_secrets: BTreeSet<String>,
    pub(super) draft: bool,
    /// Whether it is to run from now on.
    pub(super) enabled: Option<bool>,
}

impl Difference {
    /// A draft waits for the publication that it follows.
    pub(super) fn writes(&self) -> bool {
        let published = matches!(self.config, ConfigStep::Publish(_)) && self.missing_secrets.is_empty();
        !self.fields.is_empty()
            || matches!(self.config, ConfigStep::Draft | ConfigStep::DraftAndPublish)
            || published
            || self.draft
            || self.enabled.is_some()
    }

    fn is_nothing(&self) -> bool {
        !self.writes() && self.config == ConfigStep::Nothing
    }

    fn names(&self) -> Vec<String> {
        let fields = self.fields.iter().map(|change| change.field.clone());
        let config = match self.config {
            ConfigStep::Nothing => Vec::new(),
            ConfigStep::Publish(_) => vec!["publish".to_owned()],
            _ => self.places.clone(),
        };
        let rest = [(self.draft, "draft"), (self.enabled.is_some(), "enabled")];
        let rest = rest.into_iter().filter(|(differs, _)| *differs).map(|(_, name)| name.to_owned());
        fields.chain(config).chain(rest).collect()
    }
}

/// Compares what a file says with what is stored. Comments differ without meaning: a version keeps its own.
pub(super) fn difference(resource: &Resource, existing: &Existing, manager: &ManagedBy) -> Difference {
    let row = &existing.row;
    let metadata = resource.metadata.clone().applied(&row.metadata).normalised();
    let described = change("description", row.description.as_str(), resource.description.as_str());
    let kept = change("managedBy", row.managed_by.to_string(), manager.to_string());
    let fields = described.into_iter().chain(differences_of(&row.metadata, &metadata)).chain(kept).collect();

    let latest = existing.latest.as_ref();
    let draft = latest.filter(|v| v.state == VersionState::Draft);
    let published = existing.current.as_ref();
    let config = match &resource.config {
        None => ConfigStep::Nothing,
        Some(config) => {
            let sum = checksum(config);
            let drafted = draft.filter(|v| v.checksum == sum);
            let live = published.is_some_and(|v| v.checksum == sum);
            match (resource.publish, drafted) {
                _ if live => ConfigStep::Nothing,
                (true, Some(version)) => ConfigStep::Publish(version.version),
                (true, None) => ConfigStep::DraftAndPublish,
                (false, Some(_)) => ConfigStep::Nothing,
                (false, None) => ConfigStep::Draft,
            }
        }
    };
    let missing_secrets = match config {
        ConfigStep::Publish(_) | ConfigStep::DraftAndPublish => {
            secret_keys(resource.config.iter()).into_iter().filter(|key| !existing.secrets.contains(key)).collect()
        }
        _ => BTreeSet::new(),
    };
    let mut places = Vec::new();
    if let Some(new) = &resource.config {
        let old = published.or(latest).map_or(&Value::Null, |v| &v.config);
        differences(old, new, "config".to_owned(), &mut places);
    }
    let newer = draft.filter(|v| published.is_some_and(|p| v.version > p.version));
    let wanted = resource.draft.as_ref().filter(|_| missing_secrets.is_empty());
    let enabled = resource
        .enabled
        .filter(|enabled| published.is_some() && *enabled == (row.status == DatasourceStatus::Disabled));
    Difference {
        fields,
        config,
        places,
        missing_secrets,
        draft: wanted.is_some_and(|wanted| {
            let kept = newer.is_some_and(|v| v.checksum == checksum(&wanted.config));
            // What is published now comes after every draft that was there.
            !kept || config == ConfigStep::DraftAndPublish
        }),
        enabled,
    }
}

/// The places where two documents differ, by pointer.
fn differences(old: &Value, new: &Value, at: String, out: &mut Vec<String>) {
    if old == new || out.len() >= PLACES_MAX {
        return;
    }
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (left, right) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                // An explicit null is not the same as nothing.
                if left == right && a.contains_key(key) != b.contains_key(key) {
                    out.push(format!("{at}/{}", escape(key)));
                }
                differences(left, right, format!("{at}/{}", escape(key)), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (left, right)) in a.iter().zip(b).enumerate() {
                differences(left, right, format!("{at}/{i}"), out);
            }
        }
        _ => out.push(at),
    }
}
