//! Testing a configuration before it goes live.

use axum::extract::State;
use serde_json::Value;

use super::Api;
use super::datasources::DatasourcePath;
use super::extract::{Caller, Named, OptionalBody, once};
use super::idempotency::{self, lost};
use super::link::whole;
use super::model::{TestDatasource, TestResult, TestSample};
use super::problem::Failure;
use super::reply::{Answer, Reply};
use crate::app::{TestInput, TestRequest};
use crate::auth::policy::grant::{Read, Test};
use crate::error::Error;

/// Test a configuration
///
/// Runs it on a payload, in a sandbox: nothing is delivered and no checkpoint moves. Without payload, sample or
/// fetch, the connector's example is used. A test whose records fail is a success of the request: see `success`.
#[utoipa::path(
    post, path = "/datasources/{id}/test", operation_id = "testDatasource", tag = "versions",
    params(DatasourcePath), request_body = Option<TestDatasource>,
    responses((status = 200, description = "What came of it.", body = TestResult)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn test(
    State(api): State<Api>,
    caller: Caller<Test>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<TestDatasource>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let body = body.value;
    let input = match (body.payload, body.sample, body.fetch) {
        (None, None, false) => TestInput::Example,
        (Some(Value::String(raw)), None, false) => TestInput::Payload(raw.into_bytes()),
        (Some(json), None, false) => TestInput::Payload(json.to_string().into_bytes()),
        (None, Some(name), false) => TestInput::Sample(name),
        (None, None, true) => TestInput::Fetch,
        _ => {
            let message = "cannot be combined: pass one of payload, sample and fetch";
            return Err(Failure::from(Error::invalid("/payload", message)));
        }
    };
    let request = TestRequest {
        id: path.id,
        version: body.version,
        config_override: body.config_override,
        input,
        save_sample_as: body.save_sample_as,
    };
    let effect = async { Reply::ok(&TestResult::from(api.app.test(&ctx, request).await?)) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("the test was run")) }).await
}

/// List stored samples
///
/// The payloads that were kept to test on.
#[utoipa::path(
    get, path = "/datasources/{id}/samples", operation_id = "datasourceSamples", tag = "versions",
    params(DatasourcePath),
    responses((status = 200, description = "All samples, by name.", body = Vec<TestSample>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn samples(
    State(api): State<Api>,
    caller: Caller<Read>,
    Named(path): Named<DatasourcePath>,
) -> Answer {
    let samples = api.app.test_samples(&caller.ctx, path.id).await?;
    Ok(whole(&samples.into_iter().map(TestSample::from).collect::<Vec<_>>())?)
}
