//! Every setting, declared once: its flag, environment variable, default and help.
//!
//! A value comes from the flag, else the environment, else the TOML file, else
//! the default. `docs/configuration.md` is printed from this declaration.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueEnum};
use ipnet::IpNet;
use secrecy::SecretString;

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

/// The settings of a process.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    #[command(flatten)]
    pub node: NodeSettings,
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub auth: AuthSettings,
    #[command(flatten)]
    pub graphql: GraphqlSettings,
    #[command(flatten)]
    pub registry: RegistrySettings,
}

impl Settings {
    /// What no single value can tell.
    pub fn check(&self) -> Result<(), String> {
        let registry = &self.registry;
        let durations = [
            ("--request-timeout", "STUDIO_REQUEST_TIMEOUT", self.node.request_timeout),
            ("--database-acquire-timeout", "STUDIO_DATABASE_ACQUIRE_TIMEOUT", self.database.database_acquire_timeout),
            ("--heartbeat-interval", "STUDIO_HEARTBEAT_INTERVAL", registry.heartbeat_interval),
            ("--lease-ttl", "STUDIO_LEASE_TTL", registry.lease_ttl),
            ("--dead-letter-retention", "STUDIO_DEAD_LETTER_RETENTION", registry.dead_letter_retention),
            ("--housekeeping-interval", "STUDIO_HOUSEKEEPING_INTERVAL", registry.housekeeping_interval),
            ("--reconcile-interval", "STUDIO_RECONCILE_INTERVAL", registry.reconcile_interval),
        ];
        if let Some((flag, variable, _)) = durations.iter().find(|(_, _, d)| d.0.is_zero()) {
            return Err(format!("{flag} ({variable}) must be longer than 0s"));
        }
        if registry.lease_ttl.0 < registry.heartbeat_interval.0 * 2 {
            return Err(format!(
                "--lease-ttl (STUDIO_LEASE_TTL) is {}, and must be at least twice --heartbeat-interval ({}): a lease that \
                 ends between two heartbeats is lost for nothing",
                registry.lease_ttl, registry.heartbeat_interval
            ));
        }
        if registry.drain_grace.0 > self.node.shutdown_grace.0 {
            return Err(format!(
                "--drain-grace (STUDIO_DRAIN_GRACE) is {}, and must be at most --shutdown-grace ({}): a shutdown waits \
                 no longer for a worker than for all of them",
                registry.drain_grace, self.node.shutdown_grace
            ));
        }
        if registry.hook_max_body == 0 {
            return Err("--hook-max-body (STUDIO_HOOK_MAX_BODY) must be at least 1".into());
        }
        Ok(())
    }
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

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// PostgreSQL or SQLite URL [default: SQLite in the data directory]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub database_url: Option<SecretString>,

    /// PostgreSQL URL of the owner of the tables, for migrations alone [default: DATABASE_URL]
    #[arg(long, env = "STUDIO_MIGRATION_DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub migration_database_url: Option<SecretString>,

    /// Connections in the pool
    #[arg(long, env = "STUDIO_DATABASE_MAX_CONNECTIONS", value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=1_000), global = true)]
    pub database_max_connections: u32,

    /// How long a request waits for a connection
    #[arg(long, env = "STUDIO_DATABASE_ACQUIRE_TIMEOUT", value_name = "DURATION", default_value = "5s", global = true)]
    pub database_acquire_timeout: HumanDuration,

    /// Run pending startup migrations when the server starts
    #[arg(long, env = "STUDIO_MIGRATE_ON_START", value_name = "BOOL", default_value_t = true,
        action = clap::ArgAction::Set, global = true)]
    pub migrate_on_start: bool,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Identity and keys")]
pub struct AuthSettings {
    /// Master key that wraps the data keys: base64 of 32 bytes
    #[arg(long, env = "STUDIO_MASTER_KEY", value_name = "BASE64", hide_env_values = true, global = true)]
    pub master_key: Option<SecretString>,

    /// Shared secret of HS256 tokens, at least 32 bytes
    #[arg(long, env = "STUDIO_JWT_SECRET", value_name = "SECRET", hide_env_values = true, global = true)]
    pub jwt_secret: Option<SecretString>,

    /// PEM public key of RS256, PS256, ES256 or EdDSA tokens: the text, or the path of a file
    #[arg(long, env = "STUDIO_JWT_PUBLIC_KEY", value_name = "PEM|FILE", global = true)]
    pub jwt_public_key: Option<String>,

    /// Signature algorithms that are accepted [default: HS256 with a secret; what the key can do with a public key]
    #[arg(long, env = "STUDIO_JWT_ALGORITHMS", value_name = "ALG,…", value_delimiter = ',', global = true)]
    pub jwt_algorithms: Vec<String>,

    /// Required `iss` claim
    #[arg(long, env = "STUDIO_JWT_ISSUER", value_name = "ISSUER", global = true)]
    pub jwt_issuer: Option<String>,

