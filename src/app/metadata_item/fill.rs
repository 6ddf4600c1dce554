//! A configuration from a connector template, and where asked for, from a mapping template too.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::version::CONFIG_MAX;
use super::super::{App, OpContext};
use super::check::{too_long, under};
use super::sees;
use super::template::{self, placeholders};
use super::types::{ConnectorTemplate, MappingTemplate, Parameter};
use crate::auth::policy::grant::Read;
use crate::domain::{MetadataItemType, TemplateOrigin, TemplateUse};
use crate::error::{Error, Problem, Result};

/// The most names that a refusal lists.
const NAMED_MAX: usize = 20;

/// A template, and what its parameters are.
#[derive(Clone, Debug, Default)]
pub struct UseTemplate {
    pub name: String,
    /// Absent: as it is now.
    pub version: Option<i32>,
    /// An object; null is as good as empty.
    pub parameters: Value,
    /// Absent: the mapping template that the template names, if it does.
    pub mapping: Option<UseMapping>,
}

#[derive(Clone, Debug, Default)]
pub struct UseMapping {
    /// Absent: the one that the template names.
    pub name: Option<String>,
    pub version: Option<i32>,
    pub parameters: Value,
}

/// A text of the result, and the parameter that fills it: both by pointer.
type Place = (String, String);

impl App {
    /// The configuration that a template gives, checked as a whole, and what it came from.
    pub(in crate::app) async fn fill_template(
        &self,
        ctx: &OpContext,
        connector_type: &str,
        wanted: UseTemplate,
    ) -> Result<(Value, TemplateOrigin)> {
        let kind = MetadataItemType::ConnectorTemplate;
        let (own, used) = self.template(ctx, kind, "/template", &wanted.name, wanted.version).await?;
        let own: ConnectorTemplate = read(own)?;
        if own.connector != connector_type {
            let message = format!("must be {:?}, the connector type of the template {:?}", own.connector, used.name);
            return Err(Error::invalid("/type", message));
        }
        let mut origin = TemplateOrigin { template: used, mapping: None };
        let body = Value::Object(own.config);
        let (mut config, mut places) = filled(&own.parameters, &body, wanted.parameters, "/template/parameters", "")?;

        let UseMapping { name, version, parameters } = wanted.mapping.clone().unwrap_or_default();
        match name.or(own.mapping_template) {
            Some(name) => {
                let kind = MetadataItemType::MappingTemplate;
                let (mapping, used) = self.template(ctx, kind, "/template/mapping", &name, version).await?;
                let mapping: MappingTemplate = read(mapping)?;
                let body = Value::Object(mapping.mapping);
                let at = "/template/mapping/parameters";
                let (section, more) = filled(&mapping.parameters, &body, parameters, at, "/mapping")?;
                // It takes the place of what the template itself has there.
                places.retain(|(pointer, _)| !is_within(pointer, "/mapping"));
                places.extend(more);
                if let Some(config) = config.as_object_mut() {
                    config.insert("mapping".to_owned(), section);
                }
                origin.mapping = Some(used);
            }
            None if wanted.mapping.is_some() => {
                let message = "is required: the template names no mapping template of its own";
                return Err(Error::invalid("/template/mapping/name", message));
            }
            None => {}
        }
        match self.check_config(connector_type, config.clone()) {
            Ok(_) => Ok((config, origin)),
            Err(error) if error.problems().is_empty() => Err(error),
            Err(error) => {
                let problems = error.problems().iter().map(|problem| traced(problem, &places)).collect();
                Err(Error::with_problems(error.code(), "the template gives no valid configuration", problems))
            }
        }
    }

    /// The data of a template, in a version of it. `at` is where the caller names it.
    async fn template(
        &self,
        ctx: &OpContext,
        kind: MetadataItemType,
        at: &str,
        name: &str,
        version: Option<i32>,
    ) -> Result<(Value, TemplateUse)> {
        let proof = ctx.authorize::<Read>()?;
        let view = self.items.view(proof.scope()).await?;
        let Some(found) = view.load(kind, name, sees(ctx)) else {
            let all = view.load_many(kind, sees(ctx));
            let names: Vec<_> = all.iter().take(NAMED_MAX).map(|found| found.item.name.as_str()).collect();
            let more = if all.len() > NAMED_MAX { ", …" } else { "" };
            let message = format!("names no {kind}; there are {}{more}", names.join(", "));
            return Err(Error::invalid(format!("{at}/name"), message));
        };
        let used = |version: i32, checksum: &str| TemplateUse {
            name: found.item.name.clone(),
            version,
            checksum: checksum.to_owned(),
        };
        match version {
            Some(number) if number != found.item.version => {
                let tx = self.store.read(proof.scope()).await?;
                let stored = match tx.metadata_item(kind, name).await? {
                    Some(item) => tx.metadata_item_version(item.id, number).await?,
                    None => None,
                };
                let missing = || {
                    let message = format!("is no version of it; the newest is {}", found.item.version);
                    Error::invalid(format!("{at}/version"), message)
                };
                let stored = stored.ok_or_else(missing)?;
                let used = used(number, &stored.checksum);
                Ok((stored.data, used))
            }
            _ => Ok((found.item.data.clone(), used(found.item.version, &found.item.checksum))),
        }
    }
}

/// What was stored by an older build may not be what this one takes.
fn read<T: DeserializeOwned>(data: Value) -> Result<T> {
    serde_json::from_value(data).map_err(|e| {
        Error::conflict("the template is not what this version of the server takes; save it anew").with_detail(e)
    })
}

/// `body` with its placeholders filled, and where that was. `prefix` is where it will stand in the configuration.
fn filled(
    parameters: &BTreeMap<String, Parameter>,
    body: &Value,
    given: Value,
    at: &str,
    prefix: &str,
) -> Result<(Value, Vec<Place>)> {
    let given = match given {
        Value::Object(given) => given,
        Value::Null => Map::new(),
        _ => return Err(Error::invalid(at, "must be an object: the name of each parameter, and its value")),
    };
    let values = template::values(parameters, given).map_err(|problems| Error::validation(under(at, problems)))?;
    let result = template::fill(body, &values, &mut { CONFIG_MAX }).ok_or_else(|| Error::invalid(at, too_long()))?;
    let mut places = Vec::new();
    placeholders(body, prefix, &mut places);
    let places = places.into_iter().map(|(pointer, name)| (pointer, template::child(at, &name))).collect();
    Ok((result, places))
}

/// What is wrong where a parameter was filled in is the parameter's.
fn traced(problem: &Problem, places: &[Place]) -> Problem {
    match places.iter().find(|(pointer, _)| is_within(&problem.pointer, pointer)) {
        Some((pointer, parameter)) => {
            Problem::new(parameter, format!("{} (it fills {pointer} of the configuration)", problem.message))
        }
        None => problem.clone(),
    }
}

fn is_within(pointer: &str, at: &str) -> bool {
    pointer.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
