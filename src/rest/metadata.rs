//! `/datasources/{id}/metadata`: who answers for a datasource, and how that changed.

use axum::extract::State;
use uuid::Uuid;

use super::datasources::DatasourcePath;
use super::extract::{Caller, Named, Patch};
use super::link::Position;
use super::model::{AuditEntry, DatasourceMetadata, UpdateMetadata};
use super::reply::{Answer, Reply};
use super::versions::PageParameters;
use super::{Api, etag};
use crate::app::{self, MetadataChanges};
use crate::auth::policy::grant::{ManageMetadata, Read, ReadAudit};
use crate::domain::Datasource;
use crate::error::{Error, Result};

fn shown(row: Datasource) -> Result<Reply> {
    let metadata = DatasourceMetadata::from(row);
    Ok(Reply::ok(&metadata)?.revision(metadata.revision()))
}

/// Read the metadata
///
/// Who answers for the datasource, and where it belongs.
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
    let row = api.app.datasource(&caller.ctx, path.id).await?.ok_or_else(|| Error::not_found("datasource"))?;
    Ok(shown(row)?.unless_known(&caller.headers))
}

/// Edit the metadata
///
/// A JSON Merge Patch (RFC 7396), also of a datasource that is live. One audit entry a changed field.
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
    let id: Uuid = path.id;
    let input = app::UpdateMetadata {
        id,
        expected_revision: etag::if_match(&caller.headers)?,
        changes: MetadataChanges {
            owner: body.owner_id,
            team: body.team,
            category: body.category,
            tags: body.tags.map(Option::unwrap_or_default),
        },
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
