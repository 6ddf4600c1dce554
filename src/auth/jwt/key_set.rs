//! The keys of one issuer, kept fresh: fetched again before they end, and when a token names one that is not
//! known; when the issuer is away, the known keys go on for a bounded time.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::Header;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fetch::{Fetcher, Published};
use super::jwk::PublicKey;
use super::refused;
use crate::config::AuthSettings;
use crate::error::{Error, Result};
use crate::telemetry::Metrics;

/// For an issuer that does not say how long its keys hold.
const DEFAULT_AGE: Duration = Duration::from_secs(300);
const RETRY_MAX: Duration = Duration::from_secs(60);

pub(super) struct KeySet {
    /// The issuer, or the URL where the keys are.
    name: String,
    fetcher: Fetcher,
    times: Times,
    current: RwLock<Option<Arc<Known>>>,
    /// When a fetch last ended. Held while one runs, so that there is one at a time.
    last: Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Copy)]
pub(super) struct Times {
    min_age: Duration,
    max_age: Duration,
    outage: Duration,
}

struct Known {
    keys: Vec<PublicKey>,
    at: Instant,
    fresh_for: Duration,
}

/// A key that a token may be verified with, and the set that it stays in.
pub(super) struct Found {
    known: Arc<Known>,
    index: usize,
}

impl Found {
    pub(super) fn key(&self) -> &PublicKey {
        &self.known.keys[self.index]
    }
}

impl Times {
    pub(super) fn from_settings(settings: &AuthSettings) -> Result<Self, String> {
        let (min, max) = (settings.jwks_min_age, settings.jwks_max_age);
        if min.0.is_zero() || max < min {
            return Err(format!(
                "STUDIO_JWKS_MAX_AGE is {max}, and must be at least STUDIO_JWKS_MIN_AGE ({min}), which must be longer than 0s"
            ));
        }
        if settings.jwks_timeout.0.is_zero() {
            return Err("STUDIO_JWKS_TIMEOUT must be longer than 0s".into());
        }
        Ok(Self { min_age: min.0, max_age: max.0, outage: settings.jwks_outage.0 })
    }
}

impl KeySet {
    pub(super) fn new(name: String, fetcher: Fetcher, times: Times, metrics: Arc<Metrics>) -> Self {
        Self { name, fetcher, times, current: RwLock::default(), last: Mutex::default(), metrics }
    }

    /// The key that a header asks for. One that is not known may be new: then the issuer is asked, at most once
    /// in a while, however many tokens name it.
    pub(super) async fn key_for(&self, header: &Header) -> Result<Found> {
        if let Some(known) = self.usable()
            && let Some(found) = find(known, header)?
        {
            return Ok(found);
        }
        self.refresh().await;
        let known = self.usable().ok_or_else(|| {
            let message = "the keys of the token's issuer cannot be fetched right now; try again";
            Error::unavailable(message, format!("no keys of {}", self.name))
        })?;
        find(known, header)?.ok_or_else(|| {
            refused("the token names a key (`kid`) that its issuer does not publish; request a new token")
        })
    }

    /// Fetches before the keys end, for as long as the process lives.
    pub(super) async fn keep_fresh(&self) {
        let mut failures = 0;
        loop {
            let fresh = self.refresh().await;
            failures = if fresh { 0 } else { failures + 1 };
            let pause = match self.current().filter(|_| fresh) {
                Some(known) => (known.fresh_for * 4 / 5).saturating_sub(known.at.elapsed()),
                None => {
                    (self.times.min_age * 2_u32.saturating_pow(failures - 1)).min(RETRY_MAX.max(self.times.min_age))
                }
            };
            tokio::time::sleep(pause.max(self.times.min_age)).await;
        }
    }

    /// Asks the issuer, unless it was asked just now, or while this waited; whether the keys are fresh after it.
    async fn refresh(&self) -> bool {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if last.is_none_or(|at| at < asked && at.elapsed() >= self.times.min_age) {
            let outcome = self.fetcher.fetch().await;
            *last = Some(Instant::now());
            self.metrics.key_fetch(&self.name, outcome.is_ok());
            match outcome {
                Ok(published) => self.keep(published),
                Err(cause) => self.complain(&cause),
            }
        }
        let fresh = self.current().is_some_and(|known| known.at.elapsed() < known.fresh_for);
        self.metrics.keys_outdated(&self.name, !fresh);
        fresh
    }

    fn keep(&self, published: Published) {
        let asked = published.max_age.unwrap_or(DEFAULT_AGE);
        let fresh_for = asked.clamp(self.times.min_age, self.times.max_age);
        let known = Known { keys: published.keys, at: Instant::now(), fresh_for };
        tracing::debug!(issuer = self.name, keys = known.keys.len(), ?fresh_for, "fetched the keys of an issuer");
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(known));
    }

    fn complain(&self, cause: &str) {
        match self.usable() {
            Some(known) => {
                let left = (known.fresh_for + self.times.outage).saturating_sub(known.at.elapsed());
                tracing::warn!(
                    issuer = self.name,
                    cause,
                    ?left,
                    "cannot fetch the keys of an issuer; those known go on"
                );
            }
            None => tracing::warn!(
                issuer = self.name,
                cause,
                "cannot fetch the keys of an issuer, and none are known; its tokens are not accepted"
            ),
        }
    }

    fn current(&self) -> Option<Arc<Known>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn usable(&self) -> Option<Arc<Known>> {
        self.current().filter(|known| known.at.elapsed() < known.fresh_for + self.times.outage)
    }
}

/// `None` when no key has the name; without a name there must be no doubt which one is meant.
fn find(known: Arc<Known>, header: &Header) -> Result<Option<Found>> {
    let named = |key: &PublicKey| header.kid.is_none() || key.kid == header.kid;
    let fits = |key: &PublicKey| named(key) && key.algorithms.contains(&header.alg);
    let mut fitting = known.keys.iter().enumerate().filter(|(_, key)| fits(key)).map(|(index, _)| index);
    match (fitting.next(), fitting.next()) {
        (Some(_), Some(_)) => {
            Err(refused("the token names no key (`kid`), and its issuer has several that could be meant"))
        }
        (Some(index), None) => Ok(Some(Found { known: Arc::clone(&known), index })),
        (None, _) if known.keys.iter().any(named) => {
            Err(refused("the token is signed with an algorithm that the issuer's key is not for"))
        }
        (None, _) => Ok(None),
    }
}
