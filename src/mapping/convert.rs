//! JSON values into the script language and back, without loss or an error that says where.
//!
//! Integers stay integers. One over `i64::MAX` is a `u64` in the script: it comes
//! back as it went in and can be compared and printed; to reckon with it a script
//! converts it with `to_float()`. A float that is not finite has no JSON and is an error.

use rhai::{Array, Dynamic, FLOAT, INT, ImmutableString};
use serde_json::{Map, Number, Value};

use super::section::child;

/// As deep as a configuration may nest; deeper values come from runaway scripts only.
const DEPTH_MAX: usize = 128;

pub(super) fn map_to_dynamic(map: &Map<String, Value>) -> Dynamic {
    let entries = map.iter().map(|(key, value)| (key.as_str().into(), to_dynamic(value)));
    Dynamic::from_map(entries.collect::<rhai::Map>())
}

pub(super) fn to_dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(n), _) => n.into(),
            (None, Some(n)) => Dynamic::from(n),
            (None, None) => number.as_f64().map_or(Dynamic::UNIT, Dynamic::from_float),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Dynamic::from_array(items.iter().map(to_dynamic).collect()),
        Value::Object(map) => map_to_dynamic(map),
    }
}

/// What a script gave that is no JSON: a pointer into its value, and why.
#[derive(Debug)]
pub(super) struct NotJson {
    pub(super) path: String,
    pub(super) message: String,
}

pub(super) fn map_from_dynamic(map: &rhai::Map) -> Result<Map<String, Value>, NotJson> {
    object(map, 0)
}

fn object(map: &rhai::Map, depth: usize) -> Result<Map<String, Value>, NotJson> {
    let entry = |(key, value): (&str, &Dynamic)| {
        let value = from_dynamic(value, depth + 1).map_err(|e| e.within(key))?;
        Ok((key.to_owned(), value))
    };
    map.iter().map(|(key, value)| entry((key.as_str(), value))).collect()
}

fn from_dynamic(value: &Dynamic, depth: usize) -> Result<Value, NotJson> {
    if depth > DEPTH_MAX {
        return Err(NotJson::new(format!("nests deeper than {DEPTH_MAX} levels")));
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Some(n) = value.clone_scalar::<INT>() {
        return Ok(n.into());
    }
    if let Some(n) = value.clone_scalar::<FLOAT>() {
        let number = Number::from_f64(n).map(Value::Number);
        return number.ok_or_else(|| NotJson::new("is not a finite number; JSON has no infinity and no NaN"));
    }
    if let Some(flag) = value.clone_scalar::<bool>() {
        return Ok(flag.into());
    }
    if let Some(n) = value.clone_scalar::<u64>() {
        return Ok(n.into());
    }
    if let Some(c) = value.clone_scalar::<char>() {
        return Ok(c.to_string().into());
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Ok(text.as_str().into());
    }
    if let Some(items) = value.read_lock::<Array>() {
        let item = |(i, item): (usize, &Dynamic)| from_dynamic(item, depth + 1).map_err(|e| e.within(&i.to_string()));
        return Ok(Value::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?));
    }
    if let Some(map) = value.read_lock::<rhai::Map>() {
        return Ok(Value::Object(object(&map, depth)?));
    }
    Err(NotJson::new(format!("is of the type {}, which has no JSON", value.type_name())))
}

impl NotJson {
    fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into() }
    }

    fn within(self, key: &str) -> Self {
        Self { path: child("", key) + self.path.as_str(), message: self.message }
    }
}

trait CloneScalar {
    fn clone_scalar<T: Copy + Send + Sync + 'static>(&self) -> Option<T>;
}

impl CloneScalar for Dynamic {
    fn clone_scalar<T: Copy + Send + Sync + 'static>(&self) -> Option<T> {
        self.read_lock::<T>().map(|value| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_comes_back_as_it_went_in() {
        let value = json!({
            "null": null, "flag": true, "int": i64::MIN, "big": u64::MAX, "float": 1.0, "text": "ä\"",
            "list": [1, [2.5, {}]], "map": {"a/b": {"": 1}},
        });
        let Value::Object(map) = &value else { panic!("an object") };
        let there = map_to_dynamic(map).cast::<rhai::Map>();
        let back = Value::Object(map_from_dynamic(&there).expect("is JSON"));
        assert_eq!(back, value);
        assert_eq!(back.to_string(), value.to_string());
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (value, why) in [
            (Dynamic::from_float(f64::NAN), "finite"),
            (Dynamic::from_float(f64::INFINITY), "finite"),
            (Dynamic::from_blob(vec![1]), "type"),
            (Dynamic::from(0..1_i64), "type"),
        ] {
            let list = Dynamic::from_array(vec![Dynamic::UNIT, value]);
            let map = rhai::Map::from_iter([("x".into(), list)]);
            let error = map_from_dynamic(&map).expect_err(why);
            assert_eq!(error.path, "/x/1");
            assert!(error.message.contains(why), "{}", error.message);
        }
    }
}
