//! What is done from time to time, on every node: each job is idempotent, so that two nodes do no harm.

use std::time::Duration;

use super::App;
use crate::domain::{EventType, now};
use crate::error::Result;
use crate::store::retention::Loses;

/// How long a request can be repeated under its idempotency key.
const IDEMPOTENCY_KEYS_KEPT: Duration = Duration::from_secs(86_400);
/// How long a node is shown that went without a word.
const DEAD_NODES_KEPT: Duration = Duration::from_secs(86_400);

/// How long dead letters are kept, and how many of one datasource.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    pub dead_letter_age: Duration,
    pub dead_letters_max: u64,
    /// How often this is looked after.
    pub interval: Duration,
    /// How long a token is still accepted after its `exp`, and its revocation kept.
    pub token_leeway: Duration,
    /// How long notifications are kept that were delivered or given up.
    pub notifications: Duration,
}

impl App {
    /// Runs until it is dropped: once at the start, then in its interval.
    pub async fn keep_house(&self) {
        loop {
            if let Err(error) = self.tidy().await {
                tracing::warn!(%error, detail = error.detail(), "could not tidy up; trying again later");
            }
            tokio::time::sleep(self.retention.interval).await;
        }
    }

    /// The oldest go first, and each datasource's timeline tells how many.
    async fn forget_dead_letters(&self) -> Result<()> {
        let Retention { dead_letter_age, dead_letters_max, .. } = self.retention;
        let rules =
            [("age", Loses::OlderThan(now() - dead_letter_age)), ("count", Loses::BeyondNewest(dead_letters_max))];
        for (reason, loses) in rules {
            for overdue in self.store.with_overdue_letters(loses).await? {
                let forgotten = self.store.forget_dead_letters(&overdue, loses).await?;
                if forgotten > 0 {
                    self.metrics.dead_letters_expired(reason, forgotten);
                    tracing::warn!(datasource = %overdue.datasource_id, forgotten, reason, "dead letters were not kept any longer");
                }
            }
        }
        Ok(())
    }

    async fn tidy(&self) -> Result<()> {
        // None waits for the others to succeed.
        let (letters, keys, approvals, blobs, notifications) = tokio::join!(
            self.forget_dead_letters(),
            self.forget_requests(),
            self.end_approvals(),
            self.forget_blobs(),
            self.forget_notifications()
        );
        letters.and(keys).and(approvals).and(blobs).and(notifications)
    }

    async fn end_approvals(&self) -> Result<()> {
        for _ in 0..self.store.expire_approvals(now()).await? {
            self.metrics.lifecycle_event(EventType::ApprovalExpired);
        }
        Ok(())
    }

    async fn forget_notifications(&self) -> Result<()> {
        let forgotten = self.store.forget_notifications(now() - self.retention.notifications).await?;
        if forgotten > 0 {
            tracing::debug!(forgotten, "forgot old notifications");
        }
        Ok(())
    }

    async fn forget_requests(&self) -> Result<()> {
        let forgotten = self.store.forget_idempotency_keys(now() - IDEMPOTENCY_KEYS_KEPT).await?;
        if forgotten > 0 {
            tracing::debug!(forgotten, "forgot old idempotency keys");
        }
        self.store.forget_revoked_tokens(self.directory.revoked_until()).await?;
        self.store.forget_nodes(now() - DEAD_NODES_KEPT).await?;
        Ok(())
    }
}
