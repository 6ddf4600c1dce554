//! Requests that are done once, however often they are sent.
//!
//! The key is claimed first in the very transaction that makes the change, so
//! that both commit or neither does. The answer is kept right after; when the
//! process ends in between, a replay tells how things are now.
//!
//! A run that leaves nothing behind, such as a test, claims its key before it
//! begins, so that requests at the same time are one run. One that fails gives
//! its key back; one whose process ended is lost once [`RUN_MAX`] is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{App, OpContext};
use crate::auth::Authorized;
use crate::auth::policy::Grant;
use crate::auth::policy::grant::Read;
use crate::domain::now;
use crate::error::{Error, Result};
use crate::secrets::{DataKey, INSTALLATION};
use crate::store::idempotency::{Answer, Claim};
use crate::store::{Store, Tx};

/// The longest answer that is kept, in bytes.
const BODY_MAX: usize = 1024 * 1024;
/// No run takes longer, with its turn, its source and the database.
const RUN_MAX: Duration = Duration::from_secs(60);
/// How long a replay waits for the answer of a run that is under way.
const WAIT_MAX: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The idempotency key of a request.
#[derive(Debug)]
pub struct Once {
    claim: Claim,
    claimed: AtomicBool,
    taken: AtomicBool,
}

/// What a request with this key did before.
#[derive(Clone, Debug)]
pub enum Replay {
    /// It was answered so.
    Answered { status: u16, location: Option<String>, etag: Option<String>, body: String },
    /// It runs, and has no answer yet.
    UnderWay,
    /// It was done, but its answer was not kept: what it was about has to be looked up.
    Done { datasource_id: Option<Uuid>, version: Option<i32> },
    /// The key belongs to a request of another method, path, body or scope.
    AnotherRequest,
}

impl Once {
    pub(super) async fn begin<P: Grant>(&self, store: &Store, proof: &Authorized<P>) -> Result<Tx> {
        if self.claimed.load(Ordering::Relaxed) {
            return store.write(proof).await;
        }
        match store.write_once(proof, self.claim.clone()).await? {
            Some(tx) => {
                self.claimed.store(true, Ordering::Relaxed);
                Ok(tx)
            }
            None => {
                self.taken.store(true, Ordering::Relaxed);
                Err(Error::conflict(
                    "another request with this Idempotency-Key was faster; send it again for its answer",
                ))
            }
        }
    }

    /// Whether another request with the same key was faster; then [`App::replay`] has its answer.
    pub fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }
}

/// The datasource that a path names: `…/datasources/{id}/…`.
fn datasource_of(path: &str) -> Option<Uuid> {
    let mut parts = path.split('/').skip_while(|part| *part != "datasources");
    parts.nth(1)?.parse().ok()
}

impl App {
    /// Ties a key to a request. `path` and `body` are as the client sent them; the scope of the token
    /// belongs to the request too, so that a replay shows nothing that this token could not see.
    pub async fn once(&self, ctx: &OpContext, key: &str, method: &str, path: &str, body: &[u8]) -> Result<Once> {
        let mut scope = serde_json::to_vec(&ctx.actor.scope.project_ids()).unwrap_or_default();
        for grant in ctx.actor.grants.iter() {
            // A changed grant is a new one.
            scope.extend_from_slice(grant.id.as_bytes());
        }
        let circles = [&ctx.actor.groups, &ctx.actor.communities];
        if circles.iter().any(|names| !names.is_empty()) {
            scope.extend(serde_json::to_vec(&circles.map(|names| names.to_vec())).unwrap_or_default());
        }
        let parts = [method.as_bytes(), path.as_bytes(), body, &scope];
        let fingerprint = self.installation_key().await?.fingerprint(&parts).to_vec();
        let claim = Claim { key: key.to_owned(), method: method.to_owned(), path: path.to_owned(), fingerprint };
        Ok(Once { claim, claimed: AtomicBool::new(false), taken: AtomicBool::new(false) })
    }

