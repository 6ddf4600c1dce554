//! Where connectors may connect to: public addresses, and what the operator allows.
//!
//! Every outbound request passes [`Egress::send`]. A host name is judged by the
//! addresses that it resolves to, in the very lookup that the connection uses, so
//! that a name cannot change its answer between the check and the connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Request, Response, Url};
use url::Host;

use super::ConnectorError;
use crate::config::EgressRule;

mod address;
mod redirect;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP client of all connectors. Cookies, proxies of the environment and
/// automatic redirects are off: requests of different tenants share nothing but connections.
pub struct Egress {
    guard: Arc<Guard>,
    client: OnceLock<Result<Client, String>>,
}

impl Egress {
    pub fn new(rules: Vec<EgressRule>) -> Self {
        Self { guard: Arc::new(Guard { rules }), client: OnceLock::new() }
    }

    /// Refuses a URL that is wrong on its face: another scheme, or the literal
    /// address of a place that is out of bounds. A host name is judged when it is resolved.
    pub fn check(&self, url: &Url) -> Result<(), ConnectorError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ConnectorError::permanent("egress_denied", "only http and https URLs can be reached"));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(ConnectorError::permanent("egress_denied", "the URL names no host")),
        };
        if self.guard.allows(literal) { Ok(()) } else { Err(Denied { host: literal.to_string() }.into()) }
    }

    /// Sends `request` and follows up to five redirects, each checked like a first request.
    /// The caller bounds the time and the size of the answer.
    pub async fn send(&self, request: Request) -> Result<Response, ConnectorError> {
        let client = self.client()?;
        let mut request = request;
        for _ in 0..=redirect::LIMIT {
            self.check(request.url())?;
            let sent = request.try_clone();
            let origin = request.url().origin().ascii_serialization();
            let response = client.execute(request).await.map_err(|e| failure(&origin, &e))?;
            match redirect::next(sent, &response)? {
                Some(next) => request = next,
                None => return Ok(response),
            }
        }
        Err(redirect::too_many())
    }

    fn client(&self) -> Result<&Client, ConnectorError> {
        let built = self.client.get_or_init(|| {
            Client::builder()
                .user_agent(concat!("datasource-studio/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Resolver(self.guard.clone()))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
                .build()
                .map_err(|e| root_cause(&e))
        });
        built.as_ref().map_err(|cause| {
            ConnectorError::permanent(
                "tls_unavailable",
                format!("the HTTP client cannot start ({cause}); install the system's CA certificates"),
            )
        })
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("rules", &self.guard.rules).finish_non_exhaustive()
    }
}

/// What a failed exchange means. The text names the origin only: a path or a query may hold a secret.
pub(super) fn failure(origin: &str, error: &reqwest::Error) -> ConnectorError {
    if let Some(denied) = find::<Denied>(error) {
        return denied.clone().into();
    }
    if error.is_timeout() {
        return ConnectorError::transient("timeout", format!("{origin} did not answer in time"));
    }
    let code = if error.is_connect() { "connect_failed" } else { "request_failed" };
    ConnectorError::transient(code, format!("the request to {origin} failed: {}", root_cause(error)))
}

/// The innermost cause, which says what happened; the outer ones repeat the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, error) { "the HTTP exchange broke off".into() } else { cause.to_string() }
}

fn find<E: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// A host whose address is out of bounds.
#[derive(Clone, Debug)]
struct Denied {
    host: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not a public address (it is private, local or reserved), and connectors may reach public ones only; \
             an operator can allow its network or host name with STUDIO_EGRESS_ALLOW",
            self.host
        )
    }
}

impl std::error::Error for Denied {}

impl From<Denied> for ConnectorError {
    fn from(denied: Denied) -> Self {
        Self::permanent("egress_denied", denied.to_string())
    }
}

struct Guard {
    rules: Vec<EgressRule>,
}

impl Guard {
    fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address::is_public(address)
            || self.rules.iter().any(|rule| matches!(rule, EgressRule::Net(net) if net.contains(&address)))
    }

    fn names(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.rules.iter().any(|rule| matches!(rule, EgressRule::Host(name) if name.eq_ignore_ascii_case(host)))
    }
}

struct Resolver(Arc<Guard>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let host = name.as_str();
            let named = guard.names(host);
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let known = !found.is_empty();
            let allowed: Vec<_> = found.into_iter().filter(|a| named || guard.allows(a.ip())).collect();
            if known && allowed.is_empty() {
                return Err(Denied { host: host.to_owned() }.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
