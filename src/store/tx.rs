//! The scoped transaction: the one way to the database.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    AccessMode, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait,
    QueryFilter, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use serde_json::Value;

use super::entity::{audit, event, org};
use super::idempotency::Claim;
use super::{Signal, Store, classify};
use crate::auth::policy::Grant;
use crate::auth::{Actor, Authorized};
use crate::domain::{EventType, FieldChange, GENESIS, Outcome, Role, Scope, Tenant, now};
use crate::error::Result;

/// A transaction bound to a tenant scope. Dropped without [`Tx::commit`], it leaves nothing behind.
///
/// Events and audit entries are collected and written last: their numbers are
/// handed out under the lock of the organisation's row, which is then held only
/// for the two statements before the commit.
pub struct Tx {
    pub(super) db: DatabaseTransaction,
    pub(super) scope: Scope,
    /// What is seen beyond the scope, and the role that it takes there.
    pub(super) visible: Option<(Scope, Role)>,
    store: Store,
    events: Vec<NewEvent>,
    audits: Vec<NewAudit>,
    touched: Vec<Uuid>,
    everybody: bool,
    /// The key that this transaction does once, and whose it is.
    pub(super) claim: Option<(std::sync::Arc<str>, Claim)>,
}

/// An entry for the timeline.
#[derive(Debug)]
pub struct NewEvent {
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    pub version: Option<i32>,
    pub event_type: EventType,
    pub actor: String,
    pub payload: Value,
}

/// An entry for the audit log; one row a changed field, or one without a field.
#[derive(Debug)]
pub struct NewAudit {
    pub tenant: Tenant,
    pub datasource_id: Option<Uuid>,
    pub action: String,
    pub actor: String,
    pub source_address: Option<String>,
    pub request_id: String,
    pub reason: Option<String>,
    pub outcome: Outcome,
    pub changes: Vec<FieldChange>,
}

/// What a transaction may reach on PostgreSQL, whatever its statements ask for; see the migration `007_tenancy`.
#[derive(Clone, Copy)]
enum Reach {
    /// The rows of the organisation of its scope.
    Tenant,
    /// The bookkeeping of the registry, in all organisations.
    Registry,
}

impl Reach {
    const fn role(self) -> &'static str {
        match self {
            Self::Tenant => "studio_runtime",
            Self::Registry => "studio_registry",
        }
    }
}

impl Store {
    /// A read-only view of what `scope` covers.
    pub async fn read(&self, scope: &Scope) -> Result<Tx> {
        self.begin_read(scope, Reach::Tenant).await
    }

    /// A read-only view of what the registry looks after.
    pub(super) async fn read_everything(&self) -> Result<Tx> {
        self.begin_read(&everything(), Reach::Registry).await
    }

    /// A transaction for one use-case, on the strength of a proof.
    pub async fn write<P: Grant>(&self, proof: &Authorized<P>) -> Result<Tx> {
        let tx = self.begin_write(proof.scope(), Reach::Tenant).await?;
        Ok(Tx { visible: proof.visible(), ..tx })
    }

    /// The registry's own bookkeeping in one organisation.
    pub(super) async fn write_as_system(&self, system: &Actor) -> Result<Tx> {
        self.begin_write(&system.scope, Reach::Tenant).await
    }

    /// The registry's own bookkeeping, in every organisation.
    pub(super) async fn begin_everything(&self) -> Result<Tx> {
        self.begin_write(&everything(), Reach::Registry).await
    }

    async fn begin_read(&self, scope: &Scope, reach: Reach) -> Result<Tx> {
        let options = TransactionOptions { access_mode: Some(AccessMode::ReadOnly), ..Default::default() };
        self.begin(scope, reach, &self.inner.reader, options).await
    }

    async fn begin_write(&self, scope: &Scope, reach: Reach) -> Result<Tx> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        self.begin(scope, reach, &self.inner.writer, options).await
    }

    async fn begin(
        &self,
        scope: &Scope,
        reach: Reach,
        pool: &sea_orm::DatabaseConnection,
        options: TransactionOptions,
    ) -> Result<Tx> {
        // SQLite knows no read-only transactions; its readers are apart from its writer anyway.
        let options = match self.backend() {
            DbBackend::Sqlite => TransactionOptions { access_mode: None, ..options },
            _ => TransactionOptions { sqlite_transaction_mode: None, ..options },
        };
        let db = pool.begin_with_options(options).await.map_err(classify)?;
        if self.backend() == DbBackend::Postgres {
            // Both end with the transaction, so that the next user of the connection inherits neither.
            let sql = "SELECT set_config('role', $1, true), set_config('app.org_id', $2, true)";
            let values = [reach.role().into(), scope.org_id().as_ref().into()];
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
            db.execute_raw(statement).await.map_err(classify)?;
        }
        Ok(Tx {
            db,
            scope: scope.clone(),
            visible: None,
            store: self.clone(),
            events: Vec::new(),
            audits: Vec::new(),
            touched: Vec::new(),
            everybody: false,
            claim: None,
        })
    }
}

impl Tx {
    pub fn record_event(&mut self, event: NewEvent) {
        self.events.push(event);
    }

    pub fn record_audit(&mut self, entry: NewAudit) {
        self.audits.push(entry);
    }