    /// Required `aud` claim
    #[arg(long, env = "STUDIO_JWT_AUDIENCE", value_name = "AUDIENCE", global = true)]
    pub jwt_audience: Option<String>,

    /// Clock difference that is tolerated
    #[arg(long, env = "STUDIO_JWT_LEEWAY", value_name = "DURATION", default_value = "30s", global = true)]
    pub jwt_leeway: HumanDuration,

    /// Claims that hold roles, as dotted paths; the first that is there counts
    #[arg(
        long,
        env = "STUDIO_JWT_ROLE_CLAIMS",
        value_name = "PATH,…",
        value_delimiter = ',',
        default_value = "roles,realm_access.roles,scope",
        global = true
    )]
    pub jwt_role_claims: Vec<String>,

    /// Claims that hold the organisation, as dotted paths; the first that is there counts
    #[arg(
        long,
        env = "STUDIO_JWT_ORG_CLAIMS",
        value_name = "PATH,…",
        value_delimiter = ',',
        default_value = "org,org_id,tenant",
        global = true
    )]
    pub jwt_org_claims: Vec<String>,

    /// Claims that limit a token to projects, as dotted paths; without one it covers all projects
    #[arg(
        long,
        env = "STUDIO_JWT_PROJECT_CLAIMS",
        value_name = "PATH,…",
        value_delimiter = ',',
        default_value = "projects,project",
        global = true
    )]
    pub jwt_project_claims: Vec<String>,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "GraphQL")]
pub struct GraphqlSettings {
    /// Deepest nesting of a document
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_DEPTH", value_name = "N", default_value_t = 15, global = true)]
    pub graphql_max_depth: usize,

    /// Highest cost of a document: one a field, times the page size within lists
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_COMPLEXITY", value_name = "N", default_value_t = 20_000, global = true)]
    pub graphql_max_complexity: usize,

    /// Most aliases in a document
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_ALIASES", value_name = "N", default_value_t = 30, global = true)]
    pub graphql_max_aliases: usize,

    /// Most directives on one field
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_DIRECTIVES", value_name = "N", default_value_t = 5, global = true)]
    pub graphql_max_directives: usize,

    /// Most operations in one batch
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_BATCH", value_name = "N", default_value_t = 10, global = true)]
    pub graphql_max_batch: usize,

    /// Largest request body in bytes
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_BODY", value_name = "BYTES", default_value_t = 2_097_152, global = true)]
    pub graphql_max_body: usize,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Registry")]
pub struct RegistrySettings {
    /// Sink of versions that name none: a type, or a JSON object with its settings
    #[arg(long, env = "STUDIO_DEFAULT_SINK", value_name = "SINK", default_value = "jsonl", global = true)]
    pub default_sink: String,

    /// Private addresses and host names that connectors may reach: CIDRs and names
    #[arg(long, env = "STUDIO_EGRESS_ALLOW", value_name = "CIDR|HOST,…", value_delimiter = ',', global = true)]
    pub egress_allow: Vec<EgressRule>,

    /// Directory from which connectors may read files, a subdirectory per organisation [default: `in` in the data directory]
    #[arg(long, env = "STUDIO_INPUT_DIR", value_name = "DIR", global = true)]
    pub input_dir: Option<PathBuf>,

    /// How often workers report that they live
    #[arg(long, env = "STUDIO_HEARTBEAT_INTERVAL", value_name = "DURATION", default_value = "3s", global = true)]
    pub heartbeat_interval: HumanDuration,

    /// How long a node keeps a worker without a heartbeat before another node may take it
    #[arg(long, env = "STUDIO_LEASE_TTL", value_name = "DURATION", default_value = "10s", global = true)]
    pub lease_ttl: HumanDuration,

    /// How often desired and running workers are compared when no change wakes the registry
    #[arg(long, env = "STUDIO_RECONCILE_INTERVAL", value_name = "DURATION", default_value = "3s", global = true)]
    pub reconcile_interval: HumanDuration,

    /// How long a worker that is replaced or stopped, and a job that is cancelled, may finish what it began
    #[arg(long, env = "STUDIO_DRAIN_GRACE", value_name = "DURATION", default_value = "10s", global = true)]
    pub drain_grace: HumanDuration,

    /// How long dead letters are kept
    #[arg(long, env = "STUDIO_DEAD_LETTER_RETENTION", value_name = "DURATION", default_value = "30d", global = true)]
    pub dead_letter_retention: HumanDuration,

    /// Most dead letters that a datasource keeps; the oldest go first
    #[arg(long, env = "STUDIO_DEAD_LETTERS_MAX", value_name = "COUNT", default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..), global = true)]
    pub dead_letters_max: u64,

    /// How often dead letters and other old things are looked through
    #[arg(long, env = "STUDIO_HOUSEKEEPING_INTERVAL", value_name = "DURATION", default_value = "10m", global = true)]
    pub housekeeping_interval: HumanDuration,

