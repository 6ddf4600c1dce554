//! The settings of an object store, and the rules that a JSON Schema cannot hold.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::connectors::ConnectorError;
use crate::connectors::envelope::{self, Fields, Metadata};
use crate::connectors::schedule::Schedule;
use crate::domain::{HumanDuration, relative_parts};
use crate::error::Problem;
use crate::mapping::SecretText;

pub(super) const FIELDS: Fields = Fields(&["bucket", "key", "last_modified"]);

/// Settings of an object store.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "Object store",
    extend("examples" = [
        {"store": {"type": "local", "path": "exports"}, "schedule": "every 5m"},
        {"store": {"type": "s3", "bucket": "acme-exports", "region": "eu-central-1",
                   "access_key_id": "{{secret.s3_key_id}}", "secret_access_key": "{{secret.s3_key}}"},
         "prefix": "orders/2025", "ending": ".jsonl.gz", "envelope": true},
    ])
)]
pub(super) struct ObjectsConfig {
    /// Where the objects are.
    #[schemars(title = "Store")]
    pub(super) store: Store,
    /// The folder that is read, with all below it: whole names between slashes. Everything by default.
    #[serde(default)]
    #[schemars(title = "Prefix", example = &"orders/2025", length(max = 1024))]
    pub(super) prefix: String,
    /// Only objects whose names end so.
    #[serde(default)]
    #[schemars(title = "Ending", example = &".jsonl.gz", length(max = 256))]
    pub(super) ending: String,
    /// When the folder is looked through: `every 5m`, or a cron line in UTC with five or six fields.
    #[serde(default = "schedule_default")]
    #[schemars(title = "Schedule", example = &"every 5m", length(min = 1, max = 128))]
    pub(super) schedule: String,
    /// How old an object must be, so that a file is not read while it is written.
    #[serde(default = "min_age_default")]
    #[schemars(title = "Least age")]
    pub(super) min_age: HumanDuration,
    /// How an object is laid out.
    #[serde(default)]
    #[schemars(title = "Format")]
    pub(super) format: ObjectFormat,
    /// How an object is compressed.
    #[serde(default)]
    #[schemars(title = "Compression")]
    pub(super) compression: Compression,
    /// How CSV is written.
    #[serde(default)]
    #[schemars(title = "CSV")]
    pub(super) csv: Csv,
    /// Delivers an object for each record: its `value`, with `bucket`, `key` and `last_modified` of its object around it. A local
    /// file has no bucket.
    #[serde(default)]
    #[schemars(title = "Envelope")]
    pub(super) envelope: bool,
    /// Longest record in bytes, decompressed; for `json` the whole object. A longer one is set aside.
    #[serde(default = "max_record_default")]
    #[schemars(title = "Longest record", range(min = 1024, max = 67_108_864))]
    pub(super) max_record: usize,
    /// Longest object in bytes, decompressed. What lies beyond is set aside.
    #[serde(default = "max_object_default")]
    #[schemars(title = "Longest object", range(min = 1024, max = 1_099_511_627_776_u64))]
    pub(super) max_object: u64,
}

/// Where the objects are.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Store {
    /// Amazon S3, or what speaks its protocol.
    #[schemars(title = "S3")]
    S3 {
        /// The bucket.
        #[schemars(example = &"acme-exports", length(min = 1, max = 255))]
        bucket: String,
        /// The region of the bucket.
        #[serde(default = "region_default")]
        #[schemars(length(min = 1, max = 64))]
        region: String,
        /// The address of a store other than Amazon's; the bucket is added to its path.
        #[serde(default)]
        #[schemars(example = &"https://minio.example.com:9000", length(max = 1024))]
        endpoint: Option<String>,
        /// The id of the access key. Without a key the bucket is read anonymously.
        #[serde(default)]
        #[schemars(length(max = 256))]
        access_key_id: Option<String>,
        /// The secret of the access key.
        #[serde(default)]
        secret_access_key: Option<SecretText>,
        /// The session token of a temporary key.
        #[serde(default)]
        session_token: Option<SecretText>,
    },
    /// A directory of the node that runs the worker, below the input directory of the organisation.
    #[schemars(title = "Local directory")]
    Local {
        /// The directory. The input directory of the organisation itself by default.
        #[serde(default)]
        #[schemars(example = &"exports/erp", length(max = 512))]
        path: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ObjectFormat {
    /// By the name: `.json`, `.jsonl` or `.ndjson`, `.csv` or `.tsv`, also with `.gz` or `.zst`. Other objects are passed over.
    #[default]
    Auto,
    /// An object is one JSON document.
    Json,
    /// Every line of an object is a JSON document.
    JsonLines,
    /// Every row of an object becomes an object of strings, named by the first row.
    Csv,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Compression {
    /// By the first bytes of an object.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// With gzip.
    Gzip,
    /// With Zstandard, in windows of at most 8 MiB.
    Zstd,
}

/// How CSV is written.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Csv {
    /// The character between two fields: a comma, or a tab in `.tsv` objects, by default.
    #[schemars(title = "Delimiter", example = &";", length(max = 1))]
    pub(super) delimiter: Option<String>,
    /// Whether the first row has the names of the fields; otherwise they are named `c1`, `c2` and so on.
    #[schemars(title = "Header row")]
    pub(super) header: bool,
}

impl Default for Csv {
    fn default() -> Self {
        Self { delimiter: None, header: true }
    }
}

/// A format that is settled for one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Json,
    JsonLines,
    Csv { delimiter: u8, header: bool },
}

