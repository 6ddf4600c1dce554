//! `/exports`: bundles of datasources as files.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Api;
use super::extract::{Caller, Named, OptionalBody, once};
use super::idempotency::{self, lost};
use super::link::whole;
use super::model::{CreateExport, Export};
use super::problem::Failure;
use super::reply::{Answer, Reply};
use crate::app;
use crate::auth::policy::grant::Export as MayExport;
use crate::error::Error;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ExportPath {
    /// The id of the export.
    export: Uuid,
}

/// List exports
///
/// The last 100, newest first.
#[utoipa::path(
    get, path = "/exports", operation_id = "exports", tag = "exports",
    responses((status = 200, description = "The exports.", body = Vec<Export>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<MayExport>) -> Answer {
    let exports: Vec<_> = api.app.exports(&caller.ctx).await?.into_iter().map(Export::from).collect();
    Ok(whole(&exports)?)
}

/// Create an export
///
/// Bundles all datasources as files, in the background. Asked while the same is being made, it answers with that.
#[utoipa::path(
    post, path = "/exports", operation_id = "createExport", tag = "exports", request_body = Option<CreateExport>,
    responses((status = 201, description = "The export as it begins.", body = Export)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller<MayExport>,
    OptionalBody(body): OptionalBody<CreateExport>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let request = app::CreateExport { project: body.value.project_id, reason: body.value.reason };
    let effect = async {
        let export = api.app.create_export(&ctx, request).await?;
        let location = caller.locate(&format!("/exports/{}", export.id));
        Ok(Reply::ok(&Export::from(export))?.created(location))
    };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("the export was asked for; see /exports")) }).await
}

/// Read an export
///
/// With how far it is.
#[utoipa::path(
    get, path = "/exports/{export}", operation_id = "export", tag = "exports", params(ExportPath),
    responses((status = 200, description = "The export.", body = Export)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller<MayExport>, Named(path): Named<ExportPath>) -> Answer {
    let export = api.app.export_of(&caller.ctx, path.export).await?;
    Ok(Reply::ok(&Export::from(export.ok_or_else(|| Error::not_found("export"))?))?)
}

/// Download an export
///
/// A tar archive of YAML files, compressed with gzip. It was compared with its SHA-256 before it is sent.
#[utoipa::path(
    get, path = "/exports/{export}/content", operation_id = "exportContent", tag = "exports", params(ExportPath),
    responses((status = 200, description = "The archive.", body = Vec<u8>, content_type = "application/gzip")),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn content(
    State(api): State<Api>,
    caller: Caller<MayExport>,
    Named(path): Named<ExportPath>,
) -> Result<Response, Failure> {
    let (export, bytes) = api.app.export_content(&caller.ctx, path.export).await?;
    let name = format!("attachment; filename=\"datasources-{}.tar.gz\"", export.created_at.format("%Y%m%dT%H%M%SZ"));
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
        (header::ETAG, format!("\"{}\"", export.sha256.unwrap_or_default())),
    ];
    Ok((headers, bytes).into_response())
}
