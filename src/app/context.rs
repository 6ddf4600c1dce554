use std::net::IpAddr;

use super::change::Journal;
use crate::auth::policy::{self, Grant};
use crate::auth::{Actor, Authorized};
use crate::domain::Outcome;
use crate::error::Result;
use crate::store::{NewAudit, NewEvent, Tx};

/// Who asks, from where, and under which request id.
#[derive(Clone, Debug)]
pub struct OpContext {
    pub actor: Actor,
    pub request_id: String,
    pub source_address: Option<IpAddr>,
}

impl OpContext {
    pub fn new(actor: Actor, request_id: impl Into<String>) -> Self {
        Self { actor, request_id: request_id.into(), source_address: None }
    }

    /// The one gate of every use-case.
    pub(super) fn authorize<P: Grant>(&self) -> Result<Authorized<P>> {
        policy::authorize(&self.actor)
    }

    /// Writes what happened into the transaction that makes it happen.
    pub(super) fn journal(&self, tx: &mut Tx, entry: Journal<'_>) {
        let actor = self.actor.subject.to_string();
        tx.record_event(NewEvent {
            tenant: entry.tenant.clone(),
            datasource_id: entry.datasource_id,
            version: entry.version,
            event_type: entry.event,
            actor: actor.clone(),
            payload: entry.payload,
        });
        tx.record_audit(NewAudit {
            tenant: entry.tenant.clone(),
            datasource_id: Some(entry.datasource_id),
            action: entry.event.as_str().to_owned(),
            actor,
            source_address: self.source_address.map(|a| a.to_string()),
            request_id: self.request_id.clone(),
            reason: entry.reason.map(str::to_owned),
            outcome: Outcome::Success,
            changes: entry.changes,
        });
    }
}
