//! What ends credentials early, in memory, so that no request waits for the database to be let in. Each node
//! follows the change feed: what is revoked on one is refused on all.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::auth::api_key::PresentedKey;
use crate::auth::{Actor, ActorKind, Credential};
use crate::domain::{AccessGrant, PrincipalKind, Tenant, Timestamp, now};
use crate::error::{Error, ErrorCode, Result};
use crate::store::access::UsableKey;
use crate::store::{Signal, Store};

/// How often it looks by itself, should a signal have been lost.
const LOOK_ANYWAY: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(1);
/// How exact the time of last use is: no request of a busy key costs a write.
const USE_NOTED: Duration = Duration::from_secs(60);
/// The verifier compares whole seconds, and an `exp` may have a fraction: what is revoked is not let go before it.
const ROUNDING: Duration = Duration::from_secs(2);

pub struct Directory {
    store: Store,
    /// How long a token is still accepted after its `exp`.
    token_leeway: Duration,
    known: RwLock<Arc<Known>>,
    /// Held while it is read anew, so that an older look never replaces a newer one.
    reading: tokio::sync::Mutex<()>,
    changed: watch::Sender<()>,
    used: Mutex<HashMap<String, Instant>>,
}

#[derive(Default)]
struct Known {
    /// `None` until it was read for the first time: then nobody is let in.
    read: bool,
    revoked: HashMap<String, HashSet<String>>,
    keys: HashMap<String, UsableKey>,
    grants: HashMap<String, Vec<AccessGrant>>,
}

impl Directory {
    pub(in crate::app) fn new(store: Store, token_leeway: Duration) -> Self {
        Self {
            store,
            token_leeway,
            known: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
            changed: watch::channel(()).0,
            used: Mutex::default(),
        }
    }

    /// A token with an `exp` before this is accepted by nobody any longer.
    pub(in crate::app) fn revoked_until(&self) -> Timestamp {
        now() - self.token_leeway - ROUNDING
    }

    /// Reads everything anew. What was committed before the call is known after it.
    pub(super) async fn read(&self) -> Result<()> {
        let _one = self.reading.lock().await;
        let (found, grants) = tokio::try_join!(self.store.credentials(self.revoked_until()), self.store.grants())?;
        let mut known = Known { read: true, grants, ..Known::default() };
        for (org, jti) in found.revoked {
            known.revoked.entry(org).or_default().insert(jti);
        }
        known.keys = found.keys.into_iter().map(|usable| (usable.key.id.clone(), usable)).collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        self.changed.send_replace(());
        Ok(())
    }

