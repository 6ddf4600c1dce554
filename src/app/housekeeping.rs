//! What is done from time to time, on every node: each job is idempotent, so that two nodes do no harm.

use std::time::Duration;

use super::App;
use crate::domain::now;
use crate::error::Result;

const INTERVAL: Duration = Duration::from_secs(600);
/// How long a request can be repeated under its idempotency key.
const IDEMPOTENCY_KEYS_KEPT: Duration = Duration::from_secs(86_400);

impl App {
    /// Runs until it is dropped: once at the start, then every ten minutes.
    pub async fn keep_house(&self) {
        loop {
            if let Err(error) = self.tidy().await {
                tracing::warn!(%error, detail = error.detail(), "could not tidy up; trying again later");
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn tidy(&self) -> Result<()> {
        let forgotten = self.store.forget_idempotency_keys(now() - IDEMPOTENCY_KEYS_KEPT).await?;
        if forgotten > 0 {
            tracing::debug!(forgotten, "forgot old idempotency keys");
        }
        Ok(())
    }
}
