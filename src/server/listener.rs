//! The listener: TLS, how many clients may be connected, and how long they may take to say what they want.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::middleware::AddExtension;
use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::tls::Certificate;
use crate::config::HttpSettings;

/// How often an idle HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
const STREAMS_MAX: u32 = 250;

/// A bound address.
pub(super) struct Listener {
    tcp: TcpListener,
    certificate: Option<Certificate>,
    timeout: Duration,
    connections_max: usize,
}

impl Listener {
    pub(super) async fn bind(address: SocketAddr, settings: &HttpSettings) -> Result<Self, String> {
        let certificate = Certificate::from_settings(settings)?;
        let tcp = TcpListener::bind(address)
            .await
            .map_err(|e| format!("cannot listen on {address} (--listen, STUDIO_LISTEN): {e}"))?;
        let connections_max = usize::try_from(settings.max_connections).unwrap_or(usize::MAX);
        Ok(Self { tcp, certificate, timeout: settings.header_timeout.0, connections_max })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `stop`, and for at most `grace` what was begun by then.
    pub(super) async fn serve(self, routes: Router, stop: CancellationToken, grace: Duration) -> io::Result<()> {
        let Self { tcp, certificate, timeout, connections_max } = self;
        let server = axum_server::from_tcp(tcp.into_std()?)?;
        match certificate {
            None => {
                let guarded = |handle| Guarded { inner: NoDelayAcceptor::new(), handle, connections_max, timeout };
                run(server, guarded, routes, timeout, stop, grace).await
            }
            Some(certificate) => {
                let tls = RustlsAcceptor::new(certificate.config()).handshake_timeout(timeout);
                let inner = tls.acceptor(NoDelayAcceptor::new());
                let watching = tokio::spawn(certificate.watch(stop.clone()));
                let guarded = |handle| Guarded { inner, handle, connections_max, timeout };
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
    connections_max: usize,
    timeout: Duration,
}

impl<A, S> Accept<TcpStream, S> for Guarded<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
{
    type Stream = Greeting<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        if self.handle.connection_count() > self.connections_max {
            tracing::warn!(most = self.connections_max, "closed a connection: too many are open (--max-connections)");
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        }
        let (accepted, timeout) = (self.inner.accept(stream, service), self.timeout);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Greeting { stream, timer: Some(Box::pin(tokio::time::sleep(timeout))), matched: 0 }, service))
        })
    }
}

/// Bounds the time in which a client shows which version of HTTP it speaks: who stops within what
/// could be the preface of HTTP/2 would be waited for by nobody else's clock.
struct Greeting<S> {
    stream: S,
    /// Gone as soon as it is shown.
    timer: Option<Pin<Box<Sleep>>>,
    /// How much of the preface has come.
    matched: usize,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl<S: AsyncRead + Unpin> AsyncRead for Greeting<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, timer, matched } = &mut *self;
        let Some(running) = timer else { return Pin::new(stream).poll_read(cx, buf) };
        let before = buf.filled().len();
        if Pin::new(stream).poll_read(cx, buf)?.is_pending() {
            ready!(running.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let come = &buf.filled()[before..];
        *matched += come.len();
        let could_be_preface = PREFACE.get(*matched - come.len()..*matched) == Some(come);
        if !could_be_preface || *matched == PREFACE.len() {
            *timer = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeting<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
