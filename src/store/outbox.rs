//! From the timeline to the endpoints of notifications: who serves an endpoint, what is new for it, what is due.
//!
//! Events become messages in one transaction with the cursor of the endpoint, so that each becomes one message, wherever a
//! node ends. Who serves an endpoint holds its lease; every write of that node checks the epoch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LockBehavior, LockType, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    UpdateMany,
};

use super::entity::{
    datasource, event, notification_attempt, notification_delivery, notification_endpoint, notification_secret, org,
};
use super::notification::{ATTEMPTS_KEPT, delivery, endpoint, signs_at};
use super::worker::Fenced;
use super::{NewAudit, Store, Tx, classify};
use crate::auth::Actor;
use crate::domain::{
    EventMessage, NotificationAttempt, NotificationDelivery, NotificationEndpoint, NotificationStatus,
    NotificationSubject, Scope, Timestamp, now,
};
use crate::error::Result;

/// Events that become messages in one transaction.
const FAN_OUT: u64 = 200;
/// Messages of an endpoint that wait at most; what is more waits on the timeline.
const PENDING_MAX: u64 = 10_000;

/// The right to serve an endpoint.
#[derive(Clone, Debug)]
pub struct Tenure {
    pub endpoint: NotificationEndpoint,
    epoch: i64,
}

/// A signing secret as it is stored.
#[derive(Clone, Debug)]
pub struct SealedSigningSecret {
    pub id: Uuid,
    pub version: i32,
    pub ciphertext: Vec<u8>,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    /// Again after so long.
    Retry(Duration),
    /// Never again.
    GivenUp,
}

impl Store {
    pub async fn has_active_endpoints(&self) -> Result<bool> {
        let tx = self.read_everything().await?;
        let active = notification_endpoint::Entity::find().filter(notification_endpoint::Column::Active.eq(true));
        let one: Option<Uuid> = active
            .select_only()
            .column(notification_endpoint::Column::Id)
            .limit(1)
            .into_tuple()
            .one(&tx.db)
            .await
            .map_err(classify)?;
        Ok(one.is_some())
    }

    /// Messages of all organisations that were not delivered yet.
    pub async fn pending_notifications(&self) -> Result<u64> {
        let tx = self.read_everything().await?;
        let pending = notification_delivery::Column::Status.eq(NotificationStatus::Pending.as_str());
        notification_delivery::Entity::find().filter(pending).count(&tx.db).await.map_err(classify)
    }

    /// Takes endpoints that have something to be told and that nobody serves, the one that waited longest first.
    /// `busy` are those that this node serves already.
    pub async fn claim_endpoints(&self, node: &str, ttl: Duration, busy: &[Uuid], most: usize) -> Result<Vec<Tenure>> {
        use notification_delivery::Column as D;
        use notification_endpoint::{Column as C, Entity};
        let due = Query::select()
            .expr(Expr::val(1))
            .from(notification_delivery::Entity)
            .and_where(Expr::col((notification_delivery::Entity, D::EndpointId)).equals((Entity, C::Id)))
            // Word for word what the partial index has.
            .and_where(Expr::col((notification_delivery::Entity, D::Status)).eq(Expr::cust("'pending'")))
            .cond_where(self.is_free(Expr::col((notification_delivery::Entity, D::NextAttemptAt))))
            .take();
        let behind = Query::select()
            .expr(Expr::val(1))
            .from(org::Entity)
            .and_where(Expr::col((org::Entity, org::Column::OrgId)).equals((Entity, C::OrgId)))
            .and_where(Expr::col((org::Entity, org::Column::EventSeq)).gt(Expr::col((Entity, C::EventCursor))))
            .take();
        // A process that comes back under the name of the one before it goes on at once.
        let free = self.is_free(Expr::col((Entity, C::LeaseUntil))).add(Expr::col((Entity, C::Node)).eq(node));
        let tx = self.begin_everything().await?;
        let rows = Entity::find()
            .filter(C::Active.eq(true))
            .filter(C::Id.is_not_in(busy.iter().copied()))
            .filter(free)
            .filter(Condition::any().add(Expr::exists(due)).add(Expr::exists(behind)))
            .order_by_asc(C::ServedAt)
            .limit(most as u64)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&tx.db)
            .await
            .map_err(classify)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        Entity::update_many()
            .col_expr(C::Node, Expr::value(Some(node)))
            .col_expr(C::Epoch, Expr::col(C::Epoch).add(1))
            .col_expr(C::LeaseUntil, self.lease_end(ttl))
            .col_expr(C::ServedAt, Expr::value(now()))
            .filter(C::Id.is_in(rows.iter().map(|row| row.id)))
            .exec(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await?;
        // The rows are held from the read to the commit, so that the epochs are those.
        let tenure = |row: notification_endpoint::Model| -> Result<Tenure> {
            Ok(Tenure { epoch: row.epoch + 1, endpoint: endpoint(Vec::new(), row)? })
        };
        rows.into_iter().map(tenure).collect()
    }

