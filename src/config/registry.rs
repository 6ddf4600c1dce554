use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use crate::domain::HumanDuration;

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
