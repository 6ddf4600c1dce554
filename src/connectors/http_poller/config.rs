//! The settings of a poller, and the rules that a JSON Schema cannot hold.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use chrono::SecondsFormat;
use reqwest::{Method, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::auth::Auth;
use super::paginate::Pagination;
use crate::connectors::ConnectorError;
use crate::connectors::decode::JsonFormat;
use crate::connectors::schedule::Schedule;
use crate::domain::{HumanDuration, Timestamp};
use crate::egress::headers::header_of;
use crate::error::Problem;

/// Settings of an HTTP poller.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "HTTP poller",
    extend("examples" = [
        {"url": "https://api.example.com/alerts", "schedule": "every 60s",
         "auth": {"type": "bearer", "token": "{{secret.api_token}}"}},
        {"url": "https://api.example.com/alerts", "schedule": "*/5 * * * *",
         "pagination": {"type": "cursor", "cursor_path": "$.next_cursor", "param": "cursor"},
         "incremental": {"cursor_path": "$.alerts[*].updated_at", "param": "updated_since"}},
    ])
)]
pub(super) struct HttpPollerConfig {
    /// The address of the first page: http or https, without credentials.
    #[schemars(title = "URL", example = &"https://api.example.com/alerts", length(min = 1, max = 4096))]
    pub(super) url: String,
    /// The request method.
    #[serde(default)]
    #[schemars(title = "Method")]
    pub(super) method: PollMethod,
    /// Headers to send, by name. A value may name a secret.
    #[serde(default)]
    #[schemars(title = "Headers", example = BTreeMap::from([("Accept-Language", "en")]), extend("x-secret-keys" = true))]
    pub(super) headers: BTreeMap<String, String>,
    /// Query parameters to add to the URL, by name. A value may name a secret.
    #[serde(default)]
    #[schemars(title = "Query parameters", example = BTreeMap::from([("severity", "critical")]), extend("x-secret-keys" = true))]
    pub(super) query: BTreeMap<String, String>,
    /// The JSON to send with a POST.
    #[serde(default)]
    #[schemars(title = "Body", with = "Value")]
    pub(super) body: Option<Value>,
    /// When to poll: `every 30s`, `every 5m`, or a cron line in UTC with five or six fields.
    #[serde(default = "schedule_default")]
    #[schemars(title = "Schedule", example = &"every 5m", example = &"0 */2 * * *", length(min = 1, max = 128))]
    pub(super) schedule: String,
    /// How the request proves who asks.
    #[serde(default)]
    #[schemars(title = "Authentication")]
    pub(super) auth: Auth,
    /// How the pages of an answer are found.
    #[serde(default)]
    #[schemars(title = "Pagination")]
    pub(super) pagination: Pagination,
    /// Most pages in one poll; a poll that is cut off says so in the log.
    #[serde(default = "max_pages_default")]
    #[schemars(title = "Most pages", range(min = 1, max = 100_000))]
    pub(super) max_pages: u32,
    /// Asks only for what is newer than the last poll.
    #[serde(default)]
    #[schemars(title = "Incremental")]
    pub(super) incremental: Option<Incremental>,
    /// How a backfill asks for a part of the past; without it none can be asked for by time.
    #[serde(default)]
    #[schemars(title = "Backfill")]
    pub(super) backfill: Option<TimeRange>,
    /// Asks with `If-None-Match` or `If-Modified-Since`, so that an unchanged answer costs nothing. Unpaginated polls only.
    #[serde(default = "conditional_default")]
    #[schemars(title = "Conditional requests")]
    pub(super) conditional: bool,
    /// Longest time for one page, redirects and body included.
    #[serde(default = "timeout_default")]
    #[schemars(title = "Timeout")]
    pub(super) timeout: HumanDuration,
    /// Largest page in bytes, decompressed.
    #[serde(default = "max_response_default")]
    #[schemars(title = "Largest response", range(min = 1, max = 134_217_728))]
    pub(super) max_response: u64,
    /// How a page is laid out.
    #[serde(default)]
    #[schemars(title = "Format")]
    pub(super) format: JsonFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum PollMethod {
    /// Reads a resource.
    #[default]
    Get,
    /// Sends a query as JSON.
    Post,
}

/// A position that is read from the pages and sent with the next poll.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Incremental {
    /// JSONPath of the position in a page; of several, the greatest counts. Numbers and strings are compared.
    #[schemars(title = "Position", example = &"$.alerts[*].updated_at", length(min = 1, max = 512))]
    pub(super) cursor_path: String,
    /// The query parameter that carries the position.
    #[schemars(title = "Parameter", example = &"updated_since", length(min = 1, max = 256))]
    pub(super) param: String,
    /// The position of the first poll; without it the first poll asks for everything.
    #[serde(default)]
    #[schemars(title = "First position", example = &"2025-01-01T00:00:00Z")]
    pub(super) initial: Option<String>,
}

