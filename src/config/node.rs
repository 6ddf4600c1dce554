use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::HumanDuration;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NodeRole {
    /// Serves the API and runs workers.
    All,
    /// Serves the API and takes webhooks; runs no pollers.
    Gateway,
    /// Runs workers; serves health and metrics only.
    Worker,
}

impl NodeRole {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Gateway => "gateway",
            Self::Worker => "worker",
        }
    }

    pub fn serves_api(self) -> bool {
        self != Self::Worker
    }

    pub fn runs_workers(self) -> bool {
        self != Self::Gateway
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Pretty,
    Json,
}

/// What only a running server has.
#[derive(Args, Clone, Debug)]
pub struct ServeSettings {
    /// What this node does
    #[arg(long, env = "STUDIO_ROLE", value_enum, default_value = "all", help_heading = "Node")]
    pub role: NodeRole,

    /// Directory of datasources that is followed: what it says is made so, whenever it changes
    #[arg(long, env = "STUDIO_SYNC_DIR", value_name = "DIR", help_heading = "Node")]
    pub sync_dir: Option<PathBuf>,

    /// Name of the source that the directory is; what it creates is kept by git:<NAME>
    #[arg(long, env = "STUDIO_SYNC_SOURCE", value_name = "NAME", default_value = "main", help_heading = "Node")]
    pub sync_source: String,

    /// Organisation of the directory's datasources
    #[arg(long, env = "STUDIO_SYNC_ORG", value_name = "ORG", default_value = "default", help_heading = "Node")]
    pub sync_org: String,

    /// Archive what the directory kept and has no more
    #[arg(long, env = "STUDIO_SYNC_PRUNE", value_name = "BOOL", default_value_t = false,
        action = clap::ArgAction::Set, help_heading = "Node")]
    pub sync_prune: bool,

    /// How often the directory is imported though no file changed: what was edited past it does not stay
    #[arg(long, env = "STUDIO_SYNC_INTERVAL", value_name = "DURATION", default_value = "30s", help_heading = "Node")]
    pub sync_interval: HumanDuration,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Node")]
pub struct NodeSettings {
    /// TOML file with settings, by the names of the flags (listen = "…", data-dir = "…")
    #[arg(long, env = "STUDIO_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Address of the HTTP listener
    #[arg(long, env = "STUDIO_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080", global = true)]
    pub listen: SocketAddr,

    /// Directory of the embedded database, the generated keys and the files of the jsonl sink
    #[arg(long, env = "STUDIO_DATA_DIR", value_name = "DIR", default_value = "./data", global = true)]
    pub data_dir: PathBuf,

    /// Name of this node, unique among the nodes on one database [default: a random name]
    #[arg(long, env = "STUDIO_NODE_NAME", value_name = "NAME", value_parser = node_name, global = true)]
    pub node_name: Option<String>,

    /// URL under which clients reach this server [default: http:// and the listen address]
    #[arg(long, env = "STUDIO_PUBLIC_URL", value_name = "URL", global = true)]
    pub public_url: Option<url::Url>,

    /// Log filter, in the syntax of tracing's EnvFilter
    #[arg(
        long,
        env = "STUDIO_LOG",
        value_name = "FILTER",
        default_value = "info,sqlx=warn,sea_orm_migration=warn",
        global = true
    )]
    pub log: String,

    /// Log format
    #[arg(long, env = "STUDIO_LOG_FORMAT", value_enum, default_value = "pretty", global = true)]
    pub log_format: LogFormat,

    /// How long a shutdown waits for requests, workers and jobs
    #[arg(long, env = "STUDIO_SHUTDOWN_GRACE", value_name = "DURATION", default_value = "20s", global = true)]
    pub shutdown_grace: HumanDuration,

    /// How long a request may take
    #[arg(long, env = "STUDIO_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "30s", global = true)]
    pub request_timeout: HumanDuration,

    /// Largest request body of the REST API in bytes
    #[arg(long, env = "STUDIO_REST_MAX_BODY", value_name = "BYTES", default_value_t = 2_097_152, global = true)]
    pub rest_max_body: usize,

    /// Directory of YAML datasources that are created when the database is empty
    #[arg(long, env = "STUDIO_SEED_DIR", value_name = "DIR", global = true)]
    pub seed_dir: Option<PathBuf>,

    /// How many datasources get a metric label of their own; the rest share "other"
    #[arg(long, env = "STUDIO_METRICS_MAX_DATASOURCES", value_name = "N", default_value_t = 2_000, global = true)]
    pub metrics_max_datasources: usize,
}

/// It stands in logs, metrics, leases and tables of the studio.
fn node_name(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if printable && !text.trim().is_empty() && text.len() <= 100 {
        return Ok(text.to_owned());
    }
    Err("must be 1 to 100 printable ASCII characters".to_owned())
}
