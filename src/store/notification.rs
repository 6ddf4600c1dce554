//! Endpoints of notifications, what signs for them, and the log of what they were sent.

use std::collections::HashMap;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, UpdateMany,
};
use serde_json::json;

use super::entity::{notification_attempt, notification_delivery, notification_endpoint, notification_secret};
use super::{Store, Tx, classify, corrupt};
use crate::auth::Authorized;
use crate::auth::policy::grant::ManageNotifications;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    NotificationAttempt, NotificationDelivery, NotificationDeliveryFilter, NotificationEndpoint,
    NotificationSecretInfo, NotificationStatus, Timestamp, now,
};
use crate::error::{Error, Result};

/// Attempts of a message that are kept and shown; a message that is sent again and again forgets the oldest.
pub(super) const ATTEMPTS_KEPT: u64 = 20;
/// Endpoints of an organisation that a list shows at most.
const ENDPOINTS_MAX: u64 = 1_000;
/// Deleted in one transaction, so that nobody waits long for it.
const CHUNK: u64 = 1_000;

/// A signing secret that is to be stored.
pub struct NewSigningSecret<'a> {
    pub endpoint_id: Uuid,
    pub version: i32,
    pub data_key_id: Uuid,
    pub ciphertext: Vec<u8>,
    pub created_by: &'a str,
}

impl Tx {
    /// By the time of their creation, the oldest first.
    pub async fn notification_endpoints(
        &self,
        _: &Authorized<ManageNotifications>,
    ) -> Result<Vec<NotificationEndpoint>> {
        let query = self.select_endpoints().order_by_asc(notification_endpoint::Column::Id).limit(ENDPOINTS_MAX);
        let rows = query.all(&self.db).await.map_err(classify)?;
        let mut secrets = self.signing_secrets_of(&rows.iter().map(|row| row.id).collect::<Vec<_>>()).await?;
        rows.into_iter().map(|row| endpoint(secrets.remove(&row.id).unwrap_or_default(), row)).collect()
    }

    /// Nobody else changes it, or serves it, until this transaction ends.
    pub async fn notification_endpoint_for_update(
        &self,
        _: &Authorized<ManageNotifications>,
        id: Uuid,
    ) -> Result<NotificationEndpoint> {
        let query = self.select_endpoints().filter(notification_endpoint::Column::Id.eq(id)).lock_exclusive();
        let row = query.one(&self.db).await.map_err(classify)?;
        let row = row.ok_or_else(|| Error::not_found("notification endpoint"))?;
        let mut secrets = self.signing_secrets_of(&[row.id]).await?;
        endpoint(secrets.remove(&row.id).unwrap_or_default(), row)
    }

