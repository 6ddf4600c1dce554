//! The `mapping` section as it is written: which records one input document becomes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use super::secrets::refuse_references;
use super::section::{Section, child, type_name};
use crate::error::Problem;

pub const OUTPUTS_MAX: usize = 32;
pub const FIELDS_MAX: usize = 256;
const SOURCE_MAX: usize = 64 * 1_024;

/// The `mapping` section. Paths and scripts are checked by [`Mapping::compile`](super::Mapping::compile).
#[derive(Clone, Debug, PartialEq)]
pub struct MappingSpec {
    /// JSONPath; each match in an input document is one input record.
    pub input: String,
    pub outputs: Vec<OutputSpec>,
    pub transform: Option<TransformSpec>,
}

/// What one input record becomes. Strings that start with `$` are JSONPaths.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSpec {
    pub kind: String,
    /// Absent: a stable hash of the input record.
    pub id: Option<Value>,
    /// JSONPath; without a match that is neither `false` nor `null` there is no output.
    pub when: Option<String>,
    /// Absent: the whole input record.
    pub fields: Option<Map<String, Value>>,
    pub(super) form: Form,
}

/// How an output was written, for the pointers of its problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Output(usize),
    Entity,
}

impl Form {
    pub(super) fn pointer(self, key: &str) -> String {
        match (self, key) {
            (Self::Output(i), key) => format!("/mapping/outputs/{i}/{key}"),
            (Self::Entity, "kind") => "/mapping/entity_type".into(),
            (Self::Entity, "fields") => "/mapping/attrs".into(),
            (Self::Entity, key) => format!("/mapping/{key}"),
        }
    }
}

/// A program that runs on each mapped record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformSpec {
    /// In Rhai.
    pub source: String,
}

impl Default for MappingSpec {
    /// One output of kind `record` that takes the document as it is.
    fn default() -> Self {
        let output = OutputSpec { kind: "record".into(), id: None, when: None, fields: None, form: Form::Output(0) };
        Self { input: "$".into(), outputs: vec![output], transform: None }
    }
}

impl MappingSpec {
    pub(super) fn parse(value: &Value, problems: &mut Vec<Problem>) -> Self {
        const POINTER: &str = "/mapping";
        const KEYS: [&str; 7] = ["input", "outputs", "transform", "entity_type", "id", "attrs", "when"];
        let mut spec = Self::default();
        refuse_references(value, POINTER, problems);
        let Some(section) = Section::open(value, POINTER, &KEYS, problems) else { return spec };
        if let Some(input) = section.text("input", problems) {
            spec.input = input.to_owned();
        }
        let entity_keys: Vec<_> = KEYS[3..].iter().copied().filter(|key| section.get(key).is_some()).collect();
        match section.get("outputs") {
            Some(outputs) => {
                for key in entity_keys {
                    section.refuse(key, "must not stand beside outputs; move it into an output", problems);
                }
                spec.outputs = parse_outputs(outputs, problems);
            }
            None if entity_keys.is_empty() => {}
            None => spec.outputs = vec![parse_output(&section, Form::Entity, ["entity_type", "attrs"], problems)],
        }
        spec.transform = section.get("transform").and_then(|value| parse_transform(value, problems));
        spec
    }
}

fn parse_outputs(value: &Value, problems: &mut Vec<Problem>) -> Vec<OutputSpec> {
    const POINTER: &str = "/mapping/outputs";
    let Value::Array(items) = value else {
        problems.push(Problem::new(POINTER, format!("must be an array, not {}", type_name(value))));
        return Vec::new();
    };
    if items.is_empty() || items.len() > OUTPUTS_MAX {
        problems.push(Problem::new(POINTER, format!("must have 1 to {OUTPUTS_MAX} outputs")));
        return Vec::new();
    }
    let output = |(i, item)| {
        let section = Section::open(item, format!("{POINTER}/{i}"), &["kind", "id", "when", "fields"], problems)?;
        Some(parse_output(&section, Form::Output(i), ["kind", "fields"], problems))
    };
    items.iter().enumerate().filter_map(output).collect()
}

