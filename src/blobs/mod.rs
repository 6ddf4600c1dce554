//! Large things beside the database, in a directory or a store that speaks S3.
//!
//! The database holds the pointer: where a blob is, how long, and its SHA-256. A blob is written before its row and
//! deleted after it, so that a row always has its blob; what a crash leaves without a row is swept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, path};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use crate::config::{BlobSettings, EgressRule};
use crate::domain::{Blob, BlobKind, Timestamp, now, safe_name};
use crate::egress::{Egress, object_http};
use crate::error::{Error, ErrorCode, Result};

/// The longest blob, as it is read into memory to be verified.
pub const BLOB_MAX: usize = 256 * 1024 * 1024;

/// Where AWS hands out credentials to containers and instances.
const AWS_CREDENTIALS: [&str; 2] = ["169.254.169.254", "169.254.170.2"];

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<Place>);

enum Place {
    Directory(PathBuf),
    S3 { store: Arc<dyn ObjectStore>, prefix: path::Path },
}

/// Something in the store that looks like a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: Uuid,
    pub location: String,
}

impl Blobs {
    /// Reaches for nothing yet; what is wrong with the settings is said by name.
    pub fn from_settings(settings: &BlobSettings, data_dir: &Path) -> Result<Self, String> {
        let place = match settings.blobs.as_deref() {
            None => Place::Directory(data_dir.join("blobs")),
            Some(text) if text.starts_with("s3://") => s3(text, settings)?,
            Some(text) if text.contains("://") => {
                return Err(format!("STUDIO_BLOBS: {text:?} is neither a directory nor s3://bucket/prefix"));
            }
            Some("") => return Err("STUDIO_BLOBS: must not be empty".into()),
            Some(text) => Place::Directory(text.into()),
        };
        Ok(Self(Arc::new(place)))
    }

    /// Stores `bytes` among those of an installation; the row is the caller's to write.
    pub async fn put(
        &self,
        installation: &str,
        org: &Arc<str>,
        kind: BlobKind,
        by: &str,
        bytes: Bytes,
    ) -> Result<Blob> {
        if bytes.len() > BLOB_MAX {
            let message = format!("is {} bytes long; the most that is kept is {BLOB_MAX}", bytes.len());
            return Err(Error::invalid("", message));
        }
        let id = Uuid::now_v7();
        let location = format!("{installation}/{}/{}/{id}", safe_name(org), kind.as_str());
        let blob = Blob {
            id,
            org: Arc::clone(org),
            kind,
            size: bytes.len() as u64,
            sha256: hex::encode(Sha256::digest(&bytes)),
            created_at: now(),
            created_by: by.to_owned(),
            keep_until: None,
            location,
        };
        let (store, path) = self.at(&blob.location)?;
        store.put(&path, bytes.into()).await.map_err(|e| outage("be written to", &e))?;
        Ok(blob)
    }

