//! Approval policies, and requests for approval. Who writes a request holds the row of its datasource.

use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde_json::{Value, json};

use super::entity::approval::{ActiveModel, Column, Entity, Model};
use super::entity::{approval_policy, event, version};
use super::{NewAudit, NewEvent, Store, Tx, classify, corrupt};
use crate::auth::policy::Grant;
use crate::auth::policy::grant::ManageApprovals;
use crate::auth::{Actor, Authorized};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    Approval, ApprovalFilter, ApprovalPolicy, ApprovalRules, ApprovalState, ApprovalStatus, EventType, FieldChange,
    Outcome, Tenant, TestEvidence, Timestamp, now,
};
use crate::error::{Error, Result};

/// Requests that one look ends; the next look ends the others.
const CHUNK: u64 = 500;

impl Store {
    /// Ends the requests that nobody acted on in time, and forgets the values that waited for them. Answers with how
    /// many it were; each has a transaction of its own.
    pub async fn expire_approvals(&self, at: Timestamp) -> Result<u64> {
        let tx = self.read_everything().await?;
        let query = Entity::find().select_only().columns([Column::Id, Column::OrgId]);
        let query = query.filter(Column::ClosedAt.is_null()).filter(Column::ExpiresAt.lte(at));
        let query = query.order_by_asc(Column::Id).limit(CHUNK);
        let due: Vec<(Uuid, String)> = query.into_tuple().all(&tx.db).await.map_err(classify)?;
        drop(tx);
        let mut expired = 0;
        for (id, org) in due {
            match self.expire_approval(&Actor::system("housekeeping", org), id, at).await {
                Ok(done) => expired += u64::from(done),
                // The others do not wait for it.
                Err(error) => {
                    tracing::warn!(%id, %error, detail = error.detail(), "a request did not end; trying again later")
                }
            }
        }
        Ok(expired)
    }

    async fn expire_approval(&self, system: &Actor, id: Uuid, at: Timestamp) -> Result<bool> {
        let mut tx = self.write_as_system(system).await?;
        let Some(found) = tx.approval(id).await? else { return Ok(false) };
        tx.datasource_for_update(found.datasource_id).await?;
        // Somebody may have decided while this waited for the row.
        let Some(mut approval) = tx.approval(id).await?.filter(|a| a.closed_at.is_none() && a.expires_at <= at) else {
            return Ok(false);
        };
        let was = approval.status;
        approval.status = ApprovalStatus::Expired;
        approval.closed_at = Some(now());
        tx.keep_approval(&approval).await?;
        let actor = system.subject.to_string();
        tx.record_event(NewEvent {
            tenant: approval.tenant.clone(),
            datasource_id: approval.datasource_id,
            version: approval.version,
            event_type: EventType::ApprovalExpired,
            actor: actor.clone(),
            payload: json!({ "approvalId": id, "action": approval.action }),
        });
        tx.record_audit(NewAudit {
            tenant: approval.tenant,
            datasource_id: Some(approval.datasource_id),
            action: EventType::ApprovalExpired.as_str().to_owned(),
            actor,
            source_address: None,
            request_id: String::new(),
            reason: None,
            outcome: Outcome::Success,
            changes: vec![FieldChange {
                field: format!("approvals.{id}"),
                old: json!(was),
                new: json!(ApprovalStatus::Expired),
            }],
        });
        tx.commit().await?;
        Ok(true)
    }
}

impl Tx {
    /// What counts for a project: its own policy and that of the organisation, the stricter of both in each point.
    pub async fn approval_rules(&self, tenant: &Tenant) -> Result<ApprovalRules> {
        let query = approval_policy::Entity::find()
            .filter(approval_policy::Column::OrgId.eq(tenant.org.as_ref()))
            .filter(approval_policy::Column::ProjectId.is_in(["", tenant.project.as_ref()]));
        let rows = query.all(&self.db).await.map_err(classify)?;
        Ok(rows.iter().map(rules).reduce(ApprovalRules::and).unwrap_or_default())
    }

