//! Reads the fields of a document one by one; what is wrong is noted with its place.

use serde_json::{Map, Value};

use super::resource::Source;
use super::yaml::escape;

/// A mapping within a document.
pub(super) struct Fields<'a> {
    map: Option<&'a Map<String, Value>>,
    at: String,
}

impl<'a> Fields<'a> {
    /// What is at `at`; absent is as good as empty.
    pub(super) fn at(document: &'a Value, at: &str, source: &mut Source) -> Self {
        let map = match document.pointer(at) {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(map),
            Some(_) => {
                source.invalid(at, "must be a mapping");
                None
            }
        };
        Self { map, at: at.to_owned() }
    }

    pub(super) fn pointer(&self, key: &str) -> String {
        format!("{}/{}", self.at, escape(key))
    }

    /// What is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map?.get(key).filter(|value| !value.is_null())
    }

    /// The keys that `known` does not have, in the order of the alphabet.
    pub(super) fn others(&self, known: &[&str]) -> Vec<&'a String> {
        self.map.into_iter().flat_map(Map::keys).filter(|key| !known.contains(&key.as_str())).collect()
    }

    pub(super) fn refuse_others(&self, known: &[&str], source: &mut Source) {
        for key in self.others(known) {
            source.invalid(self.pointer(key), format!("is not known here; known: {}", known.join(", ")));
        }
    }

    /// Several keys for one thing: whichever were taken, the others would be lost.
    pub(super) fn refuse_both(&self, keys: &[&str], source: &mut Source) {
        let mut there = keys.iter().filter(|key| self.get(key).is_some());
        let Some(first) = there.next() else { return };
        for second in there {
            source.clash(&self.pointer(first), &self.pointer(second));
        }
    }

    pub(super) fn text(&self, key: &str, source: &mut Source) -> Option<String> {
        match self.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => {
                source.invalid(self.pointer(key), "must be a text; put it in quotes");
                None
            }
            _ => {
                source.invalid(self.pointer(key), "must be a text");
                None
            }
        }
    }

    pub(super) fn flag(&self, key: &str, source: &mut Source) -> Option<bool> {
        let value = self.get(key)?;
        if value.as_bool().is_none() {
            source.invalid(self.pointer(key), "must be true or false");
        }
        value.as_bool()
    }

    pub(super) fn texts(&self, key: &str, source: &mut Source) -> Vec<String> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            source.invalid(self.pointer(key), "must be a list of texts");
            return Vec::new();
        };
        let text = |(i, item): (usize, &Value)| {
            if !item.is_string() {
                source.invalid(format!("{}/{i}", self.pointer(key)), "must be a text; put it in quotes");
            }
            item.as_str().map(str::to_owned)
        };
        items.iter().enumerate().filter_map(text).collect()
    }
}