    /// Serves the endpoint for another `ttl`.
    pub async fn renew_tenure(&self, tenure: &Tenure, ttl: Duration) -> Result<Result<(), Fenced>> {
        let update = tenure.held().col_expr(notification_endpoint::Column::LeaseUntil, self.lease_end(ttl));
        self.within(tenure, update).await
    }

    /// Gives the endpoint back; nobody takes it for so long.
    pub async fn end_tenure(&self, tenure: &Tenure, pause: Option<Duration>) -> Result<()> {
        use notification_endpoint::Column as C;
        let update = tenure.held().col_expr(C::Node, Expr::value(Option::<String>::None));
        let update = match pause {
            Some(pause) => update.col_expr(C::LeaseUntil, self.lease_end(pause)),
            None => update.col_expr(C::LeaseUntil, Expr::value(Option::<Timestamp>::None)),
        };
        // Who lost it has nothing to give back.
        self.within(tenure, update).await.map(drop)
    }

    async fn within(
        &self,
        tenure: &Tenure,
        update: UpdateMany<notification_endpoint::Entity>,
    ) -> Result<Result<(), Fenced>> {
        let tx = self.serve(tenure).await?;
        let held = update.exec(&tx.db).await.map_err(classify)?.rows_affected == 1;
        tx.commit().await?;
        Ok(if held { Ok(()) } else { Err(Fenced) })
    }

    async fn serve(&self, tenure: &Tenure) -> Result<Tx> {
        self.write_as_system(&Actor::system("notifications", Arc::clone(&tenure.endpoint.org))).await
    }

    /// Turns the next events into messages, and moves the cursor past them. Answers with how many events it looked at.
    pub async fn fan_out(&self, tenure: &Tenure) -> Result<Result<u64, Fenced>> {
        let tx = self.serve(tenure).await?;
        let fanned = tx.fan_out(tenure).await?;
        tx.commit().await?;
        Ok(fanned)
    }

    /// What is to be sent now, in the order of the events.
    pub async fn due_notifications(&self, tenure: &Tenure, most: u64) -> Result<Vec<NotificationDelivery>> {
        use notification_delivery::Column as C;
        let tx = self.read(&Scope::org(Arc::clone(&tenure.endpoint.org))).await?;
        let due = notification_delivery::Entity::find()
            .filter(C::OrgId.eq(tenure.endpoint.org.as_ref()))
            .filter(C::EndpointId.eq(tenure.endpoint.id))
            .filter(C::Status.eq(NotificationStatus::Pending.as_str()))
            .filter(self.is_free(Expr::col(C::NextAttemptAt)))
            .order_by_asc(C::Id)
            .limit(most);
        due.all(&tx.db).await.map_err(classify)?.into_iter().map(delivery).collect()
    }

    /// What signs for an endpoint now, the newest first.
    pub async fn signing_secrets(&self, tenure: &Tenure) -> Result<Vec<SealedSigningSecret>> {
        use notification_secret::Column as C;
        let tx = self.read(&Scope::org(Arc::clone(&tenure.endpoint.org))).await?;
        let rows = notification_secret::Entity::find()
            .filter(C::OrgId.eq(tenure.endpoint.org.as_ref()))
            .filter(C::EndpointId.eq(tenure.endpoint.id))
            .filter(signs_at(now()))
            .order_by_desc(C::Version)
            .all(&tx.db)
            .await
            .map_err(classify)?;
        let sealed = |row: notification_secret::Model| SealedSigningSecret {
            id: row.id,
            version: row.version,
            ciphertext: row.ciphertext,
        };
        Ok(rows.into_iter().map(sealed).collect())
    }

