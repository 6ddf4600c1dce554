//! Reads one object of a document key by key and notes everything that is wrong with it.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::domain::HumanDuration;
use crate::error::Problem;

/// An RFC 6901 pointer one key deeper.
pub(super) fn child(pointer: &str, key: &str) -> String {
    if key.contains(['~', '/']) {
        format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
    } else {
        format!("{pointer}/{key}")
    }
}

/// How an error names the type that it found; never the value.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

pub(super) struct Section<'a> {
    pub(super) pointer: String,
    pub(super) map: &'a Map<String, Value>,
}

impl<'a> Section<'a> {
    /// Refuses what is not an object, and each key that is not among `keys`.
    pub(super) fn open(
        value: &'a Value,
        pointer: impl Into<String>,
        keys: &[&str],
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let section = Self::open_any(value, pointer, problems)?;
        for key in section.map.keys().filter(|key| !keys.contains(&key.as_str())) {
            let message = format!("is not a key that is known here; known are {}", keys.join(", "));
            problems.push(Problem::new(child(&section.pointer, key), message));
        }
        Some(section)
    }

    /// As [`Section::open`], for an object whose keys someone else knows.
    pub(super) fn open_any(value: &'a Value, pointer: impl Into<String>, problems: &mut Vec<Problem>) -> Option<Self> {
        let pointer = pointer.into();
        match value {
            Value::Object(map) => Some(Self { pointer, map }),
            other => {
                problems.push(Problem::new(pointer, format!("must be an object, not {}", type_name(other))));
                None
            }
        }
    }

    pub(super) fn at(&self, key: &str) -> String {
        child(&self.pointer, key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key)
    }

    /// The text of `key`; notes a problem when it is there and not a string.
    pub(super) fn text(&self, key: &str, problems: &mut Vec<Problem>) -> Option<&'a str> {
        let value = self.get(key)?;
        if value.as_str().is_none() {
            self.refuse(key, format!("must be a string, not {}", type_name(value)), problems);
        }
        value.as_str()
    }

    /// As [`Section::text`], and the key must be there and not be blank.
    pub(super) fn required_text(&self, key: &str, problems: &mut Vec<Problem>) -> Option<&'a str> {
        if self.get(key).is_none() {
            self.refuse(key, "is missing", problems);
        }
        let text = self.text(key, problems)?;
        if text.trim().is_empty() {
            self.refuse(key, "must not be empty", problems);
            return None;
        }
        Some(text)
    }

    pub(super) fn integer<T>(&self, key: &str, default: T, range: RangeInclusive<T>, problems: &mut Vec<Problem>) -> T
    where
        T: TryFrom<u64> + PartialOrd + Display + Copy,
    {
        let Some(value) = self.get(key) else { return default };
        let number = value.as_u64().and_then(|n| T::try_from(n).ok()).filter(|n| range.contains(n));
        number.unwrap_or_else(|| {
            let message = format!("must be a whole number between {} and {}", range.start(), range.end());
            self.refuse(key, message, problems);
            default
        })
    }

    pub(super) fn number(
        &self,
        key: &str,
        default: f64,
        range: RangeInclusive<f64>,
        problems: &mut Vec<Problem>,
    ) -> f64 {
        let Some(value) = self.get(key) else { return default };
        value.as_f64().filter(|n| range.contains(n)).unwrap_or_else(|| {
            let message = format!("must be a number between {} and {}", range.start(), range.end());
            self.refuse(key, message, problems);
            default
        })
    }

    pub(super) fn duration(
        &self,
        key: &str,
        default: HumanDuration,
        range: RangeInclusive<HumanDuration>,
        problems: &mut Vec<Problem>,
    ) -> HumanDuration {
        let Some(text) = self.text(key, problems) else { return default };
        match text.parse::<HumanDuration>() {
            Ok(duration) if range.contains(&duration) => duration,
            Ok(_) => {
                self.refuse(key, format!("must be between {} and {}", range.start(), range.end()), problems);
                default
            }
            Err(_) => {
                let message = "must be a number and a unit, like 500ms, 30s, 5m, 1h or 7d";
                self.refuse(key, message, problems);
                default
            }
        }
    }

    pub(super) fn refuse(&self, key: &str, message: impl Into<String>, problems: &mut Vec<Problem>) {
        problems.push(Problem::new(self.at(key), message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pointers_escape_what_rfc_6901_escapes() {
        assert_eq!(child("/a", "b/c~d"), "/a/b~1c~0d");
    }

    #[test]
    fn unknown_keys_are_named_and_all_of_them() {
        let mut problems = Vec::new();
        Section::open(&json!({"a": 1, "b": 2, "c": 3}), "/x", &["a"], &mut problems);
        let pointers: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
        assert_eq!(pointers, ["/x/b", "/x/c"]);
    }

    #[test]
    fn a_wrong_value_gives_the_default_and_a_problem() {
        let value = json!({"n": 0, "f": 1.5, "d": "2h", "t": 5});
        let mut problems = Vec::new();
        let section = Section::open_any(&value, "", &mut problems).expect("object");
        let second = HumanDuration(std::time::Duration::from_secs(1));
        let minute = HumanDuration(std::time::Duration::from_secs(60));
        assert_eq!(section.integer("n", 7u16, 1..=9, &mut problems), 7);
        assert_eq!(section.integer("f", 7u16, 1..=9, &mut problems), 7);
        assert_eq!(section.duration("d", second, second..=minute, &mut problems), second);
        assert_eq!(section.text("t", &mut problems), None);
        let messages: Vec<_> = problems.iter().map(|p| format!("{} {}", p.pointer, p.message)).collect();
        assert_eq!(
            messages,
            [
                "/n must be a whole number between 1 and 9",
                "/f must be a whole number between 1 and 9",
                "/d must be between 1s and 1m",
                "/t must be a string, not a number",
            ]
        );
    }
}
