//! Who a request comes from, and whether that address may come again already.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;

use super::http::refusal;
use crate::rate_limit::RateLimits;

/// Routes that no address is kept from: probes, metrics, and webhooks, which have limits of their own.
const FREE: [&str; 3] = ["/health/", "/hooks/", "/metrics"];

#[derive(Clone)]
pub(super) struct Clients {
    pub(super) trusted_proxies: Arc<[IpNet]>,
    pub(super) limits: RateLimits,
}

/// Everything further in sees the address of the client, not that of the proxies that are believed.
pub(super) async fn admit(State(clients): State<Clients>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let Some(peer) = peer else { return next.run(request).await };
    let address = client(peer.ip(), request.headers(), &clients.trusted_proxies);
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, peer.port())));
    let path = request.uri().path();
    if FREE.iter().any(|free| path.starts_with(free)) {
        return next.run(request).await;
    }
    match clients.limits.address(address) {
        Ok(()) => next.run(request).await,
        Err(error) => refusal(&error, path, request.headers()),
    }
}

/// The last address that a proxy vouches for and that is no proxy itself.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let believed = |address: &IpAddr| trusted.iter().any(|net| net.contains(&address.to_canonical()));
    // As bytes: what a client put in front must not spoil what a proxy added.
    let lists = headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
    let hops: Vec<_> = lists.flat_map(|list| list.split(|byte| *byte == b',')).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        if !believed(&client) {
            break;
        }
        let Some(address) = str::from_utf8(hop).ok().map(str::trim).and_then(parse) else { break };
        client = address;
    }
    client
}

/// An address, as proxies write it: also with a port, and an IPv6 one in brackets.
fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().expect("a network")).collect();
        client(peer.parse().expect("an address"), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(seen("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(seen("192.0.2.1", &["198.51.100.7"], &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
    }

    #[test]
    fn what_a_client_put_in_front_itself_is_not_believed() {
        assert_eq!(seen("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.0.0.2"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(seen("10.0.0.1", &["203.0.113.9", "198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
    }

    #[test]
    fn what_is_no_text_spoils_nothing_that_a_proxy_added() {
        assert_eq!(seen("10.0.0.1", &["\u{e9}, 198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
    }

    #[test]
    fn ports_and_brackets_are_read_and_nonsense_is_not() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.7:4711"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::1]"], &["10.0.0.0/8"]), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::1]:80"], &["10.0.0.0/8"]), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", &["unknown, 10.0.0.3"], &["10.0.0.0/8"]), "10.0.0.3");
    }
}
