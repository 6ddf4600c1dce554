//! References to stored secrets within a configuration: `{"$secret": alias}` and `{{secret.alias}}`.
//!
//! A stored document only ever holds references. Values take their place when a
//! worker starts, after parsing and in one pass, so that no value is read again
//! as JSON or as a reference.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::section::{child, type_name};
use crate::domain::check_secret_key;
use crate::error::Problem;

const KEY: &str = "$secret";
const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// A piece of a string template.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Alias(&'a str),
}

/// Whether `text` holds at least one reference, and none that is malformed.
pub fn is_secret_template(text: &str) -> bool {
    parts(text).is_ok_and(|parts| parts.iter().any(|part| matches!(part, Part::Alias(_))))
}

/// `value` with the secret values in place of the references; the aliases that `lookup` does not know are the error.
pub fn resolve(value: &Value, lookup: &dyn Fn(&str) -> Option<SecretString>) -> Result<Value, Vec<String>> {
    let mut missing = BTreeSet::new();
    let resolved = substitute(value, lookup, &mut missing);
    if missing.is_empty() { Ok(resolved) } else { Err(missing.into_iter().collect()) }
}

fn substitute(value: &Value, lookup: &dyn Fn(&str) -> Option<SecretString>, missing: &mut BTreeSet<String>) -> Value {
    match value {
        Value::String(text) => Value::String(substitute_text(text, lookup, missing)),
        Value::Array(items) => items.iter().map(|item| substitute(item, lookup, missing)).collect(),
        Value::Object(map) => map.iter().map(|(key, item)| (key.clone(), substitute(item, lookup, missing))).collect(),
        scalar => scalar.clone(),
    }
}

fn substitute_text(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<SecretString>,
    missing: &mut BTreeSet<String>,
) -> String {
    // What is malformed was refused when the version was saved; here it can only be plain text.
    let Ok(parts) = parts(text) else { return text.to_owned() };
    let mut out = String::with_capacity(text.len());
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Alias(alias) => match lookup(alias) {
                Some(secret) => out.push_str(secret.expose_secret()),
                None => {
                    missing.insert(alias.to_owned());
                }
            },
        }
    }
    out
}

/// The one spelling of a reference, `{{secret.alias}}`, for `{"$secret": alias}`; notes malformed references.
pub(super) fn normalise(value: &Value, pointer: &str, problems: &mut Vec<Problem>) -> Value {
    match value {
        Value::String(text) => {
            if let Err(message) = parts(text) {
                problems.push(Problem::new(pointer, message));
            }
            value.clone()
        }
        Value::Array(items) => {
            let item = |(i, item)| normalise(item, &format!("{pointer}/{i}"), problems);
            Value::Array(items.iter().enumerate().map(item).collect())
        }
        Value::Object(map) if map.contains_key(KEY) => match reference(map) {
            Ok(alias) => Value::String(format!("{OPEN}secret.{alias}{CLOSE}")),
            Err((key, message)) => {
                problems.push(Problem::new(child(pointer, key), message));
                value.clone()
            }
        },
        Value::Object(map) => {
            let entry = |(key, item): (&String, &Value)| (key.clone(), normalise(item, &child(pointer, key), problems));
            Value::Object(map.iter().map(entry).collect())
        }
        scalar => scalar.clone(),
    }
}

fn reference(map: &Map<String, Value>) -> Result<&str, (&str, String)> {
    if let Some(extra) = map.keys().find(|key| *key != KEY) {
        return Err((extra, "must not stand beside $secret: a reference is {\"$secret\": \"alias\"} alone".into()));
    }
    match map.get(KEY) {
        Some(Value::String(alias)) if is_alias(alias) => Ok(alias),
        Some(Value::String(_)) => Err((KEY, ALIAS_RULE.into())),
        other => {
            let found = type_name(other.unwrap_or(&Value::Null));
            Err((KEY, format!("must be the alias of a secret as a string, not {found}")))
        }
    }
}

const ALIAS_RULE: &str = "must name a secret by 1 to 128 letters, digits, '_', '-' or '.'";

fn is_alias(alias: &str) -> bool {
    let mut problems = Vec::new();
    check_secret_key("", alias, &mut problems);
    problems.is_empty()
}

/// Adds the aliases that `value` refers to.
pub(super) fn collect_aliases(value: &Value, aliases: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            for part in parts(text).unwrap_or_default() {
                if let Part::Alias(alias) = part {
                    aliases.insert(alias.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_aliases(item, aliases)),
        Value::Object(map) => map.values().for_each(|item| collect_aliases(item, aliases)),
        _ => {}
    }
}

/// Notes every reference in a part of the document whose content ends up in records.
pub(super) fn refuse_references(value: &Value, pointer: &str, problems: &mut Vec<Problem>) {
    const MESSAGE: &str = "must not refer to a secret: what the mapping holds ends up in records";
    match value {
        Value::String(text) if !parts(text).is_ok_and(|parts| parts.iter().all(|p| matches!(p, Part::Text(_)))) => {
            problems.push(Problem::new(pointer, MESSAGE));
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                refuse_references(item, &format!("{pointer}/{i}"), problems);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                if key == KEY {
                    problems.push(Problem::new(child(pointer, key), MESSAGE));
                } else {
                    refuse_references(item, &child(pointer, key), problems);
                }
            }
        }
        _ => {}
    }
}

