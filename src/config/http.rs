use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use crate::domain::HumanDuration;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP")]
pub struct HttpSettings {
    /// PEM file with the certificate chain of the listener; with it, only TLS is spoken. Read again when it changes
    #[arg(long, env = "STUDIO_TLS_CERT", value_name = "FILE", requires = "tls_key", global = true)]
    pub tls_cert: Option<PathBuf>,

    /// PEM file with the private key of the certificate
    #[arg(long, env = "STUDIO_TLS_KEY", value_name = "FILE", requires = "tls_cert", global = true)]
    pub tls_key: Option<PathBuf>,

    /// Networks of proxies that are believed when they say in X-Forwarded-For whom they speak for
    #[arg(long, env = "STUDIO_TRUSTED_PROXIES", value_name = "CIDR,…", value_delimiter = ',', global = true)]
    pub trusted_proxies: Vec<IpNet>,

    /// Origins of other sites whose pages may call the API: https://studio.example.com
    #[arg(long, env = "STUDIO_CORS_ORIGINS", value_name = "ORIGIN,…", value_delimiter = ',',
        value_parser = origin, global = true)]
    pub cors_origins: Vec<String>,

    /// How often clients may come: default, off, or a TOML file
    #[arg(long, env = "STUDIO_RATE_LIMITS", value_name = "default|off|FILE", default_value = "default", global = true)]
    pub rate_limits: String,

    /// Most connections that are open at a time; further ones are closed at once
    #[arg(long, env = "STUDIO_MAX_CONNECTIONS", value_name = "N", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..), global = true)]
    pub max_connections: u32,

    /// Most connections of one address, or of one IPv6 network of 64 bits; trusted proxies may have more
    #[arg(long, env = "STUDIO_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..), global = true)]
    pub max_connections_per_address: u32,

    /// How long a client may take for a TLS handshake, and for the head of a request
    #[arg(long, env = "STUDIO_HEADER_TIMEOUT", value_name = "DURATION", default_value = "10s", global = true)]
    pub header_timeout: HumanDuration,
}

/// As a browser sends it: scheme, host, and a port that is not the scheme's own.
fn origin(text: &str) -> Result<String, String> {
    let refusal = || format!("{text:?} is not an origin, such as https://studio.example.com; there is no wildcard");
    let url: url::Url = text.parse().map_err(|_| refusal())?;
    let origin = url.origin().ascii_serialization();
    if matches!(url.scheme(), "http" | "https") && origin == text.trim_end_matches('/') {
        Ok(origin)
    } else {
        Err(refusal())
    }
}
