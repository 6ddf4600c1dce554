//! `${NAME}`: what HALCYON fills in from the environment is a stored secret here. The environment is never read.

use std::collections::BTreeSet;

use serde_json::Value;

use super::resource::Source;
use super::yaml::escape;

/// The names that a plugin lists under `secrets`, and those that its settings use.
pub(super) struct Placeholders {
    listed: Vec<String>,
    used: BTreeSet<String>,
}

impl Placeholders {
    pub(super) fn new(listed: Vec<String>) -> Self {
        Self { listed, used: BTreeSet::new() }
    }

    pub(super) fn used(&self) -> impl Iterator<Item = &String> {
        self.used.iter()
    }

    /// The names that nothing uses, with their places in the list at `at`.
    pub(super) fn unused(&self, at: &str) -> Vec<(String, String)> {
        let all = self.listed.iter().enumerate().filter(|(_, name)| !self.used.contains(*name));
        all.map(|(i, name)| (name.clone(), format!("{at}/{i}"))).collect()
    }

    /// `value` with `{{secret.NAME}}` for every `${NAME}`.
    pub(super) fn replace(&mut self, value: &Value, at: &str, source: &mut Source) -> Value {
        match value {
            Value::String(text) => Value::String(self.replace_text(text, at, source)),
            Value::Array(items) => {
                let item = |(i, item)| self.replace(item, &format!("{at}/{i}"), source);
                Value::Array(items.iter().enumerate().map(item).collect())
            }
            Value::Object(map) => {
                let entry = |(key, item): (&String, &Value)| {
                    (key.clone(), self.replace(item, &format!("{at}/{}", escape(key)), source))
                };
                Value::Object(map.iter().map(entry).collect())
            }
            scalar => scalar.clone(),
        }
    }

    fn replace_text(&mut self, text: &str, at: &str, source: &mut Source) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                source.invalid(at, "has a ${ that no } closes");
                return text.to_owned();
            };
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(legal) {
                source
                    .invalid(at, "has a placeholder that is not ${NAME}; defaults and other forms are not known here");
            } else if !self.listed.iter().any(|listed| listed == name) {
                source
                    .invalid(at, format!("uses ${{{name}}}, which secrets does not list; list it, or write the value"));
            }
            self.used.insert(name.to_owned());
            out.push_str(&format!("{{{{secret.{name}}}}}"));
            rest = tail;
        }
        out.push_str(rest);
        out
    }
}
