//! Requests to key services: bounded in time and size, never redirected, through no proxy.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, Request, StatusCode};
use zeroize::Zeroizing;

use super::SecretError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_MAX: usize = 256 * 1024;

/// The client of a key service, which may have certificates of its own.
pub(super) fn client(ca_file: Option<&Path>) -> Result<Client, String> {
    let mut builder = Client::builder()
        .user_agent(concat!("datasource-studio/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT);
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let certificates = Certificate::from_pem_bundle(&pem).ok().filter(|all| !all.is_empty());
        let certificates =
            certificates.ok_or_else(|| format!("{} holds no certificates in PEM form", path.display()))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|e| format!("the HTTP client cannot start: {e}"))
}

/// An answer as a whole; its body may hold a key.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Zeroizing<Vec<u8>>,
}

pub(super) async fn send(service: &'static str, client: &Client, request: Request) -> Result<Reply, SecretError> {
    let outage = |what: &str| SecretError::Outage { service, what: what.to_owned() };
    let cause = |error: reqwest::Error| match () {
        () if error.is_timeout() => outage("does not answer in time"),
        () if error.is_connect() => outage("cannot be connected to"),
        () => outage("broke the connection off"),
    };
    let mut response = client.execute(request).await.map_err(cause)?;
    let status = response.status();
    let mut body = Zeroizing::new(Vec::with_capacity(4 * 1024));
    while let Some(chunk) = response.chunk().await.map_err(cause)? {
        if body.len() + chunk.len() > ANSWER_MAX {
            return Err(outage("gave an answer that is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, body })
}
