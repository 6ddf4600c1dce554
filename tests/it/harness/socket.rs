//! A client of `graphql-transport-ws`.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::Client;

pub struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

/// What arrives: a message of the protocol, or the end with its code and reason.
#[derive(Debug)]
pub enum Arrival {
    Message(Value),
    Closed(u16, String),
}

impl Socket {
    /// Opens the socket and says nothing yet.
    pub async fn open(url: &str, subprotocol: Option<&str>) -> Self {
        let url = format!("{}/graphql/ws", url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("a request");
        if let Some(name) = subprotocol {
            let name = HeaderValue::from_str(name).expect("a header");
            request.headers_mut().insert("sec-websocket-protocol", name);
        }
        Self(tokio_tungstenite::connect_async(request).await.expect("the socket opens").0)
    }

    /// Opens the socket and gets past `connection_init`.
    pub async fn connect(client: &Client) -> Self {
        let mut socket = Self::open(&client.url, Some("graphql-transport-ws")).await;
        let payload = json!({ "Authorization": format!("Bearer {}", client.token) });
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.message().await["type"], "connection_ack");
        socket
    }

    /// Opens a socket with one subscription, of the id "1".
    pub async fn subscribe(client: &Client, query: &str, variables: Value) -> Self {
        let mut socket = Self::connect(client).await;
        let payload = json!({ "query": query, "variables": variables });
        socket.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        socket
    }

    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("the message is sent");
    }

    /// The next message or the end; keep-alives are answered in passing.
    pub async fn arrival(&mut self) -> Arrival {
        loop {
            let next = tokio::time::timeout(std::time::Duration::from_secs(30), self.0.next());
            match next.await.expect("something arrives") {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] == "ping" {
                        self.send(json!({ "type": "pong" })).await;
                        continue;
                    }
                    return Arrival::Message(message);
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Arrival::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => return Arrival::Closed(0, format!("{other:?}")),
            }
        }
    }

    pub async fn message(&mut self) -> Value {
        match self.arrival().await {
            Arrival::Message(message) => message,
            closed @ Arrival::Closed(..) => panic!("a message, not {closed:?}"),
        }
    }

    /// The data of the next answer; fails on any error.
    pub async fn next(&mut self) -> Value {
        let mut message = self.message().await;
        assert_eq!(message["type"], "next", "{message:#}");
        assert!(message["payload"].get("errors").is_none(), "unexpected errors: {message:#}");
        message["payload"]["data"].take()
    }

    /// The code of the error that the subscription ends with.
    pub async fn error_code(&mut self) -> String {
        let message = self.message().await;
        let error = match &message["payload"] {
            Value::Array(errors) => &errors[0],
            payload => &payload["errors"][0],
        };
        error["extensions"]["code"].as_str().unwrap_or_else(|| panic!("an error, not {message:#}")).to_owned()
    }

    /// The code and the reason with which the server closes, whatever it says before.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Arrival::Closed(code, reason) = self.arrival().await {
                return (code, reason);
            }
        }
    }
}
