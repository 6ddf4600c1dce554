//! The part of a configuration document that is the same for every connector.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use super::circuit_breaker::CircuitBreaker;
use super::jsonpath::Path;
use super::secrets::{collect_aliases, normalise};
use super::section::{Section, child, type_name};
use super::spec::MappingSpec;
use crate::domain::{HumanDuration, OnError, check_secret_key};
use crate::error::Problem;

const DEPTH_MAX: usize = 64;
const SECRETS_MAX: usize = 128;
const TYPE_MAX: usize = 64;
const PROBLEMS_MAX: usize = 200;
const REDACTIONS_MAX: usize = 32;

/// The configuration of a version, with its common part checked.
///
/// What the connector and the sink take is theirs to check, see [`Document::connector`].
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(rename = "Configuration", deny_unknown_fields)]
pub struct Document {
    /// The value of `connector.type`.
    #[schemars(skip)]
    pub connector_type: String,
    /// Where records come from; the other keys are those of the connector type.
    ///
    /// In this struct without `type`, and secrets always read `{{secret.alias}}`.
    #[schemars(schema_with = "connector_schema")]
    pub connector: Value,
    /// Alias to stored secret key; a list names keys that are their own alias.
    #[schemars(schema_with = "secrets_schema", default)]
    pub secrets: BTreeMap<String, String>,
    #[schemars(default)]
    pub mapping: MappingSpec,
    #[schemars(default)]
    pub delivery: Delivery,
    #[schemars(default)]
    pub runtime: Runtime,
}

/// Where records go, and how.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Delivery {
    /// Absent: the server's default sink.
    #[schemars(schema_with = "sink_schema", default)]
    pub sink: Option<SinkSection>,
    /// What happens to a record that cannot be mapped or delivered.
    #[schemars(schema_with = "on_error_schema", default = "on_error")]
    pub on_error: OnError,
    #[schemars(default)]
    pub batch: Batch,
    #[schemars(default)]
    pub dead_letters: DeadLetters,
}

/// How records that fail are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DeadLetters {
    /// JSONPaths into a failed record; what they find is kept as `"[redacted]"`. A redacted record can be edited, then replayed.
    #[schemars(default, length(max = 32))]
    pub redact: Vec<String>,
}

/// The sink that a version names; `config` is without `type`.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkSection {
    pub sink_type: String,
    pub config: Value,
}

/// How many records are written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Batch {
    /// Records that are written at once at most.
    #[schemars(default = "max_records", range(min = 1, max = 10_000))]
    pub max_records: u32,
    /// How long a record of a stream waits for others, at most 60s. What is there already is always taken together.
    #[schemars(default = "max_wait")]
    pub max_wait: HumanDuration,
}

/// How the worker runs.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Runtime {
    #[schemars(default)]
    pub retry: Retry,
    /// Absent: no limit.
    pub rate_limit: Option<RateLimit>,
    #[schemars(default)]
    pub circuit_breaker: CircuitBreaker,
    /// How many batches may be under way at once.
    #[schemars(default = "parallelism", range(min = 1, max = 64))]
    pub parallelism: u16,
}

/// Waits between attempts: `initial`, then longer by `multiplier` each time, up to `max`.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Retry {
    /// The first wait, 10ms to 1h.
    #[schemars(default = "retry_initial")]
    pub initial: HumanDuration,
    /// The longest wait, at least `initial` and at most 24h.
    #[schemars(default = "retry_max")]
    pub max: HumanDuration,
    #[schemars(default = "retry_multiplier", range(min = 1.0, max = 10.0))]
    pub multiplier: f64,
}

/// How fast records may flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RateLimit {
    #[schemars(range(min = 1, max = 1_000_000))]
    pub records_per_second: u32,
}

const fn millis(millis: u64) -> HumanDuration {
    HumanDuration(Duration::from_millis(millis))
}

const fn on_error() -> OnError {
    OnError::DeadLetter
}

const fn max_records() -> u32 {
    500
}

const fn max_wait() -> HumanDuration {
    millis(0)
}

