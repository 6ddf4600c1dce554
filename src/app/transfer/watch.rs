//! Imports again whenever the files change, and from time to time, for the database changes too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::read::{self, Files, Fingerprint};
use super::{ImportOptions, Progress, Report};
use crate::app::{App, OpContext};
use crate::error::Result;

/// Files that are written together are imported together: silence for so long ends a burst.
const QUIET: Duration = Duration::from_millis(250);
/// A burst that does not end is imported all the same.
const BURST_MAX: Duration = Duration::from_secs(5);

/// What is watched, and how.
#[derive(Clone, Debug)]
pub struct Watch {
    pub paths: Vec<PathBuf>,
    pub options: ImportOptions,
    /// How often to import by ourselves: not every file system tells, a directory that was gone may be back, and
    /// what somebody edited past the tree is to be as the tree says.
    pub poll: Duration,
}

impl App {
    /// Imports now, after every change of the files and at every poll, until `stop`. Each report goes to `report`.
    pub async fn watch(
        &self,
        ctx: &OpContext,
        watch: &Watch,
        stop: &CancellationToken,
        progress: Progress<'_>,
        report: &mut (dyn FnMut(Result<Report>) + Send),
    ) {
        let mut seen = None;
        let mut due = Instant::now();
        let changed = Arc::new(Notify::new());
        while !stop.is_cancelled() {
            // Made anew each time: a watcher goes deaf when its directory is replaced.
            let _watcher = watcher(&watch.paths, &changed);
            let now = fingerprint(&watch.paths, Files::Yaml).await;
            if Instant::now() >= due || seen != now {
                let done = self.import(ctx, &watch.paths, &watch.options, progress).await;
                seen = now;
                due = Instant::now() + watch.poll;
                report(done);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = changed.notified() => quiet(&changed, stop).await,
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }
}

/// Waits for a change of files, and for the end of its burst; at the latest for `poll`, as not every file system tells.
/// `seen` is how the files were, and is how they are.
pub(in crate::app) async fn changed_files(paths: &[PathBuf], poll: Duration, seen: &mut Option<Fingerprint>) {
    let changed = Arc::new(Notify::new());
    let never = CancellationToken::new();
    loop {
        let _watcher = watcher(paths, &changed);
        let now = fingerprint(paths, Files::YamlOrJson).await;
        if *seen != now {
            *seen = now;
            return;
        }
        tokio::select! {
            () = changed.notified() => quiet(&changed, &never).await,
            () = tokio::time::sleep(poll) => {}
        }
    }
}

async fn fingerprint(paths: &[PathBuf], kinds: Files) -> Option<Fingerprint> {
    let paths = paths.to_vec();
    tokio::task::spawn_blocking(move || read::fingerprint(&paths, kinds)).await.ok()
}

async fn quiet(changed: &Notify, stop: &CancellationToken) {
    let burst = async { while tokio::time::timeout(QUIET, changed.notified()).await.is_ok() {} };
    tokio::select! {
        () = stop.cancelled() => {}
        _ = tokio::time::timeout(BURST_MAX, burst) => {}
    }
}

/// Without one, changes are found by looking.
fn watcher(paths: &[PathBuf], changed: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let changed = Arc::clone(changed);
    let tell = move |event: notify::Result<notify::Event>| {
        // Reading the files is an event too.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            changed.notify_one();
        }
    };
    let mut watcher = match notify::recommended_watcher(tell) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "cannot watch files; looking from time to time instead");
            return None;
        }
    };
    for path in paths {
        // What is renamed over a file is seen by its directory only.
        let target = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(path) };
        let mode = if path.is_dir() { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        let target = if target.as_os_str().is_empty() { std::path::Path::new(".") } else { target };
        if let Err(error) = watcher.watch(target, mode) {
            tracing::debug!(path = %path.display(), %error, "cannot be watched now");
        }
    }
    Some(watcher)
}
