//! Which logins of the database see an organisation in the views of `contract_v1`. For who runs the server.

use serde_json::{Value, json};

use super::{App, OpContext};
use crate::auth::ActorKind;
use crate::domain::{ContractReader, FieldChange};
use crate::error::{Error, ErrorCode, Result};

/// PostgreSQL cuts longer names off, and would then compare another one.
const LOGIN_MAX: usize = 63;

/// What a grant did, and what is left to do.
#[derive(Clone, Debug)]
pub struct GrantedContract {
    /// Otherwise the login had it before.
    pub changed: bool,
    /// The statement that who runs the database still has to run.
    pub missing: Option<String>,
}

impl App {
    /// Of one organisation, or of all.
    pub async fn contract_readers(&self, org: Option<&str>) -> Result<Vec<ContractReader>> {
        self.on_postgres()?;
        let orgs = match org {
            Some(org) => vec![org.to_owned()],
            None => self.store.orgs().await?,
        };
        let mut readers = Vec::new();
        for org in orgs {
            readers.extend(self.store.contract_readers(&org).await?);
        }
        Ok(readers)
    }

    /// Lets a login see the organisation of `ctx`.
    pub async fn grant_contract(&self, ctx: &OpContext, login: &str, reason: Option<&str>) -> Result<GrantedContract> {
        self.on_postgres()?;
        by_system(ctx)?;
        check_login(login)?;
        let Some(state) = self.store.login_state(login).await? else {
            let message = format!(
                "the database has no login {login:?}; run there: CREATE ROLE {} LOGIN PASSWORD '…' IN ROLE studio_reader",
                quoted(login)
            );
            return Err(Error::invalid("/login", message));
        };
        let refusal = if state.bypasses {
            Some("it is a superuser or bypasses row-level security: no organisation could be kept from it")
        } else if state.is_program {
            Some("it may take the roles of the program, with which it could choose its organisation")
        } else if !state.can_login {
            Some("it is a role that cannot log in; name the logins that it is granted to")
        } else {
            None
        };
        if let Some(why) = refusal {
            return Err(Error::invalid("/login", format!("{login:?} cannot be a reader: {why}")));
        }
        let entry = ctx.audit("contract_granted", reason, vec![change(login, json!(null), json!("read"))]);
        let changed = self.store.add_contract_reader(&ctx.actor, login, entry).await?;
        let missing = (!state.is_reader).then(|| format!("GRANT studio_reader TO {}", quoted(login)));
        Ok(GrantedContract { changed, missing })
    }

    /// Ends it at once; answers with whether the login had it.
    pub async fn revoke_contract(&self, ctx: &OpContext, login: &str, reason: Option<&str>) -> Result<bool> {
        self.on_postgres()?;
        by_system(ctx)?;
        let entry = ctx.audit("contract_revoked", reason, vec![change(login, json!("read"), json!(null))]);
        self.store.remove_contract_reader(&ctx.actor, login, entry).await
    }

    fn on_postgres(&self) -> Result<()> {
        if self.store.has_contract() {
            return Ok(());
        }
        Err(Error::invalid("", "the views of contract_v1 are a feature of PostgreSQL; an embedded database has none"))
    }
}

fn by_system(ctx: &OpContext) -> Result<()> {
    if ctx.actor.kind == ActorKind::System {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Forbidden, "readers are named by who runs the server, at its command line"))
}

fn check_login(login: &str) -> Result<()> {
    if login.is_empty() || login.len() > LOGIN_MAX || login.contains('\0') {
        return Err(Error::invalid("/login", format!("must be the name of a login, of 1 to {LOGIN_MAX} bytes")));
    }
    Ok(())
}

fn change(login: &str, old: Value, new: Value) -> FieldChange {
    FieldChange { field: format!("contract_v1.{login}"), old, new }
}

/// As an identifier in a statement.
fn quoted(login: &str) -> String {
    format!("\"{}\"", login.replace('"', "\"\""))
}