const fn parallelism() -> u16 {
    1
}

const fn retry_initial() -> HumanDuration {
    millis(1_000)
}

const fn retry_max() -> HumanDuration {
    millis(300_000)
}

const fn retry_multiplier() -> f64 {
    2.0
}

impl Default for Delivery {
    fn default() -> Self {
        Self { sink: None, on_error: on_error(), batch: Batch::default(), dead_letters: DeadLetters::default() }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self { max_records: max_records(), max_wait: max_wait() }
    }
}

impl Default for Runtime {
    fn default() -> Self {
        let (retry, circuit_breaker) = (Retry::default(), CircuitBreaker::default());
        Self { retry, rate_limit: None, circuit_breaker, parallelism: parallelism() }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { initial: retry_initial(), max: retry_max(), multiplier: retry_multiplier() }
    }
}

impl Document {
    /// Reads the common part of a version's `config`; the error holds every problem, by pointer into `config`.
    pub fn parse(config: &Value) -> Result<Self, Vec<Problem>> {
        match Self::inspect(config) {
            (Some(document), problems) if problems.is_empty() => Ok(document),
            (_, problems) => Err(problems),
        }
    }

    /// What can be read of a document, for a caller that goes on looking for what else is wrong.
    /// `None` when not even its connector can be told.
    pub fn inspect(config: &Value) -> (Option<Self>, Vec<Problem>) {
        if deeper_than(config, DEPTH_MAX) {
            let message = format!("nests deeper than {DEPTH_MAX} levels; flatten the configuration");
            return (None, vec![Problem::new("", message)]);
        }
        let mut problems = Vec::new();
        let document = Self::read(config, &mut problems);
        (document, bounded(problems))
    }

    fn read(config: &Value, problems: &mut Vec<Problem>) -> Option<Self> {
        const KEYS: [&str; 5] = ["connector", "secrets", "mapping", "delivery", "runtime"];
        let section = Section::open(config, "", &KEYS, problems)?;
        let connector = match section.get("connector") {
            Some(value) => typed_section(value, "/connector", problems),
            None => {
                section.refuse("connector", "is missing; it names where records come from", problems);
                None
            }
        };
        let secrets = section.get("secrets").map(|value| read_secrets(value, problems)).unwrap_or_default();
        let mapping = section.get("mapping").map(|value| MappingSpec::parse(value, problems)).unwrap_or_default();
        let delivery = section.get("delivery").map(|value| Delivery::read(value, problems)).unwrap_or_default();
        let runtime = section.get("runtime").map(|value| Runtime::read(value, problems)).unwrap_or_default();
        let (connector_type, connector) = connector?;
        Some(Self { connector_type, connector, secrets, mapping, delivery, runtime })
    }

    /// The stored key that an alias stands for: as `secrets` says, else the key of the same name.
    pub fn secret_key<'a>(&'a self, alias: &'a str) -> &'a str {
        self.secrets.get(alias).map_or(alias, String::as_str)
    }

    /// Every stored key that the document refers to or declares.
    pub fn secret_keys(&self) -> BTreeSet<String> {
        let mut aliases = BTreeSet::new();
        collect_aliases(&self.connector, &mut aliases);
        if let Some(sink) = &self.delivery.sink {
            collect_aliases(&sink.config, &mut aliases);
        }
        let referenced = aliases.iter().map(|alias| self.secret_key(alias).to_owned());
        referenced.chain(self.secrets.values().cloned()).collect()
    }

    /// JSON Schema (2020-12) of the common part.
    pub fn schema() -> Value {
        schemars::schema_for!(Self).to_value()
    }
}

