//! A successful answer: always with a JSON body.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::etag;
use super::problem::Failure;
use crate::error::{Error, Result};

pub(super) const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What a handler answers with.
pub(super) type Answer = Result<Reply, Failure>;

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) location: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) body: String,
    more: Vec<(HeaderName, String)>,
}

impl Reply {
    pub(super) fn ok(body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_string(body).map_err(Error::internal)?;
        Ok(Self::stored(StatusCode::OK, None, None, body))
    }

    pub(super) fn stored(status: StatusCode, location: Option<String>, etag: Option<String>, body: String) -> Self {
        Self { status, location, etag, body, more: Vec::new() }
    }

    pub(super) fn created(self, location: String) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), ..self }
    }

    pub(super) fn revision(self, revision: i64) -> Self {
        Self { etag: Some(etag::of(revision, &self.body)), ..self }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// 304 when the caller has this body already.
    pub(super) fn unless_known(self, headers: &HeaderMap) -> Self {
        match &self.etag {
            Some(etag) if etag::is_known(headers, etag) => Self { status: StatusCode::NOT_MODIFIED, ..self },
            _ => self,
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        // 304 has no body.
        let body = if self.status == StatusCode::NOT_MODIFIED { String::new() } else { self.body };
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::NOT_MODIFIED {
            headers.remove(header::CONTENT_TYPE);
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // For one caller, and to be asked for again: what is shown changes without notice.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        let named = [(header::LOCATION, self.location), (header::ETAG, self.etag)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in named.chain(self.more) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }
}