fn schedule_default() -> String {
    "every 60s".into()
}

const fn min_age_default() -> HumanDuration {
    HumanDuration(Duration::from_secs(5))
}

fn region_default() -> String {
    "us-east-1".into()
}

const fn max_record_default() -> usize {
    4 << 20
}

const fn max_object_default() -> u64 {
    16 << 30
}

impl ObjectsConfig {
    pub(super) fn read(config: &Value) -> Result<Self, ConnectorError> {
        // The cause could repeat a resolved secret.
        Self::deserialize(config).map_err(|_| {
            let message = "the settings are not those of an object store; save a valid version";
            ConnectorError::permanent("config_invalid", message)
        })
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut add = |at: &str, problem: Option<String>| found.extend(problem.map(|text| Problem::new(at, text)));
        add("/schedule", Schedule::parse(&self.schedule).err());
        let delimiter = self.csv.delimiter.as_deref();
        let plain = delimiter.is_none_or(|d| d.len() == 1 && !matches!(d, "\"" | "\n" | "\r"));
        add("/csv/delimiter", (!plain).then(|| "must be one ASCII character, not a quote or a line break".into()));
        add(
            "/prefix",
            object_store::path::Path::parse(self.prefix.trim_matches('/'))
                .err()
                .map(|_| "must be names between slashes, without empty ones, . and ..".into()),
        );
        match &self.store {
            Store::Local { path } if path.is_empty() => {}
            Store::Local { path } => add("/store/path", relative_parts(path).err()),
            Store::S3 { endpoint, access_key_id, secret_access_key, session_token, .. } => {
                let url = endpoint.as_deref().filter(|e| !e.contains("{{secret.")).map(check_endpoint);
                add("/store/endpoint", url.and_then(Result::err));
                let both = "must be given together with the other half of the key";
                add(
                    "/store/access_key_id",
                    (access_key_id.is_some() != secret_access_key.is_some()).then(|| both.into()),
                );
                let lonely = session_token.is_some() && access_key_id.is_none();
                add("/store/session_token", lonely.then(|| "needs an access key".into()));
            }
        }
        found
    }

    /// What goes around the documents of an object.
    pub(super) fn metadata(&self, object: &object_store::ObjectMeta) -> Option<Metadata> {
        let bucket = if let Store::S3 { bucket, .. } = &self.store { json!(bucket) } else { Value::Null };
        let fields = [
            ("bucket", bucket),
            ("key", json!(object.location.as_ref())),
            ("last_modified", envelope::time(object.last_modified)),
        ];
        self.envelope.then(|| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// `None` for an object that is passed over.
    pub(super) fn layout(&self, name: &str) -> Option<Layout> {
        let name = name.to_ascii_lowercase();
        let stem = [".gz", ".gzip", ".zst", ".zstd"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(&name);
        let tabs = stem.ends_with(".tsv");
        let csv = || {
            let delimiter = self.csv.delimiter.as_ref().and_then(|d| d.bytes().next());
            Layout::Csv { delimiter: delimiter.unwrap_or(if tabs { b'\t' } else { b',' }), header: self.csv.header }
        };
        match self.format {
            ObjectFormat::Json => Some(Layout::Json),
            ObjectFormat::JsonLines => Some(Layout::JsonLines),
            ObjectFormat::Csv => Some(csv()),
            ObjectFormat::Auto if stem.ends_with(".json") => Some(Layout::Json),
            ObjectFormat::Auto if stem.ends_with(".csv") || tabs => Some(csv()),
            ObjectFormat::Auto => {
                let lines = [".jsonl", ".ndjson", ".jsonlines"].iter().any(|e| stem.ends_with(e));
                lines.then_some(Layout::JsonLines)
            }
        }
    }
}

fn check_endpoint(text: &str) -> Result<(), String> {
    let url: url::Url = text.parse().map_err(|_| "must be a URL such as https://minio.example.com:9000".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://".into());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("must have no credentials and no query".into());
    }
    Ok(())
}
