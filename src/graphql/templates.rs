//! Datasources from templates.

use async_graphql::{InputObject, Json, SimpleObject};
use serde_json::Value;

use crate::app;
use crate::domain;

/// A template to create a datasource from.
#[derive(InputObject)]
pub(super) struct UseTemplateInput {
    /// The connector template.
    name: String,
    /// Absent: as it is now.
    version: Option<i32>,
    /// An object: the name of each parameter, and its value. Defaults may be left out.
    parameters: Option<Json<Value>>,
    /// A mapping template for the section `mapping`.
    mapping: Option<UseMappingInput>,
}

/// A mapping template, and its parameters.
#[derive(InputObject)]
pub(super) struct UseMappingInput {
    /// The mapping template. Absent: the one that the connector template names.
    name: Option<String>,
    /// Absent: as it is now.
    version: Option<i32>,
    /// An object: the name of each parameter, and its value. Defaults may be left out.
    parameters: Option<Json<Value>>,
}

impl From<UseTemplateInput> for app::UseTemplate {
    fn from(input: UseTemplateInput) -> Self {
        let value = |parameters: Option<Json<Value>>| parameters.map(|json| json.0).unwrap_or_default();
        Self {
            name: input.name,
            version: input.version,
            parameters: value(input.parameters),
            mapping: input.mapping.map(|mapping| app::UseMapping {
                name: mapping.name,
                version: mapping.version,
                parameters: value(mapping.parameters),
            }),
        }
    }
}

/// The templates that a datasource was created from.
#[derive(SimpleObject)]
pub(super) struct DatasourceTemplate {
    /// The name of the connector template.
    name: String,
    /// Which version of it.
    version: i32,
    /// The checksum of that version.
    checksum: String,
    /// The mapping template, where one was used too.
    mapping: Option<UsedTemplate>,
}

/// A template that was used.
#[derive(SimpleObject)]
struct UsedTemplate {
    /// Its name.
    name: String,
    /// Which version of it.
    version: i32,
    /// The checksum of that version.
    checksum: String,
}

impl From<domain::TemplateOrigin> for DatasourceTemplate {
    fn from(origin: domain::TemplateOrigin) -> Self {
        let used = |used: domain::TemplateUse| UsedTemplate {
            name: used.name,
            version: used.version,
            checksum: used.checksum,
        };
        let domain::TemplateUse { name, version, checksum } = origin.template;
        Self { name, version, checksum, mapping: origin.mapping.map(used) }
    }
}
