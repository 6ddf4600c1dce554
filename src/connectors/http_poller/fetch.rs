//! One page: request, quick retries, status, bounded body.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::{Bytes, BytesMut};
use reqwest::{Request, Response, Url};

use super::auth::Authenticator;
use super::config::Plan;
use crate::connectors::{ConnectorError, ErrorKind};
use crate::egress::status::check_status;
use crate::egress::{self, Egress};

const RETRIES: usize = 3;
/// A longer wait is the supervisor's, which shows it as backing off.
const LONGEST_QUICK_WAIT: Duration = Duration::from_secs(5);

pub(super) enum Fetched {
    NotModified,
    Page { status: StatusCode, headers: HeaderMap, body: Bytes },
}

pub(super) struct Fetcher {
    plan: Arc<Plan>,
    egress: Arc<Egress>,
    auth: Authenticator,
}

impl Fetcher {
    pub(super) fn new(plan: Arc<Plan>, egress: Arc<Egress>) -> Self {
        Self { plan, egress, auth: Authenticator::new() }
    }

    /// Fetches a page; what may pass is tried up to three times more, with growing pauses.
    pub(super) async fn page(
        &mut self,
        url: &Url,
        conditions: &HeaderMap,
        retrying: &(dyn Fn(&ConnectorError) + Sync),
    ) -> Result<Fetched, ConnectorError> {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(RETRIES)
            .with_jitter()
            .with_jitter_seed(rand::random());
        let mut pauses = backoff.build();
        loop {
            let error = match self.attempt(url, conditions).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => error,
            };
            if error.code == "unauthorized" && self.auth.forget_used_token() {
                continue;
            }
            let ErrorKind::Transient { retry_after } = error.kind else { return Err(error) };
            let asked = retry_after.unwrap_or_default();
            let Some(pause) = pauses.next().filter(|_| asked <= LONGEST_QUICK_WAIT) else { return Err(error) };
            retrying(&error);
            tokio::time::sleep(pause.max(asked)).await;
        }
    }

    /// The body of a first page, asked once and without conditions.
    pub(super) async fn sample(&mut self, url: &Url) -> Result<Bytes, ConnectorError> {
        match self.attempt(url, &HeaderMap::new()).await? {
            Fetched::Page { body, .. } => Ok(body),
            Fetched::NotModified => Err(ConnectorError::transient(
                "http_status",
                "the source answered 304 although nothing was conditional",
            )),
        }
    }

    async fn attempt(&mut self, url: &Url, conditions: &HeaderMap) -> Result<Fetched, ConnectorError> {
        let timeout = self.plan.config.timeout;
        let origin = url.origin().ascii_serialization();
        tokio::time::timeout(timeout.0, self.exchange(url, conditions, &origin)).await.unwrap_or_else(|_| {
            Err(ConnectorError::transient(
                "timeout",
                format!("{origin} did not answer within the timeout of {timeout}"),
            ))
        })
    }

    async fn exchange(&mut self, url: &Url, conditions: &HeaderMap, origin: &str) -> Result<Fetched, ConnectorError> {
        let plan = &self.plan;
        let mut url = url.clone();
        let mut headers = plan.headers.clone();
        headers.extend(conditions.clone());
        self.auth.apply(&plan.config.auth, &self.egress, &mut url, &mut headers).await?;

        let mut request = Request::new(plan.method.clone(), url);
        *request.headers_mut() = headers;
        *request.body_mut() = plan.body.clone().map(Into::into);
        let response = self.egress.send(request).await?;

        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::NotModified);
        }
        check_status(status, response.headers(), origin)?;
        let headers = response.headers().clone();
        let body = read_body(response, plan.config.max_response, origin).await?;
        Ok(Fetched::Page { status, headers, body })
    }
}

/// Reads a body, decompressed, and gives up at `limit`.
pub(super) async fn read_body(mut response: Response, limit: u64, origin: &str) -> Result<Bytes, ConnectorError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| egress::failure(origin, &e))? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(ConnectorError::permanent(
                "response_too_large",
                format!("{origin} sent more than the {limit} bytes of max_response; ask for smaller pages or raise it"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
