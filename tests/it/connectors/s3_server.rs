//! The part of the S3 protocol that is needed, on this machine: ListObjectsV2 in pages, GET with ranges and conditions, PUT.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;

pub const BUCKET: &str = "exports";
pub const KEY_ID: &str = "AKIDEXAMPLE";
/// Small, so that a listing has several pages.
const PAGE: usize = 2;

pub struct S3Server {
    pub url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// The content, and when it was put there.
type Object = (Vec<u8>, DateTime<Utc>);

#[derive(Default)]
struct Shared {
    objects: Mutex<BTreeMap<String, Object>>,
    reads: Mutex<Vec<String>>,
}

impl S3Server {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let routes = Router::new()
            .route(&format!("/{BUCKET}"), get(list))
            .route(&format!("/{BUCKET}/{{*key}}"), get(read).put(write))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("the store serves") });
        Self { url, shared, server }
    }

    pub fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        self.put_at(key, body, Utc::now());
    }

    pub fn put_at(&self, key: &str, body: impl Into<Vec<u8>>, at: DateTime<Utc>) {
        self.shared.objects.lock().expect("no panic").insert(key.to_owned(), (body.into(), at));
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.shared.objects.lock().expect("no panic").keys().cloned().collect()
    }

    /// The keys that were read, in order.
    pub fn reads(&self) -> Vec<String> {
        self.shared.reads.lock().expect("no panic").clone()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn refusal(headers: &HeaderMap) -> Option<Response> {
    let signed = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let known = signed.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY_ID}/"));
    (!known).then(|| error(StatusCode::FORBIDDEN, "AccessDenied"))
}

fn error(status: StatusCode, code: &str) -> Response {
    let body =
        format!(r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no</Message></Error>"#);
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    assert_eq!(query.get("list-type").map(String::as_str), Some("2"));
    let prefix = query.get("prefix").cloned().unwrap_or_default();
    let after = query.get("continuation-token").cloned().unwrap_or_default();
    let objects = shared.objects.lock().expect("no panic");
    let matching: Vec<_> = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after).collect();
    let more = matching.len() > PAGE;
    let mut body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{BUCKET}</Name><Prefix>{prefix}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{PAGE}</MaxKeys><IsTruncated>{more}</IsTruncated>"#,
        matching.len().min(PAGE)
    );
    if let Some((last, _)) = matching.get(PAGE - 1).filter(|_| more) {
        write!(body, "<NextContinuationToken>{last}</NextContinuationToken>").expect("text");
    }
    for (key, (content, at)) in matching.into_iter().take(PAGE) {
        let (at, tag, size) = (at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true), etag(content), content.len());
        write!(body, "<Contents><Key>{key}</Key><LastModified>{at}</LastModified><ETag>{tag}</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>").expect("text");
    }
    body.push_str("</ListBucketResult>");
    ([(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

async fn read(State(shared): State<Arc<Shared>>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    shared.reads.lock().expect("no panic").push(key.clone());
    let found = shared.objects.lock().expect("no panic").get(&key).cloned();
    let Some((content, at)) = found else { return error(StatusCode::NOT_FOUND, "NoSuchKey") };
    let tag = etag(&content);
    if headers.get(header::IF_MATCH).is_some_and(|wanted| wanted.to_str().ok() != Some(tag.as_str())) {
        return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
    }
    let modified = at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let common = [(header::ETAG, tag), (header::LAST_MODIFIED, modified)];
    let range = headers.get(header::RANGE).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("bytes="));
    let from: Option<usize> = range.and_then(|r| r.split('-').next()?.parse().ok());
    match from {
        None => (common, content).into_response(),
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
            (StatusCode::PARTIAL_CONTENT, common, [(header::CONTENT_RANGE, range)], content[from..].to_vec())
                .into_response()
        }
    }
}

async fn write(
    State(shared): State<Arc<Shared>>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    let tag = etag(&body);
    shared.objects.lock().expect("no panic").insert(key, (body.to_vec(), Utc::now()));
    ([(header::ETAG, tag)], ()).into_response()
}

fn etag(content: &[u8]) -> String {
    use sha2::Digest as _;
    format!("\"{}\"", hex::encode(&sha2::Sha256::digest(content)[..16]))
}