/// The query parameters that bound the records of an answer in time.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeRange {
    /// The query parameter that carries the begin, inclusive.
    #[schemars(title = "From", example = &"since", length(min = 1, max = 256))]
    pub(super) from_param: String,
    /// The query parameter that carries the end, exclusive.
    #[schemars(title = "To", example = &"until", length(min = 1, max = 256))]
    pub(super) to_param: String,
    /// How the two times are written.
    #[serde(default)]
    #[schemars(title = "Format")]
    pub(super) format: TimeFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimeFormat {
    /// `2026-01-31T12:00:00Z`.
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
}

impl TimeFormat {
    fn write(self, time: Timestamp) -> String {
        match self {
            Self::Rfc3339 => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            Self::Unix => time.timestamp().to_string(),
            Self::UnixMs => time.timestamp_millis().to_string(),
        }
    }
}

impl TimeRange {
    /// Adds what asks for the records between two times.
    pub(super) fn bound(&self, from: Option<Timestamp>, to: Option<Timestamp>, query: &mut BTreeMap<String, String>) {
        for (name, time) in [(&self.from_param, from), (&self.to_param, to)] {
            query.extend(time.map(|time| (name.clone(), self.format.write(time))));
        }
    }
}

fn schedule_default() -> String {
    "every 60s".into()
}

const fn max_pages_default() -> u32 {
    100
}

const fn conditional_default() -> bool {
    true
}

const fn timeout_default() -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(30))
}

const fn max_response_default() -> u64 {
    16 << 20
}

impl HttpPollerConfig {
    pub(super) fn read(config: &Value) -> Result<Self, ConnectorError> {
        // The cause could repeat a resolved secret.
        Self::deserialize(config)
            .map_err(|_| invalid("the settings are not those of an HTTP poller; save a valid version"))
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut add = |at: &str, problem: Result<(), String>| {
            found.extend(problem.err().map(|message| Problem::new(at, message)));
        };
        add("/url", check_url(&self.url));
        add("/schedule", Schedule::parse(&self.schedule).map(drop));
        for (name, value) in &self.headers {
            let at = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
            add(&at, header_of(name, value).map(drop));
        }
        if self.body.is_some() && self.method != PollMethod::Post {
            add("/body", Err("needs method POST; a GET carries no body".into()));
        }
        if self.timeout.0.is_zero() {
            add("/timeout", Err("must be longer than 0s".into()));
        }
        if let Some(incremental) = &self.incremental {
            add("/incremental/cursor_path", parse_path(&incremental.cursor_path).map(drop));
            if self.query.contains_key(&incremental.param) {
                add("/incremental/param", Err("is also in query; name it in one place".into()));
            }
        }
        found.extend(self.pagination.problems(self.format));
        found.extend(self.auth.problems(&self.headers));
        found
    }
}

/// Settings with their texts parsed, ready to run.
pub(super) struct Plan {
    pub(super) config: HttpPollerConfig,
    pub(super) schedule: Schedule,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    pub(super) cursor_path: Option<JsonPath>,
    url: Url,
}

impl Plan {
    pub(super) fn of(config: HttpPollerConfig) -> Result<Self, ConnectorError> {
        let field = |name: &'static str| move |e: String| invalid(format!("{name} {e}"));
        check_url(&config.url).map_err(field("url"))?;
        let mut url = Url::parse(&config.url).map_err(|_| invalid("url is not a URL"))?;
        url.set_fragment(None);
        for (name, value) in &config.query {
            set_query(&mut url, name, value);
        }

        let mut headers = HeaderMap::new();
        let accept = match config.format {
            JsonFormat::Json => "application/json",
            JsonFormat::JsonLines => "application/x-ndjson, application/json;q=0.9",
        };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        let body = match (&config.body, config.method) {
            (Some(body), PollMethod::Post) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Some(Bytes::from(body.to_string()))
            }
            _ => None,
        };
        for (name, value) in &config.headers {
            let (name, value) = header_of(name, value).map_err(field("headers"))?;
            headers.insert(name, value);
        }
        Ok(Self {
            schedule: Schedule::parse(&config.schedule).map_err(field("schedule"))?,
            method: if config.method == PollMethod::Post { Method::POST } else { Method::GET },
            cursor_path: match &config.incremental {
                Some(i) => Some(parse_path(&i.cursor_path).map_err(field("incremental.cursor_path"))?),
                None => None,
            },
            headers,
            body,
            url,
            config,
        })
    }

    pub(super) fn initial_cursor(&self) -> Option<&str> {
        self.config.incremental.as_ref()?.initial.as_deref()
    }

    /// The URL of a poll's first page, from the position `cursor` on.
    pub(super) fn first_url(&self, cursor: Option<&str>) -> Result<Url, ConnectorError> {
        let mut url = self.url.clone();
        if let (Some(incremental), Some(cursor)) = (&self.config.incremental, cursor) {
            set_query(&mut url, &incremental.param, cursor);
        }
        self.config.pagination.prepare(&mut url);
        Ok(url)
    }
}

