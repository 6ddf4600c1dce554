//! GraphQL over HTTP, as its specification has it: content types, status codes,
//! no mutations over GET, and nothing that a form on another site could send.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{BatchRequest, BatchResponse, Request, Response};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::get;
use futures::StreamExt;
use serde::Deserialize;

use super::api::{Api, EmbeddedToken, Origin};
use super::error::{RETRY_AFTER, refused};
use super::prepare::Prepared;
use super::{Gateway, documents, graphiql, ws};
use crate::app::{Authenticator, OpContext};
use crate::error::{Error, ErrorCode};

const RESPONSE_JSON: &str = "application/graphql-response+json";
const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

/// `/graphql` (POST, GET, server-sent events, GraphiQL) and `/graphql/ws`.
pub fn routes(gateway: Gateway, authenticator: Arc<Authenticator>, token: EmbeddedToken) -> Router {
    let api = Api { gateway, authenticator, token };
    Router::new()
        .route("/graphql", get(by_get).post(by_post))
        .route("/graphql/ws", get(ws::upgrade))
        .route("/graphql/assets/{*path}", get(graphiql::asset))
        .with_state(api)
}

/// An answer to a request that got no further than the listener.
pub fn refusal(error: &Error, headers: &HeaderMap) -> HttpResponse {
    let request_id = headers.get("x-request-id").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let status = match error.code() {
        ErrorCode::Internal => Some(StatusCode::INTERNAL_SERVER_ERROR),
        _ => None,
    };
    respond(refused(error, request_id).into(), Answer::of(headers), status)
}

/// What the client takes, best first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    ResponseJson,
    Json,
    Events,
}

impl Answer {
    fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("*/*");
        let accepts =
            |media: &str| accept.split(',').any(|part| part.split(';').next().is_some_and(|m| m.trim() == media));
        if accepts(EVENT_STREAM) {
            Self::Events
        } else if accepts(RESPONSE_JSON) || !accepts(JSON) {
            Self::ResponseJson
        } else {
            Self::Json
        }
    }
}

