//! Follows a directory of datasources; of several nodes, one.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::{Action, App, ImportOptions, Mode, OpContext, Report, Watch};
use crate::auth::Actor;
use crate::config::{ServeSettings, Settings};
use crate::domain::ManagedBy;
use crate::store::{Claim, Store};

/// How soon another node notices that the one that followed is gone.
const CLAIM_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct SyncDir {
    watch: Watch,
    org: String,
}

impl SyncDir {
    pub(super) fn from_settings(serve: &ServeSettings) -> Result<Option<Self>, String> {
        let Some(directory) = serve.sync_dir.clone() else { return Ok(None) };
        if serve.sync_interval.0.is_zero() {
            return Err("--sync-interval (STUDIO_SYNC_INTERVAL) must be longer than 0s".into());
        }
        let manager = ManagedBy::git(&serve.sync_source).map_err(|e| format!("--sync-source: {e}"))?;
        let options = ImportOptions {
            mode: Mode::Sync,
            dry_run: false,
            manager,
            project: "default".to_owned(),
            prune: serve.sync_prune,
            prune_all: false,
            adopt: false,
            allow_unsupported: false,
            fail_fast: false,
        };
        let watch = Watch { paths: vec![directory], options, poll: serve.sync_interval.0 };
        Ok(Some(Self { watch, org: serve.sync_org.clone() }))
    }

    pub(super) async fn run(&self, app: &App, store: &Store, settings: &Settings, stop: &CancellationToken) {
        let name = format!("studio.sync/{}/{}", self.org, self.watch.options.manager);
        while !stop.is_cancelled() {
            match store.try_claim(settings, &name).await {
                Ok(Some(claim)) => self.follow(app, claim, stop).await,
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "cannot claim the directory that is to be followed"),
            }
            pause(CLAIM_INTERVAL, stop).await;
        }
    }

    /// Until the claim is lost.
    async fn follow(&self, app: &App, claim: Claim, stop: &CancellationToken) {
        let ctx = OpContext::new(Actor::system("sync", self.org.as_str()), "sync");
        let (mut progress, mut last) = (|_: usize, _: usize, _: &_| {}, String::new());
        let mut report = |done| tell(done, &mut last);
        let over = stop.child_token();
        let watching = app.watch(&ctx, &self.watch, &over, &mut progress, &mut report);
        let guard = async {
            while claim.holds().await && !over.is_cancelled() {
                pause(CLAIM_INTERVAL, &over).await;
            }
            over.cancel();
        };
        tokio::join!(watching, guard);
        claim.release().await;
    }
}

/// What did not change since is not said again.
fn tell(done: crate::error::Result<Report>, last: &mut String) {
    let text = match &done {
        Ok(report) => serde_json::to_string(report).unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    if text == std::mem::replace(last, text.clone()) {
        return;
    }
    let report = match done {
        Ok(report) => report,
        Err(error) => return tracing::warn!(%error, detail = error.detail(), "could not follow the directory"),
    };
    for finding in report.findings.iter().chain(report.items.iter().flat_map(|item| &item.findings)) {
        tracing::warn!(%finding, "found in the directory that is followed");
    }
    if let Some(why) = &report.prune_refused {
        tracing::warn!(why, "not pruned");
    }
    for item in &report.items {
        let reason = item.reason.as_ref().filter(|_| item.action != Action::Unchanged);
        if let Some(why) = item.error.as_ref().or(reason) {
            tracing::warn!(project = item.project, name = item.name, why, "not applied");
        }
    }
    tracing::info!(summary = ?report.summary, "applied the directory that is followed");
}

async fn pause(duration: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(duration) => {}
    }
}