/// Sets one query parameter, and leaves the writing of the others as it is where it can.
pub(super) fn set_query(url: &mut Url, name: &str, value: &str) {
    if url.query_pairs().any(|(key, _)| key == name) {
        let others: Vec<_> =
            url.query_pairs().filter(|(key, _)| key != name).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        url.query_pairs_mut().clear().extend_pairs(others);
    }
    url.query_pairs_mut().append_pair(name, value);
}

pub(super) fn invalid(message: impl Into<String>) -> ConnectorError {
    ConnectorError::permanent("config_invalid", message)
}

/// A URL may name secrets, whose values are not known yet.
pub(in crate::connectors) fn check_url(text: &str) -> Result<(), String> {
    let authority = text.find("://").map_or(0, |i| i + 3);
    let origin = text[authority..].find(['/', '?', '#']).map_or(text, |end| &text[..authority + end]);
    if origin.contains("{{") {
        return Err("must not take scheme, host or port from a secret: messages and logs name them".into());
    }
    let url = Url::parse(&without_secrets(text))
        .map_err(|e| format!("must be an absolute URL like https://api.example.com/alerts ({e})"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials; use auth with a stored secret".into());
    }
    Ok(())
}

/// A JSONPath, refused before parsing where parsing could take too long or too deep.
pub(in crate::connectors) fn parse_path(text: &str) -> Result<JsonPath, String> {
    if text.len() > 512 {
        return Err("must have at most 512 characters".into());
    }
    let opened = text.bytes().filter(|b| matches!(b, b'[' | b'(')).count();
    if text.matches('?').count() > 4 || opened > 32 {
        return Err("is too deep: use at most 4 filters and 32 brackets".into());
    }
    JsonPath::parse(text).map_err(|e| format!("is not a JSONPath like $.items[*].id ({e})"))
}

fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{secret.") {
        let Some((_alias, tail)) = after.split_once("}}") else { break };
        out.push_str(before);
        out.push('0');
        rest = tail;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(changes: Value) -> Vec<(String, String)> {
        let mut config = json!({"url": "https://api.example.com/a"});
        for (name, value) in changes.as_object().expect("an object") {
            config[name] = value.clone();
        }
        let config = HttpPollerConfig::read(&config).expect("fits the schema");
        config.problems().into_iter().map(|p| (p.pointer, p.message)).collect()
    }

    #[test]
    fn every_rule_names_its_field() {
        for (changes, pointer) in [
            (json!({"url": "api.example.com"}), "/url"),
            (json!({"url": "file:///etc/passwd"}), "/url"),
            (json!({"url": "https://user:pass@example.com/"}), "/url"),
            (json!({"url": "https://{{secret.host}}/alerts"}), "/url"),
            (json!({"schedule": "now and then"}), "/schedule"),
            (json!({"headers": {"X Y": "1"}}), "/headers/X Y"),
            (json!({"headers": {"Host": "internal"}}), "/headers/Host"),
            (json!({"headers": {"X": "a\r\nb"}}), "/headers/X"),
            (json!({"body": {}}), "/body"),
            (json!({"timeout": "0s"}), "/timeout"),
            (json!({"incremental": {"cursor_path": "items", "param": "since"}}), "/incremental/cursor_path"),
            (json!({"incremental": {"cursor_path": "$.x", "param": "a"}, "query": {"a": "1"}}), "/incremental/param"),
            (json!({"pagination": {"type": "cursor", "cursor_path": "x", "param": "c"}}), "/pagination/cursor_path"),
            (json!({"pagination": {"type": "page", "param": "p", "size": 3}}), "/pagination/size"),
            (json!({"auth": {"type": "api_key", "value": "{{secret.k}}"}}), "/auth"),
        ] {
            let found = problems(changes.clone());
            assert_eq!(found.len(), 1, "{changes}: {found:?}");
            assert_eq!(found[0].0, pointer, "{changes}");
        }
        assert_eq!(problems(json!({"url": "https://api.example.com/{{secret.path}}?k={{secret.k}}"})), []);
    }

    #[test]
    fn paths_that_are_dear_to_parse_are_refused_unparsed() {
        assert!(parse_path("$.items[*].id").is_ok());
        assert!(parse_path(&format!("${}", "[?@".repeat(40))).is_err());
        assert!(parse_path(&"(".repeat(500)).is_err());
        assert!(parse_path(&format!("$.{}", "a".repeat(600))).is_err());
    }

    #[test]
    fn a_query_parameter_is_set_once_and_the_rest_is_left_alone() {
        let mut url: Url = "https://x/?a=1%20b&p=1".parse().expect("a URL");
        set_query(&mut url, "q", "x y&z");
        assert_eq!(url.query(), Some("a=1%20b&p=1&q=x+y%26z"));
        set_query(&mut url, "p", "2");
        assert_eq!(url.query_pairs().filter(|(k, _)| k == "p").count(), 1);
    }
}
