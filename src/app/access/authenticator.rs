//! From an `Authorization` header to an actor.

use std::sync::Arc;

use super::super::App;
use super::Directory;
use crate::auth::api_key::PREFIX;
use crate::auth::jwt::{Verifier, bearer};
use crate::auth::{Actor, Credential};
use crate::error::Result;

/// Lets in who has a valid token or key; each transport asks it first.
pub struct Authenticator {
    verifier: Verifier,
    directory: Arc<Directory>,
}

impl Authenticator {
    /// Fails when it cannot be read what is revoked: then nobody is let in.
    pub async fn new(verifier: Verifier, app: &App) -> Result<Self> {
        app.directory.read().await?;
        Ok(Self { verifier, directory: Arc::clone(&app.directory) })
    }

    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Actor> {
        let token = bearer(authorization)?;
        let (mut actor, without_role) = if token.starts_with(PREFIX) {
            (self.directory.actor_of(token)?, None)
        } else {
            self.verifier.identify(token).await?
        };
        self.directory.check(&actor)?;
        actor.grants = self.directory.grants_of(&actor)?;
        if let Some(refusal) = without_role
            && actor.grants.is_empty()
        {
            return Err(refusal);
        }
        self.directory.note_use(&actor);
        Ok(actor)
    }

    /// Waits until what let the actor in ends; answers with why.
    pub async fn ended(&self, actor: &Actor) -> &'static str {
        match actor.credential {
            Credential::Internal => std::future::pending().await,
            _ => self.directory.validity(actor).ended().await,
        }
    }

    /// Keeps keys, revocations and accounts up to date, for as long as the process lives.
    pub async fn keep_fresh(&self) {
        tokio::join!(self.verifier.keep_fresh(), self.directory.follow());
    }
}