    /// Writes down an attempt and what it came to, and since when the endpoint fails. Answers with that.
    pub async fn record_attempt(
        &self,
        tenure: &Tenure,
        delivery: &NotificationDelivery,
        attempt: &NotificationAttempt,
        verdict: Verdict,
    ) -> Result<Result<Option<Timestamp>, Fenced>> {
        use notification_delivery::Column as C;
        use notification_endpoint::Column as E;
        let tx = self.serve(tenure).await?;
        let failing = match verdict {
            Verdict::Delivered => Expr::value(Option::<Timestamp>::None),
            _ => Func::coalesce([Expr::col(E::FailingSince), Expr::value(attempt.started_at)]).into(),
        };
        // Holds the row of the endpoint, as who sends a message again does.
        let held = tenure.held().col_expr(E::FailingSince, failing).exec_with_returning(&tx.db).await;
        let Some(row) = held.map_err(classify)?.pop() else { return Ok(Err(Fenced)) };
        tx.insert_attempt(delivery.id, attempt).await?;
        let update = notification_delivery::Entity::update_many()
            .col_expr(C::Attempts, Expr::col(C::Attempts).add(1))
            .filter(C::Id.eq(delivery.id));
        let ended = |update: UpdateMany<notification_delivery::Entity>, status: NotificationStatus| {
            update
                .col_expr(C::Status, Expr::value(status.as_str()))
                .col_expr(C::NextAttemptAt, Expr::value(Option::<Timestamp>::None))
                .col_expr(C::FinishedAt, Expr::value(Some(now())))
        };
        let update = match verdict {
            Verdict::Delivered => ended(update, NotificationStatus::Delivered),
            Verdict::GivenUp => ended(update, NotificationStatus::Failed),
            Verdict::Retry(wait) => update.col_expr(C::NextAttemptAt, self.lease_end(wait)),
        };
        // Somebody may have asked for it to be sent again while it was: then a failure is not its end.
        let update = match verdict {
            Verdict::Delivered => update,
            _ => update.filter(C::Attempts.eq(delivery.attempts)),
        };
        update.exec(&tx.db).await.map_err(classify)?;
        if verdict == Verdict::GivenUp && tx.count_pending(tenure.endpoint.id).await? == 0 {
            // Nothing is tried any more: what fails one day fails from then on.
            let calm = tenure.held().col_expr(E::FailingSince, Expr::value(Option::<Timestamp>::None));
            calm.exec(&tx.db).await.map_err(classify)?;
        }
        tx.commit().await?;
        Ok(Ok(row.failing_since))
    }

    /// Whether the endpoint still is what the tenure took it for.
    pub async fn holds(&self, tenure: &Tenure) -> Result<bool> {
        use notification_endpoint::Column as C;
        let tx = self.read_everything().await?;
        let held = notification_endpoint::Entity::find_by_id(tenure.endpoint.id)
            .filter(C::Epoch.eq(tenure.epoch))
            .filter(C::Active.eq(true));
        Ok(held.count(&tx.db).await.map_err(classify)? > 0)
    }

    /// The server switches an endpoint off, and says why. Answers whether it was on.
    pub async fn disable_endpoint(&self, tenure: &Tenure, reason: &str, entry: NewAudit) -> Result<bool> {
        use notification_endpoint::Column as C;
        let mut tx = self.serve(tenure).await?;
        let update = tenure
            .held()
            .col_expr(C::Active, Expr::value(false))
            .col_expr(C::DisabledReason, Expr::value(Some(reason)))
            .col_expr(C::UpdatedAt, Expr::value(now()))
            .col_expr(C::UpdatedBy, Expr::value(entry.actor.clone()))
            .filter(C::Active.eq(true));
        if update.exec(&tx.db).await.map_err(classify)?.rows_affected == 0 {
            return Ok(false);
        }
        tx.record_audit(entry);
        tx.commit().await?;
        Ok(true)
    }
}

impl Tenure {
    /// An update of the endpoint that comes to nothing once the lease is lost.
    fn held(&self) -> UpdateMany<notification_endpoint::Entity> {
        notification_endpoint::Entity::update_many()
            .filter(notification_endpoint::Column::Id.eq(self.endpoint.id))
            .filter(notification_endpoint::Column::Epoch.eq(self.epoch))
    }
}

impl Tx {
    async fn fan_out(&self, tenure: &Tenure) -> Result<Result<u64, Fenced>> {
        use notification_endpoint::Column as C;
        let (org, id) = (tenure.endpoint.org.as_ref(), tenure.endpoint.id);
        let held = notification_endpoint::Entity::find_by_id(id).filter(C::Epoch.eq(tenure.epoch)).lock_exclusive();
        let Some(row) = held.one(&self.db).await.map_err(classify)? else { return Ok(Err(Fenced)) };
        if !row.active || self.count_pending(id).await? >= PENDING_MAX {
            return Ok(Ok(0));
        }
        // As it is now: somebody may have changed it since the claim.
        let (endpoint, at) = (endpoint(Vec::new(), row)?, now());
        let head = self.feed_bounds().await?.head;
        let events = event::Entity::find()
            .filter(event::Column::OrgId.eq(org))
            .filter(event::Column::Seq.gt(endpoint.event_cursor))
            .filter(event::Column::Seq.lte(head))
            .order_by_asc(event::Column::Seq)
            .limit(FAN_OUT)
            .all(&self.db)
            .await
            .map_err(classify)?;
        // Where none is left, what lay between was removed by retention.
        let last = events.last().map_or(head, |event| event.seq);
        if last == endpoint.event_cursor {
            return Ok(Ok(0));
        }
        let messages = self.messages(&endpoint, &events).await?;
        if !messages.is_empty() {
            let rows = messages.iter().map(|message| self.delivery_row(message));
            notification_delivery::Entity::insert_many(rows)
                .on_conflict(OnConflict::new().do_nothing().to_owned())
                .exec_without_returning(&self.db)
                .await
                .map_err(classify)?;
        }
        // What expired signs nothing any more.
        let expired = notification_secret::Entity::delete_many().filter(notification_secret::Column::EndpointId.eq(id));
        let expired = expired.filter(notification_secret::Column::ExpiresAt.lte(at));
        expired.exec(&self.db).await.map_err(classify)?;
        tenure.held().col_expr(C::EventCursor, Expr::value(last)).exec(&self.db).await.map_err(classify)?;
        Ok(Ok(events.len().max(1) as u64))
    }

