//! Who is told of changes, and what became of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::{Comment, EventType, Label, NotificationStatus};
use crate::app;
use crate::domain;
use crate::rest::json::object;

/// Where somebody is told of changes, by signed webhooks in the form of Standard Webhooks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct NotificationEndpoint {
    /// Its id.
    id: Uuid,
    /// Where messages are sent.
    url: String,
    /// Whose it is, and what for.
    description: String,
    /// Which events it is told of.
    filter: NotificationFilter,
    /// Whether it is told anything.
    active: bool,
    /// Why the server switched it off; null when it did not.
    disabled_reason: Option<String>,
    /// Since when no attempt succeeded; null while the last one did.
    failing_since: Option<DateTime<Utc>>,
    /// The sequence number of the last event that it was looked at for.
    event_cursor: i64,
    /// What signs its messages, the newest first. A secret itself is shown once, when it is made.
    secrets: Vec<NotificationSecret>,
    /// When it was created.
    created_at: DateTime<Utc>,
    /// Who created it.
    created_by: String,
    /// When it was changed last.
    updated_at: DateTime<Utc>,
    /// Who changed it last.
    updated_by: String,
}

impl From<domain::NotificationEndpoint> for NotificationEndpoint {
    fn from(endpoint: domain::NotificationEndpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            filter: endpoint.filter.into(),
            active: endpoint.active,
            disabled_reason: endpoint.disabled_reason,
            failing_since: endpoint.failing_since,
            event_cursor: endpoint.event_cursor,
            secrets: endpoint.secrets.into_iter().map(NotificationSecret::from).collect(),
            created_at: endpoint.created_at,
            created_by: endpoint.created_by,
            updated_at: endpoint.updated_at,
            updated_by: endpoint.updated_by,
        }
    }
}

/// Which events an endpoint is told of. What is empty or null does not narrow; what is given counts together.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct NotificationFilter {
    /// Of one of these kinds.
    event_types: Vec<EventType>,
    /// Of datasources in one of these projects.
    projects: Vec<String>,
    /// Of one of these datasources.
    datasource_ids: Vec<Uuid>,
    /// Of datasources of this owner.
    owner_id: Option<String>,
    /// Of datasources of this team.
    team: Option<String>,
    /// Of datasources of this category.
    category: Option<String>,
}

impl From<domain::NotificationFilter> for NotificationFilter {
    fn from(filter: domain::NotificationFilter) -> Self {
        Self {
            event_types: filter.known_types().into_iter().map(Into::into).collect(),
            projects: filter.projects,
            datasource_ids: filter.datasource_ids,
            owner_id: filter.owner,
            team: filter.team,
            category: filter.category,
        }
    }
}

/// What is told of a signing secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct NotificationSecret {
    /// Its number; the next one has the next.
    version: i32,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Who made it.
    created_by: String,
    /// Until when it signs beside a newer one; null for the newest.
    expires_at: Option<DateTime<Utc>>,
}

impl From<domain::NotificationSecretInfo> for NotificationSecret {
    fn from(secret: domain::NotificationSecretInfo) -> Self {
        let domain::NotificationSecretInfo { version, created_at, created_by, expires_at } = secret;
        Self { version, created_at, created_by, expires_at }
    }
}

/// The endpoint, and its new secret for this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct NewNotificationSecret {
    /// As it is now.
    endpoint: NotificationEndpoint,
    /// What signs its messages from now on: `whsec_` and base64. It is shown now and never again.
    secret: String,
}

impl From<app::NewSigningSecret> for NewNotificationSecret {
    fn from(new: app::NewSigningSecret) -> Self {
        Self { secret: new.reveal(), endpoint: new.endpoint.into() }
    }
}

/// One message for one endpoint, and what became of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct NotificationDelivery {
    /// Its id, which is the `webhook-id` of all attempts.
    id: Uuid,
    /// The endpoint.
    endpoint_id: Uuid,
    /// The type of the message: `datasource.` and the kind of the event, or `notification.test`.
    #[serde(rename = "type")]
    message_type: String,
    /// The sequence number of the event; null for a test.
    event_id: Option<i64>,
    /// The datasource that the event is about; null for a test.
    datasource_id: Option<Uuid>,
    /// The text that is signed and sent.
    body: String,
    /// What became of it.
    status: NotificationStatus,
    /// Its attempts, the oldest first; at most the last 20.
    attempts: Vec<NotificationAttempt>,
    /// When it is tried again; null for at once, and for never.
    next_attempt_at: Option<DateTime<Utc>>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was delivered, or given up; null while it waits.
    finished_at: Option<DateTime<Utc>>,
}

