//! The connector types of this build.

use serde_json::Value;

use super::{Connector, http_poller, webhook};
use crate::error::Problem;
use crate::mapping::{ConfigCheck, shorten};

/// Every connector type, by name, with its schema compiled.
pub struct Catalog {
    entries: Vec<Entry>,
}

struct Entry {
    connector: Box<dyn Connector>,
    check: ConfigCheck,
}

impl Catalog {
    /// All types of this build. Make it once and share it: the schemas are compiled here.
    pub fn standard() -> Self {
        Self::of(vec![
            Box::new(http_poller::HttpPoller::new()),
            #[cfg(feature = "kafka")]
            Box::new(super::kafka::Kafka::new()),
            #[cfg(feature = "nats")]
            Box::new(super::nats::Nats::new()),
            #[cfg(feature = "object_store")]
            Box::new(super::object_store::Objects::new()),
            #[cfg(feature = "sql")]
            Box::new(super::sql::Sql::new()),
            Box::new(super::sse::Sse::new()),
            Box::new(webhook::Webhook::new()),
            Box::new(super::websocket::WebSocket::new()),
        ])
    }

    fn of(connectors: Vec<Box<dyn Connector>>) -> Self {
        let entry = |connector: Box<dyn Connector>| Entry {
            check: ConfigCheck::new(&connector.spec().config_schema),
            connector,
        };
        Self { entries: connectors.into_iter().map(entry).collect() }
    }

    pub fn get(&self, name: &str) -> Option<&dyn Connector> {
        self.entry(name).map(|entry| entry.connector.as_ref())
    }

    pub fn iter(&self) -> impl Iterator<Item = &dyn Connector> {
        self.entries.iter().map(|entry| entry.connector.as_ref())
    }

    /// All that is wrong with the settings of a connector, offline; `config` is the
    /// `connector` object without `type`, secrets written `{{secret.alias}}`.
    /// Pointers are relative to it. What the schema allows goes on to [`Connector::validate`].
    pub fn check(&self, name: &str, config: &Value) -> Vec<Problem> {
        let Some(entry) = self.entry(name) else {
            let known: Vec<_> = self.iter().map(|c| c.spec().name).collect();
            let message = format!("unknown connector type {:?}; known: {}", shorten(name), known.join(", "));
            return vec![Problem::new("/type", message)];
        };
        entry.check.problems_and(config, |config| entry.connector.validate(config))
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.connector.spec().name == name)
    }
}
