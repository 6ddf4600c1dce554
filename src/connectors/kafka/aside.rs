//! Calls of the client that block, such as a commit or the end of a consumer.

use std::time::Duration;

/// How long such a call is waited for.
pub(super) const BLOCKED_MAX: Duration = Duration::from_secs(5);

/// Runs what blocks on a thread of its own, for which neither this worker nor the end of the process waits for ever.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let work = move || drop(sender.send(work()));
    std::thread::Builder::new().name("kafka-aside".to_owned()).spawn(work).ok()?;
    tokio::time::timeout(BLOCKED_MAX, receiver).await.ok()?.ok()
}
