//! Bodies as they are read: an object is an object, and what is wrong is said in the words of JSON.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;

use crate::error::{Error, Result};

/// An object as `T`. A derived `T` by itself would take an array too, by the places of its fields.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

/// For a field whose value is an object.
pub(super) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct OnlyMap<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(OnlyMap(PhantomData))
}

pub(super) fn parse<'de, T: Deserialize<'de>>(raw: &'de [u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(raw);
    let value: Object<T> = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer_of(error.path());
        Error::invalid(pointer, explain(error.inner()))
    })?;
    json.end().map_err(|error| Error::invalid("", explain(&error)))?;
    Ok(value.0)
}

pub(super) fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let segment = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { variant } => format!("/{variant}"),
        Segment::Unknown => String::new(),
    };
    path.iter().map(segment).collect()
}

fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    match error.classify() {
        Category::Data => reword(text),
        // Where a text is no JSON, its place is all that helps.
        _ => format!("is not JSON, in line {}, column {}: {text}", error.line(), error.column()),
    }
}

/// What a deserializer says of a value of the wrong type, without the value and without the types of this program.
pub(super) fn reword(text: &str) -> String {
    let mismatch = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "));
    let Some((found, expected)) = mismatch.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return text.to_owned();
    };
    let expected = match expected {
        "a sequence" => "an array",
        "a map" => "an object",
        "a boolean" => "true or false",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number in range",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number in range, and not below 0",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    let found = match found.split([' ', '`']).next().unwrap_or_default() {
        "sequence" => "an array",
        "map" => "an object",
        "boolean" => "true or false",
        "null" | "unit" => "null",
        "string" | "character" => "a string",
        "integer" => "this whole number",
        "floating" => "a number with a fraction",
        _ => "this",
    };
    if found == "a string" && expected.contains("string") {
        // The type is right and the text is not.
        return format!("must be {expected}");
    }
    format!("must be {expected}, not {found}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(deserialize_with = "object")]
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        version: i32,
        #[serde(default)]
        free: Value,
    }

    fn refusal(body: &str) -> (String, String) {
        let error = parse::<Outer>(body.as_bytes()).expect_err(body);
        (error.problems()[0].pointer.clone(), error.problems()[0].message.clone())
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        let outer = parse::<Outer>(br#"{"inner": {"version": 1, "free": [[1]]}}"#).expect("valid");
        assert_eq!((outer.inner.version, outer.inner.free), (1, serde_json::json!([[1]])));
        assert_eq!(refusal("[[1]]"), (String::new(), "must be an object, not an array".to_owned()));
        assert_eq!(refusal(r#"{"inner": [1]}"#), ("/inner".to_owned(), "must be an object, not an array".to_owned()));
    }

    #[test]
    fn a_wrong_type_is_named_in_the_words_of_json() {
        for (body, pointer, message) in [
            ("null", "", "must be an object, not null"),
            (r#"{"inner": 1.5}"#, "/inner", "must be an object, not a number with a fraction"),
            (r#"{"inner": {"version": "x"}}"#, "/inner/version", "must be a whole number in range, not a string"),
            (
                r#"{"inner": {"version": 3000000000}}"#,
                "/inner/version",
                "must be a whole number in range, not this whole number",
            ),
            (r#"{"inner": {}}"#, "/inner", "missing field `version`"),
        ] {
            assert_eq!(refusal(body), (pointer.to_owned(), message.to_owned()), "{body}");
        }
        assert_eq!(refusal("{").1, "is not JSON, in line 1, column 1: EOF while parsing an object");
    }
}
