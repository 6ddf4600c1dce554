//! What the data of each type is: one struct a type, from which its JSON Schema comes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::MetadataItemType;
use crate::mapping::{ConfigCheck, schema_of};

/// A type of metadata item, for people and for forms.
#[derive(Debug)]
pub struct MetadataItemSpec {
    pub item_type: MetadataItemType,
    pub title: &'static str,
    pub description: &'static str,
    /// JSON Schema (2020-12) of the data.
    pub schema: Value,
}

/// A configuration with placeholders, from which datasources are created.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectorTemplate {
    /// Its name for people.
    #[serde(default)]
    #[schemars(length(max = 120))]
    #[allow(dead_code, reason = "for people and for the schema")]
    pub(super) title: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 4_000))]
    #[allow(dead_code, reason = "for people and for the schema")]
    pub(super) description: Option<String>,
    /// The connector type of the datasources.
    #[schemars(length(min = 1, max = 64))]
    pub(super) connector: String,
    /// What is asked for, by name: small letters, digits and `_`. `{{param.name}}` in the configuration stands for it.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub(super) parameters: BTreeMap<String, Parameter>,
    /// The configuration document. A text that is one placeholder becomes the parameter with its type; within a longer
    /// text a placeholder becomes text.
    pub(super) config: Map<String, Value>,
    /// The mapping template that gives the section `mapping`, unless another is asked for.
    #[serde(default)]
    #[schemars(length(min = 1, max = 120))]
    pub(super) mapping_template: Option<String>,
}

/// The section `mapping` of a configuration with placeholders.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingTemplate {
    /// Its name for people.
    #[serde(default)]
    #[schemars(length(max = 120))]
    #[allow(dead_code, reason = "for people and for the schema")]
    pub(super) title: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 4_000))]
    #[allow(dead_code, reason = "for people and for the schema")]
    pub(super) description: Option<String>,
    /// What is asked for, as in a connector template.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub(super) parameters: BTreeMap<String, Parameter>,
    /// The section.
    pub(super) mapping: Map<String, Value>,
}

/// A parameter of a template: a JSON Schema of these keywords. Without a default it is required.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Parameter {
    /// What kind of value it is.
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 120))]
    pub(super) title: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4_000))]
    pub(super) description: Option<String>,
    /// What it is where nothing is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<Value>,
    /// Values as they may be given; the first one is used to check the template.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub(super) examples: Vec<Value>,
    /// The values that are allowed.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub(super) choices: Vec<Value>,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) minimum: Option<f64>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) maximum: Option<f64>,
    /// The fewest characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) min_length: Option<u32>,
    /// The most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_length: Option<u32>,
    /// A regular expression that a text matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub(super) pattern: Option<String>,
}

/// The kinds of values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
}

/// A filter, an order and columns of a list, as the console and the APIs name them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "clients read it; here it is only checked")]
struct SavedView {
    /// Its name for people.
    #[serde(default)]
    #[schemars(length(max = 120))]
    title: Option<String>,
    /// What it shows.
    #[serde(default)]
    #[schemars(length(max = 4_000))]
    description: Option<String>,
    /// What is listed.
    list: List,
    /// Which ones; as the argument `filter` of `datasources`.
    #[serde(default)]
    filter: ViewFilter,
    /// In which order; as the argument `orderBy` of `datasources`.
    #[serde(default)]
    order_by: Option<ViewOrder>,
    /// What is shown of each, in this order.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(min = 1, max = 64)))]
    columns: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum List {
    Datasources,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "clients read it; here it is only checked")]
struct ViewFilter {
    /// In one of these states.
    #[serde(default)]
    #[schemars(length(max = 4))]
    status: Vec<Status>,
    /// Of one of these connector types.
    #[serde(default, rename = "type")]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    types: Vec<String>,
    /// Of this owner.
    #[serde(default)]
    #[schemars(length(max = 120))]
    owner: Option<String>,
    /// With all of these tags.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(min = 1, max = 50)))]
    tags: Vec<String>,
    /// With all of these words.
    #[serde(default)]
    #[schemars(length(max = 200))]
    search: Option<String>,
    /// In this project.
    #[serde(default)]
    #[schemars(length(max = 120))]
    project: Option<String>,
    /// Kept by this channel.
    #[serde(default)]
    #[schemars(length(max = 104))]
    managed_by: Option<String>,
    /// Only what is archived.
    #[serde(default)]
    archived: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Draft,
    Active,
    Disabled,
    Error,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "clients read it; here it is only checked")]
struct ViewOrder {
    /// By what.
    field: OrderField,
    /// Which way.
    #[serde(default)]
    direction: Direction,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum OrderField {
    Name,
    CreatedAt,
    UpdatedAt,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Direction {
    #[default]
    Asc,
    Desc,
}

/// The types, each with its schema compiled.
static TYPES: LazyLock<Vec<(MetadataItemSpec, ConfigCheck)>> = LazyLock::new(|| {
    let entry = |item_type, title, description, schema: Value| {
        let check = ConfigCheck::new(&schema);
        (MetadataItemSpec { item_type, title, description, schema }, check)
    };
    vec![
        entry(
            MetadataItemType::ConnectorTemplate,
            "Connector template",
            "A configuration with placeholders, from which datasources are created.",
            schema_of::<ConnectorTemplate>(),
        ),
        entry(
            MetadataItemType::MappingTemplate,
            "Mapping template",
            "The mapping of a configuration with placeholders, for datasources of any connector.",
            schema_of::<MappingTemplate>(),
        ),
        entry(
            MetadataItemType::SavedView,
            "Saved view",
            "A filter, an order and columns of a list.",
            schema_of::<SavedView>(),
        ),
    ]
});

pub(super) fn all() -> impl Iterator<Item = &'static MetadataItemSpec> {
    TYPES.iter().map(|(spec, _)| spec)
}

/// The schema of a type, compiled.
pub(super) fn check(item_type: MetadataItemType) -> Option<&'static ConfigCheck> {
    TYPES.iter().find(|(spec, _)| spec.item_type == item_type).map(|(_, check)| check)
}
