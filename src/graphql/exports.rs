//! Exports: bundles of all datasources as files, for download over REST.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::error::Shape;
use super::guard::HasRole;
use super::inputs::uuid;
use super::types::ExportStatus;
use crate::app::{self, App, OpContext};
use crate::auth::Permission;
use crate::domain::{self, Timestamp};

/// A bundle of datasources as files, made in the background and kept for a while.
#[derive(SimpleObject)]
pub(super) struct Export {
    /// Its id.
    id: ID,
    /// The project that it has; `null` for all.
    project: Option<String>,
    /// How far it is.
    status: ExportStatus,
    /// How many datasources it has; 0 until they were counted.
    total: u64,
    /// How many of them are in the bundle.
    done: u64,
    /// Why it failed, or waits for its next try.
    error: Option<String>,
    /// Why, in the words of who asked.
    reason: Option<String>,
    /// Its size in bytes, while it is kept.
    size: Option<u64>,
    /// Its SHA-256 in hexadecimal digits, while it is kept.
    sha256: Option<String>,
    /// Where to download it by GET with the same token, while it is kept: a tar archive, compressed with gzip.
    content_path: Option<String>,
    /// Until when it is kept.
    keep_until: Option<Timestamp>,
    /// When it was asked for.
    created_at: Timestamp,
    /// Who asked.
    created_by: String,
    /// When it ended.
    finished_at: Option<Timestamp>,
}

impl From<domain::Export> for Export {
    fn from(export: domain::Export) -> Self {
        Self {
            content_path: export.content_path(),
            id: export.id.into(),
            project: export.project,
            status: export.status.into(),
            total: export.total,
            done: export.done,
            error: export.error,
            reason: export.reason,
            size: export.size,
            sha256: export.sha256,
            keep_until: export.keep_until,
            created_at: export.created_at,
            created_by: export.created_by,
            finished_at: export.finished_at,
        }
    }
}

/// What is to be in a bundle.
#[derive(InputObject)]
pub(super) struct CreateExportInput {
    /// Only this project. Absent: all projects, for a token that covers them.
    project: Option<String>,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// The export as it begins.
#[derive(SimpleObject)]
struct CreateExportPayload {
    /// The export; `export` tells how far it is.
    export: Export,
}

#[derive(Default)]
pub struct ExportQuery;

#[Object]
impl ExportQuery {
    /// The last 100 exports, newest first.
    #[graphql(directive = HasRole::apply(Permission::Export))]
    async fn exports(&self, ctx: &Context<'_>) -> Result<Vec<Export>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let exports = Box::pin(app.exports(op)).await.shaped(ctx)?;
        Ok(exports.into_iter().map(Into::into).collect())
    }

    /// One export, with how far it is.
    #[graphql(directive = HasRole::apply(Permission::Export))]
    async fn export(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Result<Option<Export>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Ok(Box::pin(app.export_of(op, id)).await.shaped(ctx)?.map(Into::into))
    }
}

#[derive(Default)]
pub struct ExportMutation;

#[Object]
impl ExportMutation {
    /// Bundles all datasources as files, in the background. Asked while the same is being made, it answers with that.
    #[graphql(directive = HasRole::apply(Permission::Export))]
    async fn create_export(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be in it.")] input: CreateExportInput,
    ) -> Result<CreateExportPayload> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let request = app::CreateExport { project: input.project, reason: input.reason };
        let export = Box::pin(app.create_export(op, request)).await.shaped(ctx)?;
        Ok(CreateExportPayload { export: export.into() })
    }
}
