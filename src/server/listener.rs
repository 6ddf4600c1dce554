//! The listener: TLS, how many clients may be connected, and how long they may take to say what they want.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::middleware::AddExtension;
use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Seats};
use super::tls::Certificate;
use crate::config::HttpSettings;

/// How often an idle HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
const STREAMS_MAX: u32 = 100;

/// A bound address.
pub(super) struct Listener {
    tcp: TcpListener,
    certificate: Option<Certificate>,
    bounds: Bounds,
}

/// What a client may take up.
#[derive(Clone)]
struct Bounds {
    connections: usize,
    connections_per_address: u32,
    /// They stand for many clients.
    trusted_proxies: Arc<[IpNet]>,
    /// For a handshake, and for the head of a request.
    head: Duration,
    /// For taking some of an answer.
    answer: Duration,
}

impl Listener {
    /// `patience` is how long an answer is kept for a client that takes nothing of it.
    pub(super) async fn bind(address: SocketAddr, settings: &HttpSettings, patience: Duration) -> Result<Self, String> {
        let certificate = Certificate::from_settings(settings)?;
        let tcp = TcpListener::bind(address)
            .await
            .map_err(|e| format!("cannot listen on {address} (--listen, STUDIO_LISTEN): {e}"))?;
        let bounds = Bounds {
            connections: usize::try_from(settings.max_connections).unwrap_or(usize::MAX),
            connections_per_address: settings.max_connections_per_address,
            trusted_proxies: settings.trusted_proxies.clone().into(),
            head: settings.header_timeout.0,
            answer: patience,
        };
        Ok(Self { tcp, certificate, bounds })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `stop`, and for at most `grace` what was begun by then.
    pub(super) async fn serve(self, routes: Router, stop: CancellationToken, grace: Duration) -> io::Result<()> {
        let Self { tcp, certificate, bounds } = self;
        let (timeout, seats) = (bounds.head, Seats::default());
        let server = axum_server::from_tcp(tcp.into_std()?)?;
        match certificate {
            None => {
                let guarded = |handle| Guarded { inner: NoDelayAcceptor::new(), handle, bounds, seats };
                run(server, guarded, routes, timeout, stop, grace).await
            }
            Some(certificate) => {
                let tls = RustlsAcceptor::new(certificate.config()).handshake_timeout(timeout);
                let inner = tls.acceptor(NoDelayAcceptor::new());
                let watching = tokio::spawn(certificate.watch(stop.clone()));
                let guarded = |handle| Guarded { inner, handle, bounds, seats };
                let served = run(server, guarded, routes, timeout, stop, grace).await;
                watching.abort();
                served
            }
        }
    }
}

type Service = AddExtension<Router, ConnectInfo<SocketAddr>>;

async fn run<A>(
    server: Server<SocketAddr>,
    guarded: impl FnOnce(Handle<SocketAddr>) -> Guarded<A>,
    routes: Router,
    timeout: Duration,
    stop: CancellationToken,
    grace: Duration,
) -> io::Result<()>
where
    A: Accept<TcpStream, Service, Service = Service> + Clone + Send + Sync + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
    A::Future: Send + 'static,
{
    let handle = Handle::new();
    let mut server = server.acceptor(guarded(handle.clone())).handle(handle.clone());
    let builder = server.http_builder();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(timeout);
    let http2 = &mut builder.http2();
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS_MAX);
    tokio::spawn(async move {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(grace));
    });
    server.serve(routes.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// Closes what is too much at once, and bounds what comes before the first request.
#[derive(Clone)]
struct Guarded<A> {
    inner: A,
    handle: Handle<SocketAddr>,
    bounds: Bounds,
    seats: Seats,
}

impl<A, S> Accept<TcpStream, S> for Guarded<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
{
    type Stream = Connection<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Bounds { connections, connections_per_address, head, answer, ref trusted_proxies } = self.bounds;
        let refused = || -> Self::Future { Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) }) };
        if self.handle.connection_count() > connections {
            tracing::warn!(most = connections, "closed a connection: too many are open (--max-connections)");
            return refused();
        }
        // Whose address is gone by now is gone, too.
        let Ok(peer) = stream.peer_addr().map(|peer| peer.ip().to_canonical()) else { return refused() };
        let seat = if trusted_proxies.iter().any(|net| net.contains(&peer)) {
            None
        } else {
            let Some(seat) = self.seats.take(peer, connections_per_address) else {
                tracing::warn!(
                    address = %peer,
                    most = connections_per_address,
                    "closed a connection: its address has too many (--max-connections-per-address)"
                );
                return refused();
            };
            Some(seat)
        };
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Connection::new(stream, head, answer, seat), service))
        })
    }
}
