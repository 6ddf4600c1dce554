//! The HTTP client of object stores: every request passes the egress policy.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use reqwest::Request;

use super::Egress;

/// Makes clients that share the connections of the egress.
#[derive(Debug)]
pub struct Connector(pub Arc<Egress>);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(Arc::clone(&self.0))))
    }
}

#[derive(Debug)]
struct Service(Arc<Egress>);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        // What is uploaded comes in parts.
        let body = match body.as_bytes() {
            Some(bytes) => bytes.clone(),
            None => body.collect().await.map_err(|e| HttpError::new(HttpErrorKind::Request, e))?.to_bytes(),
        };
        let request = http::Request::from_parts(parts, body);
        let mut request = Request::try_from(request).map_err(|e| HttpError::new(HttpErrorKind::Request, e))?;
        // An object is read as it is stored; what its name says of compression counts.
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // Retries are the worker's, which backs off where people see it.
        let answer = self.0.send(request).await.map_err(|fault| HttpError::new(HttpErrorKind::Unknown, fault))?;
        let answer: Response<reqwest::Body> = answer.into();
        let body = |body: reqwest::Body| {
            HttpResponseBody::new(body.map_err(|e| HttpError::new(HttpErrorKind::Interrupted, e)))
        };
        Ok(answer.map(body))
    }
}
