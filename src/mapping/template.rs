//! Field values: constants, paths and nests of both.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::jsonpath::{Path, TooCostly};
use super::section::child;
use crate::error::Problem;

/// A compiled field value.
#[derive(Debug)]
pub(super) enum Template {
    Constant(Value),
    Path(Path),
    Object(ObjectTemplate),
    Array(Vec<Template>),
}

/// A record is a copy of `shape` with `values` put in, in the order in which a map iterates.
#[derive(Debug)]
pub(super) struct ObjectTemplate {
    shape: Map<String, Value>,
    values: Vec<Template>,
}

/// Why a field could not be made; `path` is relative to the template, as a pointer.
#[derive(Debug)]
pub(super) struct FieldError {
    pub(super) path: String,
    pub(super) cause: Cause,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    TooCostly(TooCostly),
    TooLarge,
}

impl From<TooCostly> for Cause {
    fn from(error: TooCostly) -> Self {
        Self::TooCostly(error)
    }
}

impl Template {
    pub(super) fn compile(value: &Value, pointer: &str, problems: &mut Vec<Problem>) -> Self {
        match value {
            Value::String(text) => match compile_text(text, pointer, problems) {
                Text::Path(path) => Self::Path(path),
                Text::Constant(text) => Self::Constant(text.as_ref().into()),
            },
            Value::Array(items) => {
                let item = |(i, item)| Self::compile(item, &format!("{pointer}/{i}"), problems);
                let items: Vec<_> = items.iter().enumerate().map(item).collect();
                match items.iter().map(Self::as_constant).collect() {
                    Some(constants) => Self::Constant(Value::Array(constants)),
                    None => Self::Array(items),
                }
            }
            Value::Object(map) => Self::Object(ObjectTemplate::compile(map, pointer, problems)),
            scalar => Self::Constant(scalar.clone()),
        }
    }

