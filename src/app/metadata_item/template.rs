//! Placeholders: `{{param.name}}` in a template stands for a parameter. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::types::Parameter;
use crate::error::Problem;
use crate::mapping::ConfigCheck;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const PREFIX: &str = "param.";
const NAME_MAX: usize = 64;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Parameter(&'a str),
}

/// A text, cut at its placeholders. Other braces, such as those of secrets, are text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut done, mut from) = (0, 0);
    while let Some(open) = text[from..].find(OPEN).map(|at| from + at) {
        let inner = open + OPEN.len();
        let Some(close) = text[inner..].find(CLOSE).map(|at| inner + at) else { break };
        match text[inner..close].trim().strip_prefix(PREFIX) {
            Some(name) => {
                if done < open {
                    pieces.push(Piece::Text(&text[done..open]));
                }
                pieces.push(Piece::Parameter(name));
                done = close + CLOSE.len();
                from = done;
            }
            None => from = inner,
        }
    }
    if done < text.len() {
        pieces.push(Piece::Text(&text[done..]));
    }
    pieces
}

/// Every placeholder, as the pointer of its text and the name of the parameter.
pub(super) fn placeholders(value: &Value, pointer: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => {
            let names = pieces(text).into_iter().filter_map(|piece| match piece {
                Piece::Parameter(name) => Some((pointer.to_owned(), name.to_owned())),
                Piece::Text(_) => None,
            });
            found.extend(names);
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                placeholders(item, &format!("{pointer}/{i}"), found);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                placeholders(item, &child(pointer, key), found);
            }
        }
        _ => {}
    }
}

/// The keys of objects that hold a placeholder, which is filled nowhere: their pointers.
pub(super) fn placeholders_in_keys(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                placeholders_in_keys(item, &format!("{pointer}/{i}"), found);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let at = child(pointer, key);
                if pieces(key).iter().any(|piece| matches!(piece, Piece::Parameter(_))) {
                    found.push(at.clone());
                }
                placeholders_in_keys(item, &at, found);
            }
        }
        _ => {}
    }
}

/// Puts values in the place of placeholders. What is put in is not looked at for further ones.
///
/// `left` is how many bytes the result may still take: a few lines can stand for gigabytes. `None` is more than that.
pub(super) fn fill(value: &Value, values: &Map<String, Value>, left: &mut usize) -> Option<Value> {
    Some(match value {
        Value::String(text) => match pieces(text).as_slice() {
            [Piece::Parameter(name)] => {
                let value = values.get(*name).cloned().unwrap_or_default();
                spend(left, value.to_string().len())?;
                value
            }
            pieces => {
                let mut filled = String::new();
                for piece in pieces {
                    let part = match piece {
                        Piece::Text(text) => (*text).to_owned(),
                        Piece::Parameter(name) => match values.get(*name) {
                            Some(Value::String(text)) => text.clone(),
                            Some(Value::Null) | None => String::new(),
                            Some(other) => other.to_string(),
                        },
                    };
                    spend(left, part.len())?;
                    filled.push_str(&part);
                }
                spend(left, 2)?;
                Value::String(filled)
            }
        },
        Value::Array(items) => {
            spend(left, items.len() + 2)?;
            Value::Array(items.iter().map(|item| fill(item, values, left)).collect::<Option<_>>()?)
        }
        Value::Object(map) => {
            let mut filled = Map::new();
            for (key, item) in map {
                spend(left, key.len() + 4)?;
                filled.insert(key.clone(), fill(item, values, left)?);
            }
            Value::Object(filled)
        }
        scalar => {
            spend(left, 5)?;
            scalar.clone()
        }
    })
}

fn spend(left: &mut usize, bytes: usize) -> Option<()> {
    *left = left.checked_sub(bytes)?;
    Some(())
}

/// The JSON Schema of all parameters together, as a form asks for them.
pub(super) fn schema(parameters: &BTreeMap<String, Parameter>) -> Value {
    let required: Vec<_> = parameters.iter().filter(|(_, p)| p.default.is_none()).map(|(name, _)| name).collect();
    json!({
        "type": "object",
        "properties": parameters,
        "required": required,
        "additionalProperties": false,
    })
}

/// All that is wrong with the declaration of parameters; pointers are relative to them.
pub(super) fn check_parameters(parameters: &BTreeMap<String, Parameter>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, parameter) in parameters {
        let at = child("", name);
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(legal) {
            let message = format!("must be named by 1 to {NAME_MAX} small letters, digits or '_'");
            problems.push(Problem::new(&at, message));
            continue;
        }
        let check = match ConfigCheck::of_user(&json!(parameter)) {
            Ok(check) => check,
            Err(message) => {
                problems.push(Problem::new(&at, message));
                continue;
            }
        };
        let default = parameter.default.iter().map(|value| (format!("{at}/default"), value));
        let examples = parameter.examples.iter().enumerate();
        let examples = examples.map(|(i, value)| (format!("{at}/examples/{i}"), value));
        for (at, value) in default.chain(examples) {
            let wrong = check.problems(value);
            problems.extend(wrong.into_iter().map(|p| Problem::new(format!("{at}{}", p.pointer), p.message)));
        }
    }
    problems
}

