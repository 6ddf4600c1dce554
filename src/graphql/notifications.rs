//! Who is told of changes, and what became of it.

use async_graphql::connection::EmptyFields;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::connection::{Plain, edges};
use super::error::Shape;
use super::guard::HasRole;
use super::inputs::uuid;
use super::types::{EventType, NotificationDelivery, NotificationEndpoint, NotificationStatus};
use crate::app::{self, App, OpContext};
use crate::auth::Permission;
use crate::domain::paging::PageRequest;
use crate::domain::{self, Timestamp};

/// The endpoint, and its new secret for this once.
#[derive(SimpleObject)]
struct NotificationSecretPayload {
    /// As it is now.
    endpoint: NotificationEndpoint,
    /// What signs its messages from now on: `whsec_` and base64. It is shown now and never again.
    secret: String,
}

impl From<app::NewSigningSecret> for NotificationSecretPayload {
    fn from(new: app::NewSigningSecret) -> Self {
        Self { secret: new.reveal(), endpoint: NotificationEndpoint(new.endpoint) }
    }
}

/// The endpoint as it is now.
#[derive(SimpleObject)]
struct NotificationEndpointPayload {
    /// As it is now; for a deletion, as it was.
    endpoint: NotificationEndpoint,
}

/// The message as it is now.
#[derive(SimpleObject)]
struct NotificationDeliveryPayload {
    /// As it is now.
    delivery: NotificationDelivery,
}

/// What is sent again.
#[derive(SimpleObject)]
struct RecoverNotificationsPayload {
    /// How many messages are sent again.
    recovered: u64,
}

/// Which events to tell of. What is absent does not narrow; what is given counts together.
#[derive(InputObject)]
struct NotificationFilterInput {
    /// Of one of these kinds.
    event_types: Option<Vec<EventType>>,
    /// Of datasources in one of these projects.
    projects: Option<Vec<String>>,
    /// Of one of these datasources.
    datasource_ids: Option<Vec<ID>>,
    /// Of datasources of this owner, as it is when the event is looked at.
    owner: Option<String>,
    /// Of datasources of this team, as it is when the event is looked at.
    team: Option<String>,
    /// Of datasources of this category, as it is when the event is looked at.
    category: Option<String>,
}

impl NotificationFilterInput {
    fn read(self) -> crate::error::Result<domain::NotificationFilter> {
        let ids = self.datasource_ids.unwrap_or_default();
        let types = self.event_types.unwrap_or_default().into_iter().map(domain::EventType::from);
        Ok(domain::NotificationFilter {
            event_types: types.map(|kind| kind.as_str().to_owned()).collect(),
            projects: self.projects.unwrap_or_default(),
            datasource_ids: ids.iter().map(|id| uuid("/filter/datasourceIds", id)).collect::<Result<_, _>>()?,
            owner: self.owner,
            team: self.team,
            category: self.category,
        })
    }
}

/// A new endpoint. It is told of what happens from now on.
#[derive(InputObject)]
struct CreateNotificationEndpointInput {
    /// Where messages are sent: http or https, without credentials, and no private address unless the operator allows it.
    url: String,
    /// Whose it is, and what for.
    #[graphql(default)]
    description: String,
    /// Which events it is told of. Absent: all of the organisation.
    filter: Option<NotificationFilterInput>,
    /// Whether it is told anything.
    #[graphql(default = true)]
    active: bool,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// Changes of an endpoint. What is absent stays as it is.
#[derive(InputObject)]
struct UpdateNotificationEndpointInput {
    /// The endpoint.
    id: ID,
    /// Where messages are sent.
    url: Option<String>,
    /// Whose it is, and what for.
    description: Option<String>,
    /// Which events it is told of; it takes the place of the whole filter that was there.
    filter: Option<NotificationFilterInput>,
    /// Whether it is told anything. Switched on again, it is told of what it missed.
    active: Option<bool>,
    /// It is not told of what happened until now.
    #[graphql(default = false)]
    skip_missed: bool,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// An endpoint to delete.
#[derive(InputObject)]
struct DeleteNotificationEndpointInput {
    /// The endpoint.
    id: ID,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// An endpoint that is to get a new secret.
#[derive(InputObject)]
struct RotateNotificationSecretInput {
    /// The endpoint.
    id: ID,
    /// How long the secrets before it go on signing, such as `24h`, which it is when absent; `0s` to `7d`.
    overlap: Option<String>,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// An endpoint to try.
#[derive(InputObject)]
struct SendTestNotificationInput {
    /// The endpoint.
    id: ID,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// A message to send again.
#[derive(InputObject)]
struct RedeliverNotificationInput {
    /// The message.
    id: ID,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// Messages to send again.
#[derive(InputObject)]
struct RecoverNotificationsInput {
    /// Of this endpoint.
    endpoint_id: ID,
    /// That were made then or later.
    since: Timestamp,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// Narrows the log of notifications. What is absent does not narrow.
#[derive(InputObject, Default)]
struct NotificationDeliveryFilterInput {
    /// For this endpoint.
    endpoint_id: Option<ID>,
    /// In one of these states.
    status: Option<Vec<NotificationStatus>>,
    /// Of events of this datasource.
    datasource_id: Option<ID>,
    /// Made after this time.
    created_after: Option<Timestamp>,
    /// Made before this time.
    created_before: Option<Timestamp>,
}

#[derive(Default)]
pub struct NotificationQuery;

/// Who is told of changes.
#[Object]
impl NotificationQuery {
    /// The endpoints of the organisation, the oldest first; at most 1,000.
    #[graphql(directive = HasRole::apply(Permission::ManageNotifications))]
    async fn notification_endpoints(&self, ctx: &Context<'_>) -> Result<Vec<NotificationEndpoint>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let all = app.notification_endpoints(op).await.shaped(ctx)?;
        Ok(all.into_iter().map(NotificationEndpoint).collect())
    }

