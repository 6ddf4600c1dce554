use std::net::IpAddr;
use std::sync::Arc;

use super::change::Journal;
use super::idempotency::Once;
use crate::auth::policy::{self, Grant};
use crate::auth::{Actor, Authorized};
use crate::domain::{Datasource, FieldChange, ManagedBy, Outcome, Tenant};
use crate::error::Result;
use crate::store::{NewAudit, NewEvent, Store, Tx};

/// Who asks, from where, and under which request id.
#[derive(Clone, Debug)]
pub struct OpContext {
    pub actor: Actor,
    pub request_id: String,
    pub source_address: Option<IpAddr>,
    /// The channel that the request came by; what it creates is kept by it.
    pub channel: ManagedBy,
    /// The first content of an organisation, which goes live before anybody could agree to it.
    pub first_content: bool,
    /// Present: what is asked for is done once, however often it is sent.
    pub once: Option<Arc<Once>>,
}

impl OpContext {
    pub fn new(actor: Actor, request_id: impl Into<String>) -> Self {
        let (source_address, channel) = (None, ManagedBy::Api);
        Self { actor, request_id: request_id.into(), source_address, channel, first_content: false, once: None }
    }

    /// The one gate of every use-case.
    pub(super) fn authorize<P: Grant>(&self) -> Result<Authorized<P>> {
        policy::authorize(&self.actor)
    }

    /// A further permission on a datasource that the use-case has read.
    pub(super) fn authorize_on<P: Grant>(&self, row: &Datasource) -> Result<Authorized<P>> {
        policy::authorize_on(&self.actor, &row.tenant, row.id)
    }

    /// The transaction of a use-case; with an idempotency key, it claims the key before anything else.
    pub(super) async fn begin<P: Grant>(&self, store: &Store, proof: &Authorized<P>) -> Result<Tx> {
        match &self.once {
            Some(once) => once.begin(store, proof).await,
            None => store.write(proof).await,
        }
    }

    /// What was done for the organisation as a whole, which is on no datasource's timeline.
    pub(super) fn audit(&self, action: &str, reason: Option<&str>, changes: Vec<FieldChange>) -> NewAudit {
        NewAudit {
            tenant: Tenant { org: self.actor.scope.org_id().clone(), project: "".into() },
            datasource_id: None,
            action: action.to_owned(),
            actor: self.actor.subject.to_string(),
            source_address: self.source_address.map(|a| a.to_string()),
            request_id: self.request_id.clone(),
            reason: reason.map(str::to_owned),
            outcome: Outcome::Success,
            changes,
        }
    }

    /// Writes what happened into the transaction that makes it happen.
    pub(super) fn journal(&self, tx: &mut Tx, entry: Journal<'_>) {
        tx.record_event(NewEvent {
            tenant: entry.tenant.clone(),
            datasource_id: entry.datasource_id,
            version: entry.version,
            event_type: entry.event,
            actor: self.actor.subject.to_string(),
            payload: entry.payload,
        });
        tx.record_audit(NewAudit {
            tenant: entry.tenant.clone(),
            datasource_id: Some(entry.datasource_id),
            ..self.audit(entry.event.as_str(), entry.reason, entry.changes)
        });
    }
}
