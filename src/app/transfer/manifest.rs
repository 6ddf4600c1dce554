//! The document of this product: `apiVersion: datasource.studio/v1`, `kind: Datasource`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::fields::Fields;
use super::governance;
use super::resource::{Draft, Resource, Source};
use super::snapshot::Existing;
use super::yaml::{Document, Ordered};
use crate::app::METADATA_FIELDS;
use crate::domain::{DatasourceStatus, Version, VersionState};
use crate::mapping;

pub(super) const API_VERSION: &str = "datasource.studio/v1";
pub(super) const KIND: &str = "Datasource";

/// Reads one document; what is wrong with it is among its findings.
pub(super) fn read(file: &Arc<str>, document: &Arc<Document>) -> Resource {
    let mut source = Source::new(file, document);
    let value = &document.value;
    let root = Fields::at(value, "", &mut source);
    root.refuse_others(&["apiVersion", "kind", "metadata", "spec"], &mut source);
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        if root.get(key) != Some(&json!(wanted)) {
            source.invalid(format!("/{key}"), format!("must be {wanted}"));
        }
    }
    let metadata = Fields::at(value, "/metadata", &mut source);
    let known: Vec<_> = ["name", "project", "description"].into_iter().chain(METADATA_FIELDS).collect();
    metadata.refuse_others(&known, &mut source);
    let name = metadata.text("name", &mut source).unwrap_or_default();
    if name.is_empty() && metadata.get("name").is_none_or(Value::is_string) {
        source.invalid("/metadata/name", "is missing; it names the datasource");
    }
    let spec = Fields::at(value, "/spec", &mut source);
    spec.refuse_others(&["type", "publish", "enabled", "comment", "secrets", "config", "draft"], &mut source);
    let draft = Fields::at(value, "/spec/draft", &mut source);
    draft.refuse_others(&["comment", "config"], &mut source);

    let publish = spec.flag("publish", &mut source).unwrap_or(false);
    let config = spec.get("config").cloned();
    let draft = draft.get("config").map(|config| Draft {
        comment: draft.text("comment", &mut source).filter(|c| !c.is_empty()),
        config: config.clone(),
    });
    if config.is_none() && (publish || draft.is_some()) {
        source.invalid("/spec/config", "is missing; only what has a configuration can be published, or drafted anew");
    }
    let named = spec.text("type", &mut source);
    let connected = config.as_ref().and_then(|c| c.pointer("/connector/type")).and_then(Value::as_str);
    let connector_type = match (named, connected) {
        (Some(named), Some(connected)) if named != connected => {
            source.invalid("/spec/type", format!("is not {connected:?}, the type of the configuration; leave it out"));
            named
        }
        (Some(named), _) => named,
        (None, Some(connected)) => connected.to_owned(),
        (None, None) => {
            source.invalid("/spec/config/connector/type", "is missing; it names the connector");
            String::new()
        }
    };
    check_secret_names(&spec, config.as_ref(), draft.as_ref(), &mut source);
    source.origins =
        [("/metadata", "/metadata"), ("/config", "/spec/config"), ("/draft", "/spec/draft/config"), ("/spec", "/spec")]
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .into();
    Resource {
        project: metadata.text("project", &mut source),
        name,
        description: metadata.text("description", &mut source).unwrap_or_default(),
        metadata: governance::read(value, &metadata, &mut source),
        connector_type,
        publish,
        enabled: spec.flag("enabled", &mut source),
        comment: spec.text("comment", &mut source).filter(|c| !c.is_empty()),
        config,
        draft,
        source,
    }
}

/// The list is for people; a list that is not true would mislead them.
fn check_secret_names(spec: &Fields<'_>, config: Option<&Value>, draft: Option<&Draft>, source: &mut Source) {
    if spec.get("secrets").is_none() {
        return;
    }
    let said: BTreeSet<_> = spec.texts("secrets", source).into_iter().collect();
    let needed = secret_keys(config.into_iter().chain(draft.map(|d| &d.config)));
    if said != needed {
        let needed: Vec<_> = needed.into_iter().collect();
        let list = if needed.is_empty() { "none".to_owned() } else { needed.join(", ") };
        source.invalid(
            "/spec/secrets",
            format!("is not what the configuration names: {list}; leave it out, or correct it"),
        );
    }
}

/// The stored keys that configurations name.
pub(super) fn secret_keys<'a>(configs: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    configs.filter_map(|config| mapping::Document::inspect(config).0).flat_map(|d| d.secret_keys()).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: governance::Printed<'a>,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    connector_type: Option<&'a str>,
    publish: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    secrets: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Ordered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<DraftSpec<'a>>,
}

#[derive(Serialize)]
struct DraftSpec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    config: Ordered<'a>,
}

/// The document of what is stored: the whole of it, and nothing that changes without meaning.
pub(super) fn print(existing: &Existing) -> crate::error::Result<String> {
    let row = &existing.row;
    let published = existing.current.as_ref();
    let shown = published.or(existing.latest.as_ref());
    let newer = |v: &&Version| v.state == VersionState::Draft && row.current_version.is_some_and(|c| v.version > c);
    let draft = existing.latest.as_ref().filter(newer);
    let configs = shown.into_iter().chain(draft).map(|v| &v.config);
    let manifest = Manifest {
        api_version: API_VERSION,
        kind: KIND,
        metadata: governance::Printed::from(row),
        spec: Spec {
            connector_type: shown.is_none().then_some(&row.connector_type),
            publish: published.is_some(),
            enabled: published.map(|_| row.status != DatasourceStatus::Disabled),
            comment: shown.and_then(|v| v.comment.as_deref()),
            secrets: secret_keys(configs),
            config: shown.map(|v| Ordered(&v.config)),
            draft: draft.map(|v| DraftSpec { comment: v.comment.as_deref(), config: Ordered(&v.config) }),
        },
    };
    super::yaml::print(&manifest)
}
