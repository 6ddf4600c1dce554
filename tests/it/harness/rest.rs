//! Calls of the REST API.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::Client;

/// What a call was answered with.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

/// A call that is put together.
pub struct Call(pub reqwest::RequestBuilder);

impl Client {
    /// A call of a path such as `/api/v1/datasources`.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let call = self.http.request(method, format!("{}{path}", self.url));
        Call(if self.token.is_empty() { call } else { call.bearer_auth(&self.token) })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path).json(&body).send().await
    }
}

impl Call {
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// A body of any type.
    pub fn raw(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.header("content-type", content_type).body(body))
    }

    pub async fn send(self) -> Answer {
        let response = self.0.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("text");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }
}

impl Answer {
    /// The body of a success; fails on any other status.
    #[track_caller]
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        assert_eq!(self.header("content-type"), "application/json");
        self.body
    }

    /// Checks a refusal: its status and code, in the body too, and that it is a problem document.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{:#}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["requestId"], self.header("x-request-id"));
        assert!(self.body["detail"].as_str().is_some_and(|text| !text.is_empty()), "{:#}", self.body);
        self.body
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Where the link with this relation leads to.
    pub fn link(&self, relation: &str) -> Option<String> {
        let wanted = format!("rel=\"{relation}\"");
        self.header("link").split(", ").find_map(|link| {
            let (target, rest) = link.strip_prefix('<')?.split_once(">; ")?;
            (rest == wanted).then(|| target.to_owned())
        })
    }
}
