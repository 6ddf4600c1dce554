//! `/datasources`: list, create, read, edit, archive, restore, clone.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::extract::{Body, Caller, Named, NoBody, OptionalBody, Patch, flag, once};
use super::idempotency::{self, lost};
use super::lifecycle::act;
use super::link::Position;
use super::model::{
    Action, CloneDatasource, CreateDatasource, Datasource, DatasourceDetail, DatasourceStatus, UpdateDatasource,
};
use super::reply::{Answer, Reply, TOTAL_COUNT};
use super::{Api, etag};
use crate::app::{self, OpContext};
use crate::auth::policy::grant::{Archive, Edit, Read};
use crate::domain::{DatasourceFilter, DatasourceOrder, DatasourceOrderField};
use crate::error::Result;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DatasourcePath {
    /// The id of the datasource.
    pub(super) id: Uuid,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParameters {
    /// In one of these states; may be repeated.
    #[serde(default)]
    status: Vec<DatasourceStatus>,
    /// Of one of these connector types; may be repeated.
    #[serde(default, rename = "type")]
    types: Vec<String>,
    /// Of this owner.
    owner: Option<String>,
    /// With this tag; repeated, with all of them.
    #[serde(default)]
    tag: Vec<String>,
    /// With all of these words in name, description, owner, team, category, type or tags, whatever the case.
    #[param(max_length = 200)]
    search: Option<String>,
    /// In this project.
    project: Option<String>,
    /// Kept by this channel: `ui`, `api` or `git:` and the name of a source.
    #[serde(rename = "managedBy")]
    managed_by: Option<String>,
    /// `true` lists only what is archived. Otherwise only what is not.
    #[serde(default, deserialize_with = "flag")]
    archived: bool,
    /// The order: `name`, `createdAt` or `updatedAt`, with `-` before it from the greatest or newest on.
    #[serde(default)]
    #[param(inline)]
    sort: Sort,
    /// At most so many; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only what follows; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
enum Sort {
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDescending,
    #[serde(rename = "createdAt")]
    Created,
    #[default]
    #[serde(rename = "-createdAt")]
    CreatedDescending,
    #[serde(rename = "updatedAt")]
    Updated,
    #[serde(rename = "-updatedAt")]
    UpdatedDescending,
}

impl From<Sort> for DatasourceOrder {
    fn from(sort: Sort) -> Self {
        let (field, descending) = match sort {
            Sort::Name => (DatasourceOrderField::Name, false),
            Sort::NameDescending => (DatasourceOrderField::Name, true),
            Sort::Created => (DatasourceOrderField::CreatedAt, false),
            Sort::CreatedDescending => (DatasourceOrderField::CreatedAt, true),
            Sort::Updated => (DatasourceOrderField::UpdatedAt, false),
            Sort::UpdatedDescending => (DatasourceOrderField::UpdatedAt, true),
        };
        Self { field, descending }
    }
}

/// The datasource as it is now: what every change of it answers with.
pub(super) async fn shown(api: &Api, ctx: &OpContext, id: Uuid) -> Result<Reply> {
    let (overview, published) = api.app.datasource_detail(ctx, id).await?;
    let detail = DatasourceDetail::new(overview, published);
    Ok(Reply::ok(&detail)?.revision(detail.revision()))
}

async fn shown_created<P>(api: &Api, ctx: &OpContext, caller: &Caller<P>, id: Uuid) -> Result<Reply> {
    Ok(shown(api, ctx, id).await?.created(caller.locate(&format!("/datasources/{id}"))))
}

/// List datasources
///
/// A page of datasources with the state of their workers. `Link` leads on, `X-Total-Count` counts all that match.
#[utoipa::path(
    get, path = "/datasources", operation_id = "datasources", tag = "datasources", params(ListParameters),
    responses((status = 200, description = "The page.", body = Vec<Datasource>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<Read, ListParameters>) -> Answer {
    let (caller, query) = caller.split();
    let filter = DatasourceFilter {
        status: query.status.into_iter().map(|s| s.0).collect(),
        types: query.types,
        owner: query.owner,
        tags: query.tag,
        search: query.search,
        project: query.project,
        managed_by: query.managed_by,
        archived: query.archived,
    };
    let order = DatasourceOrder::from(query.sort);
    let mut position = Position { limit: query.limit, offset: query.offset, cursor: query.cursor, total: None };
    let (page, total) = api.app.datasource_overview(&caller.ctx, &filter, order, &position.request()?).await?;
    position.total = Some(total);
    let reply = position.reply(&caller, page, |row| order.key(&row.datasource), Datasource::from)?;
    Ok(reply.header(TOTAL_COUNT, total.to_string()))
}

/// Create a datasource
///
/// A draft, which does nothing until a version of it is published. With a configuration, that becomes version 1.
#[utoipa::path(
    post, path = "/datasources", operation_id = "createDatasource", tag = "datasources",
    request_body = CreateDatasource,
    responses((status = 201, description = "It was created.", body = DatasourceDetail)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn create(State(api): State<Api>, caller: Caller<Edit>, body: Body<CreateDatasource>) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let (api, caller) = (&api, &caller);
    let mut input = body.value;
    let input = app::CreateDatasource {
        metadata: input.metadata(),
        name: input.name,
        connector_type: input.connector_type,
        project: input.project_id,
        description: input.description,
        config: input.config,
        template: input.template.map(Into::into),
        comment: input.comment,
    };
    let effect = async {
        let row = api.app.create_datasource(&ctx, input).await?;
        shown_created(api, &ctx, caller, row.id).await
    };
    idempotency::run(&api.app, &ctx, effect, |about| async move {
        shown_created(api, &caller.ctx, caller, about.datasource_id.ok_or_else(|| lost("it was created"))?).await
    })
    .await
}

/// Read a datasource
///
/// With its published version and the state of its worker. `If-None-Match` saves the body when nothing changed.
#[utoipa::path(
    get, path = "/datasources/{id}", operation_id = "datasource", tag = "datasources",
    params(DatasourcePath),
    responses(
        (status = 200, description = "The datasource.", body = DatasourceDetail),
        (status = 304, description = "It is as the caller has it."),
    ),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller<Read>, Named(path): Named<DatasourcePath>) -> Answer {
    Ok(shown(&api, &caller.ctx, path.id).await?.unless_known(&caller.headers))
}

/// Edit a datasource
///
/// What is absent stays as it is, null clears. Governance metadata of a datasource that was published before needs the
/// role admin. The configuration changes by versions.
#[utoipa::path(
    put, path = "/datasources/{id}", operation_id = "updateDatasource", tag = "datasources",
    params(DatasourcePath), request_body = UpdateDatasource,
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller<Edit>,
    Named(path): Named<DatasourcePath>,
    body: Body<UpdateDatasource>,
) -> Answer {
    edit(&api, &caller, path.id, body.value).await
}

/// Edit parts of a datasource
///
/// A JSON Merge Patch (RFC 7396), with the rules of PUT.
#[utoipa::path(
    patch, path = "/datasources/{id}", operation_id = "patchDatasource", tag = "datasources",
    params(DatasourcePath),
    request_body(content(
        (UpdateDatasource = "application/merge-patch+json"),
        (UpdateDatasource = "application/json"),
    )),
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn patch(
    State(api): State<Api>,
    caller: Caller<Edit>,
    Named(path): Named<DatasourcePath>,
    Patch(body): Patch<UpdateDatasource>,
) -> Answer {
    edit(&api, &caller, path.id, body).await
}

async fn edit(api: &Api, caller: &Caller<Edit>, id: Uuid, mut body: UpdateDatasource) -> Answer {
    let input = app::UpdateDatasource {
        id,
        expected_revision: etag::if_match(&caller.headers)?,
        metadata: body.metadata(),
        name: body.name,
        description: body.description.map(Option::unwrap_or_default),
        reason: body.reason,
    };
    api.app.update_datasource(&caller.ctx, input).await?;
    Ok(shown(api, &caller.ctx, id).await?)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ArchiveParameters {
    /// Why; for the audit log.
    #[param(max_length = 4000)]
    reason: Option<String>,
}

/// Archive a datasource
///
/// Stops and hides it. Its history stays, its name becomes free, and it can be restored.
#[utoipa::path(
    delete, path = "/datasources/{id}", operation_id = "archiveDatasource", tag = "datasources",
    params(DatasourcePath, ArchiveParameters),
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn archive(
    State(api): State<Api>,
    caller: Caller<Archive, ArchiveParameters>,
    Named(path): Named<DatasourcePath>,
    _: NoBody,
) -> Answer {
    let (caller, query) = caller.split();
    let revision = etag::if_match(&caller.headers)?;
    api.app.archive_datasource(&caller.ctx, path.id, revision, query.reason.as_deref()).await?;
    Ok(shown(&api, &caller.ctx, path.id).await?)
}

/// Restore an archived datasource
///
/// It comes back stopped.
#[utoipa::path(
    post, path = "/datasources/{id}/restore", operation_id = "restoreDatasource", tag = "datasources",
    params(DatasourcePath), request_body = Option<Action>,
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn restore(
    State(api): State<Api>,
    caller: Caller<Archive>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<Action>,
) -> Answer {
    act(&api, &caller, path.id, body, |app, ctx, input| async move { app.restore_datasource(&ctx, input).await }).await
}

/// Clone a datasource
///
/// A draft with the description and the configuration of another datasource, without its secrets.
#[utoipa::path(
    post, path = "/datasources/{id}/clone", operation_id = "cloneDatasource", tag = "datasources",
    params(DatasourcePath), request_body = CloneDatasource,
    responses((status = 201, description = "The copy.", body = DatasourceDetail)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn copy(
    State(api): State<Api>,
    caller: Caller<Edit>,
    Named(path): Named<DatasourcePath>,
    body: Body<CloneDatasource>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let (api, caller) = (&api, &caller);
    let CloneDatasource { name, project_id, version } = body.value;
    let input = app::CloneDatasource { id: path.id, name, project: project_id, version };
    let effect = async {
        let row = api.app.clone_datasource(&ctx, input).await?;
        shown_created(api, &ctx, caller, row.id).await
    };
    idempotency::run(&api.app, &ctx, effect, |about| async move {
        shown_created(api, &caller.ctx, caller, about.datasource_id.ok_or_else(|| lost("it was cloned"))?).await
    })
    .await
}
