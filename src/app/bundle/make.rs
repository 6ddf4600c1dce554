//! Makes the bundles that were asked for, one at a time on a node.

use std::time::Duration;

use serde_json::json;

use super::archive::pack;
use crate::app::{App, OpContext};
use crate::auth::Actor;
use crate::domain::{Blob, BlobKind, FieldChange, Outcome, Tenant, now};
use crate::error::{Error, ErrorCode, Result};
use crate::store::NewAudit;
use crate::store::export::ExportRun;

/// How often a node looks whether something is open that another node had.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How bundles are made, and how long they are kept.
#[derive(Clone, Copy, Debug)]
pub struct ExportPace {
    /// How long a node keeps an export without a word.
    pub lease: Duration,
    pub retention: Duration,
}

impl App {
    /// Runs until it is dropped.
    pub async fn make_exports(&self, node: &str, pace: ExportPace) {
        loop {
            match self.store.claim_export(node, pace.lease).await {
                Ok(Some(run)) => {
                    self.make_export(run, pace).await;
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "could not look for exports"),
            }
            tokio::select! {
                () = self.export_asked.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn make_export(&self, run: ExportRun, pace: ExportPace) {
        let id = run.export.id;
        tracing::info!(export = %id, "an export is being made");
        let made = tokio::select! {
            made = self.bundle(&run, pace) => made,
            () = self.keep_export(&run, pace) => Ok(None),
        };
        let result = match &made {
            // May pass: another try, by whichever node.
            Err(error) if error.code() == ErrorCode::Unavailable => {
                tracing::warn!(export = %id, %error, detail = error.detail(), "an export waits");
                self.store.postpone_export(&run, error.message()).await
            }
            Err(error) => {
                tracing::warn!(export = %id, %error, detail = error.detail(), "an export failed");
                self.end(&run, Err(error.message())).await
            }
            Ok(None) => Ok(()),
            Ok(Some(blob)) => self.end(&run, Ok(blob)).await,
        };
        if let Err(error) = result {
            tracing::warn!(export = %id, %error, "the end of an export could not be stored; it is found again");
        }
    }

    /// Returns when another node has it now.
    async fn keep_export(&self, run: &ExportRun, pace: ExportPace) {
        loop {
            tokio::time::sleep(pace.lease / 3).await;
            match self.store.keep_export(run).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(error) => tracing::warn!(export = %run.export.id, %error, "could not keep an export"),
            }
        }
    }

    /// `None` when another node has it now.
    async fn bundle(&self, run: &ExportRun, pace: ExportPace) -> Result<Option<Blob>> {
        let export = &run.export;
        let ctx = OpContext::new(Actor::system("export", export.org.clone()), export.id.to_string());
        let files = self.export_files(&ctx, export.project.as_deref()).await?;
        let total = files.len() as u64;
        if self.store.advance_export(run, 0, total).await?.is_err() {
            return Ok(None);
        }
        let at = export.created_at;
        let packed = tokio::task::spawn_blocking(move || pack(&files, at)).await.map_err(Error::internal)?;
        let packed = packed.map_err(Error::internal)?;
        let installation = self.store.installation().await?.id;
        let blob =
            self.blobs.put(&installation, &export.org, BlobKind::Export, &export.created_by, packed.into()).await?;
        if self.store.advance_export(run, total, total).await?.is_err() {
            return Ok(None);
        }
        Ok(Some(Blob { keep_until: Some(now() + pace.retention), ..blob }))
    }

    async fn end(&self, run: &ExportRun, made: Result<&Blob, &str>) -> Result<()> {
        let export = &run.export;
        let entry = NewAudit {
            tenant: Tenant { org: export.org.clone(), project: export.project.as_deref().unwrap_or_default().into() },
            datasource_id: None,
            action: "export_ended".to_owned(),
            actor: "system:export".to_owned(),
            source_address: None,
            request_id: export.id.to_string(),
            reason: export.reason.clone(),
            outcome: if made.is_ok() { Outcome::Success } else { Outcome::Failed },
            changes: vec![FieldChange {
                field: "exports".to_owned(),
                old: json!(null),
                new: json!({ "export": export.id, "sha256": made.ok().map(|blob| &blob.sha256) }),
            }],
        };
        if self.store.end_export(run, made, entry).await?.is_err() {
            tracing::warn!(export = %export.id, "another node has the export now");
        }
        Ok(())
    }
}
