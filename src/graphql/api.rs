//! What the HTTP and WebSocket transports share: the gateway, the authenticator, and who is calling.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::Gateway;
use crate::app::{Authenticator, OpContext};
use crate::domain::{CLIENT_HEADER, ManagedBy};

/// The token that GraphiQL and the console start with; only in embedded mode there is one.
#[derive(Clone, Default)]
pub struct EmbeddedToken(pub Option<Arc<dyn Fn() -> Option<String> + Send + Sync>>);

impl EmbeddedToken {
    /// The token goes only to a page that was opened under a name of this machine: a site that lets its
    /// own name point here (DNS rebinding) gets a page without one.
    pub fn for_page(&self, headers: &HeaderMap) -> Option<String> {
        self.0.as_ref().filter(|_| is_local(headers)).and_then(|mint| mint())
    }
}

/// Nor through a proxy, which would pass on whoever asks it.
fn is_local(headers: &HeaderMap) -> bool {
    const PROXIED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];
    if PROXIED.iter().any(|name| headers.contains_key(*name)) {
        return false;
    }
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[derive(Clone)]
pub(super) struct Api {
    pub(super) gateway: Gateway,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) token: EmbeddedToken,
}

/// Where a request comes from, before anybody is authenticated.
pub(super) struct Origin {
    pub(super) request_id: String,
    pub(super) address: Option<IpAddr>,
    authorization: Option<String>,
    channel: ManagedBy,
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        Ok(Self {
            request_id: text("x-request-id").unwrap_or_default(),
            address: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()),
            authorization: text("authorization"),
            channel: ManagedBy::of_client(text(CLIENT_HEADER).as_deref()),
        })
    }
}

impl Origin {
    pub(super) fn context(&self, actor: crate::auth::Actor) -> OpContext {
        OpContext {
            source_address: self.address,
            channel: self.channel.clone(),
            ..OpContext::new(actor, self.request_id.clone())
        }
    }

    pub(super) async fn authenticate(&self, api: &Api) -> crate::error::Result<OpContext> {
        self.verified(api, self.authorization.as_deref()).await
    }

    /// Of a credential that came by another way than the header.
    pub(super) async fn verified(&self, api: &Api, authorization: Option<&str>) -> crate::error::Result<OpContext> {
        match api.authenticator.authenticate(authorization).await {
            Ok(actor) => Ok(self.context(actor)),
            Err(error) => {
                api.gateway.0.app.limits().guess(authorization, &error, self.address)?;
                Err(error)
            }
        }
    }
}
