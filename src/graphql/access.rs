//! Service accounts, their keys, and tokens that end early.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::error::Shape;
use super::guard::HasRole;
use super::inputs::uuid;
use super::types::Role;
use crate::app::{self, App, OpContext};
use crate::auth::{Permission, api_key};
use crate::domain::{self, Timestamp};

/// A program that calls the API, and its credentials.
pub(super) struct ServiceAccount(domain::ServiceAccount);

/// A program that calls the API, and its credentials.
#[Object]
impl ServiceAccount {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its name, unique in the organisation. It acts as `service:` and this.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is for.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// The most that a key of it may do.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// The projects that it is limited to; null means all.
    async fn projects(&self) -> Option<&[String]> {
        self.0.projects.as_deref()
    }

    /// When it was created.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Who created it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// Since when it is refused; null while it is not.
    async fn disabled_at(&self) -> Option<Timestamp> {
        self.0.disabled_at
    }

    /// Who disabled it.
    async fn disabled_by(&self) -> Option<&str> {
        self.0.disabled_by.as_deref()
    }

    /// Its keys, the newest first, with those that are revoked or over.
    async fn api_keys(&self) -> Vec<ApiKey> {
        self.0.keys.iter().cloned().map(ApiKey).collect()
    }
}

/// A credential of a service account. The key itself is shown once, when it is created.
pub(super) struct ApiKey(domain::ApiKey);

/// A credential of a service account. The key itself is shown once, when it is created.
#[Object]
impl ApiKey {
    /// Its public part: keys begin with `dss_` and this.
    async fn id(&self) -> ID {
        self.0.id.as_str().into()
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it may do.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// The projects that it is limited to; null means those of the account.
    async fn projects(&self) -> Option<&[String]> {
        self.0.projects.as_deref()
    }

    /// When it was created.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Who created it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it ends; null means never.
    async fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    /// Since when it is refused; null while it is not.
    async fn revoked_at(&self) -> Option<Timestamp> {
        self.0.revoked_at
    }

    /// Who revoked it.
    async fn revoked_by(&self) -> Option<&str> {
        self.0.revoked_by.as_deref()
    }

    /// When it was last used, to a minute; null means never.
    async fn last_used_at(&self) -> Option<Timestamp> {
        self.0.last_used_at
    }
}

/// A token that is refused although it has not ended.
#[derive(SimpleObject)]
struct RevokedToken {
    /// The name that its issuer gave it.
    jti: String,
    /// When it ends by itself, and this is forgotten.
    expires_at: Timestamp,
    /// Why it was revoked.
    reason: Option<String>,
    /// When it was revoked.
    revoked_at: Timestamp,
    /// Who revoked it.
    revoked_by: String,
}

/// The token, as it is refused from now on.
#[derive(SimpleObject)]
struct RevokeTokenPayload {
    /// What is refused.
    token: RevokedToken,
}

/// The account as it is now.
#[derive(SimpleObject)]
struct ServiceAccountPayload {
    /// As it is now.
    service_account: ServiceAccount,
}

/// The key as it is now.
#[derive(SimpleObject)]
struct ApiKeyPayload {
    /// As it is now.
    api_key: ApiKey,
}

/// The key, and its text for this once.
#[derive(SimpleObject)]
struct CreateApiKeyPayload {
    /// What is kept of it.
    api_key: ApiKey,
    /// The key, for `Authorization: Bearer …`. It is shown now and never again.
    key: String,
}

/// A token that is to end early.
#[derive(InputObject)]
struct RevokeTokenInput {
    /// Its claim `jti`.
    jti: String,
    /// Its claim `exp`, as a time: until then the revocation is kept.
    expires_at: Timestamp,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// A new service account.
#[derive(InputObject)]
struct CreateServiceAccountInput {
    /// Unique in the organisation.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// The most that a key of it may do; at most your own role.
    role: Role,
    /// The projects that it is limited to; absent: those of your token.
    projects: Option<Vec<String>>,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// Whether an account is let in.
#[derive(InputObject)]
struct SetServiceAccountDisabledInput {
    /// The account.
    id: ID,
    /// `true` refuses all of its keys, `false` lets them in again.
    disabled: bool,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// A new key.
#[derive(InputObject)]
struct CreateApiKeyInput {
    /// The account that it is of.
    service_account_id: ID,
    /// What to call it.
    name: String,
    /// What it may do; absent: as much as the account.
    role: Option<Role>,
    /// The projects that it is limited to; absent: those of the account.
    projects: Option<Vec<String>>,
    /// When it ends; absent: never.
    expires_at: Option<Timestamp>,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// A key that is to end.
#[derive(InputObject)]
struct RevokeApiKeyInput {
    /// The public part of the key.
    id: ID,
    /// Why; for the audit log.
    reason: Option<String>,
}

#[derive(Default)]
pub struct AccessQuery;

/// Who may come in.
#[Object]
impl AccessQuery {
    /// The service accounts of the organisation, by name; at most 500.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn service_accounts(&self, ctx: &Context<'_>) -> Result<Vec<ServiceAccount>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let all = Box::pin(app.service_accounts(op)).await.shaped(ctx)?;
        Ok(all.into_iter().map(ServiceAccount).collect())
    }
}

#[derive(Default)]
pub struct AccessMutation;

/// Who may come in.
#[Object]
impl AccessMutation {
    /// Refuses a token from now on, on every node, and ends what was opened with it.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn revoke_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token.")] input: RevokeTokenInput,
    ) -> Result<RevokeTokenPayload> {
        let input = app::RevokeToken { jti: input.jti, expires_at: input.expires_at, reason: input.reason };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let domain::RevokedToken { jti, expires_at, reason, revoked_at, revoked_by } =
            Box::pin(app.revoke_token(op, input)).await.shaped(ctx)?;
        Ok(RevokeTokenPayload { token: RevokedToken { jti, expires_at, reason, revoked_at, revoked_by } })
    }

