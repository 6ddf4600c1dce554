//! Revoked tokens, service accounts and their keys.

use std::sync::Arc;

use sea_orm::prelude::{Json, Uuid};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use super::entity::{api_key, revoked_token, service_account};
use super::{Store, Tx, classify, corrupt};
use crate::auth::Authorized;
use crate::auth::policy::grant::ManageAccess;
use crate::domain::{ApiKey, RevokedToken, ServiceAccount, Timestamp, now};
use crate::error::{Error, Result};

/// What tells whether a credential still holds, of all organisations.
#[derive(Default)]
pub struct Credentials {
    /// Organisation and `jti`.
    pub revoked: Vec<(String, String)>,
    /// Keys that are neither revoked nor over, of accounts that are not disabled.
    pub keys: Vec<UsableKey>,
}

/// What became of the revocation of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    Made,
    /// It is revoked already, at least as long.
    Known,
    /// It was revoked until an earlier end.
    Extended {
        was: Timestamp,
    },
}

pub struct UsableKey {
    pub hash: Vec<u8>,
    pub key: ApiKey,
    pub account: Arc<ServiceAccount>,
}

impl Store {
    /// A revocation counts for as long as its token could be accepted, which is longer than its `exp`.
    pub async fn credentials(&self, revoked_until: Timestamp) -> Result<Credentials> {
        let tx = self.read_everything().await?;
        let at = now();
        let revoked = revoked_token::Entity::find().filter(revoked_token::Column::ExpiresAt.gte(revoked_until));
        let revoked = revoked.all(&tx.db).await.map_err(classify)?;
        let usable = Condition::any().add(api_key::Column::ExpiresAt.is_null()).add(api_key::Column::ExpiresAt.gt(at));
        let keys = api_key::Entity::find().filter(api_key::Column::RevokedAt.is_null()).filter(usable);
        let keys = keys.all(&tx.db).await.map_err(classify)?;
        let accounts = service_account::Entity::find().filter(service_account::Column::DisabledAt.is_null());
        let accounts = accounts.all(&tx.db).await.map_err(classify)?;
        let accounts = accounts
            .into_iter()
            .map(|row| Ok((row.id, Arc::new(account(row)?))))
            .collect::<Result<std::collections::HashMap<_, _>>>()?;
        let mut usable = Vec::with_capacity(keys.len());
        for row in keys {
            if let Some(account) = accounts.get(&row.account_id) {
                usable.push(UsableKey { hash: row.hash.clone(), key: key(row)?, account: Arc::clone(account) });
            }
        }
        Ok(Credentials { revoked: revoked.into_iter().map(|row| (row.org_id, row.jti)).collect(), keys: usable })
    }

    /// Nobody is woken for it: that a key was used changes nothing for anybody.
    pub async fn api_key_used(&self, id: &str, unless_since: Timestamp) -> Result<()> {
        let tx = self.begin_everything().await?;
        let stale = Condition::any()
            .add(api_key::Column::LastUsedAt.is_null())
            .add(api_key::Column::LastUsedAt.lt(unless_since));
        api_key::Entity::update_many()
            .col_expr(api_key::Column::LastUsedAt, Expr::value(now()))
            .filter(api_key::Column::Id.eq(id))
            .filter(stale)
            .exec(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await
    }

    /// Those that have ended by themselves meanwhile.
    pub async fn forget_revoked_tokens(&self, before: Timestamp) -> Result<u64> {
        let tx = self.begin_everything().await?;
        let over = revoked_token::Entity::delete_many().filter(revoked_token::Column::ExpiresAt.lt(before));
        let gone = over.exec(&tx.db).await.map_err(classify)?.rows_affected;
        tx.commit().await?;
        Ok(gone)
    }
}

impl Tx {
    /// Answers with the entry that stands, the first one where the token was revoked before, and with what was
    /// recorded before: an end that is later than that of the entry takes its place.
    pub async fn revoke_token(
        &mut self,
        _: &Authorized<ManageAccess>,
        token: RevokedToken,
    ) -> Result<(RevokedToken, Revocation)> {
        let org = self.scope.org_id().to_string();
        let (jti, revoked_at, end) = (token.jti.clone(), token.revoked_at, token.expires_at);
        let row = revoked_token::ActiveModel {
            org_id: Set(org.clone()),
            jti: Set(token.jti),
            expires_at: Set(token.expires_at),
            reason: Set(token.reason),
            revoked_at: Set(token.revoked_at),
            revoked_by: Set(token.revoked_by),
        };
        let twice =
            OnConflict::columns([revoked_token::Column::OrgId, revoked_token::Column::Jti]).do_nothing().to_owned();
        let made = revoked_token::Entity::insert(row).on_conflict(twice).exec_without_returning(&self.db).await;
        let made = made.map_err(classify)? > 0;
        self.call_everybody();
        let found = revoked_token::Entity::find_by_id((org.clone(), jti.clone())).one(&self.db).await;
        let missing = || corrupt("revoked_tokens", revoked_at, "row is missing after its insert");
        let mut row = found.map_err(classify)?.ok_or_else(missing)?;
        let mut outcome = if made { Revocation::Made } else { Revocation::Known };
        // To what both databases keep.
        if row.expires_at.timestamp_micros() < end.timestamp_micros() {
            revoked_token::Entity::update_many()
                .col_expr(revoked_token::Column::ExpiresAt, Expr::value(end))
                .filter(revoked_token::Column::OrgId.eq(org))
                .filter(revoked_token::Column::Jti.eq(jti))
                // Another request may have set a still later one meanwhile.
                .filter(revoked_token::Column::ExpiresAt.lt(end))
                .exec(&self.db)
                .await
                .map_err(classify)?;
            outcome = Revocation::Extended { was: std::mem::replace(&mut row.expires_at, end) };
        }
        let revoked_token::Model { jti, expires_at, reason, revoked_at, revoked_by, .. } = row;
        Ok((RevokedToken { jti, expires_at, reason, revoked_at, revoked_by }, outcome))
    }

