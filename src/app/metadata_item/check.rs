//! What the data of an item must be before it is stored or used.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::App;
use super::super::version::CONFIG_MAX;
use super::template;
use super::types::{self, ConnectorTemplate, MappingTemplate, Parameter};
use crate::domain::{MetadataItemType, canonical_json};
use crate::error::Problem;
use crate::mapping::{Document, Mapping, is_credential, literal_secrets};

/// The longest data that is stored, as canonical JSON.
const DATA_MAX: usize = 256 * 1024;

impl App {
    /// All that is wrong with the data of an item; pointers are relative to it.
    pub(in crate::app) fn check_item(&self, kind: MetadataItemType, data: &Value) -> Vec<Problem> {
        let size = canonical_json(data).len();
        if size > DATA_MAX {
            return vec![Problem::new("", format!("is {size} bytes long; the most is {DATA_MAX}"))];
        }
        let problems = types::check(kind).map(|check| check.problems(data)).unwrap_or_default();
        if !problems.is_empty() {
            return problems;
        }
        let unreadable = |e: serde_json::Error| vec![Problem::new("", format!("cannot be read: {e}"))];
        match kind {
            MetadataItemType::ConnectorTemplate => match serde_json::from_value::<ConnectorTemplate>(data.clone()) {
                Ok(template) => self.check_connector_template(&template),
                Err(error) => unreadable(error),
            },
            MetadataItemType::MappingTemplate => match serde_json::from_value::<MappingTemplate>(data.clone()) {
                Ok(template) => check_mapping_template(&template),
                Err(error) => unreadable(error),
            },
            MetadataItemType::SavedView => Vec::new(),
        }
    }

    fn check_connector_template(&self, template: &ConnectorTemplate) -> Vec<Problem> {
        let config = Value::Object(template.config.clone());
        let mut problems = check_parameters(&template.parameters, &config, "/config");
        match self.connectors().get(&template.connector) {
            None => problems.push(Problem::new("/connector", self.unknown_type(&template.connector))),
            Some(connector) => {
                // What is filled in later would go past this check, and be stored with the template.
                let settings = Document::inspect(&config).0.map(|document| document.connector).unwrap_or_default();
                let found = literal_secrets(&connector.spec().config_schema, &settings);
                problems.extend(under("/config/connector", found));
            }
        }
        url_credentials(&config, "/config", &mut problems);
        if !problems.is_empty() {
            return problems;
        }
        let Some(sample) = template::sample(&template.parameters) else { return Vec::new() };
        let Some(config) = template::fill(&config, &sample, &mut { CONFIG_MAX }) else {
            return vec![Problem::new("/config", too_long())];
        };
        match self.check_config(&template.connector, config) {
            Ok(_) => Vec::new(),
            Err(error) if error.problems().is_empty() => vec![Problem::new("/config", error.message())],
            Err(error) => under("/config", error.problems().to_vec()),
        }
    }
}

/// Credentials in URLs as the template has them, whatever is filled in later.
fn url_credentials(value: &Value, at: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| url_credentials(inner, &template::child(at, key), problems))
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, inner)| url_credentials(inner, &format!("{at}/{n}"), problems));
        }
        Value::String(text) => {
            let Some((_, rest)) = text.split_once("://") else { return };
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let query = rest.split_once('?').map(|(_, query)| query).unwrap_or_default();
            let literal = |text: &str| !text.is_empty() && !text.contains("{{secret.");
            let in_query = query
                .split('#')
                .next()
                .unwrap_or_default()
                .split('&')
                .any(|pair| pair.split_once('=').is_some_and(|(key, value)| is_credential(key) && literal(value)));
            if authority.rsplit_once('@').is_some_and(|(user, _)| literal(user)) || in_query {
                let message = "has a credential in its URL, which everybody who may read the template would see: name a \
                               stored secret in its place, as {{secret.alias}} or in the connector's auth";
                problems.push(Problem::new(at, message));
            }
        }
        _ => {}
    }
}

fn check_mapping_template(template: &MappingTemplate) -> Vec<Problem> {
    let mapping = Value::Object(template.mapping.clone());
    let problems = check_parameters(&template.parameters, &mapping, "/mapping");
    if !problems.is_empty() {
        return problems;
    }
    let Some(sample) = template::sample(&template.parameters) else { return Vec::new() };
    let Some(mapping) = template::fill(&mapping, &sample, &mut { CONFIG_MAX }) else {
        return vec![Problem::new("/mapping", too_long())];
    };
    // The connector does not matter to a mapping.
    let (document, mut problems) =
        Document::inspect(&json!({ "connector": { "type": "webhook" }, "mapping": mapping }));
    if let Some(document) = document
        && let Err(more) = Mapping::compile(&document.mapping)
    {
        problems.extend(more);
    }
    problems
}

/// The parameters, and the placeholders that stand for them.
fn check_parameters(parameters: &BTreeMap<String, Parameter>, value: &Value, at: &str) -> Vec<Problem> {
    let mut problems = under("/parameters", template::check_parameters(parameters));
    let mut found = Vec::new();
    template::placeholders(value, at, &mut found);
    for (pointer, name) in found.into_iter().filter(|(_, name)| !parameters.contains_key(name)) {
        let message = format!("names the parameter {name:?}, which is not declared under parameters");
        problems.push(Problem::new(pointer, message));
    }
    let mut keys = Vec::new();
    template::placeholders_in_keys(value, at, &mut keys);
    problems.extend(keys.into_iter().map(|at| Problem::new(at, "has a placeholder in its key, which is not filled")));
    problems
}

pub(super) fn too_long() -> String {
    format!("becomes longer than {CONFIG_MAX} bytes when its parameters are filled in")
}

pub(super) fn under(prefix: &str, problems: Vec<Problem>) -> Vec<Problem> {
    problems.into_iter().map(|p| Problem::new(format!("{prefix}{}", p.pointer), p.message)).collect()
}
