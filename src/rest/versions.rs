//! `/datasources/{id}/versions`: the history of a configuration.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Api;
use super::datasources::DatasourcePath;
use super::etag;
use super::extract::{Body, Caller, Named, once};
use super::idempotency::{self, lost};
use super::link::Position;
use super::model::{CreateVersion, DatasourceVersion, VersionDiff};
use super::problem::Failure;
use super::reply::{Answer, Reply, TOTAL_COUNT};
use crate::app;
use crate::auth::policy::grant::{Edit, Read};
use crate::domain;
use crate::error::{Error, Result};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct VersionPath {
    /// The id of the datasource.
    id: Uuid,
    /// The number of the version.
    version: i32,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DiffPath {
    /// The id of the datasource.
    id: Uuid,
    /// The number of the old version.
    version: i32,
    /// The number of the new version.
    other: i32,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParameters {
    /// At most so many; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only what follows; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

impl From<PageParameters> for Position {
    fn from(query: PageParameters) -> Self {
        Self { limit: query.limit, offset: query.offset, cursor: query.cursor, total: None }
    }
}

/// List versions
///
/// Newest first.
#[utoipa::path(
    get, path = "/datasources/{id}/versions", operation_id = "datasourceVersions", tag = "versions",
    params(DatasourcePath, PageParameters),
    responses((status = 200, description = "The page.", body = Vec<DatasourceVersion>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller<Read, PageParameters>,
    Named(path): Named<DatasourcePath>,
) -> Answer {
    let (caller, query) = caller.split();
    let mut position = Position::from(query);
    let (page, total) = api.app.version_history(&caller.ctx, path.id, &position.request()?).await?;
    position.total = Some(total);
    let reply = position.reply(&caller, page, |v| v.version, DatasourceVersion::from)?;
    Ok(reply.header(TOTAL_COUNT, total.to_string()))
}

/// Create a version
///
/// Stores a configuration as a new draft, if it is valid.
#[utoipa::path(
    post, path = "/datasources/{id}/versions", operation_id = "createDatasourceVersion", tag = "versions",
    params(DatasourcePath), request_body = CreateVersion,
    responses((status = 201, description = "The draft.", body = DatasourceVersion)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller<Edit>,
    Named(path): Named<DatasourcePath>,
    body: Body<CreateVersion>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let (api, caller) = (&api, &caller);
    let CreateVersion { config, comment, summary } = body.value;
    if comment.is_some() && summary.is_some() && comment != summary {
        return Err(Failure::from(Error::invalid("/summary", "is the same as comment; send one of them")));
    }
    let input = app::CreateVersion {
        id: path.id,
        config,
        comment: comment.or(summary),
        expected_revision: etag::if_match(&caller.headers)?,
    };
    let created = &|version: domain::Version| -> Result<Reply> {
        let place = caller.locate(&format!("/datasources/{}/versions/{}", path.id, version.version));
        Ok(Reply::ok(&DatasourceVersion::from(version))?.created(place))
    };
    let effect = async { created(api.app.create_version(&ctx, input).await?.1) };
    idempotency::run(&api.app, &ctx, effect, |about| async move {
        let number = about.version.ok_or_else(|| lost("the version was created"))?;
        let version = api.app.version(&caller.ctx, path.id, number).await?;
        created(version.ok_or_else(|| Error::not_found("version"))?)
    })
    .await
}

/// Read a version
#[utoipa::path(
    get, path = "/datasources/{id}/versions/{version}", operation_id = "datasourceVersion", tag = "versions",
    params(VersionPath),
    responses((status = 200, description = "The version.", body = DatasourceVersion)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller<Read>, Named(path): Named<VersionPath>) -> Answer {
    let version = api.app.version(&caller.ctx, path.id, path.version).await?;
    let version = version.ok_or_else(|| Error::not_found("version"))?;
    Ok(Reply::ok(&DatasourceVersion::from(version))?)
}

/// Compare two versions
///
/// What changed from `version` to `other`, as structured changes.
#[utoipa::path(
    get, path = "/datasources/{id}/versions/{version}/diff/{other}", operation_id = "datasourceVersionDiff",
    tag = "versions", params(DiffPath),
    responses((status = 200, description = "The changes.", body = VersionDiff)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn diff(State(api): State<Api>, caller: Caller<Read>, Named(path): Named<DiffPath>) -> Answer {
    let diff = api.app.diff_versions(&caller.ctx, path.id, path.version, path.other).await?;
    Ok(Reply::ok(&VersionDiff::from(diff))?)
}
