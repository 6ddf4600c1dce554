//! One connection of a client: how long it may say nothing at first, and how long it may not take what it asked for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::rate_limit::network;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How many connections each address has open.
#[derive(Clone, Default)]
pub(super) struct Seats(Arc<Mutex<HashMap<IpAddr, u32>>>);

impl Seats {
    /// A place among at most `most` of the same address; it is free again when the seat is dropped.
    pub(super) fn take(&self, address: IpAddr, most: u32) -> Option<Seat> {
        let network = network(address);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = open.get(&network).copied().unwrap_or_default();
        if taken >= most {
            return None;
        }
        open.insert(network, taken + 1);
        Some(Seat { seats: self.clone(), network })
    }
}

pub(super) struct Seat {
    seats: Seats,
    network: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut taken) = open.entry(self.network) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

/// Ends by itself when its client shows nothing at the beginning, or takes nothing later on.
pub(super) struct Connection<S> {
    stream: S,
    /// Until the client shows which version of HTTP it speaks: who stops within what could be the preface of
    /// HTTP/2 would be waited for by nobody else's clock.
    greeting: Option<Pin<Box<Sleep>>>,
    /// How much of the preface has come.
    matched: usize,
    patience: Duration,
    /// Since the client takes nothing of what is written.
    stalled: Option<Pin<Box<Sleep>>>,
    _seat: Option<Seat>,
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S, greeting: Duration, patience: Duration, seat: Option<Seat>) -> Self {
        Self { stream, greeting: Some(Box::pin(sleep(greeting))), matched: 0, patience, stalled: None, _seat: seat }
    }

    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        ready!(self.stalled.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, greeting, matched, .. } = &mut *self;
        let Some(running) = greeting else { return Pin::new(stream).poll_read(cx, buf) };
        let before = buf.filled().len();
        if Pin::new(stream).poll_read(cx, buf)?.is_pending() {
            ready!(running.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let come = &buf.filled()[before..];
        *matched += come.len();
        let could_be_preface = PREFACE.get(*matched - come.len()..*matched) == Some(come);
        if !could_be_preface || *matched == PREFACE.len() {
            *greeting = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bounded(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bounded(cx, closed)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bounded(cx, written)
    }
}