impl From<domain::NotificationDelivery> for NotificationDelivery {
    fn from(delivery: domain::NotificationDelivery) -> Self {
        Self {
            id: delivery.id,
            endpoint_id: delivery.endpoint_id,
            message_type: delivery.message_type,
            event_id: delivery.event_seq,
            datasource_id: delivery.datasource_id,
            body: delivery.body,
            status: delivery.status.into(),
            attempts: delivery.log.into_iter().map(NotificationAttempt::from).collect(),
            next_attempt_at: delivery.next_attempt_at,
            created_at: delivery.created_at,
            finished_at: delivery.finished_at,
        }
    }
}

/// One request to a receiver.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct NotificationAttempt {
    /// When it began.
    started_at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// The HTTP status of the answer; null when none came.
    status: Option<u16>,
    /// The beginning of the answer, at most 4 KiB.
    response: Option<String>,
    /// Why it is no success.
    error: Option<String>,
    /// The node that sent it.
    node: String,
}

impl From<domain::NotificationAttempt> for NotificationAttempt {
    fn from(attempt: domain::NotificationAttempt) -> Self {
        Self {
            started_at: attempt.started_at,
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            status: attempt.status,
            response: attempt.response,
            error: attempt.error,
            node: attempt.node,
        }
    }
}

/// What is sent again.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct RecoveredNotifications {
    /// How many messages are sent again.
    pub(in crate::rest) recovered: u64,
}

/// Which events to tell of. What is absent does not narrow; what is given counts together.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(in crate::rest) struct NotificationFilterInput {
    /// Of one of these kinds.
    #[schema(max_items = 100)]
    event_types: Vec<EventType>,
    /// Of datasources in one of these projects.
    #[schema(max_items = 100)]
    projects: Vec<String>,
    /// Of one of these datasources.
    #[schema(max_items = 100)]
    datasource_ids: Vec<Uuid>,
    /// Of datasources of this owner, as it is when the event is looked at.
    #[schema(value_type = Option<Label>)]
    owner_id: Option<String>,
    /// Of datasources of this team, as it is when the event is looked at.
    #[schema(value_type = Option<Label>)]
    team: Option<String>,
    /// Of datasources of this category, as it is when the event is looked at.
    #[schema(value_type = Option<Label>)]
    category: Option<String>,
}

impl From<NotificationFilterInput> for domain::NotificationFilter {
    fn from(filter: NotificationFilterInput) -> Self {
        Self {
            event_types: filter.event_types.into_iter().map(|kind| kind.0.as_str().to_owned()).collect(),
            projects: filter.projects,
            datasource_ids: filter.datasource_ids,
            owner: filter.owner_id,
            team: filter.team,
            category: filter.category,
        }
    }
}

/// A new endpoint. It is told of what happens from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CreateNotificationEndpoint {
    /// Where messages are sent: http or https, without credentials, and no private address unless the operator allows it.
    #[schema(min_length = 1, max_length = 2048)]
    url: String,
    /// Whose it is, and what for.
    #[serde(default)]
    #[schema(value_type = Comment)]
    description: String,
    /// Which events it is told of. Absent: all of the organisation.
    #[serde(default, deserialize_with = "object")]
    filter: NotificationFilterInput,
    /// Whether it is told anything. Absent: yes.
    active: Option<bool>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    reason: Option<String>,
}

impl From<CreateNotificationEndpoint> for app::CreateNotificationEndpoint {
    fn from(body: CreateNotificationEndpoint) -> Self {
        Self {
            url: body.url,
            description: body.description,
            filter: body.filter.into(),
            active: body.active.unwrap_or(true),
            reason: body.reason,
        }
    }
}

/// Changes of an endpoint. What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct UpdateNotificationEndpoint {
    /// Where messages are sent.
    #[schema(min_length = 1, max_length = 2048)]
    url: Option<String>,
    /// Whose it is, and what for.
    #[schema(value_type = Option<Comment>)]
    description: Option<String>,
    /// Which events it is told of; it takes the place of the whole filter that was there.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = NotificationFilterInput, required = false)]
    filter: Option<NotificationFilterInput>,
    /// Whether it is told anything. Switched on again, it is told of what it missed.
    active: Option<bool>,
    /// It is not told of what happened until now.
    #[serde(default)]
    skip_missed: bool,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    reason: Option<String>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NotificationFilterInput>, D::Error> {
    object(deserializer).map(Some)
}

impl UpdateNotificationEndpoint {
    pub(in crate::rest) fn of(self, id: Uuid) -> app::UpdateNotificationEndpoint {
        app::UpdateNotificationEndpoint {
            id,
            url: self.url,
            description: self.description,
            filter: self.filter.map(Into::into),
            active: self.active,
            skip_missed: self.skip_missed,
            reason: self.reason,
        }
    }
}

/// A new secret for an endpoint.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct RotateNotificationSecret {
    /// How long the secrets before it go on signing; absent: `24h`. At most `7d`.
    #[schema(pattern = r"^[0-9]{1,6}(ms|s|m|h|d)$")]
    pub(in crate::rest) overlap: Option<String>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// Since when to send again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct RecoverNotifications {
    /// Messages that were made then or later.
    pub(in crate::rest) since: DateTime<Utc>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}