    /// What was stored, and nothing else.
    pub async fn get(&self, blob: &Blob) -> Result<Bytes> {
        let (store, path) = self.at(&blob.location)?;
        let got = match store.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Err(damaged(blob, "is gone")),
            got => got.map_err(|e| outage("be read", &e))?,
        };
        if got.meta.size != blob.size {
            return Err(damaged(blob, &format!("is {} bytes long, and was {}", got.meta.size, blob.size)));
        }
        let bytes = got.bytes().await.map_err(|e| outage("be read", &e))?;
        if hex::encode(Sha256::digest(&bytes)) != blob.sha256 {
            return Err(damaged(blob, "is not what was stored: its SHA-256 is another one"));
        }
        Ok(bytes)
    }

    /// What is gone already counts as deleted.
    pub async fn delete(&self, location: &str) -> Result<()> {
        let (store, path) = self.at(location)?;
        match store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(outage("be deleted from", &error)),
        }
    }

    /// What an installation put there before `at`. What is not its own is passed over: the place may be shared.
    pub async fn older_than(&self, installation: &str, at: Timestamp) -> Result<Vec<Found>> {
        let (store, root) = self.root()?;
        let own = root.clone().join(installation);
        let old = store.list(Some(&own)).try_filter(|meta| std::future::ready(meta.last_modified < at));
        let prefix = root.to_string();
        let found = old.map(|meta| meta.map(|meta| of_blob(&prefix, meta.location.as_ref())));
        let found: Vec<Option<Found>> = found.try_collect().await.map_err(|e| outage("be listed", &e))?;
        Ok(found.into_iter().flatten().collect())
    }

    fn at(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, path::Path)> {
        let (store, root) = self.root()?;
        // A location is ours, but comes from a row: it must not lead out.
        let inner = path::Path::parse(location).map_err(|e| Error::internal(format!("blob at {location:?}: {e}")))?;
        let parts: Vec<_> = root.parts().chain(inner.parts()).collect();
        Ok((store, parts.into_iter().collect()))
    }

    fn root(&self) -> Result<(Arc<dyn ObjectStore>, path::Path)> {
        match &*self.0 {
            Place::S3 { store, prefix } => Ok((Arc::clone(store), prefix.clone())),
            Place::Directory(directory) => {
                let failed = |e: &dyn std::fmt::Display| {
                    Error::unavailable(
                        "the store of large things cannot be used",
                        format!("{}: {e}", directory.display()),
                    )
                };
                std::fs::create_dir_all(directory).map_err(|e| failed(&e))?;
                let store = LocalFileSystem::new_with_prefix(directory).map_err(|e| failed(&e))?;
                Ok((Arc::new(store.with_fsync(true)), path::Path::default()))
            }
        }
    }
}

/// `<installation>/<organisation>/<kind>/<id>`, below the prefix.
fn of_blob(prefix: &str, location: &str) -> Option<Found> {
    let inner = location.strip_prefix(prefix)?.trim_start_matches('/');
    let mut parts = inner.split('/').skip(2);
    let kind = parts.next()?;
    let id = parts.next()?.parse().ok()?;
    let ours = BlobKind::ALL.iter().any(|k| k.as_str() == kind) && parts.next().is_none();
    ours.then(|| Found { id, location: inner.to_owned() })
}

fn s3(text: &str, settings: &BlobSettings) -> Result<Place, String> {
    let url: Url = text.parse().map_err(|_| "STUDIO_BLOBS: is not a URL such as s3://bucket/prefix".to_owned())?;
    let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or("STUDIO_BLOBS: names no bucket")?;
    let prefix = path::Path::parse(url.path().trim_matches('/'))
        .map_err(|_| "STUDIO_BLOBS: the prefix must be names between slashes".to_owned())?;
    let mut rules = Vec::new();
    let own = settings.blobs_s3_endpoint.as_ref().and_then(Url::host_str).map(|host| host.trim_matches(['[', ']']));
    for host in own.into_iter().chain(AWS_CREDENTIALS) {
        rules.push(host.parse::<EgressRule>().map_err(|e| format!("STUDIO_BLOBS_S3_ENDPOINT: {e}"))?);
    }
    let builder = match (&settings.blobs_s3_access_key_id, &settings.blobs_s3_secret_access_key) {
        (Some(id), Some(secret)) => {
            AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret.expose_secret())
        }
        (None, None) => AmazonS3Builder::from_env(),
        _ => {
            return Err("STUDIO_BLOBS_S3_ACCESS_KEY_ID and STUDIO_BLOBS_S3_SECRET_ACCESS_KEY belong together".into());
        }
    };
    let mut builder = builder
        .with_bucket_name(bucket)
        .with_region(&settings.blobs_s3_region)
        .with_http_connector(object_http::Connector(Arc::new(Egress::new(rules))));
    if let Some(endpoint) = &settings.blobs_s3_endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/')).with_allow_http(true);
    }
    let store = builder.build().map_err(|e| format!("STUDIO_BLOBS: the settings of S3 do not fit together: {e}"))?;
    Ok(Place::S3 { store: Arc::new(store), prefix })
}

/// The reason goes to the log: it can repeat a request.
fn outage(what: &str, error: &object_store::Error) -> Error {
    Error::unavailable(format!("the store of large things cannot {what} right now; try again"), error)
}

fn damaged(blob: &Blob, what: &str) -> Error {
    Error::new(ErrorCode::Internal, format!("the {} {} {what}", blob.kind, blob.id)).with_detail(&blob.location)
}

#[cfg(test)]
mod tests;
