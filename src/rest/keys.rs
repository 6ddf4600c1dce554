//! `/keys`: encryption keys of the organisation.

use axum::extract::State;

use super::Api;
use super::extract::{Body, Caller, OptionalBody, once};
use super::idempotency;
use super::model::{Action, EncryptionKeys, KeyRotation, RetiredKeys, RotateKeys};
use super::reply::{Answer, Reply};
use crate::auth::policy::grant::ManageKeys;

/// Read the encryption keys
///
/// Which data keys seal the secrets of your organisation, what wraps them, and their rotations.
#[utoipa::path(
    get, path = "/keys", operation_id = "encryptionKeys", tag = "keys",
    responses((status = 200, description = "The keys.", body = EncryptionKeys)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<ManageKeys>) -> Answer {
    Ok(Reply::ok(&EncryptionKeys::from(api.app.encryption_keys(&caller.ctx).await?))?)
}

/// Rotate keys
///
/// Moves the keys of your organisation to new ones, in the background; all secrets can be read meanwhile. Asked while
/// that goes on, it answers with it.
#[utoipa::path(
    post, path = "/keys/rotate", operation_id = "rotateKeys", tag = "keys", request_body = RotateKeys,
    responses((status = 200, description = "The rotation as it begins.", body = KeyRotation)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn rotate(State(api): State<Api>, caller: Caller<ManageKeys>, body: Body<RotateKeys>) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let RotateKeys { kind, reason } = body.value;
    let effect = async {
        let rotation = api.app.rotate_keys(&ctx, kind.0, reason.as_deref()).await?;
        Reply::ok(&KeyRotation::from(rotation))
    };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(idempotency::lost("the rotation was begun")) }).await
}

/// Retire keys
///
/// Forgets the data keys of your organisation that seal nothing any more.
#[utoipa::path(
    post, path = "/keys/retire", operation_id = "retireKeys", tag = "keys", request_body = Option<Action>,
    responses((status = 200, description = "What is gone.", body = RetiredKeys)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn retire(
    State(api): State<Api>,
    caller: Caller<ManageKeys>,
    OptionalBody(body): OptionalBody<Action>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let effect = async {
        let retired = api.app.retire_keys(&ctx, body.value.reason.as_deref()).await?;
        Reply::ok(&RetiredKeys { retired: retired.into_iter().map(|key| key.id).collect() })
    };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(idempotency::lost("keys were retired")) }).await
}