    /// Wakes readers for a change that is no event, such as a worker's state.
    pub(super) fn touch(&mut self, datasource_id: Uuid) {
        self.touched.push(datasource_id);
    }

    /// Wakes all readers, whatever they follow.
    pub(super) fn call_everybody(&mut self) {
        self.everybody = true;
    }

    /// Writes the journal, commits, and wakes the readers of the change feed.
    pub async fn commit(mut self) -> Result<()> {
        self.settle_claim().await?;
        let mut signals = self.write_journal().await?;
        let org = self.scope.org_id();
        let touched = self.touched.drain(..).filter(|id| signals.iter().all(|s| s.datasource_id != Some(*id)));
        let touched: Vec<_> = touched.map(|id| Signal { org: org.clone(), seq: 0, datasource_id: Some(id) }).collect();
        signals.extend(touched);
        signals.extend(self.everybody.then(Signal::anything));
        self.notify(&signals).await?;
        self.db.commit().await.map_err(classify)?;
        for signal in signals {
            self.store.feed().publish(signal);
        }
        Ok(())
    }

    /// Writes on the claimed key what the transaction was about: a replay can then tell, whatever comes next.
    async fn settle_claim(&mut self) -> Result<()> {
        let Some((claimant, claim)) = self.claim.take() else { return Ok(()) };
        let Some(about) = self.events.first().map(|e| e.datasource_id) else { return Ok(()) };
        let version = self.events.iter().find_map(|e| e.version);
        self.settle(&claimant, &claim, about, version).await
    }

    async fn write_journal(&mut self) -> Result<Vec<Signal>> {
        let (events, audits) = (std::mem::take(&mut self.events), std::mem::take(&mut self.audits));
        if events.is_empty() && audits.is_empty() {
            return Ok(Vec::new());
        }
        let org_id = self.scope.org_id().to_string();
        let rows: usize = audits.iter().map(|a| a.changes.len().max(1)).sum();
        let head = self.reserve(&org_id, events.len(), rows).await?;
        // Read after the lock is held, so that times follow the order of the numbers.
        let at = now();

        let first = head.event_seq - as_i64(events.len()) + 1;
        let mut signals = Vec::with_capacity(events.len());
        let mut event_rows = Vec::with_capacity(events.len());
        for (seq, e) in (first..).zip(events) {
            signals.push(Signal { org: org_id.as_str().into(), seq, datasource_id: Some(e.datasource_id) });
            event_rows.push(event::ActiveModel {
                org_id: Set(org_id.clone()),
                seq: Set(seq),
                project_id: Set(e.tenant.project.to_string()),
                datasource_id: Set(e.datasource_id),
                version: Set(e.version),
                event_type: Set(e.event_type.as_str().to_owned()),
                actor: Set(e.actor),
                payload: Set(e.payload),
                created_at: Set(at),
            });
        }
        if !event_rows.is_empty() {
            event::Entity::insert_many(event_rows).exec_without_returning(&self.db).await.map_err(classify)?;
        }
        if rows > 0 {
            let first = head.audit_seq - as_i64(rows) + 1;
            let (rows, last) = super::audit::chain(&org_id, first, &head.audit_head, audits, at);
            audit::Entity::insert_many(rows).exec_without_returning(&self.db).await.map_err(classify)?;
            org::Entity::update_many()
                .col_expr(org::Column::AuditHead, Expr::value(last))
                .filter(org::Column::OrgId.eq(&org_id))
                .exec(&self.db)
                .await
                .map_err(classify)?;
        }
        Ok(signals)
    }

    async fn notify(&self, signals: &[Signal]) -> Result<()> {
        if self.store.backend() == DbBackend::Postgres {
            for signal in signals {
                let sql = super::feed::NOTIFY_CHANGES;
                let values = [signal.encode().into()];
                let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
                self.db.execute_raw(statement).await.map_err(classify)?;
            }
        }
        Ok(())
    }

    /// Moves the organisation's counters and locks its row until the commit:
    /// the next writer gets its numbers only when these are visible.
    async fn reserve(&self, org_id: &str, events: usize, audits: usize) -> Result<org::Model> {
        let update = || {
            org::Entity::update_many()
                .col_expr(org::Column::EventSeq, Expr::col(org::Column::EventSeq).add(as_i64(events)))
                .col_expr(org::Column::AuditSeq, Expr::col(org::Column::AuditSeq).add(as_i64(audits)))
                .filter(org::Column::OrgId.eq(org_id))
                .exec_with_returning(&self.db)
        };
        if let Some(head) = update().await.map_err(classify)?.pop() {
            return Ok(head);
        }
        let fresh = org::ActiveModel {
            org_id: Set(org_id.to_owned()),
            event_seq: Set(0),
            event_floor: Set(0),
            audit_seq: Set(0),
            audit_head: Set(GENESIS.to_owned()),
            created_at: Set(now()),
        };
        org::Entity::insert(fresh)
            .on_conflict(OnConflict::column(org::Column::OrgId).do_nothing().to_owned())
            .exec_without_returning(&self.db)
            .await
            .map_err(classify)?;
        let head = update().await.map_err(classify)?.pop();
        head.ok_or_else(|| super::corrupt("orgs", org_id, "row is missing after its insert"))
    }
}

/// No organisation: a transaction of the registry has no rows of its own to number.
fn everything() -> Scope {
    Scope::org("")
}

fn as_i64(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
