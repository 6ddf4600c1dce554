//! The `plugin.yaml` files of HALCYON, in both shapes, as datasources.
//!
//! The newer shape is one feed (`kind`, `endpoint`, `schedule`, `mapping`); the older one is a
//! list of `connectors` that share one `normalize.map`. What has no place here is found
//! unsupported, never dropped in silence.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::placeholders::Placeholders;
use super::resource::{FindingKind, Resource, Source};
use super::yaml::{Document, escape};
use crate::app::MetadataChanges;

const PLUGIN: [&str; 9] = ["id", "name", "version", "description", "category", "tags", "owner", "enabled", "secrets"];
const FEED: [&str; 12] = [
    "endpoint",
    "url",
    "method",
    "schedule",
    "timeout_ms",
    "headers",
    "query",
    "body",
    "auth",
    "topic",
    "brokers",
    "group_id",
];
/// What a connector of the older shape calls itself and its schedule.
const CONNECTOR: [&str; 6] = ["name", "type", "kind", "protocol", "cadence", "interval"];

/// Whether a document is a plugin at all.
pub(super) fn is_plugin(value: &Value) -> bool {
    value.get("apiVersion").is_none() && ["kind", "connectors"].iter().any(|key| value.get(key).is_some())
}

/// Reads one document: one datasource in the newer shape, one for each connector in the older.
pub(super) fn read(file: &Arc<str>, document: &Arc<Document>) -> Vec<Resource> {
    let count = document.value.get("connectors").and_then(Value::as_array).map_or(0, Vec::len);
    if count == 0 {
        let mut plugin = Plugin::new(file, document, String::new());
        if plugin.top.get("kind").is_some() {
            return vec![plugin.feed()];
        }
        plugin.source.invalid("/connectors", "must be a list of at least one connector; a single feed has a kind");
        let (name, findings) = plugin.name(None);
        let mut resource = Resource { name, ..plugin.resource("", Map::new(), None) };
        resource.source.findings.extend(findings);
        return vec![resource];
    }
    (0..count).map(|i| Plugin::new(file, document, format!("/connectors/{i}")).connector(i, count)).collect()
}

/// One datasource in the making.
struct Plugin<'a> {
    document: &'a Value,
    top: Fields<'a>,
    /// Where the connector is described.
    root: String,
    source: Source,
    placeholders: Placeholders,
}

impl<'a> Plugin<'a> {
    fn new(file: &Arc<str>, document: &'a Arc<Document>, root: String) -> Self {
        let mut source = Source::new(file, document);
        source.root = root.clone();
        let top = Fields::at(&document.value, "", &mut source);
        let listed = top.texts("secrets", &mut source);
        let name = if top.get("name").is_some() { "/name" } else { "/id" };
        source.origins = [
            ("/metadata/name", name),
            ("/metadata/description", "/description"),
            ("/metadata/category", "/category"),
            ("/metadata/owner", "/owner"),
            ("/metadata/tags", "/tags"),
        ]
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .into();
        source.origins.push(("/config".into(), root.clone()));
        Self { document: &document.value, top, root, source, placeholders: Placeholders::new(listed) }
    }

    /// The newer shape.
    fn feed(mut self) -> Resource {
        let known: Vec<_> = PLUGIN.iter().chain(&FEED).copied().chain(["kind", "mapping"]).collect();
        self.unsupported("", &known);
        let kind = self.top.text("kind", &mut self.source).unwrap_or_default();
        self.origin("/connector/type", "/kind");
        let connector = self.settings(&kind);
        let mapping = self.mapping();
        let name = self.name(None);
        let mut resource = self.resource(&kind, connector, mapping);
        resource.name = name.0;
        resource.source.findings.extend(name.1);
        resource
    }