impl Delivery {
    fn read(value: &Value, problems: &mut Vec<Problem>) -> Self {
        const KEYS: [&str; 4] = ["sink", "on_error", "batch", "dead_letters"];
        let mut delivery = Self::default();
        let Some(section) = Section::open(value, "/delivery", &KEYS, problems) else {
            return delivery;
        };
        delivery.sink = match section.get("sink") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => type_of(name, &section.at("sink"), problems)
                .map(|sink_type| SinkSection { sink_type, config: Value::Object(Map::new()) }),
            Some(value) => typed_section(value, &section.at("sink"), problems)
                .map(|(sink_type, config)| SinkSection { sink_type, config }),
        };
        if let Some(text) = section.text("on_error", problems) {
            match text.parse() {
                Ok(on_error) => delivery.on_error = on_error,
                Err(_) => section.refuse("on_error", "must be dead_letter, skip or stop", problems),
            }
        }
        let batch = section.get("batch");
        let batch = batch.and_then(|v| Section::open(v, section.at("batch"), &["max_records", "max_wait"], problems));
        if let Some(batch) = batch {
            delivery.batch = Batch {
                max_records: batch.integer("max_records", max_records(), 1..=10_000, problems),
                max_wait: batch.duration("max_wait", max_wait(), millis(0)..=millis(60_000), problems),
            };
        }
        if let Some(value) = section.get("dead_letters") {
            delivery.dead_letters = DeadLetters::read(value, section.at("dead_letters"), problems);
        }
        delivery
    }
}

impl DeadLetters {
    fn read(value: &Value, pointer: String, problems: &mut Vec<Problem>) -> Self {
        let mut letters = Self::default();
        let Some(section) = Section::open(value, pointer, &["redact"], problems) else { return letters };
        let Some(paths) = section.get("redact") else { return letters };
        let Some(paths) = paths.as_array().filter(|paths| paths.len() <= REDACTIONS_MAX) else {
            section.refuse("redact", format!("must be a list of at most {REDACTIONS_MAX} JSONPaths"), problems);
            return letters;
        };
        for (i, path) in paths.iter().enumerate() {
            let parsed = path.as_str().map_or(Err("must be a string".to_owned()), Path::parse);
            match (parsed, path.as_str()) {
                (Ok(_), Some(path)) => letters.redact.push(path.to_owned()),
                (Err(message), _) => problems.push(Problem::new(child(&section.at("redact"), &i.to_string()), message)),
                (Ok(_), None) => {}
            }
        }
        letters
    }
}

impl Runtime {
    fn read(value: &Value, problems: &mut Vec<Problem>) -> Self {
        let mut runtime = Self::default();
        let keys = ["retry", "rate_limit", "circuit_breaker", "parallelism"];
        let Some(section) = Section::open(value, "/runtime", &keys, problems) else { return runtime };
        if let Some(value) = section.get("circuit_breaker") {
            runtime.circuit_breaker = CircuitBreaker::read(value, section.at("circuit_breaker"), problems);
        }
        runtime.parallelism = section.integer("parallelism", parallelism(), 1..=64, problems);
        let retry = section.get("retry");
        let keys = ["initial", "max", "multiplier"];
        if let Some(retry) = retry.and_then(|v| Section::open(v, section.at("retry"), &keys, problems)) {
            runtime.retry = Retry {
                initial: retry.duration("initial", retry_initial(), millis(10)..=millis(3_600_000), problems),
                max: retry.duration("max", retry_max(), millis(10)..=millis(86_400_000), problems),
                multiplier: retry.number("multiplier", retry_multiplier(), 1.0..=10.0, problems),
            };
            if runtime.retry.max < runtime.retry.initial {
                let message = format!("must not be shorter than initial, {}", runtime.retry.initial);
                retry.refuse("max", message, problems);
            }
        }
        let limit = section.get("rate_limit").filter(|value| !value.is_null());
        if let Some(limit) =
            limit.and_then(|v| Section::open(v, section.at("rate_limit"), &["records_per_second"], problems))
        {
            if limit.get("records_per_second").is_none() {
                limit.refuse("records_per_second", "is missing", problems);
            }
            let records_per_second = limit.integer("records_per_second", 1, 1..=1_000_000, problems);
            runtime.rate_limit = Some(RateLimit { records_per_second });
        }
        runtime
    }
}

