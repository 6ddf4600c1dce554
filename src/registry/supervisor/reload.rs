//! What a reload did: which worker took the place of which, and how the old one ended.

use serde_json::{Value, json};

use super::fsm::Spec;
use crate::domain::EventType;
use crate::registry::worker::Drained;
use crate::store::NewEvent;
use crate::store::lease::Lease;

pub struct Reload {
    pub from: Spec,
    pub to: Spec,
    /// Whether the secrets of the new one have other values.
    pub secrets: bool,
    pub drained: Drained,
}

impl Reload {
    pub fn event(&self, lease: &Lease) -> NewEvent {
        let Self { from, to, secrets, drained } = self;
        NewEvent {
            tenant: lease.tenant.clone(),
            datasource_id: lease.datasource_id,
            version: Some(to.version),
            event_type: EventType::Reloaded,
            actor: "system:registry".to_owned(),
            payload: json!({
                "fromVersion": from.version,
                "toVersion": to.version,
                "outcome": "replaced",
                "reason": reason(*from, *to, *secrets),
                "drainedMs": u64::try_from(drained.took.as_millis()).unwrap_or(u64::MAX),
                "cutOff": drained.cut,
            }),
        }
    }
}

impl std::fmt::Display for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { from, to, drained, .. } = self;
        let end = if drained.cut { "was cut off after" } else { "drained in" };
        let took = drained.took.as_millis();
        write!(f, "version {} took the place of version {}, which {end} {took} ms", to.version, from.version)
    }
}

/// Of a reload that did not come to be.
pub fn kept(running: Spec, failed: Spec, secrets: bool) -> Value {
    json!({
        "fromVersion": running.version,
        "toVersion": failed.version,
        "outcome": "kept_previous",
        "reason": reason(running, failed, secrets),
    })
}

fn reason(from: Spec, to: Spec, secrets: bool) -> &'static str {
    if from.version != to.version {
        "version"
    } else if secrets {
        "secrets"
    } else if from.generation != to.generation {
        "restart"
    } else {
        "lease"
    }
}