    /// One connector of the older shape.
    fn connector(mut self, index: usize, count: usize) -> Resource {
        let known: Vec<_> = PLUGIN.iter().copied().chain(["connectors", "normalize"]).collect();
        self.unsupported("", &known);
        let known: Vec<_> = CONNECTOR.iter().chain(&FEED).copied().collect();
        let root = self.root.clone();
        self.unsupported(&root, &known);
        let own = Fields::at(self.document, &root, &mut self.source);
        own.refuse_both(&["type", "kind", "protocol"], &mut self.source);
        let key = ["type", "kind", "protocol"].into_iter().find(|key| own.get(key).is_some()).unwrap_or("type");
        let kind = own.text(key, &mut self.source).unwrap_or_default();
        self.origin("/connector/type", &own.pointer(key));
        let kind = match kind.as_str() {
            "http" | "https" | "rest" => "http_poller".to_owned(),
            _ => kind,
        };
        let connector = self.settings(&kind);
        let mapping = self.normalize();
        let part = own.text("name", &mut self.source).or_else(|| (count > 1).then(|| (index + 1).to_string()));
        let name = self.name(part);
        let mut resource = self.resource(&kind, connector, mapping);
        resource.name = name.0;
        resource.source.findings.extend(name.1);
        resource
    }

    fn origin(&mut self, from: &str, to: &str) {
        self.source.origins.push((format!("/config{from}"), to.to_owned()));
    }

    /// What is empty asks for nothing.
    fn unsupported(&mut self, at: &str, known: &[&str]) {
        let fields = Fields::at(self.document, at, &mut self.source);
        for key in fields.others(known) {
            let empty = fields.get(key).is_none_or(|value| {
                value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
            });
            if !empty {
                let message = "has no counterpart here";
                self.source.find(FindingKind::Unsupported, fields.pointer(key), message);
            }
        }
    }

    fn name(&mut self, part: Option<String>) -> (String, Vec<super::Finding>) {
        let mut scratch = Source { findings: Vec::new(), ..Source::new(&self.source.file, &self.source.document) };
        let name = self.top.text("name", &mut scratch).or_else(|| self.top.text("id", &mut scratch));
        if name.is_none() && scratch.findings.is_empty() {
            scratch.invalid("", "has neither id nor name; one of them names the datasource");
        }
        let name = name.unwrap_or_default();
        (part.map_or(name.clone(), |part| format!("{name}-{part}")), scratch.findings)
    }

    /// The `connector` section.
    fn settings(&mut self, kind: &str) -> Map<String, Value> {
        let fields = Fields::at(self.document, &self.root.clone(), &mut self.source);
        for keys in [&["endpoint", "url"] as &[&str], &["schedule", "cadence", "interval"]] {
            fields.refuse_both(keys, &mut self.source);
        }
        self.origin("/connector", &self.root.clone());
        let mut out = Map::new();
        let mut take = |plugin: &mut Self, key: &str, name: &str, value: Option<Value>| {
            if let Some(value) = value {
                let at = fields.pointer(key);
                let value = plugin.placeholders.replace(&value, &at, &mut plugin.source);
                plugin.origin(&format!("/connector/{}", escape(name)), &at);
                out.insert(name.to_owned(), value);
            }
        };
        let own: &[&str] = match kind {
            "http_poller" => &[
                "endpoint",
                "url",
                "method",
                "schedule",
                "timeout_ms",
                "headers",
                "query",
                "body",
                "auth",
                "cadence",
                "interval",
            ],
            "webhook" => &["auth"],
            "kafka" => &["topic", "brokers", "group_id", "auth"],
            // What the type is, is the catalog's to say; nothing can be said of its settings.
            _ => &FEED,
        };
        for key in FEED.iter().chain(["cadence", "interval"].iter()).filter(|key| !own.contains(key)) {
            let stream = fields.get(key).is_some_and(|v| matches!(v.as_str(), Some("stream")));
            if fields.get(key).is_some() && !stream {
                let message = format!("means nothing to a connector of type {kind:?}");
                self.source.find(FindingKind::Unsupported, fields.pointer(key), message);
            }
        }
        for key in own {
            let Some(value) = fields.get(key) else { continue };
            match *key {
                "endpoint" => take(self, key, "url", Some(value.clone())),
                "schedule" | "cadence" | "interval" => take(self, key, "schedule", Some(schedule(value))),
                "timeout_ms" => take(self, key, "timeout", Some(milliseconds(value))),
                "topic" if kind == "kafka" => take(self, key, "topics", Some(list(value))),
                "brokers" => take(self, key, "brokers", Some(list(value))),
                "group_id" => take(self, key, "group", Some(value.clone())),
                "auth" => {
                    let (value, renamed) = auth(value);
                    take(self, key, "auth", Some(value));
                    if renamed {
                        self.origin("/connector/auth/value", &format!("{}/key", fields.pointer("auth")));
                    }
                }
                "headers" | "query" => take(self, key, key, Some(texts(value))),
                _ => take(self, key, key, Some(value.clone())),
            }
        }
        if kind == "webhook" && !out.contains_key("auth") {
            out.insert("auth".into(), json!({ "type": "none" }));
            let message = "names no auth, so it would take what anybody sends; it is not published until somebody does it by hand";
            self.source.find(FindingKind::Note, self.root.clone(), message);
        }
        out
    }

