//! Subscriptions over `graphql-transport-ws`. Nobody gets past `connection_init`
//! without a token, and the socket closes when the token ends.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::http::{ClientMessage, WebSocket as Protocol, WebSocketProtocols, WsMessage};
use async_graphql::runtime::TokioTimer;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use futures::{SinkExt, Stream, StreamExt};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::api::{Api, Origin};
use super::prepare::{OPERATIONS_MAX, Session};
use crate::app::OpContext;

const SUBPROTOCOL: &str = "graphql-transport-ws";
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(60);
const GOODBYE: Duration = Duration::from_secs(1);
const MESSAGE_MAX: usize = 256 * 1024;

/// Close codes of the protocol.
const BAD_REQUEST: u16 = 4400;
const FORBIDDEN: u16 = 4403;
const INIT_TIMED_OUT: u16 = 4408;
const BAD_SUBPROTOCOL: u16 = 4406;

pub(super) async fn upgrade(State(api): State<Api>, origin: Origin, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(MESSAGE_MAX)
        .on_upgrade(move |socket| serve(api, origin, socket))
        .into_response()
}

async fn serve(api: Api, origin: Origin, mut socket: WebSocket) {
    if socket.protocol().is_none_or(|p| p != SUBPROTOCOL) {
        return close(socket, BAD_SUBPROTOCOL, "Subprotocol not acceptable").await;
    }
    let first = match tokio::time::timeout(INIT_TIMEOUT, first_text(&mut socket)).await {
        Ok(Some(text)) => text,
        Ok(None) => return,
        Err(_) => return close(socket, INIT_TIMED_OUT, "Connection initialisation timeout").await,
    };
    let Ok(ClientMessage::ConnectionInit { payload }) = ClientMessage::from_bytes(&first) else {
        return close(socket, BAD_REQUEST, "The first message must be connection_init").await;
    };
    match origin.verified(&api, authorization(payload.as_ref()).as_deref()).await {
        Ok(ctx) => run(api, ctx, first, socket).await,
        Err(error) => {
            api.gateway.refused_stranger(&error, &origin);
            close(socket, FORBIDDEN, error.message()).await;
        }
    }
}

async fn run(api: Api, ctx: OpContext, first: String, socket: WebSocket) {
    let actor = ctx.actor.clone();
    let authenticator = api.authenticator;
    let (mut sink, stream) = socket.split();
    let texts = futures::stream::once(async { first }).chain(texts(stream));
    let patience = api.gateway.0.timeout;
    let places = Arc::new(Semaphore::new(OPERATIONS_MAX));
    let session = Session { gateway: api.gateway, ctx, places };
    let protocol = Protocol::new(session, texts, WebSocketProtocols::GraphQLWS)
        .keepalive_timeout(TokioTimer::default(), KEEPALIVE);
    let mut answers = Box::pin(protocol);
    let end = authenticator.ended(&actor);
    tokio::pin!(end);
    loop {
        let message = tokio::select! {
            answer = answers.next() => match answer {
                Some(WsMessage::Text(text)) => Message::Text(text.into()),
                Some(WsMessage::Close(code, reason)) => Message::Close(Some(frame(code, &reason))),
                None => return,
            },
            why = &mut end => Message::Close(Some(frame(FORBIDDEN, why))),
        };
        let last = match message {
            Message::Close(_) => message,
            message => tokio::select! {
                sent = tokio::time::timeout(patience, sink.send(message)) => match sent {
                    Ok(Ok(())) => continue,
                    _ => return,
                },
                why = &mut end => Message::Close(Some(frame(FORBIDDEN, why))),
            },
        };
        // Who does not take his answers may not take this either.
        let goodbye = async {
            let _ = sink.send(last).await;
            let _ = sink.close().await;
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        return;
    }
}

fn texts(stream: impl Stream<Item = Result<Message, axum::Error>>) -> impl Stream<Item = String> {
    stream
        .take_while(|message| std::future::ready(matches!(message, Ok(m) if !matches!(m, Message::Close(_)))))
        .filter_map(|message| {
            std::future::ready(match message {
                Ok(Message::Text(text)) => Some(text.to_string()),
                _ => None,
            })
        })
}

async fn first_text(socket: &mut WebSocket) -> Option<String> {
    loop {
        match socket.recv().await? {
            Ok(Message::Text(text)) => return Some(text.to_string()),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            _ => return None,
        }
    }
}

/// `{"Authorization": "Bearer …"}`, in any case, or `{"token": "…"}`.
fn authorization(payload: Option<&Value>) -> Option<String> {
    let fields = payload?.as_object()?;
    let find = |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, v)| v.as_str());
    match find("authorization") {
        Some(header) => Some(header.to_owned()),
        None => find("token").map(|token| format!("Bearer {token}")),
    }
}

async fn close(mut socket: WebSocket, code: u16, reason: &str) {
    let _ = socket.send(Message::Close(Some(frame(code, reason)))).await;
}

/// A close frame carries at most 123 bytes of reason.
fn frame(code: u16, reason: &str) -> CloseFrame {
    let cut = (0..=reason.len().min(123)).rev().find(|i| reason.is_char_boundary(*i)).unwrap_or(0);
    CloseFrame { code, reason: reason[..cut].to_owned().into() }
}
