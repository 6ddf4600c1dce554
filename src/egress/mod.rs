//! Where connectors and sinks may connect to: public addresses, and what the operator allows.
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
use tokio::net::TcpStream;
use url::Host;

use crate::config::EgressRule;
use crate::fault::Fault;

mod address;
pub mod database;
pub mod headers;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "nats")]
pub mod nats;
pub mod object_http;
mod redirect;
pub mod status;
pub mod tls;

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
    pub fn check(&self, url: &Url) -> Result<(), Fault> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Fault::permanent("egress_denied", "only http and https URLs can be reached"));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(Fault::permanent("egress_denied", "the URL names no host")),
        };
        if self.guard.allows(literal) { Ok(()) } else { Err(Denied { host: literal.to_string() }.into()) }
    }

    /// Sends `request` and follows up to five redirects, each checked like a first request.
    /// The caller bounds the time and the size of the answer.
    pub async fn send(&self, request: Request) -> Result<Response, Fault> {
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

    /// Sends `request` to where it says and nowhere else: for what is written, a redirect is no answer.
    pub async fn send_directly(&self, request: Request) -> Result<Response, Fault> {
        self.check(request.url())?;
        let origin = request.url().origin().ascii_serialization();
        self.client()?.execute(request).await.map_err(|e| failure(&origin, &e))
    }

    /// The addresses of a host that may be connected to. A client that takes addresses is given these, and cannot
    /// be led elsewhere by another answer of the name server.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        self.guard.resolve(host, port).await.map_err(|error| match error {
            Unresolved::Denied(denied) => denied.into(),
            Unresolved::Unknown(cause) => {
                Fault::transient("resolve_failed", format!("the address of {host} was not found: {cause}"))
            }
        })
    }

    /// A connection to the first address of a host that takes one.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Fault> {
        let addresses = self.resolve(host, port).await?;
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(addresses.as_slice())).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(cause)) => {
                Err(Fault::transient("connect_failed", format!("{host}:{port} cannot be connected to: {cause}")))
            }
            Err(_) => Err(Fault::transient("timeout", format!("{host}:{port} did not take a connection in time"))),
        }
    }

    fn client(&self) -> Result<&Client, Fault> {
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
            Fault::permanent(
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
pub fn failure(origin: &str, error: &reqwest::Error) -> Fault {
    if let Some(denied) = find::<Denied>(error) {
        return denied.clone().into();
    }
    if error.is_timeout() {
        return Fault::transient("timeout", format!("{origin} did not answer in time"));
    }
    let code = if error.is_connect() { "connect_failed" } else { "request_failed" };
    Fault::transient(code, format!("the request to {origin} failed: {}", root_cause(error)))
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

impl From<Denied> for Fault {
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

enum Unresolved {
    Unknown(std::io::Error),
    Denied(Denied),
}

impl Guard {
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unresolved> {
        // A literal IPv6 address stands in brackets where a port may follow.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let named = self.names(bare);
        let found = tokio::net::lookup_host((bare, port)).await.map_err(Unresolved::Unknown)?;
        let found: Vec<_> = found.collect();
        let known = !found.is_empty();
        let allowed: Vec<_> = found.into_iter().filter(|a| named || self.allows(a.ip())).collect();
        if known && allowed.is_empty() {
            return Err(Unresolved::Denied(Denied { host: host.to_owned() }));
        }
        Ok(allowed)
    }
}

struct Resolver(Arc<Guard>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            match guard.resolve(name.as_str(), 0).await {
                Ok(allowed) => Ok(Box::new(allowed.into_iter()) as Addrs),
                Err(Unresolved::Denied(denied)) => Err(denied.into()),
                Err(Unresolved::Unknown(cause)) => Err(cause.into()),
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
