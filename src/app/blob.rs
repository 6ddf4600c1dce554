//! Large things beside the database: what is read back, and what is kept no longer.

use std::time::Duration;

use super::App;
use crate::domain::{TestSample, now};
use crate::error::{Error, Result};
use crate::store::sample::StoredSample;

/// Blobs that one look forgets; the next look finds the others.
const OVERDUE: u64 = 1_000;
/// How long a blob may be there without a row: longer than any transaction that is about to write it.
const WITHOUT_ROW: Duration = Duration::from_secs(86_400);
/// A listing of a large bucket costs.
const SWEEP_EVERY: Duration = Duration::from_secs(86_400);

impl App {
    /// With their payloads, wherever these are.
    pub(super) async fn filled(&self, stored: Vec<StoredSample>) -> Result<Vec<TestSample>> {
        let mut filled = Vec::with_capacity(stored.len());
        for sample in stored {
            filled.push(self.fill(sample).await?);
        }
        Ok(filled)
    }

    pub(super) async fn fill(&self, stored: StoredSample) -> Result<TestSample> {
        let StoredSample { sample, blob } = stored;
        let Some(blob) = blob else { return Ok(sample) };
        let bytes = self.blobs.get(&blob).await?;
        let payload =
            String::from_utf8(bytes.into()).map_err(|_| Error::internal(format!("blob {} is no text", blob.id)))?;
        Ok(TestSample { payload, ..sample })
    }

    /// Forgets what is over: the row first, so that no row ever points at nothing.
    pub(super) async fn forget_blobs(&self) -> Result<()> {
        let mut forgotten = 0;
        for blob in self.store.overdue_blobs(OVERDUE).await? {
            if self.store.forget_blob(&blob).await? {
                self.blobs.delete(&blob.location).await?;
                forgotten += 1;
            }
        }
        if forgotten > 0 {
            tracing::info!(forgotten, "blobs were not kept any longer");
        }
        Ok(())
    }

    /// Looks through the store once a day, until it is dropped.
    pub async fn sweep(&self) {
        loop {
            if let Err(error) = self.sweep_blobs().await {
                tracing::warn!(%error, detail = error.detail(), "could not sweep the store of large things");
            }
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }

    /// Deletes what a crash left in the store: blobs that never got a row, or whose row is gone.
    async fn sweep_blobs(&self) -> Result<()> {
        let installation = self.store.installation().await?.id;
        let found = self.blobs.older_than(&installation, now() - WITHOUT_ROW).await?;
        let ids: Vec<_> = found.iter().map(|blob| blob.id).collect();
        let known = self.store.known_blobs(&ids).await?;
        for orphan in found.iter().filter(|blob| !known.contains(&blob.id)) {
            self.blobs.delete(&orphan.location).await?;
            tracing::info!(blob = %orphan.id, "deleted a blob that nothing refers to");
        }
        Ok(())
    }
}