/// Splits a template. Braces around anything else than `secret…` are plain text: connectors have placeholders of their own.
fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find(OPEN) {
        let open = at + found;
        let inner = open + OPEN.len();
        let Some(name) = text[inner..].trim_start().strip_prefix("secret").filter(|rest| !goes_on(rest)) else {
            at = open + 1;
            continue;
        };
        let name_at = text.len() - name.len();
        let close = text[name_at..].find(CLOSE).map(|i| name_at + i).ok_or("has a {{secret. without its closing }}")?;
        let alias = text[name_at..close]
            .trim_end()
            .strip_prefix('.')
            .filter(|alias| is_alias(alias))
            .ok_or("has a malformed secret reference: write {{secret.alias}}, the alias being 1 to 128 letters, digits, '_', '-' or '.'")?;
        if plain_from < open {
            parts.push(Part::Text(&text[plain_from..open]));
        }
        parts.push(Part::Alias(alias));
        at = close + CLOSE.len();
        plain_from = at;
    }
    if plain_from < text.len() {
        parts.push(Part::Text(&text[plain_from..]));
    }
    Ok(parts)
}

/// `{{secretary}}` is no reference.
fn goes_on(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn normalised(value: &Value) -> Result<Value, Vec<(String, String)>> {
        let mut problems = Vec::new();
        let value = normalise(value, "/connector", &mut problems);
        if problems.is_empty() {
            Ok(value)
        } else {
            Err(problems.into_iter().map(|p| (p.pointer, p.message)).collect())
        }
    }

    #[test]
    fn both_spellings_mean_the_same() {
        let value = json!({"a": {"$secret": "token"}, "b": ["Bearer {{ secret.token }}"]});
        let value = normalised(&value).expect("well-formed");
        assert_eq!(value["a"], "{{secret.token}}");
        let resolved = resolve(&value, &|alias| (alias == "token").then(|| "s3cret".into())).expect("known");
        assert_eq!(resolved, json!({"a": "s3cret", "b": ["Bearer s3cret"]}));
    }

    #[test]
    fn malformed_references_are_problems_with_a_pointer() {
        for (value, pointer) in [
            (json!({"t": {"$secret": 5}}), "/connector/t/$secret"),
            (json!({"t": {"$secret": ""}}), "/connector/t/$secret"),
            (json!({"t": {"$secret": "a", "more": 1}}), "/connector/t/more"),
            (json!({"t": ["{{secret.}}"]}), "/connector/t/0"),
            (json!({"t": "{{secret}}"}), "/connector/t"),
            (json!({"t": "{{secret.a b}}"}), "/connector/t"),
            (json!({"t": "x {{secret.open"}), "/connector/t"),
            (json!({"t": "{{ secret . a }}"}), "/connector/t"),
        ] {
            let problems = normalised(&value).expect_err("malformed");
            assert_eq!(problems.len(), 1, "{value}: {problems:?}");
            assert_eq!(problems[0].0, pointer, "{value}");
        }
    }

    #[test]
    fn other_braces_are_plain_text() {
        for text in ["{{cursor}}", "{{secretary}}", "{ {secret.a} }", "}}{{", "{", "{{{{"] {
            assert!(!is_secret_template(text), "{text}");
            let resolved = resolve(&json!(text), &|_| Some("x".into())).expect("nothing to look up");
            assert_eq!(resolved, json!(text));
        }
        assert!(is_secret_template("{{{secret.a}}}"));
    }

    #[test]
    fn missing_aliases_are_all_named_once() {
        let value = json!(["{{secret.b}} {{secret.a}}", {"x": "{{secret.b}}"}]);
        assert_eq!(resolve(&value, &|_| None), Err(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn references_are_refused_where_records_are_made() {
        let mut problems = Vec::new();
        let mapping = json!({"outputs": [{"fields": {"a": {"$secret": "x"}, "b": "{{secret.x}}", "c": "{{ok}}"}}]});
        refuse_references(&mapping, "/mapping", &mut problems);
        let pointers: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
        assert_eq!(pointers, ["/mapping/outputs/0/fields/a/$secret", "/mapping/outputs/0/fields/b"]);
    }

    proptest! {
        #[test]
        fn a_value_is_never_read_again(before in "[a-z{} ]{0,8}", secret in r#"(\{\{secret\.[ab]\}\}|["\\{}$a-z]){0,6}"#) {
            prop_assume!(!before.contains("{{") && !before.ends_with('{'));
            let template = json!([format!("{before}{{{{secret.a}}}}"), "{{secret.a}}{{secret.b}}"]);
            let lookup = |alias: &str| Some(SecretString::from(if alias == "a" { secret.clone() } else { "B".into() }));
            let resolved = resolve(&template, &lookup).expect("known");
            prop_assert_eq!(resolved, json!([format!("{before}{secret}"), format!("{secret}B")]));
        }

        #[test]
        fn any_text_is_split_without_loss_or_panic(text in "[a{}. secrt]{0,40}|\\PC{0,40}") {
            if let Ok(parts) = parts(&text) {
                let aliases = parts.iter().any(|part| matches!(part, Part::Alias(_)));
                let plain: String = parts.iter().filter_map(|p| if let Part::Text(t) = p { Some(*t) } else { None }).collect();
                prop_assert!(aliases || plain == text);
            }
        }
    }
}
