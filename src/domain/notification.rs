//! Who is told of which events, and what became of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{EventType, NotificationStatus, Timestamp};

/// What a message of a test is of; no event has this type.
pub const TEST_TYPE: &str = "notification.test";

/// Where somebody is told of events.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationEndpoint {
    pub id: Uuid,
    pub org: std::sync::Arc<str>,
    pub url: String,
    pub description: String,
    pub filter: NotificationFilter,
    pub active: bool,
    /// Why the server switched it off.
    pub disabled_reason: Option<String>,
    /// Since when no attempt succeeded.
    pub failing_since: Option<Timestamp>,
    /// The last event that it was looked at for.
    pub event_cursor: i64,
    /// What signs for it, the newest first.
    pub secrets: Vec<NotificationSecretInfo>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub updated_at: Timestamp,
    pub updated_by: String,
}

/// What is told of a signing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationSecretInfo {
    pub version: i32,
    pub created_at: Timestamp,
    pub created_by: String,
    /// `None` for the newest, which goes on until it is rotated.
    pub expires_at: Option<Timestamp>,
}

/// Which events; empty lists and `None` do not narrow, and what is given counts together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NotificationFilter {
    /// By their names on the timeline: another build may know others.
    pub event_types: Vec<String>,
    pub projects: Vec<String>,
    pub datasource_ids: Vec<Uuid>,
    pub owner: Option<String>,
    pub team: Option<String>,
    pub category: Option<String>,
}

/// What a filter looks at: an event, and its datasource as it is when the event is looked at.
#[derive(Clone, Copy, Debug)]
pub struct NotificationSubject<'a> {
    pub event_type: &'a str,
    pub project: &'a str,
    pub datasource_id: Uuid,
    pub owner: Option<&'a str>,
    pub team: Option<&'a str>,
    pub category: Option<&'a str>,
}

impl NotificationFilter {
    pub fn takes(&self, subject: &NotificationSubject<'_>) -> bool {
        fn among(list: &[String], value: &str) -> bool {
            list.is_empty() || list.iter().any(|one| one == value)
        }
        fn same(wanted: Option<&String>, value: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| value == Some(wanted))
        }
        among(&self.event_types, subject.event_type)
            && among(&self.projects, subject.project)
            && (self.datasource_ids.is_empty() || self.datasource_ids.contains(&subject.datasource_id))
            && same(self.owner.as_ref(), subject.owner)
            && same(self.team.as_ref(), subject.team)
            && same(self.category.as_ref(), subject.category)
    }

    /// Those of the types that this build knows.
    pub fn known_types(&self) -> Vec<EventType> {
        self.event_types.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

/// One message for one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationDelivery {
    /// The `webhook-id` of all attempts.
    pub id: Uuid,
    pub endpoint_id: Uuid,
    /// `None` for a test.
    pub event_seq: Option<i64>,
    /// As the message has it, such as `datasource.publish`.
    pub message_type: String,
    pub datasource_id: Option<Uuid>,
    /// The bytes that are signed and sent.
    pub body: String,
    pub status: NotificationStatus,
    /// Of this round; a redelivery begins another one.
    pub attempts: i32,
    /// `None`: at once, or never again.
    pub next_attempt_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// The latest, oldest first.
    pub log: Vec<NotificationAttempt>,
}

/// One request to an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationAttempt {
    pub started_at: Timestamp,
    pub duration: Duration,
    /// `None` where no answer came.
    pub status: Option<u16>,
    /// The beginning of the answer.
    pub response: Option<String>,
    /// Why it is no success.
    pub error: Option<String>,
    pub node: String,
}

/// Narrows the log of deliveries. Empty lists and `None` do not narrow.
#[derive(Clone, Debug, Default)]
pub struct NotificationDeliveryFilter {
    pub endpoint_id: Option<Uuid>,
    pub statuses: Vec<NotificationStatus>,
    pub datasource_id: Option<Uuid>,
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
}