    /// `mapping: { entity_type, id, attrs }`; the first two have defaults.
    fn mapping(&mut self) -> Option<Value> {
        let fields = Fields::at(self.document, "/mapping", &mut self.source);
        if self.top.get("mapping").is_none() {
            self.source.find(FindingKind::Note, "", "has no mapping; records are delivered as they come");
            return None;
        }
        self.unsupported("/mapping", &["entity_type", "id", "attrs"]);
        let attrs = fields.get("attrs").cloned().unwrap_or_else(|| json!({}));
        self.refuse_placeholders("/mapping");
        self.origin("/mapping", "/mapping");
        Some(entity(fields.get("entity_type"), fields.get("id"), attrs))
    }

    /// A record is no place for a secret.
    fn refuse_placeholders(&mut self, at: &str) {
        fn find(value: &Value, at: &str, found: &mut Vec<String>) {
            match value {
                Value::String(text) if text.contains("${") => found.push(at.to_owned()),
                Value::Object(map) => map.iter().for_each(|(key, v)| find(v, &format!("{at}/{}", escape(key)), found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        find(self.document.pointer(at).unwrap_or(&Value::Null), at, &mut found);
        for at in found {
            self.source.invalid(at, "has a placeholder; a mapping takes no secrets, for records would carry them");
        }
    }

    /// `normalize: { map: { id, entity_type, attrs } }`, or with the attributes in the map itself.
    fn normalize(&mut self) -> Option<Value> {
        if self.top.get("normalize").is_none() {
            self.source.find(FindingKind::Note, "", "has no normalize; records are delivered as they come");
            return None;
        }
        self.unsupported("/normalize", &["map", "entity_type", "id"]);
        let outer = Fields::at(self.document, "/normalize", &mut self.source);
        let map = Fields::at(self.document, "/normalize/map", &mut self.source);
        for key in ["entity_type", "id"] {
            if map.get(key).is_some() && outer.get(key).is_some() {
                self.source.clash(&outer.pointer(key), &map.pointer(key));
            }
        }
        let pick =
            |key: &str| map.get(key).map(|v| (v, map.pointer(key))).or(outer.get(key).map(|v| (v, outer.pointer(key))));
        self.refuse_placeholders("/normalize");
        let mut attrs = map.get("attrs").and_then(Value::as_object).cloned().unwrap_or_default();
        self.origin("/mapping", "/normalize/map");
        for key in map.others(&["id", "entity_type", "attrs"]) {
            if let Some(value) = map.get(key) {
                if attrs.contains_key(key) {
                    self.source.clash(&format!("{}/{}", map.pointer("attrs"), escape(key)), &map.pointer(key));
                }
                self.origin(&format!("/mapping/attrs/{}", escape(key)), &map.pointer(key));
                attrs.entry(key).or_insert_with(|| value.clone());
            }
        }
        let (kind, id) = (pick("entity_type"), pick("id"));
        for (key, found) in [("entity_type", &kind), ("id", &id)] {
            if let Some((_, at)) = found {
                self.origin(&format!("/mapping/{key}"), at);
            }
        }
        Some(entity(kind.map(|k| k.0), id.map(|i| i.0), Value::Object(attrs)))
    }

    fn resource(mut self, kind: &str, mut connector: Map<String, Value>, mapping: Option<Value>) -> Resource {
        connector.insert("type".into(), kind.into());
        let open = kind == "webhook" && connector.get("auth") == Some(&json!({ "type": "none" }));
        let mut config = json!({ "connector": connector });
        let secrets: Map<_, _> = self.placeholders.used().map(|name| (name.clone(), json!(name))).collect();
        if !secrets.is_empty() {
            config["secrets"] = Value::Object(secrets);
        }
        if let Some(mapping) = mapping {
            config["mapping"] = mapping;
        }
        // In the older shape another connector may use it.
        let text = self.document.to_string();
        for (name, at) in self.placeholders.unused("/secrets") {
            if !text.contains(&format!("${{{name}}}")) {
                self.source.find(FindingKind::Note, at, format!("{name} is used by nothing, so nothing asks for it"));
            }
        }
        let version = match self.top.get("version") {
            Some(Value::String(version)) => Some(format!("plugin version {version}")),
            Some(version) => Some(format!("plugin version {version}")),
            None => None,
        };
        let (top, source) = (self.top, &mut self.source);
        let enabled = top.flag("enabled", source);
        Resource {
            project: None,
            name: String::new(),
            description: top.text("description", source).unwrap_or_default(),
            metadata: MetadataChanges {
                owner: top.text("owner", source),
                team: Some(None),
                category: Some(top.text("category", source)),
                tags: Some(top.texts("tags", source)),
                ..MetadataChanges::default()
            },
            connector_type: kind.to_owned(),
            publish: !open && enabled != Some(false),
            enabled: None,
            comment: version,
            config: Some(config),
            draft: None,
            source: self.source,
        }
    }
}

/// Entity type and id as HALCYON takes them when a file is silent.
fn entity(kind: Option<&Value>, id: Option<&Value>, attrs: Value) -> Value {
    let attrs = match attrs {
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, path(&value))).collect()),
        other => other,
    };
    let id = id.map_or_else(|| json!("$.id"), path);
    json!({ "entity_type": kind.cloned().unwrap_or_else(|| json!("Event")), "id": id, "attrs": attrs })
}

/// There every text is a path, also without the `$`.
fn path(value: &Value) -> Value {
    match value.as_str() {
        Some(text) if !text.starts_with('$') && !text.is_empty() => json!(format!("$.{text}")),
        _ => value.clone(),
    }
}

/// Seconds, `30s`, `every 30s` and cron; what is none of them is the connector's to refuse.
fn schedule(value: &Value) -> Value {
    let seconds = |n: u64| json!(format!("every {n}s"));
    match value {
        Value::Number(n) => n.as_u64().map_or_else(|| json!(n.to_string()), seconds),
        Value::String(text) => {
            let text = text.trim();
            match text.parse::<u64>() {
                Ok(n) => seconds(n),
                Err(_) if crate::domain::parse_duration(text).is_ok() => json!(format!("every {text}")),
                Err(_) => json!(text),
            }
        }
        other => other.clone(),
    }
}

fn milliseconds(value: &Value) -> Value {
    value.as_u64().map_or_else(|| value.clone(), |n| json!(format!("{n}ms")))
}

fn list(value: &Value) -> Value {
    match value.as_str() {
        Some(text) => text.split(',').map(|part| json!(part.trim())).collect(),
        None => value.clone(),
    }
}

/// Header and query values are texts; YAML reads some of them as numbers.
fn texts(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let text = |v: &Value| match v {
                Value::Number(_) | Value::Bool(_) => json!(v.to_string()),
                other => other.clone(),
            };
            Value::Object(map.iter().map(|(key, v)| (key.clone(), text(v))).collect())
        }
        other => other.clone(),
    }
}

/// The key of an API is a `value` here; answers with whether it was a `key` there.
fn auth(value: &Value) -> (Value, bool) {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut()
        && map.get("type") == Some(&json!("api_key"))
        && !map.contains_key("value")
        && let Some(key) = map.remove("key")
    {
        map.insert("value".into(), key);
        return (value, true);
    }
    (value, false)
}
