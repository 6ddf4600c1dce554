//! Finds secrets that were typed into a configuration instead of being stored.

use std::collections::HashSet;

use serde_json::Value;

use super::section::child;
use super::{SecretText, secrets::is_secret_template};
use crate::error::Problem;

/// Long chains of `$ref` do not come from a derived schema.
const REFS_MAX: usize = 32;
/// What headers and query parameters that carry credentials are called, in small letters and digits.
const CREDENTIALS: [&str; 18] = [
    "authorization",
    "proxyauthorization",
    "cookie",
    "xapikey",
    "apikey",
    "xauthtoken",
    "xauthkey",
    "xaccesstoken",
    "accesstoken",
    "authtoken",
    "privatetoken",
    "token",
    "clientsecret",
    "secret",
    "secretkey",
    "password",
    "passwd",
    "sig",
];

/// A problem for each value that the schema marks secret and that is not a reference. Never echoes the value.
///
/// Pointers are relative to `config`.
pub fn literal_secrets(schema: &Value, config: &Value) -> Vec<Problem> {
    let mut walk = Walk { root: schema, seen: HashSet::new(), problems: Vec::new() };
    walk.visit(schema, config, "");
    walk.problems.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    walk.problems.dedup();
    walk.problems
}

struct Walk<'a> {
    root: &'a Value,
    /// Pairs of subschema and value, by address: what keeps branching schemas linear and recursive ones finite.
    seen: HashSet<(*const Value, *const Value)>,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, schema: &'a Value, value: &Value, pointer: &str) {
        let Some(map) = self.dereference(schema).as_object() else { return };
        if !self.seen.insert((std::ptr::from_ref(schema), std::ptr::from_ref(value))) {
            return;
        }
        if map.get(SecretText::MARK) == Some(&Value::Bool(true)) && !is_stored(value) {
            self.problems.push(Problem::new(
                pointer,
                "must name a stored secret: set it (setDatasourceSecret, or POST …/secrets) and write {\"$secret\": \"alias\"} here",
            ));
            return;
        }
        if map.get(SecretText::KEYS_MARK) == Some(&Value::Bool(true)) {
            for (key, item) in value.as_object().into_iter().flatten().filter(|(key, _)| is_credential(key)) {
                if !is_stored(item) && item.as_str() != Some("") {
                    self.problems.push(Problem::new(
                        child(pointer, key),
                        "holds a credential, so it must name a stored secret: set it with setDatasourceSecret and write \
                         {{secret.alias}} in its place",
                    ));
                }
            }
        }
        if map.contains_key("$ref") {
            // A reference with siblings; `dereference` only follows those that stand alone.
            if let Some(target) = self.target(map.get("$ref")) {
                self.visit(target, value, pointer);
            }
        }
        for keyword in ["oneOf", "anyOf", "allOf"] {
            for branch in map.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                if keyword == "allOf" || self.may_match(branch, value) {
                    self.visit(branch, value, pointer);
                }
            }
        }
        for keyword in ["then", "else"] {
            if let Some(branch) = map.get(keyword) {
                self.visit(branch, value, pointer);
            }
        }
        match value {
            Value::Object(entries) => {
                let properties = map.get("properties").and_then(Value::as_object);
                for (key, item) in entries {
                    let at = child(pointer, key);
                    match properties.and_then(|p| p.get(key)) {
                        Some(property) => self.visit(property, item, &at),
                        None => {
                            let patterns = map.get("patternProperties").and_then(Value::as_object);
                            let others = patterns.into_iter().flat_map(|p| p.values());
                            for other in others.chain(map.get("additionalProperties")) {
                                self.visit(other, item, &at);
                            }
                        }
                    }
                }
            }
            Value::Array(items) => {
                let prefix = map.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                for (i, item) in items.iter().enumerate() {
                    if let Some(schema) = prefix.get(i).or_else(|| map.get("items")) {
                        self.visit(schema, item, &format!("{pointer}/{i}"));
                    }
                }
            }
            _ => {}
        }
    }

    fn dereference(&self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..REFS_MAX {
            match schema.as_object() {
                Some(map) if map.len() == 1 => match self.target(map.get("$ref")) {
                    Some(target) => schema = target,
                    None => return schema,
                },
                _ => return schema,
            }
        }
        schema
    }

    fn target(&self, reference: Option<&Value>) -> Option<&'a Value> {
        self.root.pointer(reference?.as_str()?.strip_prefix('#')?)
    }

    /// Whether the constants that tell the variants of an enum apart allow this branch.
    fn may_match(&self, branch: &'a Value, value: &Value) -> bool {
        let properties = self.dereference(branch).get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().all(|(key, property)| match (property.get("const"), value.get(key)) {
            (Some(constant), Some(actual)) => constant == actual,
            _ => true,
        })
    }
}

