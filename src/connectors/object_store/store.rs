//! The store behind the settings, and what its failures mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::{ObjectMeta, ObjectStore, RetryConfig};

use super::config::Store;
use crate::connectors::{ConnectorContext, ConnectorError};
use crate::domain::{relative_parts, safe_name};
use crate::egress::object_http;

/// A store that was opened; nothing of it was read.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The true path of a local directory, which links may not lead out of.
    root: Option<PathBuf>,
}

impl Opened {
    pub(super) async fn open(settings: &Store, context: &ConnectorContext) -> Result<Self, ConnectorError> {
        match settings {
            Store::Local { path } => Self::local(path, context).await,
            Store::S3 { bucket, region, endpoint, access_key_id, secret_access_key, session_token } => {
                let mut builder = AmazonS3Builder::new()
                    .with_bucket_name(bucket)
                    .with_region(region)
                    .with_http_connector(object_http::Connector(Arc::clone(&context.egress)))
                    .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint.trim_end_matches('/')).with_allow_http(true);
                }
                builder = match (access_key_id, secret_access_key) {
                    (Some(id), Some(secret)) => builder.with_access_key_id(id).with_secret_access_key(secret.expose()),
                    _ => builder.with_skip_signature(true),
                };
                if let Some(token) = session_token {
                    builder = builder.with_token(token.expose());
                }
                let store = builder.build().map_err(|_| {
                    ConnectorError::permanent("config_invalid", "the settings of the S3 store do not fit together")
                })?;
                Ok(Self { store: Arc::new(store), root: None })
            }
        }
    }

    async fn local(path: &str, context: &ConnectorContext) -> Result<Self, ConnectorError> {
        let home = context.input_dir.join(safe_name(&context.tenant.org));
        let mut wanted = home.clone();
        if !path.is_empty() {
            wanted.extend(relative_parts(path).map_err(|e| ConnectorError::permanent("config_invalid", e))?);
        }
        let missing = |place: &Path| {
            let message = format!("the directory {} is not there or cannot be read; make it", place.display());
            ConnectorError::transient("directory_missing", message)
        };
        let home = tokio::fs::canonicalize(&home).await.map_err(|_| missing(&home))?;
        let root = tokio::fs::canonicalize(&wanted).await.map_err(|_| missing(&wanted))?;
        if !root.starts_with(&home) {
            return Err(ConnectorError::permanent(
                "path_not_allowed",
                "the path leads out of the input directory of the organisation through a link",
            ));
        }
        let store = LocalFileSystem::new_with_prefix(&root).map_err(|_| missing(&root))?;
        Ok(Self { store: Arc::new(store), root: Some(root) })
    }

    /// Whether an object may be opened: a link must not lead out of a local directory.
    pub(super) async fn admits(&self, object: &ObjectMeta) -> bool {
        let Some(root) = &self.root else { return true };
        let path = root.join(object.location.as_ref());
        tokio::fs::canonicalize(path).await.is_ok_and(|path| path.starts_with(root))
    }
}

/// What a failure of the store means.
pub(super) fn failed(doing: &str, error: &object_store::Error) -> ConnectorError {
    use object_store::Error::{NotFound, PermissionDenied, Precondition, Unauthenticated};
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = cause {
        if let Some(fault) = inner.downcast_ref::<ConnectorError>() {
            return fault.clone();
        }
        cause = inner.source();
    }
    // Of the whole text only the status: the rest repeats the request and the body of the answer.
    let text = error.to_string();
    let status = text.rsplit_once("status code: ").map(|(_, rest)| rest.split(": ").next().unwrap_or_default());
    let refused = || {
        let message = format!("the store refused to {doing}; check the access key and what it may do");
        ConnectorError::permanent("unauthorized", message)
    };
    match (error, status) {
        (PermissionDenied { .. } | Unauthenticated { .. }, _) => refused(),
        (NotFound { .. } | Precondition { .. }, _) => {
            ConnectorError::permanent("not_found", format!("there was nothing to {doing}; check the names"))
        }
        (_, Some(status)) if status.starts_with("401") || status.starts_with("403") => refused(),
        (_, Some(status)) => {
            let status: String = status.chars().take(60).collect();
            ConnectorError::transient("store_failed", format!("the store failed to {doing}; it answered {status}"))
        }
        (_, None) => ConnectorError::transient("store_failed", format!("the store failed to {doing}")),
    }
}
