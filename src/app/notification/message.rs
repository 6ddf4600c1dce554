//! Messages: the log of what was sent, and sending it again.

use serde_json::json;
use uuid::Uuid;

use super::super::change::check_comment;
use super::super::{App, OpContext};
use crate::auth::Authorized;
use crate::auth::policy::grant::ManageNotifications;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    FieldChange, NotificationDelivery, NotificationDeliveryFilter, NotificationEndpoint, NotificationStatus, TEST_TYPE,
    Timestamp, now, test_message,
};
use crate::error::{Error, Result};
use crate::store::Tx;

/// What of an endpoint to send again.
#[derive(Clone, Debug)]
pub struct RecoverNotifications {
    pub endpoint_id: Uuid,
    /// Messages that were made then or later.
    pub since: Timestamp,
    pub reason: Option<String>,
}

impl App {
    /// Newest first.
    pub async fn notification_deliveries(
        &self,
        ctx: &OpContext,
        filter: &NotificationDeliveryFilter,
        page: &PageRequest<Uuid>,
    ) -> Result<Page<NotificationDelivery>> {
        let proof = ctx.authorize::<ManageNotifications>()?;
        self.store.read(proof.scope()).await?.notification_deliveries(&proof, filter, page).await
    }

    /// Sends a message that is of no event, to see whether messages arrive. It is sent like any other.
    pub async fn send_test_notification(
        &self,
        ctx: &OpContext,
        id: Uuid,
        reason: Option<&str>,
    ) -> Result<NotificationDelivery> {
        let proof = ctx.authorize::<ManageNotifications>()?;
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let endpoint = active(&tx, &proof, id).await?;
        let at = now();
        let message = NotificationDelivery {
            id: Uuid::now_v7(),
            endpoint_id: endpoint.id,
            event_seq: None,
            message_type: TEST_TYPE.to_owned(),
            datasource_id: None,
            body: test_message(endpoint.id, &ctx.actor.subject, at),
            status: NotificationStatus::Pending,
            attempts: 0,
            next_attempt_at: None,
            created_at: at,
            finished_at: None,
            log: Vec::new(),
        };
        tx.insert_notification(&proof, &message).await?;
        audit(ctx, &mut tx, "notification_test_sent", &endpoint, json!({ "delivery": message.id }), reason);
        tx.commit().await?;
        self.registry.nudge_notifications();
        Ok(message)
    }

    /// Sends a message again, under its id, however it ended.
    pub async fn redeliver_notification(
        &self,
        ctx: &OpContext,
        id: Uuid,
        reason: Option<&str>,
    ) -> Result<NotificationDelivery> {
        let proof = ctx.authorize::<ManageNotifications>()?;
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let found = tx.notification_delivery(&proof, id).await?;
        let endpoint = active(&tx, &proof, found.endpoint_id).await?;
        tx.redeliver_notification(&proof, id).await?;
        audit(ctx, &mut tx, "notification_redelivered", &endpoint, json!({ "delivery": id }), reason);
        let message = tx.notification_delivery(&proof, id).await?;
        tx.commit().await?;
        self.registry.nudge_notifications();
        Ok(message)
    }

    /// Sends again what an endpoint did not take since a time: what was given up, and what waits for another attempt.
    /// Answers with how many messages that is.
    pub async fn recover_notifications(&self, ctx: &OpContext, input: RecoverNotifications) -> Result<u64> {
        let proof = ctx.authorize::<ManageNotifications>()?;
        let reason = input.reason.as_deref();
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let endpoint = active(&tx, &proof, input.endpoint_id).await?;
        let recovered = tx.recover_notifications(&proof, endpoint.id, input.since).await?;
        let what = json!({ "since": input.since, "recovered": recovered });
        audit(ctx, &mut tx, "notifications_recovered", &endpoint, what, reason);
        tx.commit().await?;
        self.registry.nudge_notifications();
        Ok(recovered)
    }
}

/// An endpoint that is told anything; held until the transaction ends.
async fn active(tx: &Tx, proof: &Authorized<ManageNotifications>, id: Uuid) -> Result<NotificationEndpoint> {
    let endpoint = tx.notification_endpoint_for_update(proof, id).await?;
    if endpoint.active {
        return Ok(endpoint);
    }
    Err(Error::conflict("the endpoint is switched off; switch it on first (updateNotificationEndpoint)"))
}

fn audit(
    ctx: &OpContext,
    tx: &mut Tx,
    action: &str,
    endpoint: &NotificationEndpoint,
    new: serde_json::Value,
    reason: Option<&str>,
) {
    let field = format!("notificationEndpoints.{}", endpoint.id);
    tx.record_audit(ctx.audit(action, reason, vec![FieldChange { field, old: json!(null), new }]));
}