    /// Keeps up with what all nodes commit, until it is dropped.
    pub(in crate::app) async fn follow(&self) {
        let mut signals = self.store.feed().subscribe();
        loop {
            if let Err(error) = self.read().await {
                tracing::warn!(%error, detail = error.detail(), "cannot read what ends tokens and keys; trying again");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            let heard = async {
                loop {
                    match signals.recv().await {
                        Ok(Signal { datasource_id: Some(_), .. }) => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => return,
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            let _ = tokio::time::timeout(LOOK_ANYWAY, heard).await;
        }
    }

    fn known(&self) -> Result<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        if known.read {
            return Ok(known);
        }
        Err(Error::unavailable("the server has not read yet which tokens are revoked; try again", "not read yet"))
    }

    /// The actor of a key.
    pub(super) fn actor_of(&self, text: &str) -> Result<Actor> {
        let unknown =
            || refused("the API key is not known: it was mistyped, revoked or has expired, or its account is disabled");
        let presented = PresentedKey::parse(text).ok_or_else(unknown)?;
        let known = self.known()?;
        let UsableKey { hash, key, account } = known.keys.get(presented.id()).ok_or_else(unknown)?;
        if !presented.matches(hash) || key.expires_at.is_some_and(|end| end <= now()) {
            return Err(unknown());
        }
        let scope = account.scope().within(key.projects.as_deref());
        let default_project = scope.project_ids().and_then(|list| list.first()).map_or("default", String::as_str);
        Ok(Actor {
            subject: format!("service:{}", account.name).into(),
            kind: ActorKind::Service,
            role: key.role.min(account.role),
            default_project: default_project.into(),
            scope,
            expires_at: key.expires_at,
            credential: Credential::ApiKey(key.id.as_str().into()),
            groups: Arc::default(),
            communities: Arc::default(),
            grants: Arc::default(),
        })
    }

    /// Whether what let the actor in still does.
    pub(super) fn check(&self, actor: &Actor) -> Result<()> {
        let known = match &actor.credential {
            Credential::Internal => return Ok(()),
            _ => self.known()?,
        };
        let ended = match &actor.credential {
            Credential::Token { jti: Some(jti) } => {
                known.revoked.get(&**actor.scope.org_id()).is_some_and(|ended| ended.contains(&**jti))
            }
            Credential::ApiKey(id) => !known.keys.contains_key(&**id),
            Credential::Token { jti: None } | Credential::Internal => false,
        };
        if ended { Err(refused("the token was revoked; request a new one")) } else { Ok(()) }
    }

    /// What the actor is granted on single projects and datasources.
    pub(super) fn grants_of(&self, actor: &Actor) -> Result<Arc<[AccessGrant]>> {
        let known = match &actor.credential {
            Credential::Internal => return Ok(Arc::default()),
            _ => self.known()?,
        };
        let mut within = None;
        if let Credential::ApiKey(id) = &actor.credential {
            // A key that was made narrower than its account gets what it was made for.
            match known.keys.get(&**id) {
                Some(UsableKey { key, account, .. })
                    if (key.role, &key.projects) == (account.role, &account.projects) =>
                {
                    within = key.grant_projects.as_ref();
                }
                _ => return Ok(Arc::default()),
            }
        }
        // Else an admin of some projects would get at others, by a key of an account that is granted them.
        let is_within = |grant: &&AccessGrant| {
            within.is_none_or(|projects| projects.iter().any(|project| **project == *grant.tenant.project))
        };
        let is_meant = |grant: &&AccessGrant| match (grant.principal_kind, actor.kind) {
            (PrincipalKind::User, ActorKind::User) => *grant.principal == *actor.subject,
            (PrincipalKind::Group, ActorKind::User) => actor.groups.contains(&grant.principal),
            (PrincipalKind::ServiceAccount, ActorKind::Service) => {
                actor.subject.strip_prefix("service:") == Some(grant.principal.as_str())
            }
            _ => false,
        };
        let of_org = known.grants.get(&**actor.scope.org_id()).into_iter().flatten();
        Ok(of_org.filter(is_meant).filter(is_within).cloned().collect())
    }

    /// Who else has a role on a datasource, by it or by its project.
    pub(in crate::app) fn grants_on(&self, tenant: &Tenant, id: Uuid) -> Result<Vec<AccessGrant>> {
        let known = self.known()?;
        let here = |grant: &&AccessGrant| match grant.datasource_id {
            Some(datasource) => datasource == id,
            None => grant.tenant == *tenant,
        };
        Ok(known.grants.get(&*tenant.org).into_iter().flatten().filter(here).cloned().collect())
    }

    /// Whether an actor may still do what it could when it was let in.
    fn unchanged(&self, actor: &Actor) -> bool {
        self.grants_of(actor).is_ok_and(|grants| grants == actor.grants)
    }

    /// Notes that a key was used, at most once in a while and without anybody waiting for it.
    pub(super) fn note_use(self: &Arc<Self>, actor: &Actor) {
        let Credential::ApiKey(id) = &actor.credential else { return };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(&**id).is_some_and(|at| at.elapsed() < USE_NOTED) {
            return;
        }
        used.insert(id.to_string(), Instant::now());
        drop(used);
        let (directory, id) = (Arc::clone(self), id.clone());
        tokio::spawn(async move {
            if let Err(error) = directory.store.api_key_used(&id, now() - USE_NOTED).await {
                tracing::warn!(%error, key = %id, "the use of an API key is not noted");
            }
        });
    }

    pub(in crate::app) fn validity(self: &Arc<Self>, actor: &Actor) -> Validity {
        Validity { directory: Arc::clone(self), actor: actor.clone() }
    }
}

/// How long a stream may go on for who opened it.
#[derive(Clone)]
pub struct Validity {
    directory: Arc<Directory>,
    actor: Actor,
}

impl Validity {
    /// Waits for the end of the credential; answers with why.
    pub(in crate::app) async fn ended(&self) -> &'static str {
        let mut changed = self.directory.changed.subscribe();
        let expiry = async {
            match self.actor.expires_at {
                Some(at) => tokio::time::sleep((at - now()).to_std().unwrap_or_default()).await,
                None => std::future::pending().await,
            }
        };
        let revoked = async {
            while self.directory.check(&self.actor).is_ok() && self.directory.unchanged(&self.actor) {
                if changed.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        tokio::select! {
            () = expiry => "the token has expired; connect again with a new one",
            () = revoked => match self.directory.check(&self.actor) {
                Ok(()) => "what you may do has changed; connect again",
                Err(_) => "the token was revoked; connect again with a new one",
            },
        }
    }

    /// `None` when the credential ended first.
    pub(in crate::app) async fn until<T>(&self, next: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.ended() => None,
            next = next => Some(next),
        }
    }
}

fn refused(message: &'static str) -> Error {
    Error::new(ErrorCode::Unauthenticated, message)
}