    /// Largest webhook body in bytes
    #[arg(long, env = "STUDIO_HOOK_MAX_BODY", value_name = "BYTES", default_value_t = 1_048_576, global = true)]
    pub hook_max_body: usize,
}

/// An exception from the rule that connectors reach public addresses only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EgressRule {
    Net(IpNet),
    Host(String),
}

impl std::str::FromStr for EgressRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net));
        }
        if let Ok(address) = text.parse::<std::net::IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.is_empty() || !text.chars().all(legal) {
            return Err(format!("{text:?} is neither a CIDR, an address nor a host name"));
        }
        Ok(Self::Host(text.to_ascii_lowercase()))
    }
}

/// It stands in logs, metrics, leases and tables of the studio.
fn node_name(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if printable && !text.trim().is_empty() && text.len() <= 100 {
        return Ok(text.to_owned());
    }
    Err("must be 1 to 100 printable ASCII characters".to_owned())
}

/// Gives `command` the values of a TOML file as defaults, below flags and environment.
pub fn apply_file(mut command: Command, path: &Path) -> Result<Command, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let table: toml::Table = text.parse().map_err(|e| format!("{}: {e}", path.display()))?;
    for (name, value) in table {
        let has =
            |c: &Command| c.get_arguments().any(|a| a.get_long() == Some(&name) && name != "config" && is_setting(a));
        let serve = command.find_subcommand(SERVE).is_some_and(has);
        if !serve && !has(&command) {
            return Err(format!("{}: there is no setting {name:?}", path.display()));
        }
        let text = match value {
            toml::Value::String(s) => s,
            toml::Value::Array(items) => items
                .into_iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            toml::Value::Table(_) => return Err(format!("{}: {name:?} must not be a table", path.display())),
            other => other.to_string(),
        };
        let id = name.replace('-', "_");
        command = if serve {
            command.mut_subcommand(SERVE, |c| c.mut_arg(id, |arg| arg.default_value(text)))
        } else {
            command.mut_arg(id, |arg| arg.default_value(text))
        };
    }
    Ok(command)
}

/// The file that `--config` or `STUDIO_CONFIG` names, before the command line is parsed in full.
pub fn file_from(args: &[OsString]) -> Option<PathBuf> {
    let mut args = args.iter().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--config" {
            return args.next().map(PathBuf::from);
        }
        if let Some(path) = arg.to_str().and_then(|a| a.strip_prefix("--config=")) {
            return Some(path.into());
        }
    }
    std::env::var_os("STUDIO_CONFIG").map(PathBuf::from)
}

/// The command that has settings of its own.
const SERVE: &str = "serve";
const GROUPS: [&str; 5] = ["Node", "Database", "Identity and keys", "GraphQL", "Registry"];

fn is_setting(arg: &clap::Arg) -> bool {
    arg.get_env().is_some()
}

/// `docs/configuration.md`: one table a group.
pub fn reference(command: &Command) -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "# Configuration\n\n\
         <!-- Printed by `datasource-studio print-settings`; a test fails when it differs. -->\n\n\
         A setting comes from its flag, else its environment variable, else the TOML file of `--config` \
         (by the name of the flag without the dashes), else its default. \
         A value that is not valid, and a name that does not exist, stop the process at start.\n",
    );
    let mut group = None;
    let serve = command.find_subcommand(SERVE).into_iter().flat_map(Command::get_arguments);
    let mut settings: Vec<_> = command.get_arguments().chain(serve).filter(|a| is_setting(a)).collect();
    // Stable: within a group the order is that of the declaration.
    settings.sort_by_key(|a| GROUPS.iter().position(|g| a.get_help_heading() == Some(g)));
    for arg in settings {
        let heading = arg.get_help_heading();
        if heading != group {
            group = heading;
            let _ = write!(
                out,
                "\n## {}\n\n| flag | environment | default | meaning |\n| --- | --- | --- | --- |\n",
                heading.unwrap_or("General")
            );
        }
        let env = arg.get_env().and_then(|e| e.to_str()).unwrap_or_default();
        let defaults: Vec<_> = arg.get_default_values().iter().filter_map(|v| v.to_str()).collect();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let (help, default) = match help.split_once(" [default: ") {
            Some((text, default)) => (text.to_owned(), default.trim_end_matches(']').to_owned()),
            None if defaults.is_empty() => (help, "none".to_owned()),
            None => (help, format!("`{}`", defaults.join(","))),
        };
        let values: Vec<_> = arg.get_possible_values().iter().map(|v| format!("`{}`", v.get_name())).collect();
        let choices = if values.is_empty() || values.len() == 2 && values[0] == "`true`" {
            String::new()
        } else {
            format!(": {}", values.join(", "))
        };
        let _ = writeln!(
            out,
            "| `--{}` | `{env}` | {} | {}{choices} |",
            arg.get_long().unwrap_or_default(),
            default.replace('|', "\\|"),
            help.replace('|', "\\|"),
        );
    }
    out
}
