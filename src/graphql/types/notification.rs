//! Endpoints of notifications, and the log of what they were sent.

use async_graphql::{ID, Object, SimpleObject};

use super::{EventType, NotificationStatus};
use crate::domain::{self, Timestamp};

/// Where somebody is told of changes, by signed webhooks.
pub(in crate::graphql) struct NotificationEndpoint(pub(in crate::graphql) domain::NotificationEndpoint);

/// Where somebody is told of changes, by signed webhooks in the form of Standard Webhooks.
#[Object]
impl NotificationEndpoint {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Where messages are sent.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// Whose it is, and what for.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Which events it is told of.
    async fn filter(&self) -> NotificationFilter {
        self.0.filter.clone().into()
    }

    /// Whether it is told anything.
    async fn active(&self) -> bool {
        self.0.active
    }

    /// Why the server switched it off; null when it did not.
    async fn disabled_reason(&self) -> Option<&str> {
        self.0.disabled_reason.as_deref()
    }

    /// Since when no attempt succeeded; null while the last one did.
    async fn failing_since(&self) -> Option<Timestamp> {
        self.0.failing_since
    }

    /// The sequence number of the last event that it was looked at for.
    async fn event_cursor(&self) -> ID {
        self.0.event_cursor.into()
    }

    /// What signs its messages, the newest first. A secret itself is shown once, when it is made.
    async fn secrets(&self) -> Vec<NotificationSecret> {
        self.0.secrets.iter().cloned().map(NotificationSecret::from).collect()
    }

    /// When it was created.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Who created it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was changed last.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }

    /// Who changed it last.
    async fn updated_by(&self) -> &str {
        &self.0.updated_by
    }
}

/// Which events an endpoint is told of. What is empty or null does not narrow; what is given counts together.
#[derive(SimpleObject)]
pub(in crate::graphql) struct NotificationFilter {
    /// Of one of these kinds.
    event_types: Vec<EventType>,
    /// Of datasources in one of these projects.
    projects: Vec<String>,
    /// Of one of these datasources.
    datasource_ids: Vec<ID>,
    /// Of datasources of this owner.
    owner: Option<String>,
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
            datasource_ids: filter.datasource_ids.into_iter().map(Into::into).collect(),
            owner: filter.owner,
            team: filter.team,
            category: filter.category,
        }
    }
}

/// What is told of a signing secret.
#[derive(SimpleObject)]
pub(in crate::graphql) struct NotificationSecret {
    /// Its number; the next one has the next.
    version: i32,
    /// When it was made.
    created_at: Timestamp,
    /// Who made it.
    created_by: String,
    /// Until when it signs beside a newer one; null for the newest.
    expires_at: Option<Timestamp>,
}

impl From<domain::NotificationSecretInfo> for NotificationSecret {
    fn from(secret: domain::NotificationSecretInfo) -> Self {
        let domain::NotificationSecretInfo { version, created_at, created_by, expires_at } = secret;
        Self { version, created_at, created_by, expires_at }
    }
}

/// One message for one endpoint.
pub(in crate::graphql) struct NotificationDelivery(pub(in crate::graphql) domain::NotificationDelivery);

/// One message for one endpoint, and what became of it.
#[Object]
impl NotificationDelivery {
    /// Its id, which is the `webhook-id` of all attempts.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The endpoint.
    async fn endpoint_id(&self) -> ID {
        self.0.endpoint_id.into()
    }

    /// The type of the message: `datasource.` and the kind of the event, or `notification.test`.
    #[graphql(name = "type")]
    async fn message_type(&self) -> &str {
        &self.0.message_type
    }

    /// The sequence number of the event; null for a test.
    async fn event_id(&self) -> Option<ID> {
        self.0.event_seq.map(Into::into)
    }

    /// The datasource that the event is about; null for a test.
    async fn datasource_id(&self) -> Option<ID> {
        self.0.datasource_id.map(Into::into)
    }

    /// The text that is signed and sent.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// What became of it.
    async fn status(&self) -> NotificationStatus {
        self.0.status.into()
    }

    /// Its attempts, the oldest first; at most the last 20.
    async fn attempts(&self) -> Vec<NotificationAttempt> {
        self.0.log.iter().cloned().map(NotificationAttempt::from).collect()
    }

    /// When it is tried again; null for at once, and for never.
    async fn next_attempt_at(&self) -> Option<Timestamp> {
        self.0.next_attempt_at
    }

    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When it was delivered, or given up; null while it waits.
    async fn finished_at(&self) -> Option<Timestamp> {
        self.0.finished_at
    }
}

/// One request to a receiver.
#[derive(SimpleObject)]
pub(in crate::graphql) struct NotificationAttempt {
    /// When it began.
    started_at: Timestamp,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// The HTTP status of the answer; null when none came.
    status: Option<i32>,
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
            status: attempt.status.map(i32::from),
            response: attempt.response,
            error: attempt.error,
            node: attempt.node,
        }
    }
}
