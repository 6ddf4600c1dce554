//! One spelling per JSON value, so that equal documents have equal checksums.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// JSON with sorted keys and no insignificant white space (the shape of RFC 8785; numbers as serde_json prints them).
pub fn canonical_json(value: &Value) -> String {
    // What serde_json writes is UTF-8; the empty text stands for a failure that cannot happen in memory.
    String::from_utf8(canonical_bytes(value)).unwrap_or_default()
}

/// SHA-256 of [`canonical_json`], in lower-case hex.
pub fn checksum(value: &Value) -> String {
    hex::encode(Sha256::digest(canonical_bytes(value)))
}

pub(super) fn canonical_bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) if map.keys().is_sorted() => write_object(map.iter(), out),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
            write_object(entries.into_iter(), out);
        }
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        scalar => write_scalar(scalar, out),
    }
}

fn write_object<'a>(entries: impl Iterator<Item = (&'a String, &'a Value)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (i, (key, item)) in entries.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_scalar(key, out);
        out.push(b':');
        write(item, out);
    }
    out.push(b'}');
}

/// Writing to memory does not fail.
fn write_scalar(scalar: &impl serde::Serialize, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, scalar);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_and_white_space_do_not_matter() {
        let a: Value = serde_json::from_str(r#"{ "b": [1, 2.5, null], "a": {"d": "x", "c": true} }"#).expect("json");
        let b = json!({"a": {"c": true, "d": "x"}, "b": [1, 2.5, null]});
        assert_eq!(canonical_json(&a), r#"{"a":{"c":true,"d":"x"},"b":[1,2.5,null]}"#);
        assert_eq!(checksum(&a), checksum(&b));
    }

    #[test]
    fn array_order_matters() {
        assert_ne!(checksum(&json!([1, 2])), checksum(&json!([2, 1])));
    }
}