    pub async fn insert_notification_endpoint(
        &self,
        _: &Authorized<ManageNotifications>,
        new: &NotificationEndpoint,
    ) -> Result<()> {
        let row = notification_endpoint::ActiveModel {
            id: Set(new.id),
            org_id: Set(self.scope.org_id().to_string()),
            url: Set(new.url.clone()),
            description: Set(new.description.clone()),
            filter: Set(json!(new.filter)),
            active: Set(new.active),
            disabled_reason: Set(None),
            failing_since: Set(None),
            event_cursor: Set(new.event_cursor),
            node: Set(None),
            epoch: Set(0),
            lease_until: Set(None),
            served_at: Set(new.created_at),
            created_at: Set(new.created_at),
            created_by: Set(new.created_by.clone()),
            updated_at: Set(new.updated_at),
            updated_by: Set(new.updated_by.clone()),
        };
        notification_endpoint::Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// What people say of it; how far it is told is not theirs, unless they skip what it missed.
    pub async fn save_notification_endpoint(
        &self,
        _: &Authorized<ManageNotifications>,
        endpoint: &NotificationEndpoint,
    ) -> Result<()> {
        use notification_endpoint::Column as C;
        notification_endpoint::Entity::update_many()
            .col_expr(C::Url, Expr::value(endpoint.url.clone()))
            .col_expr(C::Description, Expr::value(endpoint.description.clone()))
            .col_expr(C::Filter, Expr::value(json!(endpoint.filter)))
            .col_expr(C::Active, Expr::value(endpoint.active))
            .col_expr(C::DisabledReason, Expr::value(endpoint.disabled_reason.clone()))
            .col_expr(C::FailingSince, Expr::value(endpoint.failing_since))
            // Whoever sends by what it was before sends no more.
            .col_expr(C::Epoch, Expr::col(C::Epoch).add(1))
            .col_expr(C::Node, Expr::value(Option::<String>::None))
            .col_expr(C::LeaseUntil, Expr::value(Option::<Timestamp>::None))
            .col_expr(C::EventCursor, Expr::value(endpoint.event_cursor))
            .col_expr(C::UpdatedAt, Expr::value(endpoint.updated_at))
            .col_expr(C::UpdatedBy, Expr::value(endpoint.updated_by.clone()))
            .filter(C::Id.eq(endpoint.id))
            .exec(&self.db)
            .await
            .map(drop)
            .map_err(classify)
    }

    /// Its secrets, its messages and their log go with it.
    pub async fn delete_notification_endpoint(&self, _: &Authorized<ManageNotifications>, id: Uuid) -> Result<()> {
        let own = notification_endpoint::Column::OrgId.eq(self.scope.org_id().as_ref());
        let delete = notification_endpoint::Entity::delete_many().filter(own);
        let delete = delete.filter(notification_endpoint::Column::Id.eq(id));
        delete.exec(&self.db).await.map(drop).map_err(classify)
    }

    /// A new secret. Those before it sign until `overlap_until` at the latest.
    pub async fn insert_signing_secret(
        &self,
        _: &Authorized<ManageNotifications>,
        new: NewSigningSecret<'_>,
        overlap_until: Timestamp,
    ) -> Result<()> {
        use notification_secret::Column as C;
        let at = now();
        let others = || Condition::all().add(C::EndpointId.eq(new.endpoint_id));
        let later = Condition::any().add(C::ExpiresAt.is_null()).add(C::ExpiresAt.gt(overlap_until));
        notification_secret::Entity::update_many()
            .col_expr(C::ExpiresAt, Expr::value(Some(overlap_until)))
            .filter(others())
            .filter(later)
            .exec(&self.db)
            .await
            .map_err(classify)?;
        notification_secret::Entity::delete_many()
            .filter(others())
            .filter(C::ExpiresAt.lte(at))
            .exec(&self.db)
            .await
            .map_err(classify)?;
        let row = notification_secret::ActiveModel {
            id: Set(Uuid::now_v7()),
            org_id: Set(self.scope.org_id().to_string()),
            endpoint_id: Set(new.endpoint_id),
            version: Set(new.version),
            ciphertext: Set(new.ciphertext),
            data_key_id: Set(new.data_key_id),
            created_at: Set(at),
            created_by: Set(new.created_by.to_owned()),
            expires_at: Set(None),
        };
        notification_secret::Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// The newest first; those that expired are left out.
    async fn signing_secrets_of(&self, endpoints: &[Uuid]) -> Result<HashMap<Uuid, Vec<NotificationSecretInfo>>> {
        use notification_secret::Column as C;
        let rows: Vec<(Uuid, i32, Timestamp, String, Option<Timestamp>)> = notification_secret::Entity::find()
            .select_only()
            .columns([C::EndpointId, C::Version, C::CreatedAt, C::CreatedBy, C::ExpiresAt])
            .filter(C::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(C::EndpointId.is_in(endpoints.iter().copied()))
            .filter(signs_at(now()))
            .order_by_desc(C::Version)
            .into_tuple()
            .all(&self.db)
            .await
            .map_err(classify)?;
        let mut found: HashMap<Uuid, Vec<_>> = HashMap::new();
        for (endpoint, version, created_at, created_by, expires_at) in rows {
            let info = NotificationSecretInfo { version, created_at, created_by, expires_at };
            found.entry(endpoint).or_default().push(info);
        }
        Ok(found)
    }

    /// Newest first, each with the latest of its attempts.
    pub async fn notification_deliveries(
        &self,
        _: &Authorized<ManageNotifications>,
        filter: &NotificationDeliveryFilter,
        page: &PageRequest<Uuid>,
    ) -> Result<Page<NotificationDelivery>> {
        use notification_delivery::Column as C;
        let mut query = self.select_deliveries();
        if let Some(id) = filter.endpoint_id {
            query = query.filter(C::EndpointId.eq(id));
        }
        if !filter.statuses.is_empty() {
            query = query.filter(C::Status.is_in(filter.statuses.iter().map(|status| status.as_str())));
        }
        if let Some(id) = filter.datasource_id {
            query = query.filter(C::DatasourceId.eq(id));
        }
        if let Some(at) = filter.created_after {
            query = query.filter(C::CreatedAt.gt(at));
        }
        if let Some(at) = filter.created_before {
            query = query.filter(C::CreatedAt.lt(at));
        }
        if let Some(after) = page.after {
            query = query.filter(C::Id.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(C::Id.gt(before));
        }
        let query = if page.backward { query.order_by_asc(C::Id) } else { query.order_by_desc(C::Id) };
        let query = query.offset(page.offset).limit(page.limit.saturating_add(1));
        let rows = query.all(&self.db).await.map_err(classify)?;
        let deliveries = rows.into_iter().map(delivery).collect::<Result<Vec<_>>>()?;
        let mut page = Page::from_rows(deliveries, page);
        self.tell_attempts(&mut page.items).await?;
        Ok(page)
    }

    /// One message, with the latest of its attempts. Who changes it holds the row of its endpoint.
    pub async fn notification_delivery(
        &self,
        _: &Authorized<ManageNotifications>,
        id: Uuid,
    ) -> Result<NotificationDelivery> {
        let query = self.select_deliveries().filter(notification_delivery::Column::Id.eq(id));
        let row = query.one(&self.db).await.map_err(classify)?;
        let mut found = [delivery(row.ok_or_else(|| Error::not_found("notification"))?)?];
        self.tell_attempts(&mut found).await?;
        let [found] = found;
        Ok(found)
    }

    async fn tell_attempts(&self, deliveries: &mut [NotificationDelivery]) -> Result<()> {
        use notification_attempt::Column as C;
        if deliveries.is_empty() {
            return Ok(());
        }
        let rows = notification_attempt::Entity::find()
            .filter(C::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(C::DeliveryId.is_in(deliveries.iter().map(|delivery| delivery.id)))
            .order_by_asc(C::Id)
            .all(&self.db)
            .await
            .map_err(classify)?;
        let mut attempts: HashMap<Uuid, Vec<NotificationAttempt>> = HashMap::new();
        for row in rows {
            attempts.entry(row.delivery_id).or_default().push(attempt(row));
        }
        for delivery in deliveries {
            delivery.log = attempts.remove(&delivery.id).unwrap_or_default();
        }
        Ok(())
    }

    pub async fn insert_notification(
        &self,
        _: &Authorized<ManageNotifications>,
        new: &NotificationDelivery,
    ) -> Result<()> {
        let row = self.delivery_row(new);
        notification_delivery::Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    pub(super) fn delivery_row(&self, new: &NotificationDelivery) -> notification_delivery::ActiveModel {
        notification_delivery::ActiveModel {
            id: Set(new.id),
            org_id: Set(self.scope.org_id().to_string()),
            endpoint_id: Set(new.endpoint_id),
            event_seq: Set(new.event_seq),
            event_type: Set(new.message_type.clone()),
            datasource_id: Set(new.datasource_id),
            body: Set(new.body.clone()),
            status: Set(new.status.as_str().to_owned()),
            attempts: Set(new.attempts),
            next_attempt_at: Set(new.next_attempt_at),
            created_at: Set(new.created_at),
            finished_at: Set(new.finished_at),
        }
    }

    /// Sends a message again, at once, and as often as if it were new.
    pub async fn redeliver_notification(&self, _: &Authorized<ManageNotifications>, id: Uuid) -> Result<()> {
        let update = self.again().filter(notification_delivery::Column::Id.eq(id));
        update.exec(&self.db).await.map(drop).map_err(classify)
    }

    /// The same for all messages of an endpoint since a time that were given up, or wait for another attempt.
    /// Answers with how many they are.
    pub async fn recover_notifications(
        &self,
        _: &Authorized<ManageNotifications>,
        endpoint: Uuid,
        since: Timestamp,
    ) -> Result<u64> {
        use notification_delivery::Column as C;
        let waits = Condition::all()
            .add(C::Status.eq(NotificationStatus::Pending.as_str()))
            .add(C::NextAttemptAt.is_not_null());
        let update = self
            .again()
            .filter(C::EndpointId.eq(endpoint))
            .filter(C::CreatedAt.gte(since))
            .filter(Condition::any().add(C::Status.eq(NotificationStatus::Failed.as_str())).add(waits));
        Ok(update.exec(&self.db).await.map_err(classify)?.rows_affected)
    }

    fn again(&self) -> UpdateMany<notification_delivery::Entity> {
        use notification_delivery::Column as C;
        notification_delivery::Entity::update_many()
            .col_expr(C::Status, Expr::value(NotificationStatus::Pending.as_str()))
            .col_expr(C::Attempts, Expr::value(0))
            .col_expr(C::NextAttemptAt, Expr::value(Option::<Timestamp>::None))
            .col_expr(C::FinishedAt, Expr::value(Option::<Timestamp>::None))
            .filter(C::OrgId.eq(self.scope.org_id().as_ref()))
    }

    fn select_endpoints(&self) -> Select<notification_endpoint::Entity> {
        let own = notification_endpoint::Column::OrgId.eq(self.scope.org_id().as_ref());
        notification_endpoint::Entity::find().filter(own)
    }

    fn select_deliveries(&self) -> Select<notification_delivery::Entity> {
        let own = notification_delivery::Column::OrgId.eq(self.scope.org_id().as_ref());
        notification_delivery::Entity::find().filter(own)
    }
}

impl Store {
    /// Forgets messages that ended before `before`, with their attempts; answers with how many.
    pub async fn forget_notifications(&self, before: Timestamp) -> Result<u64> {
        use notification_delivery::Column as C;
        let mut forgotten = 0;
        loop {
            let tx = self.begin_everything().await?;
            let old = notification_delivery::Entity::find().select_only().column(C::Id);
            let old = old.filter(C::FinishedAt.lt(before)).order_by_asc(C::FinishedAt).limit(CHUNK);
            let ids: Vec<Uuid> = old.into_tuple().all(&tx.db).await.map_err(classify)?;
            let last = (ids.len() as u64) < CHUNK;
            let delete = notification_delivery::Entity::delete_many().filter(C::Id.is_in(ids));
            forgotten += delete.exec(&tx.db).await.map_err(classify)?.rows_affected;
            tx.commit().await?;
            if last {
                return Ok(forgotten);
            }
        }
    }
}

/// Those that sign at a time.
pub(super) fn signs_at(at: Timestamp) -> Condition {
    let expires = notification_secret::Column::ExpiresAt;
    Condition::any().add(expires.is_null()).add(expires.gt(at))
}

pub(super) fn endpoint(
    secrets: Vec<NotificationSecretInfo>,
    row: notification_endpoint::Model,
) -> Result<NotificationEndpoint> {
    let filter = serde_json::from_value(row.filter).map_err(|e| corrupt("notification_endpoints", row.id, e))?;
    Ok(NotificationEndpoint {
        filter,
        id: row.id,
        org: row.org_id.into(),
        url: row.url,
        description: row.description,
        active: row.active,
        disabled_reason: row.disabled_reason,
        failing_since: row.failing_since,
        event_cursor: row.event_cursor,
        secrets,
        created_at: row.created_at,
        created_by: row.created_by,
        updated_at: row.updated_at,
        updated_by: row.updated_by,
    })
}

/// Without its attempts.
pub(super) fn delivery(row: notification_delivery::Model) -> Result<NotificationDelivery> {
    let status = row.status.parse().map_err(|e| corrupt("notification_deliveries", row.id, e))?;
    Ok(NotificationDelivery {
        status,
        id: row.id,
        endpoint_id: row.endpoint_id,
        event_seq: row.event_seq,
        message_type: row.event_type,
        datasource_id: row.datasource_id,
        body: row.body,
        attempts: row.attempts,
        next_attempt_at: row.next_attempt_at,
        created_at: row.created_at,
        finished_at: row.finished_at,
        log: Vec::new(),
    })
}

fn attempt(row: notification_attempt::Model) -> NotificationAttempt {
    NotificationAttempt {
        started_at: row.started_at,
        duration: std::time::Duration::from_millis(u64::try_from(row.duration_ms).unwrap_or(0)),
        status: row.response_status.and_then(|status| u16::try_from(status).ok()),
        response: row.response,
        error: row.error,
        node: row.node,
    }
}