    /// The messages that were made, newest first, with what became of them. They are kept for 30 days after their end.
    #[graphql(directive = HasRole::apply(Permission::ManageNotifications))]
    async fn notification_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<NotificationDeliveryFilterInput>,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
    ) -> Result<Plain<NotificationDelivery>> {
        let input = filter.unwrap_or_default();
        let id = |pointer: &str, id: Option<ID>| id.map(|id| uuid(pointer, &id)).transpose();
        let filter = domain::NotificationDeliveryFilter {
            endpoint_id: id("/filter/endpointId", input.endpoint_id).shaped(ctx)?,
            statuses: input.status.unwrap_or_default().into_iter().map(Into::into).collect(),
            datasource_id: id("/filter/datasourceId", input.datasource_id).shaped(ctx)?,
            created_after: input.created_after,
            created_before: input.created_before,
        };
        let page = PageRequest::relay(first, after.as_deref(), None, None).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let found = app.notification_deliveries(op, &filter, &page).await.shaped(ctx)?;
        Ok(edges(found, EmptyFields, |delivery| delivery.id, NotificationDelivery))
    }
}

#[derive(Default)]
pub struct NotificationMutation;

/// Who is told of changes.
#[Object]
impl NotificationMutation {
    /// Adds an endpoint, and makes its secret.
    #[graphql(directive = HasRole::apply(Permission::ManageNotifications))]
    async fn create_notification_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint.")] input: CreateNotificationEndpointInput,
    ) -> Result<NotificationSecretPayload> {
        let filter = input.filter.map(NotificationFilterInput::read).transpose().shaped(ctx)?;
        let input = app::CreateNotificationEndpoint {
            url: input.url,
            description: input.description,
            filter: filter.unwrap_or_default(),
            active: input.active,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        app.create_notification_endpoint(op, input).await.shaped(ctx).map(Into::into)
    }

    /// Changes an endpoint.
    #[graphql(directive = HasRole::apply(Permission::ManageNotifications))]
    async fn update_notification_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateNotificationEndpointInput,
    ) -> Result<NotificationEndpointPayload> {
        let input = app::UpdateNotificationEndpoint {
            id: uuid("/id", &input.id).shaped(ctx)?,
            url: input.url,
            description: input.description,
            filter: input.filter.map(NotificationFilterInput::read).transpose().shaped(ctx)?,
            active: input.active,
            skip_missed: input.skip_missed,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let endpoint = app.update_notification_endpoint(op, input).await.shaped(ctx)?;
        Ok(NotificationEndpointPayload { endpoint: NotificationEndpoint(endpoint) })
    }

    /// Deletes an endpoint, with its messages and their log.
    #[graphql(directive = HasRole::apply(Permission::ManageNotifications))]
    async fn delete_notification_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint.")] input: DeleteNotificationEndpointInput,
    ) -> Result<NotificationEndpointPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let endpoint = app.delete_notification_endpoint(op, id, input.reason.as_deref()).await.shaped(ctx)?;
        Ok(NotificationEndpointPayload { endpoint: NotificationEndpoint(endpoint) })
    }

    /// Makes a new secret. Messages carry the signatures of those before it, too, until the overlap is over.
    #[graphql(directive = HasRole::apply(Permission::ManageNotifications))]
    async fn rotate_notification_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint, and for how long both sign.")] input: RotateNotificationSecretInput,
    ) -> Result<NotificationSecretPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let input = app::RotateNotificationSecret { id, overlap: input.overlap, reason: input.reason };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        app.rotate_notification_secret(op, input).await.shaped(ctx).map(Into::into)
    }

    /// Sends a message of the type `notification.test`, to see whether messages arrive.
    #[graphql(directive = HasRole::apply(Permission::ManageNotifications))]
    async fn send_test_notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint.")] input: SendTestNotificationInput,
    ) -> Result<NotificationDeliveryPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let delivery = app.send_test_notification(op, id, input.reason.as_deref()).await.shaped(ctx)?;
        Ok(NotificationDeliveryPayload { delivery: NotificationDelivery(delivery) })
    }

    /// Sends a message again, under its id, however it ended.
    #[graphql(directive = HasRole::apply(Permission::ManageNotifications))]
    async fn redeliver_notification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message.")] input: RedeliverNotificationInput,
    ) -> Result<NotificationDeliveryPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let delivery = app.redeliver_notification(op, id, input.reason.as_deref()).await.shaped(ctx)?;
        Ok(NotificationDeliveryPayload { delivery: NotificationDelivery(delivery) })
    }

    /// Sends again what an endpoint did not take since a time: what was given up, and what waits for another attempt.
    #[graphql(directive = HasRole::apply(Permission::ManageNotifications))]
    async fn recover_notifications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint, and since when.")] input: RecoverNotificationsInput,
    ) -> Result<RecoverNotificationsPayload> {
        let endpoint_id = uuid("/endpointId", &input.endpoint_id).shaped(ctx)?;
        let input = app::RecoverNotifications { endpoint_id, since: input.since, reason: input.reason };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let recovered = app.recover_notifications(op, input).await.shaped(ctx)?;
        Ok(RecoverNotificationsPayload { recovered })
    }
}