    /// By name; those with rights beyond the caller's own projects are not the caller's to see.
    pub async fn service_accounts(&self, _: &Authorized<ManageAccess>) -> Result<Vec<ServiceAccount>> {
        let org = self.scope.org_id().as_ref();
        let accounts = service_account::Entity::find().filter(service_account::Column::OrgId.eq(org));
        let accounts = accounts.order_by_asc(service_account::Column::Name).all(&self.db).await.map_err(classify)?;
        let keys = api_key::Entity::find().filter(api_key::Column::OrgId.eq(org));
        let keys = keys.order_by_desc(api_key::Column::CreatedAt).all(&self.db).await.map_err(classify)?;
        let mut accounts = accounts.into_iter().map(account).collect::<Result<Vec<_>>>()?;
        accounts.retain(|account| self.scope.covers_all(account.projects.as_deref()));
        for row in keys {
            if let Some(owner) = accounts.iter_mut().find(|account| account.id == row.account_id) {
                owner.keys.push(key(row)?);
            }
        }
        Ok(accounts)
    }

    /// Who made a program's account and keys, and, where that was a program, who made its own. Of a person: nobody.
    pub async fn makers_of(&self, subject: &str) -> Result<Vec<String>> {
        let org = self.scope.org_id().as_ref();
        let (mut makers, mut next) = (Vec::new(), 0);
        makers.push(subject.to_owned());
        while let Some(maker) = makers.get(next).cloned() {
            next += 1;
            let Some(name) = maker.strip_prefix("service:") else { continue };
            let account = service_account::Entity::find().filter(service_account::Column::OrgId.eq(org));
            let account =
                account.filter(service_account::Column::Name.eq(name)).one(&self.db).await.map_err(classify)?;
            let Some(account) = account else { continue };
            let keys = api_key::Entity::find().filter(api_key::Column::OrgId.eq(org));
            let keys = keys.filter(api_key::Column::AccountId.eq(account.id)).all(&self.db).await.map_err(classify)?;
            for maker in keys.into_iter().map(|key| key.created_by).chain([account.created_by]) {
                if !makers.contains(&maker) {
                    makers.push(maker);
                }
            }
        }
        makers.remove(0);
        Ok(makers)
    }

    pub async fn service_account(&self, proof: &Authorized<ManageAccess>, id: Uuid) -> Result<ServiceAccount> {
        let found = self.service_accounts(proof).await?.into_iter().find(|account| account.id == id);
        found.ok_or_else(|| Error::not_found("service account"))
    }

    pub async fn count_service_accounts(&self, _: &Authorized<ManageAccess>) -> Result<u64> {
        let own =
            service_account::Entity::find().filter(service_account::Column::OrgId.eq(self.scope.org_id().as_ref()));
        own.count(&self.db).await.map_err(classify)
    }