    fn as_constant(&self) -> Option<Value> {
        match self {
            Self::Constant(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// `left` is the number of bytes that the value may still take.
    fn fill(&self, record: &Value, slot: &mut Value, left: &mut usize) -> Result<(), FieldError> {
        *slot = match self {
            // The shape holds it already; only what it takes is counted.
            Self::Constant(value) => return spend(value, left).map_err(FieldError::here),
            Self::Path(path) if path.is_singular() => {
                let found = path.first(record).map_err(FieldError::here)?.unwrap_or(&Value::Null);
                spend(found, left).map_err(FieldError::here)?;
                found.clone()
            }
            Self::Path(path) => {
                let found = path.all(record).map_err(FieldError::here)?;
                for value in &found {
                    spend(value, left).map_err(FieldError::here)?;
                }
                found.into_iter().cloned().collect()
            }
            Self::Object(object) => Value::Object(object.fill(record, left)?),
            Self::Array(items) => {
                let item = |(i, item): (usize, &Self)| {
                    let mut slot = item.as_constant().unwrap_or_default();
                    item.fill(record, &mut slot, left).map_err(|e| e.within(&i.to_string()))?;
                    Ok(slot)
                };
                Value::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
        };
        Ok(())
    }
}

impl ObjectTemplate {
    pub(super) fn compile(map: &Map<String, Value>, pointer: &str, problems: &mut Vec<Problem>) -> Self {
        let values = map.iter().map(|(key, value)| Template::compile(value, &child(pointer, key), problems));
        let values: Vec<_> = values.collect();
        let constant = |template: &Template| template.as_constant().unwrap_or_default();
        let shape = map.keys().cloned().zip(values.iter().map(constant)).collect();
        Self { shape, values }
    }

    pub(super) fn fill(&self, record: &Value, left: &mut usize) -> Result<Map<String, Value>, FieldError> {
        let mut data = self.shape.clone();
        for ((key, slot), template) in data.iter_mut().zip(&self.values) {
            template.fill(record, slot, left).map_err(|e| e.within(key))?;
        }
        Ok(data)
    }
}

impl FieldError {
    fn here(cause: impl Into<Cause>) -> Self {
        Self { path: String::new(), cause: cause.into() }
    }

    fn within(self, key: &str) -> Self {
        Self { path: child("", key) + self.path.as_str(), cause: self.cause }
    }
}

#[derive(Debug)]
pub(super) enum Text {
    Constant(Arc<str>),
    Path(Path),
}

/// `$…` is a path, `$$…` is a literal `$…`, all else is itself.
pub(super) fn compile_text(text: &str, pointer: &str, problems: &mut Vec<Problem>) -> Text {
    if let Some(literal) = text.strip_prefix('$').filter(|rest| rest.starts_with('$')) {
        return Text::Constant(literal.into());
    }
    if !text.starts_with('$') {
        return Text::Constant(text.into());
    }
    match Path::parse(text) {
        Ok(path) => Text::Path(path),
        Err(message) => {
            problems.push(Problem::new(pointer, format!("{message} (write $$ for a literal $)")));
            Text::Constant("".into())
        }
    }
}

/// Takes the estimated size of `value` as JSON text off `left`.
pub(super) fn spend(value: &Value, left: &mut usize) -> Result<(), Cause> {
    let own = match value {
        Value::String(text) => text.len() + 2,
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::Array(items) => items.len() + 2,
        Value::Object(map) => map.keys().map(|key| key.len() + 4).sum::<usize>() + 2,
    };
    *left = left.checked_sub(own).ok_or(Cause::TooLarge)?;
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| spend(item, left)),
        Value::Object(map) => map.values().try_for_each(|item| spend(item, left)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(fields: Value, record: &Value) -> Value {
        let mut problems = Vec::new();
        let Value::Object(fields) = fields else { panic!("an object") };
        let template = ObjectTemplate::compile(&fields, "", &mut problems);
        assert_eq!(problems, []);
        Value::Object(template.fill(record, &mut 1_000).expect("fits"))
    }

    #[test]
    fn values_are_paths_constants_and_nests_of_both() {
        let record = json!({"a": {"b": 1}, "list": [{"n": 1}, {"n": 2}], "none": null});
        let fields = json!({
            "one": "$.a.b", "many": "$.list[*].n", "missing": "$.x", "null": "$.none", "no_match": "$.x[*]",
            "text": "plain", "escaped": "$$5", "number": 1.5, "flag": true,
            "nest": {"x": "$.a", "y": {"z": "c"}}, "array": ["$.a.b", "c", ["$.list[-1].n"]], "fixed": [1, {"a": 2}],
        });
        let expected = json!({
            "one": 1, "many": [1, 2], "missing": null, "null": null, "no_match": [],
            "text": "plain", "escaped": "$5", "number": 1.5, "flag": true,
            "nest": {"x": {"b": 1}, "y": {"z": "c"}}, "array": [1, "c", [2]], "fixed": [1, {"a": 2}],
        });
        assert_eq!(fill(fields, &record), expected);
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_copied() {
        let record = json!({"big": "x".repeat(2_000)});
        let fields = json!({"a": 1, "deep": {"list": ["$.a", "$.big"]}});
        let template = ObjectTemplate::compile(fields.as_object().expect("an object"), "", &mut Vec::new());
        let error = template.fill(&record, &mut 1_000).expect_err("too large");
        assert_eq!((error.path.as_str(), error.cause), ("/deep/list/1", Cause::TooLarge));
    }

    #[test]
    fn a_wrong_path_is_a_problem_with_a_remedy() {
        let mut problems = Vec::new();
        let fields = json!({"price": ["$5.00"]});
        ObjectTemplate::compile(fields.as_object().expect("an object"), "/f", &mut problems);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].pointer, "/f/price/0");
        assert!(problems[0].message.ends_with("(write $$ for a literal $)"), "{}", problems[0].message);
    }
}