    async fn count_pending(&self, endpoint: Uuid) -> Result<u64> {
        use notification_delivery::Column as C;
        let pending = notification_delivery::Entity::find()
            .filter(C::EndpointId.eq(endpoint))
            .filter(C::Status.eq(NotificationStatus::Pending.as_str()));
        pending.count(&self.db).await.map_err(classify)
    }

    /// Those of the events that the endpoint is to be told, each as it will be sent.
    async fn messages(
        &self,
        endpoint: &NotificationEndpoint,
        events: &[event::Model],
    ) -> Result<Vec<NotificationDelivery>> {
        let ids = events.iter().map(|event| event.datasource_id);
        let rows = datasource::Entity::find()
            .filter(datasource::Column::OrgId.eq(endpoint.org.as_ref()))
            .filter(datasource::Column::Id.is_in(ids))
            .all(&self.db)
            .await
            .map_err(classify)?;
        let rows: HashMap<Uuid, datasource::Model> = rows.into_iter().map(|row| (row.id, row)).collect();
        let at = now();
        let message = |event: &event::Model| {
            let row = rows.get(&event.datasource_id);
            let subject = NotificationSubject {
                event_type: &event.event_type,
                project: &event.project_id,
                datasource_id: event.datasource_id,
                owner: row.map(|row| row.owner.as_str()),
                team: row.and_then(|row| row.team.as_deref()),
                category: row.and_then(|row| row.category.as_deref()),
            };
            let message = EventMessage {
                seq: event.seq,
                subject: &subject,
                name: row.map(|row| row.name.as_str()),
                version: event.version,
                actor: &event.actor,
                payload: &event.payload,
                at: event.created_at,
            };
            // Who loses a datasource is told of that, too.
            let before = |field: &str| {
                let changes = event.payload["changes"].as_array().into_iter().flatten();
                changes.filter(|change| change["field"] == field).find_map(|change| change["old"].as_str())
            };
            let past = NotificationSubject {
                owner: before("owner").or(subject.owner),
                team: before("team").or(subject.team),
                category: before("category").or(subject.category),
                ..subject
            };
            let takes = endpoint.filter.takes(&subject) || endpoint.filter.takes(&past);
            takes.then(|| NotificationDelivery {
                id: Uuid::now_v7(),
                endpoint_id: endpoint.id,
                event_seq: Some(event.seq),
                message_type: message.message_type(),
                datasource_id: Some(event.datasource_id),
                body: message.body(),
                status: NotificationStatus::Pending,
                attempts: 0,
                next_attempt_at: None,
                created_at: at,
                finished_at: None,
                log: Vec::new(),
            })
        };
        Ok(events.iter().filter_map(message).collect())
    }

    async fn insert_attempt(&self, delivery: Uuid, attempt: &NotificationAttempt) -> Result<()> {
        use notification_attempt::Column as C;
        let row = notification_attempt::ActiveModel {
            id: Set(Uuid::now_v7()),
            org_id: Set(self.scope.org_id().to_string()),
            delivery_id: Set(delivery),
            started_at: Set(attempt.started_at),
            duration_ms: Set(i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX)),
            response_status: Set(attempt.status.map(i32::from)),
            response: Set(attempt.response.clone()),
            error: Set(attempt.error.clone()),
            node: Set(attempt.node.clone()),
        };
        notification_attempt::Entity::insert(row).exec_without_returning(&self.db).await.map_err(classify)?;
        let newest_forgotten = notification_attempt::Entity::find()
            .select_only()
            .column(C::Id)
            .filter(C::DeliveryId.eq(delivery))
            .order_by_desc(C::Id)
            .offset(ATTEMPTS_KEPT)
            .limit(1);
        let found: Option<Uuid> = newest_forgotten.into_tuple().one(&self.db).await.map_err(classify)?;
        if let Some(newest) = found {
            let old = notification_attempt::Entity::delete_many().filter(C::DeliveryId.eq(delivery));
            old.filter(C::Id.lte(newest)).exec(&self.db).await.map_err(classify)?;
        }
        Ok(())
    }
}