    /// Also one whose projects the caller has not: its name is taken all the same.
    pub async fn has_service_account(&self, _: &Authorized<ManageAccess>, name: &str) -> Result<bool> {
        let named = service_account::Entity::find()
            .filter(service_account::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(service_account::Column::Name.eq(name));
        Ok(named.count(&self.db).await.map_err(classify)? > 0)
    }

    pub async fn insert_service_account(&mut self, _: &Authorized<ManageAccess>, new: &ServiceAccount) -> Result<()> {
        let row = service_account::ActiveModel {
            id: Set(new.id),
            org_id: Set(self.scope.org_id().to_string()),
            name: Set(new.name.clone()),
            description: Set(new.description.clone()),
            role: Set(new.role.as_str().to_owned()),
            projects: Set(new.projects.as_ref().map(|list| Json::from(list.clone()))),
            created_at: Set(new.created_at),
            created_by: Set(new.created_by.clone()),
            disabled_at: Set(None),
            disabled_by: Set(None),
        };
        service_account::Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    pub async fn save_service_account(&mut self, _: &Authorized<ManageAccess>, account: &ServiceAccount) -> Result<()> {
        service_account::Entity::update_many()
            .col_expr(service_account::Column::DisabledAt, Expr::value(account.disabled_at))
            .col_expr(service_account::Column::DisabledBy, Expr::value(account.disabled_by.clone()))
            .filter(service_account::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(service_account::Column::Id.eq(account.id))
            .exec(&self.db)
            .await
            .map_err(classify)?;
        self.call_everybody();
        Ok(())
    }

    pub async fn insert_api_key(&mut self, _: &Authorized<ManageAccess>, new: &ApiKey, hash: &[u8]) -> Result<()> {
        let row = api_key::ActiveModel {
            id: Set(new.id.clone()),
            org_id: Set(self.scope.org_id().to_string()),
            account_id: Set(new.account_id),
            name: Set(new.name.clone()),
            hash: Set(hash.to_vec()),
            role: Set(new.role.as_str().to_owned()),
            projects: Set(new.projects.as_ref().map(|list| Json::from(list.clone()))),
            grant_projects: Set(new.grant_projects.as_ref().map(|list| Json::from(list.clone()))),
            created_at: Set(new.created_at),
            created_by: Set(new.created_by.clone()),
            expires_at: Set(new.expires_at),
            revoked_at: Set(None),
            revoked_by: Set(None),
            last_used_at: Set(None),
        };
        api_key::Entity::insert(row).exec_without_returning(&self.db).await.map_err(classify)?;
        self.call_everybody();
        Ok(())
    }

    pub async fn save_api_key(&mut self, _: &Authorized<ManageAccess>, key: &ApiKey) -> Result<()> {
        api_key::Entity::update_many()
            .col_expr(api_key::Column::RevokedAt, Expr::value(key.revoked_at))
            .col_expr(api_key::Column::RevokedBy, Expr::value(key.revoked_by.clone()))
            .filter(api_key::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(api_key::Column::Id.eq(&key.id))
            .exec(&self.db)
            .await
            .map_err(classify)?;
        self.call_everybody();
        Ok(())
    }
}

fn account(row: service_account::Model) -> Result<ServiceAccount> {
    let at = |what: String| corrupt("service_accounts", row.id, what);
    Ok(ServiceAccount {
        role: row.role.parse().map_err(at)?,
        projects: projects(row.projects).map_err(at)?,
        id: row.id,
        org: row.org_id.into(),
        name: row.name,
        description: row.description,
        created_at: row.created_at,
        created_by: row.created_by,
        disabled_at: row.disabled_at,
        disabled_by: row.disabled_by,
        keys: Vec::new(),
    })
}

fn key(row: api_key::Model) -> Result<ApiKey> {
    let at = |what: String| corrupt("api_keys", &row.id, what);
    Ok(ApiKey {
        role: row.role.parse().map_err(at)?,
        projects: projects(row.projects).map_err(at)?,
        grant_projects: projects(row.grant_projects).map_err(at)?,
        account_id: row.account_id,
        name: row.name,
        created_at: row.created_at,
        created_by: row.created_by,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        revoked_by: row.revoked_by,
        last_used_at: row.last_used_at,
        id: row.id,
    })
}

/// A list that cannot be read must not become "every project".
fn projects(stored: Option<Json>) -> Result<Option<Vec<String>>, String> {
    stored.map(serde_json::from_value).transpose().map_err(|e| e.to_string())
}