    /// Creates an account for a program, with at most your own rights.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn create_service_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new account.")] input: CreateServiceAccountInput,
    ) -> Result<ServiceAccountPayload> {
        let input = app::CreateServiceAccount {
            name: input.name,
            description: input.description,
            role: input.role.into(),
            projects: input.projects,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let made = Box::pin(app.create_service_account(op, input)).await.shaped(ctx)?;
        Ok(ServiceAccountPayload { service_account: ServiceAccount(made) })
    }

    /// Refuses all keys of an account from now on, on every node, or lets them in again.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn set_service_account_disabled(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: SetServiceAccountDisabledInput,
    ) -> Result<ServiceAccountPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let input = app::SetServiceAccountDisabled { id, disabled: input.disabled, reason: input.reason };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let done = Box::pin(app.set_service_account_disabled(op, input)).await.shaped(ctx)?;
        Ok(ServiceAccountPayload { service_account: ServiceAccount(done) })
    }

    /// Creates a key of a service account. The key is shown in this answer and never again.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new key.")] input: CreateApiKeyInput,
    ) -> Result<CreateApiKeyPayload> {
        let input = app::CreateApiKey {
            account_id: uuid("/serviceAccountId", &input.service_account_id).shaped(ctx)?,
            name: input.name,
            role: input.role.map(Into::into),
            projects: input.projects,
            expires_at: input.expires_at,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let made = Box::pin(app.create_api_key(op, input)).await.shaped(ctx)?;
        Ok(CreateApiKeyPayload { key: api_key::reveal(&made.text), api_key: ApiKey(made.key) })
    }

    /// Refuses a key from now on, on every node, and ends what was opened with it.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key.")] input: RevokeApiKeyInput,
    ) -> Result<ApiKeyPayload> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let done = Box::pin(app.revoke_api_key(op, &input.id, input.reason.as_deref())).await.shaped(ctx)?;
        Ok(ApiKeyPayload { api_key: ApiKey(done) })
    }
}