/// The values of all parameters, with defaults for those that are not given; pointers are relative to `given`.
pub(super) fn values(
    parameters: &BTreeMap<String, Parameter>,
    given: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Problem>> {
    let check = ConfigCheck::of_user(&schema(parameters)).map_err(|message| vec![Problem::new("", message)])?;
    let problems = check.problems(&Value::Object(given.clone()));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut values = given;
    for (name, parameter) in parameters {
        if let Some(default) = &parameter.default {
            values.entry(name.clone()).or_insert_with(|| default.clone());
        }
    }
    Ok(values)
}

/// What a template can be tried with: the example or the default of each parameter. `None` where one has neither.
pub(super) fn sample(parameters: &BTreeMap<String, Parameter>) -> Option<Map<String, Value>> {
    let value = |(name, parameter): (&String, &Parameter)| {
        let value = parameter.examples.first().or(parameter.default.as_ref())?;
        Some((name.clone(), value.clone()))
    };
    parameters.iter().map(value).collect()
}

pub(super) fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: Value, values: Value) -> Option<Value> {
        fill(&template, values.as_object().expect("an object"), &mut 1_000)
    }

    #[test]
    fn a_text_that_is_one_placeholder_takes_the_type_of_its_value() {
        let values = json!({ "n": 5, "list": ["a"], "name": "x" });
        let template = json!({ "a": "{{param.n}}", "b": ["{{ param.list }}"], "c": "{{param.name}}-{{param.n}}!" });
        assert_eq!(filled(template, values), Some(json!({ "a": 5, "b": [["a"]], "c": "x-5!" })));
    }

    #[test]
    fn other_braces_and_what_is_put_in_are_left_alone() {
        let values = json!({ "a": "{{param.b}}", "b": "never" });
        let template = json!(["{{secret.token}}", "{{{param.a}}", "{{param.a", "Bearer {{secret.t}} {{param.a}}"]);
        let expected = json!(["{{secret.token}}", "{{{param.a}}", "{{param.a", "Bearer {{secret.t}} {{param.b}}"]);
        assert_eq!(filled(template, values), Some(expected));
    }

    #[test]
    fn a_placeholder_is_found_with_its_place() {
        let mut found = Vec::new();
        placeholders(&json!({ "a/b": ["x", "{{param.one}} {{param.two}}"] }), "", &mut found);
        assert_eq!(found, [("/a~1b/1".to_owned(), "one".to_owned()), ("/a~1b/1".to_owned(), "two".to_owned())]);
        let mut keys = Vec::new();
        placeholders_in_keys(&json!([{ "{{param.k}}": 1, "plain": 2 }]), "", &mut keys);
        assert_eq!(keys, ["/0/{{param.k}}"]);
    }

    #[test]
    fn a_small_template_does_not_become_a_large_configuration() {
        let template = json!(vec!["{{param.x}}"; 100]);
        assert_eq!(filled(template.clone(), json!({ "x": "y".repeat(100) })), None);
        assert!(filled(template, json!({ "x": "y" })).is_some());
    }

    #[test]
    fn parameters_are_checked_and_defaulted() {
        let parameters = json!({
            "port": { "type": "integer", "default": 80, "minimum": 1 },
            "host": { "type": "string", "pattern": "^[a-z.]+$", "examples": ["a.example"] },
        });
        let parameters: BTreeMap<String, Parameter> = serde_json::from_value(parameters).expect("parameters");
        assert_eq!(check_parameters(&parameters), []);
        let given = |value: Value| value.as_object().cloned().expect("an object");
        assert_eq!(
            values(&parameters, given(json!({ "host": "a.b" }))).map(Value::Object),
            Ok(json!({ "host": "a.b", "port": 80 }))
        );
        let wrong = values(&parameters, given(json!({ "port": 0, "hots": "x" }))).expect_err("refused");
        let mut at: Vec<_> = wrong.iter().map(|p| p.pointer.as_str()).collect();
        at.sort_unstable();
        assert_eq!(at, ["/host", "/hots", "/port"]);
        assert_eq!(sample(&parameters).map(Value::Object), Some(json!({ "host": "a.example", "port": 80 })));

        let wrong = json!({ "Port": { "type": "integer" }, "a": { "type": "string", "default": 5 }, "b": { "type": "string", "pattern": "(" } });
        let wrong: BTreeMap<String, Parameter> = serde_json::from_value(wrong).expect("parameters");
        let at: Vec<_> = check_parameters(&wrong).into_iter().map(|p| p.pointer).collect();
        assert_eq!(at, ["/Port", "/a/default", "/b"]);
    }
}
