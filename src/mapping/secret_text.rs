use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// A field that must name a stored secret. In a draft it reads `{{secret.alias}}`;
/// in a running worker it holds the value, which has no Debug, no Display and no serialiser.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct SecretText(SecretString);

impl SecretText {
    /// Marks such a field in a JSON Schema.
    pub const MARK: &str = "x-secret";

    /// Marks a map in a JSON Schema whose keys say which of its values are credentials, such as headers.
    pub const KEYS_MARK: &str = "x-secret-keys";

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl JsonSchema for SecretText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "x-secret": true,
            "description": "Names a stored secret: {\"$secret\": alias} or {{secret.alias}}.",
        })
    }
}
