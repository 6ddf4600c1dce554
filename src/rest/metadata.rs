//! `/datasources/{id}/metadata`: what people say of a datasource, how that changed, and the way back.

use axum::extract::State;
use uuid::Uuid;

use super::datasources::DatasourcePath;
use super::extract::{Body, Caller, Named, Patch, once};
use super::idempotency;
use super::link::Position;
use super::model::{AuditEntry, DatasourceMetadata, MetadataRevision, RollbackMetadata, UpdateMetadata};
use super::reply::{Answer, Reply};
use super::versions::PageParameters;
use super::{Api, etag};
use crate::app::{self, OpContext};
use crate::auth::policy::grant::{ManageMetadata, Read, ReadAudit};
use crate::domain::Datasource;
use crate::error::{Error, Result};

fn shown(row: Datasource) -> Result<Reply> {
    let metadata = DatasourceMetadata::from(row);
    Ok(Reply::ok(&metadata)?.revision(metadata.revision()))
}

/// Read the metadata
///
/// Who answers for the datasource, where it belongs, who sees it, and what to expect of it.
#[utoipa::path(
    get, path = "/datasources/{id}/metadata", operation_id = "datasourceMetadata", tag = "metadata",
    params(DatasourcePath),
    responses(
        (status = 200, description = "The metadata.", body = DatasourceMetadata),
        (status = 304, description = "It is as the caller has it."),
    ),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller<Read>, Named(path): Named<DatasourcePath>) -> Answer {
    Ok(now(&api, &caller.ctx, path.id).await?.unless_known(&caller.headers))
}

async fn now(api: &Api, ctx: &OpContext, id: Uuid) -> Result<Reply> {
    shown(api.app.datasource(ctx, id).await?.ok_or_else(|| Error::not_found("datasource"))?)
}

/// Edit the metadata
///
/// A JSON Merge Patch (RFC 7396), also of a datasource that is live. What the organisation's rules do not allow is
/// refused as a whole, with every problem. One audit entry a changed field, and one event `metadata_updated`.
#[utoipa::path(
    patch, path = "/datasources/{id}/metadata", operation_id = "updateDatasourceMetadata", tag = "metadata",
    params(DatasourcePath),
    request_body(content(
        (UpdateMetadata = "application/merge-patch+json"),
        (UpdateMetadata = "application/json"),
    )),
    responses((status = 200, description = "The metadata as it is now.", body = DatasourceMetadata)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn patch(
    State(api): State<Api>,
    caller: Caller<ManageMetadata>,
    Named(path): Named<DatasourcePath>,
    Patch(body): Patch<UpdateMetadata>,
) -> Answer {
    let mut body = body;
    let input = app::UpdateMetadata {
        id: path.id,
        expected_revision: etag::if_match(&caller.headers)?,
        changes: body.metadata(),
        reason: body.reason,
    };
    Ok(shown(api.app.update_metadata(&caller.ctx, input).await?)?)
}

/// Read the history of the metadata
///
/// Newest first, one entry a changed field. It is not counted: `Link` leads on while there is more.
#[utoipa::path(
    get, path = "/datasources/{id}/metadata/audit", operation_id = "datasourceMetadataAudit", tag = "metadata",
    params(DatasourcePath, PageParameters),
    responses((status = 200, description = "The page.", body = Vec<AuditEntry>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn audit(
    State(api): State<Api>,
    caller: Caller<ReadAudit, PageParameters>,
    Named(path): Named<DatasourcePath>,
) -> Answer {
    let (caller, query) = caller.split();
    let position = Position::from(query);
    let page = api.app.metadata_audit(&caller.ctx, path.id, &position.request()?).await?;
    Ok(position.reply(&caller, page, |e| e.seq, AuditEntry::from)?)
}

/// Read the metadata as it was
///
/// The whole of it at each revision that changed it, newest first. It is not counted: `Link` leads on while there is
/// more.
#[utoipa::path(
    get, path = "/datasources/{id}/metadata/history", operation_id = "metadataHistory", tag = "metadata",
    params(DatasourcePath, PageParameters),
    responses((status = 200, description = "The page.", body = Vec<MetadataRevision>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn history(
    State(api): State<Api>,
    caller: Caller<ReadAudit, PageParameters>,
    Named(path): Named<DatasourcePath>,
) -> Answer {
    let (caller, query) = caller.split();
    let position = Position::from(query);
    let page = api.app.metadata_history(&caller.ctx, path.id, &position.request()?).await?;
    Ok(position.reply(&caller, page, |kept| kept.revision, MetadataRevision::from)?)
}

/// Bring earlier metadata back
///
/// Makes the metadata what it was at a revision, as far as the rules of today allow it. This is a change like any
/// other, and can be taken back likewise.
#[utoipa::path(
    post, path = "/datasources/{id}/metadata/rollback", operation_id = "rollbackDatasourceMetadata", tag = "metadata",
    params(DatasourcePath), request_body = RollbackMetadata,
    responses((status = 200, description = "The metadata as it is now.", body = DatasourceMetadata)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn rollback(
    State(api): State<Api>,
    caller: Caller<ManageMetadata>,
    Named(path): Named<DatasourcePath>,
    body: Body<RollbackMetadata>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let input = body.value.of(path.id, etag::if_match(&caller.headers)?);
    let effect = async { shown(api.app.rollback_metadata(&ctx, input).await?) };
    idempotency::run(&api.app, &ctx, effect, |_| now(&api, &caller.ctx, path.id)).await
}