/// What a message tells of an event.
#[derive(Clone, Copy, Debug)]
pub struct EventMessage<'a> {
    pub seq: i64,
    pub subject: &'a NotificationSubject<'a>,
    /// The name of the datasource; `None` when it is not there.
    pub name: Option<&'a str>,
    pub version: Option<i32>,
    pub actor: &'a str,
    pub payload: &'a Value,
    pub at: Timestamp,
}

impl EventMessage<'_> {
    pub fn message_type(&self) -> String {
        message_type(self.subject.event_type)
    }

    /// The text that is signed and sent.
    pub fn body(&self) -> String {
        let data = json!({
            "seq": self.seq,
            "datasource": {
                "id": self.subject.datasource_id,
                "name": self.name,
                "project": self.subject.project,
            },
            "actor": self.actor,
            "version": self.version,
            "payload": self.payload,
        });
        message(&self.message_type(), self.at, &data)
    }
}

/// The type that a message has for an event of this type.
pub fn message_type(event_type: &str) -> String {
    format!("datasource.{event_type}")
}

/// The text of a message that only shows that messages arrive.
pub fn test_message(endpoint: Uuid, actor: &str, at: Timestamp) -> String {
    message(TEST_TYPE, at, &json!({ "endpointId": endpoint, "actor": actor }))
}

fn message(message_type: &str, at: Timestamp, data: &Value) -> String {
    let timestamp = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    json!({ "type": message_type, "timestamp": timestamp, "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: NotificationSubject<'_> = NotificationSubject {
        event_type: "publish",
        project: "billing",
        datasource_id: Uuid::from_u128(7),
        owner: Some("ada"),
        team: Some("feeds"),
        category: None,
    };

    fn takes(filter: NotificationFilter) -> bool {
        filter.takes(&SUBJECT)
    }

    #[test]
    fn a_filter_without_rules_takes_everything() {
        assert!(takes(NotificationFilter::default()));
    }

    #[test]
    fn each_rule_narrows_and_all_count_together() {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let some = |text: &str| Some(text.to_owned());
        let none = NotificationFilter::default;
        for (filter, taken) in [
            (NotificationFilter { event_types: named(&["create", "publish"]), ..none() }, true),
            (NotificationFilter { event_types: named(&["create"]), ..none() }, false),
            (NotificationFilter { projects: named(&["billing"]), ..none() }, true),
            (NotificationFilter { projects: named(&["default"]), ..none() }, false),
            (NotificationFilter { datasource_ids: vec![Uuid::from_u128(7)], ..none() }, true),
            (NotificationFilter { datasource_ids: vec![Uuid::from_u128(8)], ..none() }, false),
            (NotificationFilter { owner: some("ada"), team: some("feeds"), ..none() }, true),
            (NotificationFilter { owner: some("ada"), team: some("other"), ..none() }, false),
            // What a datasource does not have is not what was asked for.
            (NotificationFilter { category: some("orders"), ..none() }, false),
        ] {
            assert_eq!(takes(filter.clone()), taken, "{filter:?}");
        }
    }

    #[test]
    fn a_message_names_the_event_and_where_it_happened() {
        let at = "2026-03-04T08:00:00.5Z".parse().expect("a time");
        let payload = json!({ "checksum": "c" });
        let (seq, name, version, actor) = (12, Some("orders"), Some(2), "ada");
        let message = EventMessage { seq, subject: &SUBJECT, name, version, actor, payload: &payload, at };
        let read: Value = serde_json::from_str(&message.body()).expect("JSON");
        let datasource = json!({ "id": Uuid::from_u128(7), "name": "orders", "project": "billing" });
        assert_eq!(
            read,
            json!({
                "type": "datasource.publish",
                "timestamp": "2026-03-04T08:00:00.500000Z",
                "data": { "seq": 12, "datasource": datasource, "actor": "ada", "version": 2, "payload": payload },
            })
        );
    }
}
