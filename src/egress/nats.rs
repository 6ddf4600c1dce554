//! Connections to NATS servers, for the connector and the sink.
//!
//! Without TLS the client is given the addresses that were judged, so that nothing else can be reached. With TLS it
//! needs the name, for the certificate; the name is judged just before, and a server behind another answer of the
//! name server would have to show a certificate for it. Servers that a cluster announces are not connected to.

use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Egress;
use super::tls::Tls;
use crate::error::Problem;
use crate::fault::Fault;
use crate::mapping::SecretText;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Then the worker begins anew, with names resolved and judged anew.
const RECONNECTS: usize = 5;
const PORT: u16 = 4222;

/// How a client proves who it is.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// The servers are open.
    #[schemars(title = "None")]
    None {},
    /// A user name and a password.
    #[schemars(title = "User and password")]
    Password {
        /// The user name.
        #[schemars(length(min = 1, max = 256))]
        username: String,
        /// The password that belongs to the user name.
        password: SecretText,
    },
    /// A token.
    #[schemars(title = "Token")]
    Token {
        /// The token to send.
        token: SecretText,
    },
    /// An Ed25519 key pair; the server knows its public half.
    #[schemars(title = "NKey")]
    Nkey {
        /// The seed of the key pair, which begins with `SU`.
        seed: SecretText,
    },
    /// A user JWT and its key, as `nsc` writes them.
    #[schemars(title = "Credentials file")]
    Credentials {
        /// The contents of the `.creds` file.
        credentials: SecretText,
    },
}

impl Default for Auth {
    fn default() -> Self {
        Self::None {}
    }
}

/// Which servers, and how.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub servers: &'a [String],
    pub auth: &'a Auth,
    pub tls: Option<&'a Tls>,
}

impl Target<'_> {
    /// What is wrong with it, offline.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found: Vec<_> = self
            .servers
            .iter()
            .enumerate()
            .filter_map(|(i, server)| Some(Problem::new(format!("/servers/{i}"), parse(server).err()?)))
            .collect();
        found.extend(self.tls.into_iter().flat_map(|tls| tls.problems("/tls")));
        found
    }

    pub async fn connect(&self, egress: &Egress, name: &str) -> Result<Client, Fault> {
        let mut servers = Vec::new();
        for server in self.servers {
            let (host, port) = parse(server).map_err(|e| invalid(format!("servers: {server} {e}")))?;
            let addresses = egress.resolve(&host, port).await?;
            if self.tls.is_some() {
                servers.push(format!("tls://{host}:{port}"));
            } else {
                servers.extend(addresses.iter().map(|address| format!("nats://{address}")));
            }
        }
        let servers: Result<Vec<ServerAddr>, _> = servers.iter().map(|server| server.parse()).collect();
        let servers = servers.map_err(|_| invalid("servers holds an address that cannot be used"))?;
        let options = self.options(name)?;
        let connected = tokio::time::timeout(CONNECT_TIMEOUT * 2, options.connect(servers)).await;
        match connected {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(match error.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Fault::permanent(
                    "unauthorized",
                    "the NATS server refused the credentials; check auth and its secret",
                ),
                ConnectErrorKind::Tls => {
                    Fault::permanent("tls_failed", format!("TLS with the NATS server failed: {error}"))
                }
                _ => Fault::transient("connect_failed", format!("no NATS server could be connected to: {error}")),
            }),
            Err(_) => Err(Fault::transient("timeout", "no NATS server answered in time")),
        }
    }

    fn options(&self, name: &str) -> Result<ConnectOptions, Fault> {
        let mut options = ConnectOptions::new()
            .name(name)
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .max_reconnects(RECONNECTS)
            .ignore_discovered_servers()
            .event_callback(|event| async move {
                match event {
                    Event::Connected | Event::Disconnected | Event::Closed => tracing::debug!("NATS: {event}"),
                    other => tracing::warn!("NATS: {other}"),
                }
            });
        if let Some(tls) = self.tls {
            options = options.tls_client_config(tls.client_config()?).require_tls(true);
        }
        Ok(match self.auth {
            Auth::None {} => options,
            Auth::Password { username, password } => {
                options.user_and_password(username.clone(), password.expose().to_owned())
            }
            Auth::Token { token } => options.token(token.expose().to_owned()),
            Auth::Nkey { seed } => options.nkey(seed.expose().trim().to_owned()),
            // The cause could repeat a part of the secret.
            Auth::Credentials { credentials } => options
                .credentials(credentials.expose())
                .map_err(|_| invalid("the secret of auth.credentials is not a credentials file of nsc"))?,
        })
    }
}

/// `host` or `host:port`, an IPv6 address in brackets.
fn parse(server: &str) -> Result<(String, u16), String> {
    let help = || "must be a host name or address, with a port if it is not 4222; credentials go to auth".to_owned();
    if server.contains("://") || server.contains('@') || server.contains('/') {
        return Err(help());
    }
    let url: url::Url = format!("nats://{server}").parse().map_err(|_| help())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(help)?;
    Ok((host.to_owned(), url.port().unwrap_or(PORT)))
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::permanent("config_invalid", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_hosts_with_a_port_or_without() {
        assert_eq!(parse("nats.example.com"), Ok(("nats.example.com".into(), 4222)));
        assert_eq!(parse("10.0.0.7:4333"), Ok(("10.0.0.7".into(), 4333)));
        assert_eq!(parse("[::1]:4222"), Ok(("[::1]".into(), 4222)));
        for wrong in ["", ":4222", "nats://a", "user:pass@a", "a:notaport", "a/b", "a b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
