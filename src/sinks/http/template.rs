//! Bodies made of records: JSON in which `{…}` stands for a part of a record.

use serde_json::{Map, Value};

use crate::domain::Record;

/// Stands for the list of records in a body.
const RECORDS: &str = "{records}";

/// The body of a request for these records.
pub(super) fn body(template: Option<&Value>, item: Option<&Value>, records: &[Record]) -> Result<Value, String> {
    let items: Result<Vec<_>, _> = records.iter().map(|record| one(item, record)).collect();
    let items = Value::Array(items?);
    Ok(match template {
        None => items,
        Some(template) => with_records(template, &items),
    })
}

/// What is wrong with the two templates.
pub(super) fn check(template: Option<&Value>, item: Option<&Value>) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Some(template) = template
        && count(template) != 1
    {
        found.push(("/body", format!("must hold the text \"{RECORDS}\" once, as a value of its own")));
    }
    if let Some(Err(problem)) = item.map(check_item) {
        found.push(("/item", problem));
    }
    found
}

fn count(template: &Value) -> usize {
    match template {
        Value::String(text) => usize::from(text == RECORDS),
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn with_records(template: &Value, items: &Value) -> Value {
    match template {
        Value::String(text) if text == RECORDS => items.clone(),
        Value::Array(inner) => inner.iter().map(|value| with_records(value, items)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), with_records(value, items))).collect()
        }
        other => other.clone(),
    }
}

fn one(item: Option<&Value>, record: &Record) -> Result<Value, String> {
    let whole = serde_json::to_value(record).map_err(|_| "a record cannot be written as JSON".to_owned())?;
    Ok(item.map_or_else(|| whole.clone(), |item| fill(item, &whole)))
}

fn fill(template: &Value, record: &Value) -> Value {
    match template {
        Value::String(text) => fill_text(text, record),
        Value::Array(items) => items.iter().map(|value| fill(value, record)).collect(),
        Value::Object(fields) => {
            let filled: Map<_, _> = fields.iter().map(|(name, value)| (name.clone(), fill(value, record))).collect();
            Value::Object(filled)
        }
        other => other.clone(),
    }
}

/// A text that is one placeholder becomes its value; others are joined as text, with nothing for null.
fn fill_text(text: &str, record: &Value) -> Value {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('{') {
        let Some((name, after)) = from.split_once('}') else { break };
        let value = lookup(name, record);
        if before.is_empty() && after.is_empty() && out.is_empty() {
            return value.clone();
        }
        out.push_str(before);
        match value {
            Value::Null => {}
            Value::String(text) => out.push_str(text),
            other => out.push_str(&other.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Value::String(out)
}

fn lookup<'a>(name: &str, record: &'a Value) -> &'a Value {
    name.split('.').fold(record, |value, part| value.get(part).unwrap_or(&Value::Null))
}

fn check_item(item: &Value) -> Result<(), String> {
    match item {
        Value::String(text) => text.split('{').skip(1).try_for_each(|part| {
            let name = part.split_once('}').map(|(name, _)| name).ok_or("has a { without }")?;
            let first = name.split('.').next().unwrap_or_default();
            let known = ["id", "kind", "data", "datasource_id", "version", "ingested_at"];
            if known.contains(&first) {
                return Ok(());
            }
            Err(format!("names {{{name}}}; known are {{{}}} and fields such as {{data.title}}", known.join("}, {")))
        }),
        Value::Array(items) => items.iter().try_for_each(check_item),
        Value::Object(fields) => fields.values().try_for_each(check_item),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Record {
        Record {
            id: "A-1".into(),
            kind: "order".into(),
            data: json!({"title": "Tea", "total": 12.5, "tags": ["x"]}).as_object().expect("an object").clone(),
            datasource_id: uuid::Uuid::nil(),
            version: 3,
            ingested_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn without_a_template_the_body_is_the_list_of_records() {
        let body = body(None, None, &[record()]).expect("a body");
        assert_eq!((&body[0]["id"], &body[0]["data"]["total"]), (&json!("A-1"), &json!(12.5)));
    }

    #[test]
    fn an_entity_upsert_is_one_template() {
        let template = json!({ "upsert": true, "entities": "{records}" });
        let item = json!({ "entity_type": "{kind}", "id": "{id}", "attrs": "{data}",
                           "label": "{data.title} ({data.total}, v{version}){data.missing}", "tags": "{data.tags}", "none": "{data.missing}" });
        assert_eq!(check(Some(&template), Some(&item)), []);
        assert_eq!(
            body(Some(&template), Some(&item), &[record()]).expect("a body"),
            json!({ "upsert": true, "entities": [{
                "entity_type": "order", "id": "A-1", "attrs": { "title": "Tea", "total": 12.5, "tags": ["x"] },
                "label": "Tea (12.5, v3)", "tags": ["x"], "none": null,
            }] })
        );
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        for (template, item, at) in [
            (json!({"a": 1}), json!("{id}"), "/body"),
            (json!(["{records}", "{records}"]), json!("{id}"), "/body"),
            (json!("{records}"), json!({"a": "{secret}"}), "/item"),
            (json!("{records}"), json!({"a": "{id"}), "/item"),
        ] {
            let found = check(Some(&template), Some(&item));
            assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [at], "{template} {item}");
        }
    }

    /// What a record says is data, whatever it looks like.
    #[test]
    fn values_are_not_templates() {
        let mut tricky = record();
        tricky.data.insert("title".into(), json!("{id} {records}"));
        let filled = body(Some(&json!("{records}")), Some(&json!("<{data.title}>")), &[tricky]).expect("a body");
        assert_eq!(filled, json!(["<{id} {records}>"]));
    }
}
