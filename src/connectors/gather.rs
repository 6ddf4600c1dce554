//! Batches of a stream: what is there already, and what comes before the time is over.

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::mapping::Batch;

/// A batch in the making, from its first item on.
pub(super) struct Gathering<'s> {
    until: Instant,
    most: usize,
    stop: &'s CancellationToken,
}

impl<'s> Gathering<'s> {
    /// `most` is the connector's own limit; that of the version counts if it is lower.
    pub(super) fn begin(batch: Batch, most: usize, stop: &'s CancellationToken) -> Self {
        let most = most.min(usize::try_from(batch.max_records).unwrap_or(usize::MAX));
        Self { until: Instant::now() + batch.max_wait.0, most, stop }
    }

    /// The next item, if there is room for it beside the `have` before it and it comes in time. A worker that is told
    /// to stop waits no longer. `next` loses nothing when it is dropped unfinished.
    pub(super) async fn next<T>(&self, have: usize, next: impl Future<Output = T>) -> Option<T> {
        if have >= self.most {
            return None;
        }
        // First of all what is there, then the reasons to wait no longer.
        tokio::select! {
            biased;
            item = timeout_at(self.until, next) => item.ok(),
            () = self.stop.cancelled() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;
    use crate::domain::HumanDuration;

    async fn gather(
        receiver: &mut mpsc::UnboundedReceiver<u32>,
        max_records: u32,
        max_wait: Duration,
        stop: &CancellationToken,
    ) -> Vec<u32> {
        let mut batch = Vec::from_iter(receiver.recv().await);
        let gathering = Gathering::begin(Batch { max_records, max_wait: HumanDuration(max_wait) }, 1_000, stop);
        while let Some(Some(more)) = gathering.next(batch.len(), receiver.recv()).await {
            batch.push(more);
        }
        batch
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_full_or_its_time_is_over_whichever_comes_first() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        for n in 0..5 {
            sender.send(n).expect("sent");
        }
        assert_eq!(gather(&mut receiver, 3, Duration::from_secs(60), &stop).await, [0, 1, 2]);
        let began = Instant::now();
        let late = sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(9)).await;
            late.send(5).expect("sent");
            tokio::time::sleep(Duration::from_secs(9)).await;
            late.send(6).expect("sent");
        });
        assert_eq!(gather(&mut receiver, 100, Duration::from_secs(10), &stop).await, [3, 4, 5]);
        assert_eq!(began.elapsed().as_secs(), 10, "by the clock of this test");
        assert_eq!(gather(&mut receiver, 100, Duration::ZERO, &stop).await, [6]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_is_told_to_stop_waits_no_longer_and_keeps_what_it_has() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        sender.send(1).expect("sent");
        sender.send(2).expect("sent");
        stop.cancel();
        assert_eq!(gather(&mut receiver, 100, Duration::from_secs(60), &stop).await, [1, 2]);
    }
}
