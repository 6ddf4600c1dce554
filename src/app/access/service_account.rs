//! Service accounts and their keys. None gets more than its creator has.

use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::change::{change, check, check_comment};
use super::super::{App, OpContext};
use super::administer;
use crate::auth::api_key::PresentedKey;
use crate::auth::policy::grant::ManageAccess;
use crate::auth::{Actor, ActorKind, Authorized};
use crate::domain::Quota;
use crate::domain::{
    ApiKey, PrincipalKind, Role, ServiceAccount, Timestamp, check_description, check_label, check_name, now,
};
use crate::error::{Error, Problem, Result};

const ACCOUNTS_MAX: u64 = 500;
/// Of one account; those that are revoked or over count, as they are listed.
const KEYS_MAX: usize = 100;
const PROJECTS_MAX: usize = 100;

#[derive(Clone, Debug)]
pub struct CreateServiceAccount {
    pub name: String,
    pub description: Option<String>,
    pub role: Role,
    /// `None`: all that the creator has.
    pub projects: Option<Vec<String>>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub struct SetServiceAccountDisabled {
    pub id: Uuid,
    pub disabled: bool,
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub struct CreateApiKey {
    pub account_id: Uuid,
    pub name: String,
    /// `None`: that of the account.
    pub role: Option<Role>,
    /// `None`: those of the account.
    pub projects: Option<Vec<String>>,
    pub expires_at: Option<Timestamp>,
    pub reason: Option<String>,
}

/// A key, and for this once its text.
pub struct NewApiKey {
    pub key: ApiKey,
    pub text: SecretString,
}

impl App {
    pub async fn service_accounts(&self, ctx: &OpContext) -> Result<Vec<ServiceAccount>> {
        let proof = administer(ctx)?;
        self.store.read(proof.scope()).await?.service_accounts(&proof).await
    }

    pub async fn create_service_account(&self, ctx: &OpContext, input: CreateServiceAccount) -> Result<ServiceAccount> {
        let proof = administer(ctx)?;
        let mut problems = Vec::new();
        check_name("/name", &input.name, &mut problems);
        check_description("/description", input.description.as_deref().unwrap_or_default(), &mut problems);
        let projects = within(&ctx.actor, input.role, input.projects, &mut problems);
        check(problems)?;
        check_comment("/reason", input.reason.as_deref())?;
        let account = ServiceAccount {
            id: Uuid::now_v7(),
            org: ctx.actor.scope.org_id().clone(),
            name: input.name,
            description: input.description.unwrap_or_default(),
            role: input.role,
            projects,
            created_at: now(),
            created_by: ctx.actor.subject.to_string(),
            disabled_at: None,
            disabled_by: None,
            keys: Vec::new(),
        };
        let mut tx = ctx.begin(&self.store, &proof).await?;
        if tx.count_service_accounts(&proof).await? >= ACCOUNTS_MAX {
            return Err(Error::conflict(format!("an organisation has at most {ACCOUNTS_MAX} service accounts")));
        }
        // Those that were made while a grant could be to any name.
        if tx.is_granted(&proof, PrincipalKind::ServiceAccount, &account.name).await?
            && !tx.has_service_account(&proof, &account.name).await?
        {
            let message = "there are grants to a service account of this name; revoke them first, or take another name";
            return Err(Error::conflict(message));
        }
        tx.insert_service_account(&proof, &account).await?;
        let changes = [
            change("name", Value::Null, json!(account.name)),
            change("role", Value::Null, json!(account.role.as_str())),
            change("projects", Value::Null, json!(account.projects)),
        ];
        let changes = changes.into_iter().flatten().collect();
        tx.record_audit(ctx.audit("service_account_created", input.reason.as_deref(), changes));
        tx.commit().await?;
        Ok(account)
    }

    /// A disabled account is refused at once, with all of its keys; enabled again, they work again.
    pub async fn set_service_account_disabled(
        &self,
        ctx: &OpContext,
        input: SetServiceAccountDisabled,
    ) -> Result<ServiceAccount> {
        let proof = administer(ctx)?;
        check_comment("/reason", input.reason.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let mut account = tx.service_account(&proof, input.id).await?;
        // Else an account could be given back rights that whoever does it has not.
        check(exceeds(&ctx.actor, account.role, "/id"))?;
        let was = account.disabled_at.is_some();
        if was != input.disabled {
            account.disabled_at = input.disabled.then(now);
            account.disabled_by = input.disabled.then(|| ctx.actor.subject.to_string());
            tx.save_service_account(&proof, &account).await?;
            let field = format!("serviceAccounts.{}.disabled", account.name);
            let changes = change(&field, was, input.disabled).into_iter().collect();
            let action = if input.disabled { "service_account_disabled" } else { "service_account_enabled" };
            tx.record_audit(ctx.audit(action, input.reason.as_deref(), changes));
            tx.commit().await?;
            self.directory.read().await?;
        }
        Ok(account)
    }

    pub async fn create_api_key(&self, ctx: &OpContext, input: CreateApiKey) -> Result<NewApiKey> {
        let proof = administer(ctx)?;
        check_comment("/reason", input.reason.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let account = tx.service_account(&proof, input.account_id).await?;
        let role = input.role.unwrap_or(account.role);
        let mut problems = Vec::new();
        check_label("/name", &input.name, &mut problems);
        if role > account.role {
            let message = format!("must be at most that of the account, which is {}", account.role);
            problems.push(Problem::new("/role", message));
        }
        let wanted = input.projects.or_else(|| account.projects.clone());
        let projects = within(&ctx.actor, role, wanted, &mut problems);
        if projects.iter().flatten().any(|project| !account.scope().covers_project(project)) {
            problems.push(Problem::new("/projects", "must be among those of the account"));
        }
        let latest = last_end(&ctx.actor);
        let expires_at = input.expires_at.or(latest);
        if expires_at.is_some_and(|end| end <= now()) {
            problems.push(Problem::new("/expiresAt", "must be in the future"));
        }
        if expires_at.zip(latest).is_some_and(|(end, latest)| end > latest) {
            problems.push(Problem::new("/expiresAt", "must be at most the end of the key that you use"));
        }
        check(problems)?;
        if account.keys.len() >= KEYS_MAX {
            return Err(Error::conflict(format!("an account has at most {KEYS_MAX} keys; create another account")));
        }
        let (presented, text) = PresentedKey::generate();
        let key = ApiKey {
            id: presented.id().to_owned(),
            account_id: account.id,
            name: input.name,
            role,
            projects,
            grant_projects: ctx.actor.scope.project_ids().map(<[String]>::to_vec),
            created_at: now(),
            created_by: ctx.actor.subject.to_string(),
            expires_at,
            revoked_at: None,
            revoked_by: None,
            last_used_at: None,
        };
        tx.insert_api_key(&proof, &key, presented.hash()).await?;
        self.admit(&tx, Quota::ApiKeys).await?;
        let value = json!({ "id": key.id, "name": key.name, "role": role.as_str(), "projects": key.projects,
            "expiresAt": key.expires_at });
        let changes = change(&format!("serviceAccounts.{}.apiKeys", account.name), Value::Null, value);
        tx.record_audit(ctx.audit("api_key_created", input.reason.as_deref(), changes.into_iter().collect()));
        tx.commit().await?;
        self.directory.read().await?;
        Ok(NewApiKey { key, text })
    }

    pub async fn revoke_api_key(&self, ctx: &OpContext, id: &str, reason: Option<&str>) -> Result<ApiKey> {
        let proof = administer(ctx)?;
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let (account, mut key) = find_key(&tx, &proof, id).await?;
        if key.revoked_at.is_none() {
            key.revoked_at = Some(now());
            key.revoked_by = Some(ctx.actor.subject.to_string());
            tx.save_api_key(&proof, &key).await?;
            let changes = change(&format!("serviceAccounts.{}.apiKeys", account.name), json!(key.id), Value::Null);
            tx.record_audit(ctx.audit("api_key_revoked", reason, changes.into_iter().collect()));
            tx.commit().await?;
            self.directory.read().await?;
        }
        Ok(key)
    }
}

async fn find_key(
    tx: &crate::store::Tx,
    proof: &Authorized<ManageAccess>,
    id: &str,
) -> Result<(ServiceAccount, ApiKey)> {
    let accounts = tx.service_accounts(proof).await?;
    let found = accounts.into_iter().find_map(|account| {
        let key = account.keys.iter().find(|key| key.id == id).cloned()?;
        Some((account, key))
    });
    found.ok_or_else(|| Error::not_found("API key"))
}

/// The projects to give: at most those of the creator.
fn within(
    creator: &Actor,
    role: Role,
    projects: Option<Vec<String>>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<String>> {
    problems.extend(exceeds(creator, role, "/role"));
    let projects = projects.or_else(|| creator.scope.project_ids().map(<[String]>::to_vec));
    for project in projects.iter().flatten() {
        check_label("/projects", project, problems);
        if !creator.scope.covers_project(project) {
            problems.push(Problem::new("/projects", format!("your token does not cover the project {project:?}")));
        }
    }
    if projects.as_ref().is_some_and(|list| list.is_empty() || list.len() > PROJECTS_MAX) {
        problems.push(Problem::new("/projects", format!("must name 1 to {PROJECTS_MAX} projects, or be left out")));
    }
    projects
}

/// Else a program could go on for ever with keys that it makes for itself. People's tokens are short, and new ones
/// are theirs to have.
fn last_end(creator: &Actor) -> Option<Timestamp> {
    creator.expires_at.filter(|_| creator.kind == ActorKind::Service)
}

fn exceeds(actor: &Actor, role: Role, pointer: &str) -> Vec<Problem> {
    let message = || format!("must be at most your own role, which is {}", actor.role);
    if role > actor.role { vec![Problem::new(pointer, message())] } else { Vec::new() }
}