fn parse_output(
    section: &Section<'_>,
    form: Form,
    [kind_key, fields_key]: [&str; 2],
    problems: &mut Vec<Problem>,
) -> OutputSpec {
    let kind = section.required_text(kind_key, problems).unwrap_or_default().to_owned();
    let id = section.get("id").filter(|id| !id.is_null());
    if let Some(id @ (Value::Array(_) | Value::Object(_))) = id {
        let message = format!("must be a path, a string, a number or a boolean, not {}", type_name(id));
        section.refuse("id", message, problems);
    }
    let when = section.text("when", problems).map(str::to_owned);
    let fields = section.get(fields_key).and_then(|value| {
        let fields = Section::open_any(value, section.at(fields_key), problems)?;
        if fields.map.values().map(count_templates).sum::<usize>() > FIELDS_MAX {
            let message = format!("must have at most {FIELDS_MAX} fields, nested ones included");
            section.refuse(fields_key, message, problems);
            return None;
        }
        Some(fields.map.clone())
    });
    OutputSpec { kind, id: id.cloned(), when, fields, form }
}

/// A field counts once, and so does each field and element within it.
fn count_templates(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count_templates).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(count_templates).sum::<usize>(),
        _ => 1,
    }
}

fn parse_transform(value: &Value, problems: &mut Vec<Problem>) -> Option<TransformSpec> {
    let pointer = child("/mapping", "transform");
    let section = Section::open(value, pointer, &["language", "source"], problems)?;
    if let Some(language) = section.required_text("language", problems)
        && language != "rhai"
    {
        section.refuse("language", "must be rhai", problems);
    }
    let source = section.required_text("source", problems)?;
    if source.len() > SOURCE_MAX {
        section.refuse("source", format!("must have at most {SOURCE_MAX} bytes"), problems);
        return None;
    }
    Some(TransformSpec { source: source.to_owned() })
}

impl JsonSchema for MappingSpec {
    fn schema_name() -> Cow<'static, str> {
        "Mapping".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let path = |description: &str| json_schema!({"type": "string", "maxLength": 1024, "description": description});
        let id = json_schema!({
            "type": ["string", "number", "boolean", "null"],
            "description": "JSONPath, or a constant; absent or without a match: a stable hash of the input record.",
        });
        let kind = json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "What the record is, as a constant or a JSONPath.",
        });
        let fields = json_schema!({
            "type": "object",
            "description": "The record's data: a string that starts with $ is a JSONPath ($$ for a literal $), \
                            other values are constants, objects and arrays nest. Absent: the whole input record.",
            "additionalProperties": true,
        });
        let when = path("JSONPath; the output is made only if it matches something other than false or null.");
        json_schema!({
            "description": "Which records an input document becomes. Absent: one record of kind \"record\" as it is.",
            "type": "object",
            "properties": {
                "input": {
                    "type": "string", "default": "$", "maxLength": 1024,
                    "description": "JSONPath (RFC 9535); each match is one input record.",
                },
                "outputs": {
                    "type": "array", "minItems": 1, "maxItems": OUTPUTS_MAX,
                    "items": {
                        "type": "object", "required": ["kind"], "additionalProperties": false,
                        "properties": {"kind": kind, "id": id, "when": when, "fields": fields},
                    },
                },
                "transform": {
                    "type": "object", "required": ["language", "source"], "additionalProperties": false,
                    "description": "A sandboxed program that runs on each record.",
                    "properties": {
                        "language": {"const": "rhai"},
                        "source": {
                            "type": "string", "minLength": 1, "maxLength": SOURCE_MAX,
                            "description": "Reads and changes `record`, reads `input`, `kind` and `id`; its value is \
                                            the new data, () drops the record.",
                        },
                    },
                },
                "entity_type": kind, "id": id, "when": when, "attrs": fields,
            },
            "not": {"required": ["outputs", "entity_type"]},
            "dependentRequired": {"id": ["entity_type"], "attrs": ["entity_type"], "when": ["entity_type"]},
            "additionalProperties": false,
        })
    }
}