    /// The key of what is nobody's alone, which all nodes share; the first one that needs it makes it.
    async fn installation_key(&self) -> Result<&DataKey> {
        let open = async {
            let stored = match self.store.installation_key(INSTALLATION).await? {
                Some(stored) => stored,
                None => {
                    let fresh = self.keyring.generate_data_key(INSTALLATION).await?;
                    self.store.keep_installation_key(INSTALLATION, &fresh).await?
                }
            };
            Result::Ok(self.keyring.unwrap_data_key(INSTALLATION, &stored).await?)
        };
        self.installation_key.get_or_try_init(|| open).await.map(AsRef::as_ref)
    }

    /// What a request with the key of `ctx` did before; `None` when there was none. Of one that still runs,
    /// it waits some seconds for the answer.
    pub async fn replay(&self, ctx: &OpContext) -> Result<Option<Replay>> {
        let patience = Instant::now() + WAIT_MAX;
        loop {
            let found = self.look_up(ctx).await?;
            if !matches!(found, Some(Replay::UnderWay)) || Instant::now() > patience {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn look_up(&self, ctx: &OpContext) -> Result<Option<Replay>> {
        let proof = ctx.authorize::<Read>()?;
        let Some(once) = &ctx.once else { return Ok(None) };
        let tx = self.store.read(proof.scope()).await?;
        let Some(found) = tx.idempotency_key(&proof, &once.claim.key).await? else { return Ok(None) };
        if found.claim != once.claim {
            return Ok(Some(Replay::AnotherRequest));
        }
        // What was hidden or taken away since shows no more, also not as it was.
        if let Some(id) = found.datasource_id.or_else(|| datasource_of(&once.claim.path))
            && tx.datasource(id).await?.is_none()
        {
            return Err(Error::not_found("datasource"));
        }
        Ok(Some(match found.answer {
            Some(Answer { status, location, etag, body: Some(body) }) => {
                Replay::Answered { status, location, etag, body }
            }
            None if found.datasource_id.is_none() && now() < found.claimed_at + RUN_MAX => Replay::UnderWay,
            _ => Replay::Done { datasource_id: found.datasource_id, version: found.version },
        }))
    }

    /// Does `run` under the key of `ctx`, which is claimed before and given back when nothing comes of it.
    pub(super) async fn run_once<P: Grant, T>(
        &self,
        ctx: &OpContext,
        proof: &Authorized<P>,
        run: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(once) = &ctx.once else { return run.await };
        once.begin(&self.store, proof).await?.commit().await?;
        let mut claimed = ClaimedAhead { app: self, ctx, done: false };
        let result = run.await;
        claimed.done = true;
        if result.is_err() {
            release(self.clone(), ctx.clone()).await;
        }
        result
    }

    /// Keeps the answer to a request for its replay. The change stands whether or not this succeeds.
    pub async fn keep_answer(
        &self,
        ctx: &OpContext,
        status: u16,
        location: Option<&str>,
        etag: Option<&str>,
        body: &str,
    ) -> Result<()> {
        let proof = ctx.authorize::<Read>()?;
        let Some(once) = &ctx.once else { return Ok(()) };
        let answer = Answer {
            status,
            location: location.map(str::to_owned),
            etag: etag.map(str::to_owned),
            body: (body.len() <= BODY_MAX).then(|| body.to_owned()),
        };
        let tx = self.store.write(&proof).await?;
        tx.keep_answer(&proof, &once.claim, &answer).await?;
        tx.commit().await
    }
}

/// Gives a key back when its request is dropped in the middle of the run, as when the client hangs up.
struct ClaimedAhead<'a> {
    app: &'a App,
    ctx: &'a OpContext,
    done: bool,
}

impl Drop for ClaimedAhead<'_> {
    fn drop(&mut self) {
        if !self.done
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(release(self.app.clone(), self.ctx.clone()));
        }
    }
}

/// Should this fail, the key is lost when the longest run is over.
async fn release(app: App, ctx: OpContext) {
    let Some(once) = &ctx.once else { return };
    let released = async {
        let proof = ctx.authorize::<Read>()?;
        let tx = app.store.write(&proof).await?;
        tx.release(&proof, &once.claim).await?;
        tx.commit().await
    };
    if let Err(error) = released.await {
        tracing::warn!(%error, detail = error.detail(), "an idempotency key is not given back");
    }
}