    /// That of the organisation first, then those of the projects that the scope covers, by name.
    pub async fn approval_policies(&self) -> Result<Vec<ApprovalPolicy>> {
        let query = approval_policy::Entity::find()
            .filter(approval_policy::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .order_by_asc(approval_policy::Column::ProjectId);
        let rows = query.all(&self.db).await.map_err(classify)?;
        let covered = |project: &str| project.is_empty() || self.scope.covers_project(project);
        let seen = rows.into_iter().filter(|row| covered(&row.project_id));
        let policies = seen.map(|row| ApprovalPolicy {
            rules: rules(&row),
            project: Some(row.project_id).filter(|project| !project.is_empty()),
            updated_at: row.updated_at,
            updated_by: row.updated_by,
        });
        Ok(policies.collect())
    }

    pub async fn put_approval_policy(&self, _: &Authorized<ManageApprovals>, policy: &ApprovalPolicy) -> Result<()> {
        use approval_policy::Column as C;
        let ApprovalRules { publish, rollback, secret_change, approvers, expires_after, imports_exempt } = policy.rules;
        let row = approval_policy::ActiveModel {
            org_id: Set(self.scope.org_id().to_string()),
            project_id: Set(policy.project.clone().unwrap_or_default()),
            publish: Set(publish),
            rollback: Set(rollback),
            secret_change: Set(secret_change),
            approvers: Set(approvers),
            expires_after: Set(i64::try_from(expires_after.as_secs()).unwrap_or(i64::MAX)),
            imports_exempt: Set(imports_exempt),
            updated_at: Set(policy.updated_at),
            updated_by: Set(policy.updated_by.clone()),
        };
        let replace = OnConflict::columns([C::OrgId, C::ProjectId])
            .update_columns([
                C::Publish,
                C::Rollback,
                C::SecretChange,
                C::Approvers,
                C::ExpiresAfter,
                C::ImportsExempt,
                C::UpdatedAt,
                C::UpdatedBy,
            ])
            .to_owned();
        let insert = approval_policy::Entity::insert(row).on_conflict(replace);
        insert.exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    pub async fn approval(&self, id: Uuid) -> Result<Option<Approval>> {
        let row = self.select_approvals().filter(Column::Id.eq(id)).one(&self.db).await.map_err(classify)?;
        row.map(Approval::try_from).transpose()
    }

    /// Newest first. What is over by `at` is expired, whether or not that was written down yet.
    pub async fn approvals(
        &self,
        filter: &ApprovalFilter,
        at: Timestamp,
        page: &PageRequest<Uuid>,
    ) -> Result<Page<Approval>> {
        let mut query = self.select_approvals();
        if !filter.statuses.is_empty() {
            query = query.filter(filter.statuses.iter().fold(Condition::any(), |any, status| any.add(is(*status, at))));
        }
        if let Some(action) = filter.action {
            query = query.filter(Column::Action.eq(action.as_str()));
        }
        if let Some(id) = filter.datasource_id {
            query = query.filter(Column::DatasourceId.eq(id));
        }
        if let Some(after) = page.after {
            query = query.filter(Column::Id.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(Column::Id.gt(before));
        }
        let query = if page.backward { query.order_by_asc(Column::Id) } else { query.order_by_desc(Column::Id) };
        let query = query.offset(page.offset).limit(page.limit.saturating_add(1));
        let rows = query.all(&self.db).await.map_err(classify)?;
        let approvals = rows.into_iter().map(Approval::try_from).collect::<Result<Vec<_>>>()?;
        Ok(Page::from_rows(approvals, page))
    }

    /// Those of a datasource that wait or are not used yet; oldest first, with those that are over and not closed yet.
    pub async fn open_approvals(&self, datasource_id: Uuid) -> Result<Vec<Approval>> {
        let query = self.select_approvals().filter(Column::DatasourceId.eq(datasource_id));
        let query = query.filter(Column::ClosedAt.is_null()).order_by_asc(Column::Id);
        query.all(&self.db).await.map_err(classify)?.into_iter().map(Approval::try_from).collect()
    }

    pub async fn insert_approval<P: Grant>(&mut self, _: &Authorized<P>, approval: &Approval) -> Result<()> {
        Entity::insert(active(approval)).exec_without_returning(&self.db).await.map_err(classify)?;
        self.show(approval).await
    }

    /// Status, reason and decisions; what it is about never changes. One that has ended takes with it what waited.
    pub async fn save_approval<P: Grant>(&mut self, _: &Authorized<P>, approval: &Approval) -> Result<()> {
        self.keep_approval(approval).await
    }

    async fn keep_approval(&mut self, approval: &Approval) -> Result<()> {
        let update = Entity::update_many()
            .col_expr(Column::Status, Expr::value(approval.status.as_str()))
            .col_expr(Column::Reason, Expr::value(approval.reason.clone()))
            .col_expr(Column::Decisions, Expr::value(json!(approval.decisions)))
            .col_expr(Column::ClosedAt, Expr::value(approval.closed_at))
            .filter(Column::Id.eq(approval.id))
            .filter(Column::ClosedAt.is_null());
        if update.exec(&self.db).await.map_err(classify)?.rows_affected == 0 {
            return Err(Error::conflict("the request has ended meanwhile; read it again"));
        }
        if let (Some(key), Some(number)) = (&approval.secret_key, approval.secret_version)
            && approval.closed_at.is_some()
        {
            // Released, it is not marked as deleted, and stays.
            self.wipe_secret(approval.datasource_id, key, number).await?;
        }
        self.show(approval).await
    }

    /// On its version, for who reads that.
    async fn show(&mut self, approval: &Approval) -> Result<()> {
        self.touch(approval.datasource_id);
        let Some(number) = approval.version else { return Ok(()) };
        // What somebody asks for again and does not get takes nothing from what was agreed to before.
        let earlier = match approval.shown().0 {
            ApprovalState::NotRequired => self.used_approval(approval.datasource_id, number).await?,
            _ => None,
        };
        let (state, decision) = earlier.as_ref().unwrap_or(approval).shown();
        let until = approval.closed_at.is_none().then_some(approval.expires_at);
        let update = version::Entity::update_many()
            .col_expr(version::Column::Approval, Expr::value(state.as_str()))
            .col_expr(version::Column::ApprovedBy, Expr::value(decision.map(|d| d.by.clone())))
            .col_expr(version::Column::ApprovedAt, Expr::value(decision.map(|d| d.at)))
            .col_expr(version::Column::ApprovalUntil, Expr::value(until))
            .filter(version::Column::DatasourceId.eq(approval.datasource_id))
            .filter(version::Column::Version.eq(number));
        update.exec(&self.db).await.map(drop).map_err(classify)
    }

    async fn used_approval(&self, datasource_id: Uuid, version: i32) -> Result<Option<Approval>> {
        let query = self.select_approvals().filter(Column::DatasourceId.eq(datasource_id));
        let query = query.filter(Column::Version.eq(version)).filter(Column::Status.eq(ApprovalStatus::Used.as_str()));
        let row = query.order_by_desc(Column::Id).limit(1).one(&self.db).await.map_err(classify)?;
        row.map(Approval::try_from).transpose()
    }

    /// The last test of a version.
    pub async fn last_test(&self, datasource_id: Uuid, version: i32) -> Result<Option<TestEvidence>> {
        let query = event::Entity::find()
            .filter(event::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(event::Column::DatasourceId.eq(datasource_id))
            .filter(event::Column::EventType.eq(EventType::TestRun.as_str()))
            .filter(event::Column::Version.eq(version))
            .order_by_desc(event::Column::Seq)
            .limit(1);
        let row = query.one(&self.db).await.map_err(classify)?;
        Ok(row.map(|row| TestEvidence {
            success: row.payload["success"] == true,
            // One that failed, or that an older build stored, has no digest: it is like no other.
            digest: row.payload["digest"].as_str().map_or_else(|| row.seq.to_string(), str::to_owned),
            event: row.seq,
        }))
    }

    fn select_approvals(&self) -> Select<Entity> {
        Entity::find().filter(super::grant::reached(
            &self.scope,
            Column::OrgId,
            Column::ProjectId,
            Column::DatasourceId,
        ))
    }
}

/// Rows that have a status at a time.
fn is(status: ApprovalStatus, at: Timestamp) -> Condition {
    let over = Condition::all().add(Column::ClosedAt.is_null()).add(Column::ExpiresAt.lte(at));
    let stored = Condition::all().add(Column::Status.eq(status.as_str()));
    match status {
        ApprovalStatus::Pending | ApprovalStatus::Approved => stored.add(Column::ExpiresAt.gt(at)),
        ApprovalStatus::Expired => Condition::any().add(stored).add(over),
        _ => stored,
    }
}

fn rules(row: &approval_policy::Model) -> ApprovalRules {
    ApprovalRules {
        publish: row.publish,
        rollback: row.rollback,
        secret_change: row.secret_change,
        approvers: row.approvers,
        expires_after: Duration::from_secs(u64::try_from(row.expires_after).unwrap_or(0)),
        imports_exempt: row.imports_exempt,
    }
}

fn active(approval: &Approval) -> ActiveModel {
    ActiveModel {
        id: Set(approval.id),
        org_id: Set(approval.tenant.org.to_string()),
        project_id: Set(approval.tenant.project.to_string()),
        datasource_id: Set(approval.datasource_id),
        action: Set(approval.action.as_str().to_owned()),
        version: Set(approval.version),
        checksum: Set(approval.checksum.clone()),
        author: Set(approval.author.clone()),
        secret_key: Set(approval.secret_key.clone()),
        secret_version: Set(approval.secret_version),
        secret_reference: Set(approval.secret_reference.clone()),
        repin: Set(approval.repin),
        secret_pins: Set(json!(approval.secret_pins)),
        test_event: Set(approval.evidence.as_ref().map(|e| e.event)),
        test_digest: Set(approval.evidence.as_ref().map(|e| e.digest.clone())),
        test_success: Set(approval.evidence.as_ref().map(|e| e.success)),
        status: Set(approval.status.as_str().to_owned()),
        reason: Set(approval.reason.clone()),
        comment: Set(approval.comment.clone()),
        required: Set(approval.required),
        decisions: Set(json!(approval.decisions)),
        requested_at: Set(approval.requested_at),
        requested_by: Set(approval.requested_by.clone()),
        expires_at: Set(approval.expires_at),
        closed_at: Set(approval.closed_at),
    }
}

impl TryFrom<Model> for Approval {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let at = |what: String| corrupt("approvals", row.id, what);
        fn list<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
            serde_json::from_value(value).map_err(|e| e.to_string())
        }
        Ok(Self {
            action: row.action.parse().map_err(at)?,
            status: row.status.parse().map_err(at)?,
            secret_pins: list(row.secret_pins).map_err(at)?,
            decisions: list(row.decisions).map_err(at)?,
            evidence: row.test_event.zip(row.test_digest).map(|(event, digest)| TestEvidence {
                event,
                digest,
                success: row.test_success == Some(true),
            }),
            id: row.id,
            tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
            datasource_id: row.datasource_id,
            version: row.version,
            checksum: row.checksum,
            author: row.author,
            secret_key: row.secret_key,
            secret_version: row.secret_version,
            secret_reference: row.secret_reference,
            repin: row.repin,
            reason: row.reason,
            comment: row.comment,
            required: row.required,
            requested_at: row.requested_at,
            requested_by: row.requested_by,
            expires_at: row.expires_at,
            closed_at: row.closed_at,
        })
    }
}
