//! Reads the keys of an issuer over HTTP: where they are by discovery, then the keys themselves. Every
//! answer is bounded in time and size, and no redirect is followed: what is trusted is the URL of the setting.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use reqwest::{Client, Response, header};
use serde::Deserialize;
use url::{Host, Url};

use super::jwk::{self, PublicKey};

const BODY_MAX: usize = 256 * 1024;

/// Where the keys of an issuer are found.
pub(super) enum Source {
    Keys(Url),
    /// OpenID Connect discovery, by the issuer's name.
    Discovery(String),
}

pub(super) struct Fetcher {
    client: Client,
    source: Source,
    algorithms: Vec<Algorithm>,
    timeout: Duration,
}

/// What an issuer published.
pub(super) struct Published {
    pub(super) keys: Vec<PublicKey>,
    /// How long they may be kept, where the issuer says.
    pub(super) max_age: Option<Duration>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    pub(super) fn new(source: Source, algorithms: Vec<Algorithm>, timeout: Duration) -> Result<Self, String> {
        match &source {
            Source::Keys(url) => check(url)?,
            Source::Discovery(issuer) => check(&discovery_url(issuer)?)?,
        }
        let client = Client::builder()
            .user_agent(concat!("datasource-studio/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(timeout)
            .build()
            .map_err(|e| format!("the HTTP client for keys cannot start: {e}"))?;
        Ok(Self { client, source, algorithms, timeout })
    }

    pub(super) async fn fetch(&self) -> Result<Published, String> {
        // Both steps together: an issuer that is slow twice is slow.
        match tokio::time::timeout(self.timeout, self.read()).await {
            Ok(outcome) => outcome,
            Err(_) => Err("no answer in time (STUDIO_JWKS_TIMEOUT)".into()),
        }
    }

    async fn read(&self) -> Result<Published, String> {
        let url = match &self.source {
            Source::Keys(url) => url.clone(),
            Source::Discovery(issuer) => self.discover(issuer).await?,
        };
        let response = self.get(&url).await?;
        let max_age = response.headers().get(header::CACHE_CONTROL).and_then(|v| max_age(v.to_str().ok()?));
        let body = bounded(response).await?;
        Ok(Published { keys: jwk::parse(&body, &self.algorithms)?, max_age })
    }

    async fn discover(&self, issuer: &str) -> Result<Url, String> {
        let url = discovery_url(issuer)?;
        let body = bounded(self.get(&url).await?).await?;
        let metadata: Metadata = serde_json::from_slice(&body)
            .map_err(|_| format!("{url} is no discovery document: it needs issuer and jwks_uri"))?;
        if metadata.issuer != issuer {
            return Err(format!("{url} is of the issuer {:?}, and {issuer:?} is configured", metadata.issuer));
        }
        let keys = Url::parse(&metadata.jwks_uri).map_err(|_| format!("{url} names a jwks_uri that is no URL"))?;
        check(&keys).map_err(|rule| format!("{url} names a jwks_uri that {rule}"))?;
        Ok(keys)
    }

    async fn get(&self, url: &Url) -> Result<Response, String> {
        let request = self.client.get(url.clone()).header(header::ACCEPT, "application/json");
        let response = request.send().await.map_err(|e| format!("{url} does not answer: {}", root_cause(&e)))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(format!("{url} answered {status}")),
        }
    }
}

async fn bounded(mut response: Response) -> Result<Vec<u8>, String> {
    let url = response.url().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| format!("{url} broke off: {}", root_cause(&e)))? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(format!("{url} answered more than {BODY_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn discovery_url(issuer: &str) -> Result<Url, String> {
    let text = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    Url::parse(&text).map_err(|_| format!("{issuer:?} is not a URL; give jwks_url where the issuer's name is none"))
}

/// Whoever can change keys on the way can sign tokens, so they come over TLS, or from this machine.
fn check(url: &Url) -> Result<(), String> {
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or a password".into());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => Err(format!("must be https (http only on loopback), and is {url}")),
    }
}

fn max_age(text: &str) -> Option<Duration> {
    let directives = || text.split(',').map(|d| d.trim().to_ascii_lowercase());
    if directives().any(|d| d == "no-store" || d == "no-cache") {
        return None;
    }
    directives().find_map(|d| d.strip_prefix("max-age=")?.trim_matches('"').parse().ok().map(Duration::from_secs))
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, error) { "the exchange broke off".into() } else { cause.to_string() }
}
