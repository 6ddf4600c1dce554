//! A JSON Schema as a table of settings.

use serde_json::Value;

/// One row a setting, in depth; empty for a schema without settings.
pub(super) fn of(schema: &Value) -> String {
    let mut rows = Vec::new();
    settings(schema, "", "", &mut rows);
    if rows.is_empty() {
        return "It has no settings.".into();
    }
    let head = ["| setting | value | default | meaning |".to_owned(), "| --- | --- | --- | --- |".to_owned()];
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// `variant` names the choice that the settings belong to, such as ` (github)`.
fn settings(schema: &Value, prefix: &str, variant: &str, rows: &mut Vec<String>) {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if inner.get("const").is_some() {
            continue;
        }
        let path = format!("{prefix}{name}");
        let default = match inner.get("default") {
            Some(Value::Null) => "none".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
            Some(Value::String(text)) => format!("`{text}`"),
            Some(value) => format!("`{value}`"),
            None if required.contains(&name.as_str()) => "**required**".to_owned(),
            None => "none".to_owned(),
        };
        let meaning = inner["description"].as_str().unwrap_or_default();
        rows.push(row(&format!("`{path}`{variant}"), &kind(inner), &default, meaning));
        for choice in inner["oneOf"].as_array().into_iter().flatten().filter(|c| c.get("properties").is_some()) {
            let name = choice["properties"]["type"]["const"].as_str().unwrap_or_default();
            let meaning = choice["description"].as_str().unwrap_or_default();
            rows.push(row(&format!("`{path}.type`"), &format!("`{name}`"), "", meaning));
            settings(choice, &format!("{path}."), &format!(" ({name})"), rows);
        }
        settings(inner, &format!("{path}."), variant, rows);
    }
}

fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["oneOf"].as_array() {
        let names: Vec<_> = choices.iter().filter_map(|c| c["const"].as_str()).map(|c| format!("`{c}`")).collect();
        return if names.is_empty() { "object with a `type`".into() } else { names.join(", ") };
    }
    if schema["x-secret"] == true {
        return "secret".into();
    }
    if schema["pattern"].as_str().is_some_and(|p| p.ends_with("(ms|s|m|h|d)$")) {
        return "duration".into();
    }
    let name = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|n| *n != "null").collect(),
        _ => "any JSON".into(),
    };
    match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
        (Some(least), Some(most)) => format!("{name}, {least} to {most}"),
        (Some(least), None) => format!("{name}, at least {least}"),
        _ => name,
    }
}

fn row(setting: &str, kind: &str, default: &str, meaning: &str) -> String {
    format!("| {setting} | {kind} | {default} | {} |", meaning.replace('|', "\\|").replace('\n', " "))
}