/// Whether a header or a query parameter of this name carries a credential.
pub fn is_credential(key: &str) -> bool {
    let plain = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase());
    CREDENTIALS.contains(&plain.collect::<String>().as_str())
}

fn is_stored(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => is_secret_template(text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Config {
        url: String,
        auth: Option<Auth>,
        headers: Vec<Header>,
        keys: std::collections::BTreeMap<String, SecretText>,
        #[schemars(extend("x-secret-keys" = true))]
        query: std::collections::BTreeMap<String, String>,
    }

    #[test]
    fn what_is_called_a_credential_names_a_secret() {
        let schema = schemars::schema_for!(Config).to_value();
        let found = |query: Value| literal_secrets(&schema, &json!({ "query": query }));
        for key in ["Authorization", "x-api-key", "api_key", "access_token", "TOKEN"] {
            assert_eq!(found(json!({ key: "hunter2" })).len(), 1, "{key}");
            assert_eq!(found(json!({ key: "Bearer {{secret.token}}" })), [], "{key}");
        }
        assert_eq!(found(json!({ "page_token": "2", "Accept": "text/html", "X-Request-Key": "a" })), []);
        assert!(!found(json!({ "token": "hunter2" }))[0].message.contains("hunter2"));
    }

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Auth {
        Bearer { token: SecretText },
        Basic { username: String, password: SecretText },
        Custom { token: String },
    }

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Header {
        name: String,
        value: Option<SecretText>,
    }

    fn pointers(config: &Value) -> Vec<String> {
        let schema = schemars::schema_for!(Config).to_value();
        literal_secrets(&schema, config).into_iter().map(|p| p.pointer).collect()
    }

    #[test]
    fn literals_are_found_through_references_variants_lists_and_maps() {
        let config = json!({
            "url": "hunter2",
            "auth": {"type": "basic", "username": "me", "password": "hunter2"},
            "headers": [{"name": "a", "value": "{{secret.x}}"}, {"name": "b", "value": "hunter2"}, {"name": "c"}],
            "keys": {"one": "hunter2", "two": "{{secret.two}}", "three": 5},
        });
        assert_eq!(pointers(&config), ["/auth/password", "/headers/1/value", "/keys/one", "/keys/three"]);
    }

    #[test]
    fn the_variant_that_is_named_decides() {
        assert_eq!(pointers(&json!({"auth": {"type": "custom", "token": "public"}})), [""; 0]);
        assert_eq!(pointers(&json!({"auth": {"type": "bearer", "token": "hunter2"}})), ["/auth/token"]);
        assert_eq!(pointers(&json!({"auth": {"token": "hunter2"}})), ["/auth/token"]);
    }

    #[test]
    fn the_message_never_holds_the_value() {
        let schema = json!({"x-secret": true});
        let problems = literal_secrets(&schema, &json!("hunter2"));
        assert!(problems[0].message.contains("setDatasourceSecret"));
        assert!(!format!("{problems:?}").contains("hunter2"));
    }

    #[test]
    fn recursive_schemas_end() {
        let schema = json!({
            "$ref": "#/$defs/node",
            "$defs": {
                "node": {"anyOf": [{"$ref": "#/$defs/node"}, {"$ref": "#/$defs/loop"}, {"$ref": "#/$defs/leaf"}]},
                "loop": {"$ref": "#/$defs/loop"},
                "leaf": {"properties": {"next": {"$ref": "#/$defs/node"}, "key": {"x-secret": true}}},
            },
        });
        let config = json!({"next": {"next": {"key": "hunter2"}}});
        let found: Vec<_> = literal_secrets(&schema, &config).into_iter().map(|p| p.pointer).collect();
        assert_eq!(found, ["/next/next/key"]);
    }
}
