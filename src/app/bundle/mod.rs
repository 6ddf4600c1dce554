//! Bundles of all datasources as files, for download: asked for, made in the background, kept for a while.

mod archive;
mod make;

use bytes::Bytes;
use uuid::Uuid;

use super::change::{check, check_comment};
use super::{App, OpContext};
use crate::auth::policy::grant::Export as MayExport;
use crate::domain::{Export, ExportStatus, FieldChange, check_name, now};
use crate::error::{Error, ErrorCode, Result};
pub use make::ExportPace;

/// What is to be in a bundle.
#[derive(Clone, Debug)]
pub struct CreateExport {
    /// `None`: every project.
    pub project: Option<String>,
    pub reason: Option<String>,
}

impl App {
    /// Asks for a bundle. Asked while the same is being made, it answers with that.
    pub async fn create_export(&self, ctx: &OpContext, request: CreateExport) -> Result<Export> {
        let proof = ctx.authorize::<MayExport>()?;
        check_comment("/reason", request.reason.as_deref())?;
        match &request.project {
            Some(project) => {
                let mut problems = Vec::new();
                check_name("/project", project, &mut problems);
                check(problems)?;
                proof.tenant(project)?;
            }
            None if proof.scope().project_ids().is_some() => {
                let message = "your rights are on some projects only: name one of them in project";
                return Err(Error::new(ErrorCode::Forbidden, message));
            }
            None => {}
        }
        let mut tx = ctx.begin(&self.store, &proof).await?;
        if let Some(open) = tx.open_export(request.project.as_deref()).await? {
            return Ok(open);
        }
        let export = Export {
            id: Uuid::now_v7(),
            org: proof.scope().org_id().clone(),
            project: request.project,
            status: ExportStatus::Queued,
            total: 0,
            done: 0,
            error: None,
            reason: request.reason,
            size: None,
            sha256: None,
            keep_until: None,
            created_at: now(),
            created_by: ctx.actor.subject.to_string(),
            finished_at: None,
        };
        tx.insert_export(&proof, &export).await?;
        let what = serde_json::json!({ "export": export.id, "project": export.project });
        let change = FieldChange { field: "exports".to_owned(), old: serde_json::Value::Null, new: what };
        tx.record_audit(ctx.audit("export_created", export.reason.as_deref(), vec![change]));
        tx.commit().await?;
        self.export_asked.notify_one();
        Ok(export)
    }

    /// The last 100, newest first.
    pub async fn exports(&self, ctx: &OpContext) -> Result<Vec<Export>> {
        let proof = ctx.authorize::<MayExport>()?;
        self.store.read(proof.scope()).await?.exports().await
    }

    pub async fn export_of(&self, ctx: &OpContext, id: Uuid) -> Result<Option<Export>> {
        let proof = ctx.authorize::<MayExport>()?;
        let found = self.store.read(proof.scope()).await?.export(id).await?;
        Ok(found.map(|(export, _)| export))
    }

    /// The bundle itself, a tar archive compressed with gzip; verified before it is given out.
    pub async fn export_content(&self, ctx: &OpContext, id: Uuid) -> Result<(Export, Bytes)> {
        let proof = ctx.authorize::<MayExport>()?;
        let found = self.store.read(proof.scope()).await?.export(id).await?;
        let (export, blob) = found.ok_or_else(|| Error::not_found("export"))?;
        let Some(blob) = blob else { return Err(nothing(&export)) };
        let bytes = self.blobs.get(&blob).await?;
        let change = FieldChange {
            field: "exports".to_owned(),
            old: serde_json::Value::Null,
            new: serde_json::json!({ "export": export.id, "sha256": blob.sha256 }),
        };
        let mut tx = self.store.write(&proof).await?;
        tx.record_audit(ctx.audit("export_downloaded", None, vec![change]));
        tx.commit().await?;
        Ok((export, bytes))
    }
}

/// Why there is no bundle, and what to do.
fn nothing(export: &Export) -> Error {
    Error::conflict(match export.status {
        ExportStatus::Queued | ExportStatus::Running => {
            "the export is not made yet; ask again when it has succeeded".to_owned()
        }
        ExportStatus::Failed => {
            let why = export.error.as_deref().unwrap_or("for no reason that is known");
            format!("the export failed: {why}; create another one")
        }
        ExportStatus::Succeeded | ExportStatus::Expired => {
            "the export is kept no longer; create another one".to_owned()
        }
    })
}