/// A hostile document has a problem at each of its bytes; nobody reads more than these.
fn bounded(mut problems: Vec<Problem>) -> Vec<Problem> {
    let more = problems.len().saturating_sub(PROBLEMS_MAX);
    if more > 0 {
        problems.truncate(PROBLEMS_MAX);
        problems.push(Problem::new("", format!("has {more} more problems; correct those that are listed first")));
    }
    problems
}

/// An object with a `type`: the type, and the rest with its secret references in one spelling.
fn typed_section(value: &Value, pointer: &str, problems: &mut Vec<Problem>) -> Option<(String, Value)> {
    let section = Section::open_any(value, pointer, problems)?;
    let name = section.required_text("type", problems).and_then(|t| type_of(t, &section.at("type"), problems));
    let rest = section.map.iter().filter(|(key, _)| *key != "type");
    let config = rest.map(|(key, item)| (key.clone(), normalise(item, &section.at(key), problems))).collect();
    Some((name?, Value::Object(config)))
}

fn type_of(name: &str, pointer: &str, problems: &mut Vec<Problem>) -> Option<String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > TYPE_MAX || !name.chars().all(legal) {
        let message = format!("must name a type by 1 to {TYPE_MAX} lower-case letters, digits or '_'");
        problems.push(Problem::new(pointer, message));
        return None;
    }
    Some(name.to_owned())
}

fn read_secrets(value: &Value, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    const POINTER: &str = "/secrets";
    let entries: Vec<(String, String, &Value)> = match value {
        Value::Null => Vec::new(),
        Value::Object(map) => map.iter().map(|(a, key)| (child(POINTER, a), a.clone(), key)).collect(),
        Value::Array(items) => {
            let entry = |(i, key): (usize, _)| (format!("{POINTER}/{i}"), String::new(), key);
            items.iter().enumerate().map(entry).collect()
        }
        other => {
            let message =
                format!("must be an object of alias to stored key, or a list of keys, not {}", type_name(other));
            problems.push(Problem::new(POINTER, message));
            Vec::new()
        }
    };
    if entries.len() > SECRETS_MAX {
        problems.push(Problem::new(POINTER, format!("must have at most {SECRETS_MAX} entries")));
        return BTreeMap::new();
    }
    let mut secrets = BTreeMap::new();
    for (pointer, alias, key) in entries {
        let Value::String(key) = key else {
            let message = format!("must be the key of a stored secret as a string, not {}", type_name(key));
            problems.push(Problem::new(pointer, message));
            continue;
        };
        let alias = if value.is_array() { key.clone() } else { alias };
        if alias != *key {
            check_secret_key(&pointer, &alias, problems);
        }
        check_secret_key(&pointer, key, problems);
        secrets.insert(alias, key.clone());
    }
    secrets
}

fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| deeper_than(item, levels - 1)),
        Value::Object(map) => levels == 0 || map.values().any(|item| deeper_than(item, levels - 1)),
        _ => false,
    }
}

fn connector_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"type": "string", "description": "A connector type, such as webhook or http_poller."}},
        "description": "Where records come from; the other keys are those of the connector type.",
    })
}

fn secrets_schema(_: &mut SchemaGenerator) -> Schema {
    let key = json_schema!({"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,128}$"});
    json_schema!({
        "description": "Alias to stored secret key; a list names keys that are their own alias.",
        "oneOf": [
            {"type": "object", "maxProperties": SECRETS_MAX, "additionalProperties": key},
            {"type": "array", "maxItems": SECRETS_MAX, "items": key},
            {"type": "null"},
        ],
    })
}

fn sink_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "A sink type, or an object with its type and settings; absent: the server's default sink.",
        "oneOf": [
            {"type": "string"},
            {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}},
            {"type": "null"},
        ],
    })
}

fn on_error_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = OnError::ALL.iter().map(|v| v.as_str()).collect();
    json_schema!({
        "description": "What happens to a record that cannot be mapped or delivered.",
        "enum": names,
        "default": OnError::DeadLetter.as_str(),
    })
}

#[cfg(test)]
#[path = "document_tests.rs"]
pub(super) mod tests;