async fn by_post(State(api): State<Api>, origin: Origin, headers: HeaderMap, body: Body) -> HttpResponse {
    let answer = Answer::of(&headers);
    // A form on another site can send only simple content types; this one needs a preflight.
    if !is_json(&headers) {
        let message = "the body must be JSON: send Content-Type: application/json";
        let refused = refused(&Error::new(ErrorCode::ValidationFailed, message), &origin.request_id);
        return respond(refused.into(), answer, Some(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let ctx = match origin.authenticate(&api).await {
        Ok(ctx) => ctx,
        Err(error) => return unauthenticated(&api, &error, &origin, answer),
    };
    let limit = api.gateway.0.limits.graphql_max_body;
    let Ok(arrived) = tokio::time::timeout(api.gateway.0.timeout, axum::body::to_bytes(body, limit)).await else {
        let error = Error::new(ErrorCode::Unavailable, "the body did not arrive in time; send it again");
        return respond(refused(&error, &origin.request_id).into(), answer, Some(StatusCode::REQUEST_TIMEOUT));
    };
    let Ok(bytes) = arrived else {
        let message = format!("the body is longer than {limit} bytes, or did not arrive whole");
        let error = Error::new(ErrorCode::ValidationFailed, message);
        let refused = refused(&error, &origin.request_id);
        return respond(refused.into(), answer, Some(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let request = match parse(&bytes) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("the body is not a GraphQL request: {error}");
            let refused = refused(&Error::new(ErrorCode::ValidationFailed, message), &origin.request_id);
            return respond(refused.into(), answer, Some(StatusCode::BAD_REQUEST));
        }
    };
    match request {
        BatchRequest::Single(request) => single(&api, request, &ctx, answer).await,
        BatchRequest::Batch(requests) => batch(&api, requests, &ctx, answer).await,
    }
}

/// Told apart by the bracket: what derives from a structure would read a list as its fields, too.
fn parse(body: &[u8]) -> serde_json::Result<BatchRequest> {
    if body.trim_ascii_start().starts_with(b"[") {
        let mut all: Vec<Request> = serde_json::from_slice(body)?;
        if all.iter().any(|request| request.query.is_empty()) {
            let names: Vec<Named> = serde_json::from_slice(body)?;
            all.iter_mut().zip(names).for_each(|(request, named)| named.put(request));
        }
        Ok(BatchRequest::Batch(all))
    } else {
        let mut request: Request = serde_json::from_slice(body)?;
        if request.query.is_empty() {
            serde_json::from_slice::<Named>(body)?.put(&mut request);
        }
        Ok(BatchRequest::Single(request))
    }
}

/// A request that names its document instead of sending it.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "documentId")]
    document_id: Option<String>,
}

impl Named {
    fn put(self, request: &mut Request) {
        if let Some(id) = self.document_id {
            documents::name(request, &id);
        }
    }
}

async fn single(api: &Api, request: Request, ctx: &OpContext, answer: Answer) -> HttpResponse {
    let prepared = match api.gateway.prepare(request, ctx) {
        Ok(prepared) => prepared,
        Err(refused) => return respond((*refused).into(), answer, None),
    };
    if answer == Answer::Events {
        return events(api, prepared, ctx);
    }
    if prepared.operation_type == OperationType::Subscription {
        return respond(only_as_stream(ctx).into(), answer, Some(StatusCode::NOT_ACCEPTABLE));
    }
    respond(api.gateway.run(prepared, ctx).await.into(), answer, None)
}

async fn batch(api: &Api, requests: Vec<Request>, ctx: &OpContext, answer: Answer) -> HttpResponse {
    let most = api.gateway.0.limits.graphql_max_batch;
    if requests.is_empty() || requests.len() > most {
        let message = format!("a batch must have 1 to {most} operations, not {}", requests.len());
        let refused = refused(&Error::new(ErrorCode::QueryTooComplex, message), &ctx.request_id);
        return respond(refused.into(), answer, Some(StatusCode::BAD_REQUEST));
    }
    // One after the other: a batch is one request and gets no more of the server than one.
    let mut responses = Vec::with_capacity(requests.len());
    for request in requests {
        responses.push(match api.gateway.prepare(request, ctx) {
            Ok(prepared) if prepared.operation_type == OperationType::Subscription => only_as_stream(ctx),
            Ok(prepared) => api.gateway.run(prepared, ctx).await,
            Err(refused) => *refused,
        });
    }
    respond(BatchResponse::Batch(responses), answer, None)
}

#[derive(Deserialize)]
pub(super) struct GetParameters {
    query: Option<String>,
    #[serde(rename = "documentId")]
    document_id: Option<String>,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    variables: Option<String>,
}

async fn by_get(
    State(api): State<Api>,
    origin: Origin,
    headers: HeaderMap,
    Query(parameters): Query<GetParameters>,
) -> HttpResponse {
    let answer = Answer::of(&headers);
    if parameters.query.is_none() && parameters.document_id.is_none() {
        let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if accept.contains("text/html") {
            return graphiql::page(&api.token, &headers);
        }
        let error = Error::invalid("/query", "is missing; browsers get GraphiQL here");
        let refused = refused(&error, &origin.request_id);
        return respond(refused.into(), answer, Some(StatusCode::BAD_REQUEST));
    };
    let ctx = match origin.authenticate(&api).await {
        Ok(ctx) => ctx,
        Err(error) => return unauthenticated(&api, &error, &origin, answer),
    };
    let mut request = Request::new(parameters.query.unwrap_or_default());
    Named { document_id: parameters.document_id }.put(&mut request);
    request.operation_name = parameters.operation_name;
    match parameters.variables.as_deref().map(serde_json::from_str).transpose() {
        Ok(variables) => request.variables = variables.map(async_graphql::Variables::from_json).unwrap_or_default(),
        Err(_) => {
            let error = Error::invalid("/variables", "must be a JSON object");
            return respond(refused(&error, &ctx.request_id).into(), answer, Some(StatusCode::BAD_REQUEST));
        }
    }
    match api.gateway.prepare(request, &ctx) {
        Err(refused) => respond((*refused).into(), answer, None),
        Ok(prepared) if prepared.operation_type == OperationType::Mutation => {
            let error = Error::new(ErrorCode::ValidationFailed, "mutations are not taken over GET; use POST");
            let refused = api.gateway.refused_here(&prepared, &error, &ctx);
            let mut response = respond(refused.into(), answer, Some(StatusCode::METHOD_NOT_ALLOWED));
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            response
        }
        Ok(prepared) if answer == Answer::Events => events(&api, prepared, &ctx),
        Ok(prepared) if prepared.operation_type == OperationType::Subscription => {
            respond(only_as_stream(&ctx).into(), answer, Some(StatusCode::NOT_ACCEPTABLE))
        }
        Ok(prepared) => respond(api.gateway.run(prepared, &ctx).await.into(), answer, None),
    }
}

/// Distinct-connection mode of GraphQL over server-sent events.
fn events(api: &Api, prepared: Prepared, ctx: &OpContext) -> HttpResponse {
    let responses = api
        .gateway
        .run_stream(prepared, ctx)
        .map(|response| Event::default().event("next").json_data(Shaped(&response)));
    let complete = futures::stream::once(async { Ok(Event::default().event("complete").data("")) });
    Sse::new(responses.chain(complete)).keep_alive(KeepAlive::default()).into_response()
}

fn only_as_stream(ctx: &OpContext) -> Response {
    let message = "a subscription needs a stream: use the WebSocket at /graphql/ws, or send Accept: text/event-stream";
    refused(&Error::new(ErrorCode::ValidationFailed, message), &ctx.request_id)
}

fn unauthenticated(api: &Api, error: &Error, origin: &Origin, answer: Answer) -> HttpResponse {
    api.gateway.refused_stranger(error, origin);
    let status = status_of(error.code());
    let mut response = respond(refused(error, &origin.request_id).into(), answer, Some(status));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case(JSON)
}

fn respond(response: BatchResponse, answer: Answer, status: Option<StatusCode>) -> HttpResponse {
    let content_type = match answer {
        Answer::ResponseJson | Answer::Events => "application/graphql-response+json; charset=utf-8",
        Answer::Json => "application/json; charset=utf-8",
    };
    let wait = match &response {
        BatchResponse::Single(single) => wait(single),
        BatchResponse::Batch(_) => None,
    };
    let status = status.unwrap_or_else(|| match (&response, answer) {
        _ if wait.is_some() => StatusCode::TOO_MANY_REQUESTS,
        // With plain JSON a client expects 200 for whatever was understood.
        (_, Answer::Json) | (BatchResponse::Batch(_), _) => StatusCode::OK,
        (BatchResponse::Single(single), _) => status_of_response(single),
    });
    let body = match &response {
        BatchResponse::Single(single) => serde_json::to_vec(&Shaped(single)),
        BatchResponse::Batch(all) => serde_json::to_vec(&all.iter().map(Shaped).collect::<Vec<_>>()),
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "an answer could not be serialised");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut answer = (status, [(header::CONTENT_TYPE, content_type)], body).into_response();
    if let Some(seconds) = wait {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

/// 200 as soon as anything was executed; else what kept it from being.
fn status_of_response(response: &Response) -> StatusCode {
    if executed(response) {
        return StatusCode::OK;
    }
    let code = response.errors.first().and_then(|e| e.extensions.as_ref()).and_then(|e| e.get("code"));
    match code {
        Some(async_graphql::Value::String(code)) if code == ErrorCode::Forbidden.as_str() => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// After how many seconds to come again, where that is why nothing was executed.
fn wait(response: &Response) -> Option<u64> {
    match response.errors.first()?.extensions.as_ref()?.get(RETRY_AFTER)? {
        async_graphql::Value::Number(seconds) if !executed(response) => seconds.as_u64(),
        _ => None,
    }
}

/// Whether anything ran. A null root with a path is an operation whose non-null field failed;
/// a refusal by role names the field that was refused, and no other error of a refused document has a path.
fn executed(response: &Response) -> bool {
    response.errors.is_empty()
        || response.data != async_graphql::Value::Null
        || response.errors.iter().any(|e| !e.path.is_empty() && !super::guard::is_refusal(e))
}

/// An answer to a request that was not executed has no `data`, not even null.
pub(super) struct Shaped<'a>(pub(super) &'a Response);

impl serde::Serialize for Shaped<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        if executed(self.0) {
            return self.0.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("errors", &self.0.errors)?;
        map.end()
    }
}

fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::BAD_REQUEST,
    }
}
