//! What every connector owes its callers. A new one passes these without a line of its own.

use serde_json::{Value, json};

use super::{Catalog, Connector};
use crate::mapping::{ConfigCheck, literal_secrets};

fn each(mut test: impl FnMut(&Catalog, &dyn Connector)) {
    let catalog = Catalog::standard();
    assert!(catalog.iter().count() > 0);
    for connector in catalog.iter() {
        test(&catalog, connector);
    }
}

fn examples(connector: &dyn Connector) -> Vec<Value> {
    let examples = connector.spec().config_schema["examples"].as_array().cloned().unwrap_or_default();
    assert!(!examples.is_empty(), "{} gives an example configuration", connector.spec().name);
    examples
}

/// Visits every subschema with its place.
pub(crate) fn walk(schema: &Value, at: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(at, schema);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(inner, &format!("{at}/{name}"), visit);
    }
    for keyword in ["oneOf", "anyOf", "allOf"] {
        for (i, inner) in schema[keyword].as_array().into_iter().flatten().enumerate() {
            walk(inner, &format!("{at}/{keyword}/{i}"), visit);
        }
    }
}

/// Titles, descriptions and closed objects all the way down.
pub(crate) fn assert_documented(name: &str, schema: &Value) {
    ConfigCheck::new(schema);
    assert!(!schema.to_string().contains("$ref"), "{name}: forms are drawn from a schema without references");
    walk(schema, "", &mut |at, inner| {
        if let Some(properties) = inner["properties"].as_object() {
            assert_eq!(inner["additionalProperties"], json!(false), "{name}{at} refuses unknown fields");
            for (field, schema) in properties.iter().filter(|(_, schema)| schema.get("const").is_none()) {
                let text = schema["description"].as_str().unwrap_or_default();
                assert!(text.len() > 10, "{name}{at}/{field} has a description");
            }
        }
    });
}

#[test]
fn the_specification_is_complete() {
    each(|catalog, connector| {
        let spec = connector.spec();
        assert!(!spec.title.is_empty() && spec.description.len() > 20, "{}", spec.name);
        assert!(spec.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", spec.name);
        assert!(spec.schema_version >= 1);
        assert_documented(spec.name, &spec.config_schema);
        assert!(catalog.get(spec.name).is_some());
    });
}

#[test]
fn the_examples_are_valid_and_hold_no_secret() {
    each(|catalog, connector| {
        for example in examples(connector) {
            assert_eq!(catalog.check(connector.spec().name, &example), [], "{example}");
            assert_eq!(literal_secrets(&connector.spec().config_schema, &example), []);
        }
    });
}

#[test]
fn the_sample_decodes() {
    each(|_, connector| {
        let payload = connector.spec().sample.to_string();
        for example in examples(connector) {
            let documents = connector.decode(&example, payload.as_bytes()).expect("the sample decodes");
            assert!(!documents.is_empty());
        }
    });
}

/// Where there are envelopes: a bare payload gets one whose metadata is unknown, and an envelope is taken as it is.
#[test]
fn a_payload_may_be_an_envelope_or_the_value_of_one() {
    let mut names = Vec::new();
    each(|_, connector| {
        if connector.spec().config_schema["properties"].get("envelope").is_none() {
            return;
        }
        for mut config in examples(connector) {
            config["envelope"] = json!(true);
            let value = connector.spec().sample.to_string();
            let wrapped = connector.decode(&config, value.as_bytes()).expect("a value decodes");
            for document in &wrapped {
                let envelope = document.as_object().expect("an envelope");
                let known = envelope.iter().filter(|(name, value)| *name != "value" && !value.is_null());
                assert!(envelope["value"].is_object() && envelope.len() > 2, "{document}");
                assert_eq!(known.count(), 0, "nothing is made up: {document}");
            }
            let lines: Vec<_> = wrapped.iter().map(Value::to_string).collect();
            let again = connector.decode(&config, lines.join("\n").as_bytes()).expect("envelopes decode");
            assert_eq!(again, wrapped);
        }
        names.push(connector.spec().name);
    });
    assert!(names.contains(&"webhook"), "{names:?}");
}

#[test]
fn hostile_payloads_are_refused_and_not_fatal() {
    let bomb = "[".repeat(200_000);
    each(|_, connector| {
        let config = &examples(connector)[0];
        for payload in [&b""[..], b"{", b"\xff\xfe\x00", bomb.as_bytes()] {
            connector.decode(config, payload).expect_err("not a payload");
        }
    });
}

#[test]
fn every_problem_has_a_pointer_that_is_relative_to_the_settings() {
    each(|catalog, connector| {
        let name = connector.spec().name;
        for config in [json!({}), json!({"no_such_field": 1}), json!({"type": "x"})] {
            let problems = catalog.check(name, &config);
            assert!(!problems.is_empty(), "{name}: {config}");
            assert!(problems.iter().all(|p| p.pointer.starts_with('/')), "{name}: {problems:?}");
        }
        for config in [json!(null), json!([]), json!("x"), json!(1)] {
            assert!(!catalog.check(name, &config).is_empty(), "{name}: {config}");
            // The check comes first, but neither may die of a stored document.
            assert!(!connector.validate(&config).is_empty(), "{name}: {config}");
            connector.decode(&config, b"{}").expect_err("not a configuration");
            let _ = connector.backfill_ranges(&config);
        }
    });
}

#[test]
fn an_unknown_type_is_told_the_known_ones() {
    let problems = Catalog::standard().check("http_pollr", &json!({}));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].pointer, "/type");
    let message = &problems[0].message;
    assert!(message.starts_with("unknown connector type \"http_pollr\"; known: http_poller, "), "{message}");
    assert!(Catalog::standard().check(&"x".repeat(1 << 20), &json!({}))[0].message.len() < 400);
}
