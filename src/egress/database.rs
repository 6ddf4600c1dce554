//! Connections to databases of other people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

use super::Egress;
use crate::fault::Fault;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// With TLS, and the certificate must be valid for the host name.
    #[default]
    Verify,
    /// With TLS, whatever the certificate is: safe from listeners, not from an impostor.
    Require,
    /// Without TLS.
    Disable,
}

/// A PostgreSQL server, and as whom.
#[derive(Clone, Copy)]
pub struct Postgres<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub username: &'a str,
    pub password: &'a str,
    pub tls: TlsMode,
    /// Authorities (PEM) to trust with [`TlsMode::Verify`].
    pub ca: Option<&'a str>,
}

impl Postgres<'_> {
    pub async fn connect(&self, egress: &Egress) -> Result<PgConnection, Fault> {
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&peer(egress, self.host, self.port, self.tls).await?)
            .port(self.port)
            .database(self.database)
            .username(self.username)
            .password(self.password)
            .application_name("datasource-studio")
            .ssl_mode(match self.tls {
                TlsMode::Verify => PgSslMode::VerifyFull,
                TlsMode::Require => PgSslMode::Require,
                TlsMode::Disable => PgSslMode::Disable,
            });
        if let Some(ca) = self.ca {
            options = options.ssl_root_cert_from_pem(ca.as_bytes().to_vec());
        }
        options.disable_statement_logging().connect().await.map_err(|e| failed(&e))
    }
}

/// What the driver connects to: a judged address, or with a verified certificate the name that it is for.
pub async fn peer(egress: &Egress, host: &str, port: u16, tls: TlsMode) -> Result<String, Fault> {
    let addresses = egress.resolve(host, port).await?;
    match (tls, addresses.first()) {
        (TlsMode::Verify, _) => Ok(host.to_owned()),
        (_, Some(address)) => Ok(address.ip().to_string()),
        (_, None) => Err(Fault::transient("resolve_failed", format!("{host} has no address"))),
    }
}

/// What a failure of the database means. Messages of a server about a statement help; they hold no password.
pub fn failed(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            let message = format!("the database said: {}", said.message());
            // SQLSTATE classes, and MySQL's codes of a refused login.
            if code.starts_with("28") || said.message().contains("Access denied") {
                return Fault::permanent("unauthorized", message);
            }
            let query = ["42", "22", "3D", "3F", "0A"].iter().any(|class| code.starts_with(class))
                || (code.as_ref() == "1" || code.as_ref() == "HY000");
            let timeout = code.as_ref() == "57014" || said.message().contains("interrupted");
            match (timeout, query) {
                (true, _) => Fault::transient("timeout", message),
                (false, true) => Fault::permanent("query_failed", message),
                (false, false) => Fault::transient("database_failed", message),
            }
        }
        sqlx::Error::Tls(_) => {
            let message = "TLS with the database failed; check tls and ca, or what the server offers";
            Fault::permanent("tls_failed", message)
        }
        sqlx::Error::Io(cause) => {
            Fault::transient("connect_failed", format!("the database cannot be reached: {cause}"))
        }
        other => Fault::transient("database_failed", format!("the database failed: {other}")),
    }
}
