//! Who may read the views of the schema `contract_v1`, and of which organisations. PostgreSQL only.

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, Statement,
};

use super::entity::contract_reader::{ActiveModel, Column, Entity};
use super::{NewAudit, Store, classify};
use crate::auth::Actor;
use crate::domain::{ContractReader, Scope, now};
use crate::error::Result;

/// What the database knows of a login.
#[derive(Clone, Copy, Debug)]
pub struct LoginState {
    pub can_login: bool,
    /// No row-level security binds it.
    pub bypasses: bool,
    /// It may take the roles of the program.
    pub is_program: bool,
    /// It may read the views.
    pub is_reader: bool,
}

impl Store {
    pub fn has_contract(&self) -> bool {
        self.backend() == DbBackend::Postgres
    }

    /// Of one organisation, by login.
    pub async fn contract_readers(&self, org: &str) -> Result<Vec<ContractReader>> {
        let tx = self.read(&Scope::org(org)).await?;
        let rows = Entity::find().filter(Column::OrgId.eq(org)).order_by_asc(Column::Login).all(&tx.db).await;
        let reader = |row: super::entity::contract_reader::Model| ContractReader {
            login: row.login,
            org: row.org_id,
            granted_at: row.granted_at,
            granted_by: row.granted_by,
        };
        Ok(rows.map_err(classify)?.into_iter().map(reader).collect())
    }

    /// Whether the login did not have it before.
    pub async fn add_contract_reader(&self, system: &Actor, login: &str, entry: NewAudit) -> Result<bool> {
        let mut tx = self.write_as_system(system).await?;
        let org = system.scope.org_id().to_string();
        // A grant of a login that is gone is none of the one that has its name now.
        let stale = "DELETE FROM contract_readers WHERE login = $1 AND org_id = $2
            AND login_id IS DISTINCT FROM (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1)";
        let stale = Statement::from_sql_and_values(DbBackend::Postgres, stale, [login.into(), org.as_str().into()]);
        tx.db.execute_raw(stale).await.map_err(classify)?;
        let there = Entity::find_by_id((login.to_owned(), org.clone())).one(&tx.db).await.map_err(classify)?;
        if there.is_some() {
            return Ok(false);
        }
        let row = ActiveModel {
            login: Set(login.to_owned()),
            org_id: Set(org),
            granted_at: Set(now()),
            granted_by: Set(system.subject.to_string()),
        };
        let once = OnConflict::columns([Column::Login, Column::OrgId]).do_nothing().to_owned();
        Entity::insert(row).on_conflict(once).exec_without_returning(&tx.db).await.map_err(classify)?;
        tx.record_audit(entry);
        tx.commit().await?;
        Ok(true)
    }

    /// Whether the login had it before.
    pub async fn remove_contract_reader(&self, system: &Actor, login: &str, entry: NewAudit) -> Result<bool> {
        let mut tx = self.write_as_system(system).await?;
        let delete = Entity::delete_by_id((login.to_owned(), system.scope.org_id().to_string()));
        if delete.exec(&tx.db).await.map_err(classify)?.rows_affected == 0 {
            return Ok(false);
        }
        tx.record_audit(entry);
        tx.commit().await?;
        Ok(true)
    }

    /// `None` for a login that there is not.
    pub async fn login_state(&self, login: &str) -> Result<Option<LoginState>> {
        let sql = "SELECT rolcanlogin, rolsuper OR rolbypassrls,
                pg_has_role(oid, 'studio_runtime', 'member') OR pg_has_role(oid, 'studio_registry', 'member')
                    OR pg_has_role(oid, 'studio_contract', 'member'),
                pg_has_role(oid, 'studio_reader', 'member')
            FROM pg_roles WHERE rolname = $1";
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [login.into()]);
        let Some(row) = self.inner.reader.query_one_raw(statement).await.map_err(classify)? else { return Ok(None) };
        let yes = |at: usize| row.try_get_by_index::<bool>(at).map_err(classify);
        Ok(Some(LoginState { can_login: yes(0)?, bypasses: yes(1)?, is_program: yes(2)?, is_reader: yes(3)? }))
    }
}
