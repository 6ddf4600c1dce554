//! What changed between two JSON documents.

use serde_json::Value;

use super::enums::DiffOp;

/// One difference, at an RFC 6901 JSON pointer. Applied in their order, the changes of a diff make the
/// new document out of the old one, as an RFC 6902 patch would.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub op: DiffOp,
    pub path: String,
    /// `None` for an addition.
    pub old: Option<Value>,
    /// `None` for a removal.
    pub new: Option<Value>,
}

/// The changes from `old` to `new`: keys in alphabetical order, items of arrays by their position.
pub fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    walk("", old, new, &mut changes);
    changes
}

fn walk(path: &str, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<_> = before.keys().chain(after.keys().filter(|k| !before.contains_key(*k))).collect();
            keys.sort_unstable();
            for key in keys {
                let path = format!("{path}/{}", escape(key));
                match (before.get(key), after.get(key)) {
                    (Some(old), Some(new)) => walk(&path, old, new, changes),
                    (old, new) => changes.extend(one_sided(path, old, new)),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (i, (old, new)) in before.iter().zip(after).enumerate() {
                walk(&format!("{path}/{i}"), old, new, changes);
            }
            let common = before.len().min(after.len());
            for (i, new) in after.iter().enumerate().skip(common) {
                changes.extend(one_sided(format!("{path}/{i}"), None, Some(new)));
            }
            // From the end, so that each position still holds when its turn comes.
            for (i, old) in before.iter().enumerate().skip(common).rev() {
                changes.extend(one_sided(format!("{path}/{i}"), Some(old), None));
            }
        }
        _ => changes.extend(one_sided(path.to_owned(), Some(old), Some(new))),
    }
}

fn one_sided(path: String, old: Option<&Value>, new: Option<&Value>) -> Option<Change> {
    let op = match (old, new) {
        (None, Some(_)) => DiffOp::Add,
        (Some(_), None) => DiffOp::Remove,
        (Some(_), Some(_)) => DiffOp::Replace,
        (None, None) => return None,
    };
    Some(Change { op, path, old: old.cloned(), new: new.cloned() })
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn told(old: &Value, new: &Value) -> Vec<String> {
        let text = |v: &Option<Value>| v.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
        diff(old, new).iter().map(|c| format!("{} {}{}{}", c.op, c.path, text(&c.old), text(&c.new))).collect()
    }

    #[test]
    fn additions_removals_and_replacements_are_told_apart() {
        let old = json!({ "b": 1, "a": { "x": null, "gone": true }, "list": [1, 2, 3] });
        let new = json!({ "b": "1", "a": { "x": null, "new": null }, "list": [1, 5] });
        let expected =
            ["remove /a/gone true", "add /a/new null", "replace /b 1 \"1\"", "replace /list/1 2 5", "remove /list/2 3"];
        assert_eq!(told(&old, &new), expected);
        assert!(told(&old, &old).is_empty());
    }

    #[test]
    fn the_whole_document_and_keys_with_slashes_have_pointers() {
        assert_eq!(told(&json!(1), &json!([])), ["replace  1 []"]);
        assert_eq!(told(&json!({ "a/b~c": 1 }), &json!({ "a/b~c": 2 })), ["replace /a~1b~0c 1 2"]);
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..5_u8).prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// By the rules of RFC 6902.
    fn apply(document: &mut Value, change: &Change) {
        let Some((parent, last)) = change.path.rsplit_once('/') else {
            *document = change.new.clone().expect("the whole is replaced");
            return;
        };
        let (parent, new) = (document.pointer_mut(parent).expect("a parent"), change.new.clone());
        let key = last.replace("~1", "/").replace("~0", "~");
        match (parent, new) {
            (Value::Object(map), Some(new)) => drop(map.insert(key, new)),
            (Value::Object(map), None) => drop(map.remove(&key)),
            (Value::Array(items), new) => {
                let at: usize = key.parse().expect("a position");
                match (change.op, new) {
                    (DiffOp::Add, Some(new)) => items.insert(at, new),
                    (DiffOp::Replace, Some(new)) => items[at] = new,
                    _ => drop(items.remove(at)),
                }
            }
            (other, _) => panic!("{} within {other}", change.path),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

        #[test]
        fn the_changes_make_the_new_document_out_of_the_old(old in document(), new in document()) {
            let mut made = old.clone();
            for change in diff(&old, &new) {
                apply(&mut made, &change);
            }
            prop_assert_eq!(made, new);
        }
    }
}
