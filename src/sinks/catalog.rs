//! The sink types of this build.

use serde_json::Value;

use super::{SinkType, console, jsonl};
use crate::error::Problem;
use crate::mapping::{ConfigCheck, shorten};

/// Every sink type, by name, with its schema compiled.
pub struct SinkCatalog {
    entries: Vec<Entry>,
}

struct Entry {
    sink: Box<dyn SinkType>,
    check: ConfigCheck,
}

impl SinkCatalog {
    /// All types of this build. Make it once and share it: the schemas are compiled here.
    pub fn standard() -> Self {
        Self::of(vec![
            Box::new(console::Console::new()),
            Box::new(super::http::Http::new()),
            Box::new(jsonl::Jsonl::new()),
            #[cfg(feature = "kafka")]
            Box::new(super::kafka::Kafka::new()),
            #[cfg(feature = "nats")]
            Box::new(super::nats::Nats::new()),
            Box::new(super::postgres::Postgres::new()),
        ])
    }

    fn of(sinks: Vec<Box<dyn SinkType>>) -> Self {
        let entry = |sink: Box<dyn SinkType>| Entry { check: ConfigCheck::new(&sink.spec().config_schema), sink };
        Self { entries: sinks.into_iter().map(entry).collect() }
    }

    pub fn get(&self, name: &str) -> Option<&dyn SinkType> {
        self.entry(name).map(|entry| entry.sink.as_ref())
    }

    pub fn iter(&self) -> impl Iterator<Item = &dyn SinkType> {
        self.entries.iter().map(|entry| entry.sink.as_ref())
    }

    /// All that is wrong with the settings of a sink, offline; `config` is the
    /// `sink` object without `type`, secrets written `{{secret.alias}}`.
    /// Pointers are relative to it. What the schema allows goes on to [`SinkType::validate`].
    pub fn check(&self, name: &str, config: &Value) -> Vec<Problem> {
        let Some(entry) = self.entry(name) else {
            let known: Vec<_> = self.iter().map(|s| s.spec().name).collect();
            let message = format!("unknown sink type {:?}; known: {}", shorten(name), known.join(", "));
            return vec![Problem::new("/type", message)];
        };
        entry.check.problems_and(config, |config| entry.sink.validate(config))
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.sink.spec().name == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_sink_explains_itself() {
        let catalog = SinkCatalog::standard();
        for sink in catalog.iter() {
            let spec = sink.spec();
            assert!(!spec.title.is_empty() && spec.description.len() > 20, "{}", spec.name);
            assert!(!spec.config_schema.to_string().contains("$ref"), "{}", spec.name);
            assert_eq!(spec.config_schema["additionalProperties"], json!(false), "{}", spec.name);
            for (field, schema) in spec.config_schema["properties"].as_object().into_iter().flatten() {
                assert!(schema["description"].is_string(), "{}/{field} has a description", spec.name);
            }
            for example in spec.config_schema["examples"].as_array().expect("examples") {
                assert_eq!(catalog.check(spec.name, example), [], "{}: {example}", spec.name);
            }
            let problems = catalog.check(spec.name, &json!({"no_such_field": 1}));
            assert!(problems.iter().any(|p| p.pointer == "/no_such_field"), "{}: {problems:?}", spec.name);
            assert!(!sink.validate(&json!("x")).is_empty(), "{}", spec.name);
        }
    }

    #[test]
    fn an_unknown_type_is_told_the_known_ones() {
        let problems = SinkCatalog::standard().check("jsonlines", &json!({}));
        let message = &problems[0].message;
        assert!(message.starts_with("unknown sink type \"jsonlines\"; known: console, "), "{message}");
    }
}
