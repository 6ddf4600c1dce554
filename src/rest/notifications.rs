//! `/notifications`: who is told of changes, and what became of it.

use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Api;
use super::access::ReasonParameters;
use super::extract::{Body, Caller, Named, NoBody, OptionalBody, idempotency_key, once};
use super::idempotency::{self, lost};
use super::link::{Position, whole};
use super::model::{
    Action, CreateNotificationEndpoint, NewNotificationSecret, NotificationDelivery, NotificationEndpoint,
    NotificationStatus, RecoverNotifications, RecoveredNotifications, RotateNotificationSecret,
    UpdateNotificationEndpoint,
};
use super::problem::Failure;
use super::reply::{Answer, Reply};
use crate::app;
use crate::auth::policy::grant::ManageNotifications;
use crate::domain::NotificationDeliveryFilter;
use crate::error::Error;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct EndpointPath {
    /// The id of the endpoint.
    endpoint: Uuid,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DeliveryPath {
    /// The id of the message.
    delivery: Uuid,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct DeliveryParameters {
    /// For this endpoint.
    endpoint_id: Option<Uuid>,
    /// In this state; may be repeated.
    #[serde(default)]
    status: Vec<NotificationStatus>,
    /// Of events of this datasource.
    datasource_id: Option<Uuid>,
    /// Made after this time.
    created_after: Option<DateTime<Utc>>,
    /// Made before this time.
    created_before: Option<DateTime<Utc>>,
    /// At most so many; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only what follows; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

/// List endpoints
///
/// The oldest first; at most 1,000.
#[utoipa::path(
    get, path = "/notifications/endpoints", operation_id = "notificationEndpoints", tag = "notifications",
    responses((status = 200, description = "All of them.", body = Vec<NotificationEndpoint>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<ManageNotifications>) -> Answer {
    let all = api.app.notification_endpoints(&caller.ctx).await?;
    Ok(whole(&all.into_iter().map(NotificationEndpoint::from).collect::<Vec<_>>())?)
}

/// Create an endpoint
///
/// It is told of what happens from now on. Its secret is shown in this answer and never again; an `Idempotency-Key` is
/// refused, for nothing is kept to repeat.
#[utoipa::path(
    post, path = "/notifications/endpoints", operation_id = "createNotificationEndpoint", tag = "notifications",
    request_body = CreateNotificationEndpoint,
    responses((status = 200, description = "The endpoint, and its secret for this once.", body = NewNotificationSecret)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller<ManageNotifications>,
    body: Body<CreateNotificationEndpoint>,
) -> Answer {
    shown_once(&caller.headers)?;
    let made = api.app.create_notification_endpoint(&caller.ctx, body.value.into()).await?;
    Ok(Reply::ok(&NewNotificationSecret::from(made))?)
}

/// Change an endpoint
///
/// What is left out stays as it is. An endpoint that is switched on again is told of what it missed.
#[utoipa::path(
    patch, path = "/notifications/endpoints/{endpoint}", operation_id = "updateNotificationEndpoint",
    tag = "notifications", params(EndpointPath), request_body = UpdateNotificationEndpoint,
    responses((status = 200, description = "The endpoint as it is now.", body = NotificationEndpoint)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn update(
    State(api): State<Api>,
    caller: Caller<ManageNotifications>,
    Named(path): Named<EndpointPath>,
    body: Body<UpdateNotificationEndpoint>,
) -> Answer {
    let input = body.value.of(path.endpoint);
    Ok(Reply::ok(&NotificationEndpoint::from(api.app.update_notification_endpoint(&caller.ctx, input).await?))?)
}

/// Delete an endpoint
///
/// Its messages and their log go with it.
#[utoipa::path(
    delete, path = "/notifications/endpoints/{endpoint}", operation_id = "deleteNotificationEndpoint",
    tag = "notifications", params(EndpointPath, ReasonParameters),
    responses((status = 200, description = "The endpoint as it was.", body = NotificationEndpoint)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller<ManageNotifications, ReasonParameters>,
    Named(path): Named<EndpointPath>,
    _: NoBody,
) -> Answer {
    let (caller, query) = caller.split();
    let reason = query.reason.as_deref();
    let done = api.app.delete_notification_endpoint(&caller.ctx, path.endpoint, reason).await?;
    Ok(Reply::ok(&NotificationEndpoint::from(done))?)
}

/// Rotate the secret of an endpoint
///
/// Messages carry the signatures of the secrets before it, too, until the overlap is over. The new one is shown in this
/// answer and never again; an `Idempotency-Key` is refused, for nothing is kept to repeat.
#[utoipa::path(
    post, path = "/notifications/endpoints/{endpoint}/rotate-secret", operation_id = "rotateNotificationSecret",
    tag = "notifications", params(EndpointPath), request_body = Option<RotateNotificationSecret>,
    responses((status = 200, description = "The endpoint, and its new secret for this once.", body = NewNotificationSecret)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller<ManageNotifications>,
    Named(path): Named<EndpointPath>,
    OptionalBody(body): OptionalBody<RotateNotificationSecret>,
) -> Answer {
    shown_once(&caller.headers)?;
    let RotateNotificationSecret { overlap, reason } = body.value;
    let input = app::RotateNotificationSecret { id: path.endpoint, overlap, reason };
    Ok(Reply::ok(&NewNotificationSecret::from(api.app.rotate_notification_secret(&caller.ctx, input).await?))?)
}

/// Send a test
///
/// A message of the type `notification.test`, to see whether messages arrive.
#[utoipa::path(
    post, path = "/notifications/endpoints/{endpoint}/test", operation_id = "sendTestNotification",
    tag = "notifications", params(EndpointPath), request_body = Option<Action>,
    responses((status = 200, description = "The message; the log tells what becomes of it.", body = NotificationDelivery)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn test(
    State(api): State<Api>,
    caller: Caller<ManageNotifications>,
    Named(path): Named<EndpointPath>,
    OptionalBody(body): OptionalBody<Action>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let effect = async {
        let sent = api.app.send_test_notification(&ctx, path.endpoint, body.value.reason.as_deref()).await?;
        Reply::ok(&NotificationDelivery::from(sent))
    };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("it was sent; see /notifications/deliveries")) })
        .await
}

/// Send again what was not taken
///
/// The messages of an endpoint since a time that were given up, or wait for another attempt.
#[utoipa::path(
    post, path = "/notifications/endpoints/{endpoint}/recover", operation_id = "recoverNotifications",
    tag = "notifications", params(EndpointPath), request_body = RecoverNotifications,
    responses((status = 200, description = "How many are sent again.", body = RecoveredNotifications)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn recover(
    State(api): State<Api>,
    caller: Caller<ManageNotifications>,
    Named(path): Named<EndpointPath>,
    body: Body<RecoverNotifications>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let RecoverNotifications { since, reason } = body.value;
    let input = app::RecoverNotifications { endpoint_id: path.endpoint, since, reason };
    let effect =
        async { Reply::ok(&RecoveredNotifications { recovered: api.app.recover_notifications(&ctx, input).await? }) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("they are sent again")) }).await
}

/// List messages
///
/// Newest first, with what became of them; kept for 30 days after their end. They are not counted: `Link` leads on while
/// there is more.
#[utoipa::path(
    get, path = "/notifications/deliveries", operation_id = "notificationDeliveries", tag = "notifications",
    params(DeliveryParameters),
    responses((status = 200, description = "The page.", body = Vec<NotificationDelivery>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn deliveries(
    State(api): State<Api>,
    caller: Caller<ManageNotifications, DeliveryParameters>,
) -> Answer {
    let (caller, query) = caller.split();
    let filter = NotificationDeliveryFilter {
        endpoint_id: query.endpoint_id,
        statuses: query.status.into_iter().map(|status| status.0).collect(),
        datasource_id: query.datasource_id,
        created_after: query.created_after,
        created_before: query.created_before,
    };
    let position = Position { limit: query.limit, offset: query.offset, cursor: query.cursor, total: None };
    let page = api.app.notification_deliveries(&caller.ctx, &filter, &position.request()?).await?;
    Ok(position.reply(&caller, page, |message| message.id, NotificationDelivery::from)?)
}

/// Send a message again
///
/// Under its id, however it ended.
#[utoipa::path(
    post, path = "/notifications/deliveries/{delivery}/redeliver", operation_id = "redeliverNotification",
    tag = "notifications", params(DeliveryPath), request_body = Option<Action>,
    responses((status = 200, description = "The message as it is now.", body = NotificationDelivery)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn redeliver(
    State(api): State<Api>,
    caller: Caller<ManageNotifications>,
    Named(path): Named<DeliveryPath>,
    OptionalBody(body): OptionalBody<Action>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let effect = async {
        let sent = api.app.redeliver_notification(&ctx, path.delivery, body.value.reason.as_deref()).await?;
        Reply::ok(&NotificationDelivery::from(sent))
    };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("it is sent again")) }).await
}

/// For an answer that cannot be repeated.
fn shown_once(headers: &HeaderMap) -> Result<(), Failure> {
    if idempotency_key(headers)?.is_none() {
        return Ok(());
    }
    let message = "is not honoured here: a secret is shown once and kept nowhere that it could be repeated from; send \
                   the request without it, and rotate the secret that you did not receive";
    Err(Error::invalid("/headers/idempotency-key", message).into())
}
