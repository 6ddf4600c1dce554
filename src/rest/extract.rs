//! What a handler is given: who calls, and what was sent, checked before anything runs.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, OriginalUri, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::attempts::Attempted;
use super::json::{parse, pointer_of, reword};
use super::problem::{Failure, request_id};
use super::{Api, MOUNT};
use crate::app::OpContext;
use crate::auth::policy::{self, Grant};
use crate::domain::{CLIENT_HEADER, ManagedBy};
use crate::error::Error;

/// A caller who may do `P`, and what the query says. A handler gets an [`OpContext`] in no other way,
/// so that a route without a rule does not compile.
pub(super) struct Caller<P, Q = NoParameters> {
    pub(super) ctx: OpContext,
    pub(super) headers: HeaderMap,
    query: Q,
    uri: Uri,
    grant: PhantomData<fn() -> P>,
}

impl<P: Grant, Q: DeserializeOwned> FromRequestParts<Api> for Caller<P, Q> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let actor = match api.authenticator.authenticate(authorization).await {
            Ok(actor) => actor,
            Err(error) => {
                api.app.limits().guess(authorization, &error, address)?;
                return Err(error.into());
            }
        };
        api.app.limits().request(&actor)?;
        let ctx = OpContext {
            channel: ManagedBy::of_client(parts.headers.get(CLIENT_HEADER).and_then(|v| v.to_str().ok())),
            source_address: address,
            ..OpContext::new(actor, request_id(&parts.headers))
        };
        Attempted::by(parts, &ctx, P::PERMISSION);
        policy::allows_somewhere(&ctx.actor, P::PERMISSION)?;
        if !accepts_json(&parts.headers) {
            let message = "the answer is JSON: send Accept: application/json, or none";
            return Err(Failure::invalid(StatusCode::NOT_ACCEPTABLE, message));
        }
        let uri = parts.extensions.get::<OriginalUri>().map_or_else(|| parts.uri.clone(), |uri| uri.0.clone());
        Ok(Self { ctx, headers: parts.headers.clone(), query: parameters(&uri)?, uri, grant: PhantomData })
    }
}

impl<P, Q> Caller<P, Q> {
    /// The caller, and the parameters of the query.
    pub(super) fn split(self) -> (Caller<P>, Q) {
        let Self { ctx, headers, query, uri, grant } = self;
        (Caller { ctx, headers, query: NoParameters {}, uri, grant }, query)
    }
}

impl<P> Caller<P> {
    /// The path and the query as the client sent them.
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    pub(super) fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// Where `path` is, under the mount that the client uses.
    pub(super) fn locate(&self, path: &str) -> String {
        let mount = if self.path().starts_with(MOUNT) { MOUNT } else { "" };
        format!("{mount}{path}")
    }
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let mut ranges = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).peekable();
    if ranges.peek().is_none() {
        return true;
    }
    ranges.flat_map(|list| list.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0)));
        !refused && matches!(media.as_str(), "" | "*/*" | "application/*" | "application/json")
    })
}

/// What the path names.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(match error.into_kind() {
                ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
                    let what = if expected_type == "i32" { "must be a version number" } else { "must be a UUID" };
                    Error::invalid(format!("/{key}"), what)
                }
                ErrorKind::DeserializeError { key, .. } => Error::invalid(format!("/{key}"), "must be a UUID"),
                ErrorKind::InvalidUtf8InPathParam { key } => Error::invalid(format!("/{key}"), "must be UTF-8"),
                other => Error::internal(other),
            }
            .into()),
            Err(other) => Err(Error::internal(other).into()),
        }
    }
}

/// The parameters of an operation that has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParameters {}

/// The parameters of the query. Unknown ones are refused by name.
fn parameters<Q: DeserializeOwned>(uri: &Uri) -> Result<Q, Failure> {
    let pairs = serde_html_form::Deserializer::from_bytes(uri.query().unwrap_or_default().as_bytes());
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let pointer = pointer_of(error.path());
        // What the deserializer says of a parameter that is sent twice and takes one value.
        let message = match error.inner().to_string() {
            text if text == "unsupported value" => "must be sent once, with one value".to_owned(),
            text => reword(&text),
        };
        Error::invalid(pointer, message).into()
    })
}

/// A parameter that is `true` or `false`, and nothing that forms send for either.
pub(super) fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match std::borrow::Cow::<str>::deserialize(deserializer)?.as_ref() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(serde::de::Error::custom("must be true or false")),
    }
}

/// A JSON body, and the bytes that it was read from.
pub(super) struct Body<T> {
    pub(super) value: T,
    pub(super) raw: Bytes,
}

/// A JSON body that may be left out.
pub(super) struct OptionalBody<T>(pub(super) Body<T>);

/// A JSON Merge Patch (RFC 7396).
pub(super) struct Patch<T>(pub(super) T);

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        let raw = read(request, api, &[JSON]).await?;
        Ok(Self { value: parse(&raw)?, raw })
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Api> for OptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        let raw = read(request, api, &[JSON]).await?;
        let value = if raw.is_empty() { T::default() } else { parse(&raw)? };
        Ok(Self(Body { value, raw }))
    }
}

impl<T: DeserializeOwned> FromRequest<Api> for Patch<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        let raw = read(request, api, &[MERGE_PATCH, JSON]).await?;
        Ok(Self(parse(&raw)?))
    }
}

/// No body, where a client might think that one is read.
pub(super) struct NoBody;

impl FromRequest<Api> for NoBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Failure> {
        match axum::body::to_bytes(request.into_body(), 0).await {
            Ok(_) => Ok(Self),
            Err(_) => {
                let message = "a DELETE takes no body; send the reason as the query parameter reason";
                Err(Error::invalid("", message).into())
            }
        }
    }
}

/// Without a body, a content type says nothing and is not asked for.
async fn read(request: Request, api: &Api, types: &[&str]) -> Result<Bytes, Failure> {
    let (parts, body) = request.into_parts();
    let limit = api.max_body;
    let Ok(raw) = axum::body::to_bytes(body, limit).await else {
        let message = format!("the body is longer than {limit} bytes, or did not arrive whole");
        return Err(Failure::invalid(StatusCode::PAYLOAD_TOO_LARGE, message));
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if !raw.is_empty() && !types.iter().any(|known| media.eq_ignore_ascii_case(known)) {
        let message = format!("the body must be JSON: send Content-Type: {}", types.join(" or "));
        return Err(Failure::invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(raw)
}

/// The key of a request that is to be done once.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(first) = keys.next() else { return Ok(None) };
    let key = first.to_str().ok().filter(|key| {
        keys.next().is_none() && (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    });
    let refusal = || Error::invalid("/headers/idempotency-key", "must be 1 to 255 visible ASCII characters, sent once");
    Ok(Some(key.ok_or_else(refusal)?))
}

/// The context of a request that is done once where it carries a key.
pub(super) async fn once<P>(api: &Api, caller: &Caller<P>, raw: &[u8]) -> Result<OpContext, Failure> {
    let mut ctx = caller.ctx.clone();
    if let Some(key) = idempotency_key(&caller.headers)? {
        // Both mounts lead to the same operation.
        let path = caller.path().strip_prefix(MOUNT).unwrap_or(caller.path());
        ctx.once = Some(Arc::new(api.app.once(&ctx, key, "POST", path, raw).await?));
    }
    Ok(ctx)
}
