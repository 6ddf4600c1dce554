//! Makes and opens data keys, whoever wraps them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::envelope::{DataKey, random};
use super::provider::{KeyBytes, KeyPlace, KeyProvider};
use super::{INSTALLATION, SecretError};
use crate::domain::WrappedDataKey;

/// How long a data key is used without asking the key service again: a right that was taken away there counts by then.
const FRESH: Duration = Duration::from_secs(300);
/// How often a key service is asked whether it is there, when nothing else asks it.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Makes, wraps and unwraps data keys. What a key service unwrapped is kept in memory for a bounded time.
pub struct Keyring {
    /// The first one wraps; all unwrap what they wrapped.
    providers: Vec<Box<dyn KeyProvider>>,
    /// How long a data key serves while its key service does not answer.
    outage: Duration,
    opened: Mutex<HashMap<(String, Uuid), Opened>>,
    contact: Mutex<Contact>,
}

struct Opened {
    key: Arc<DataKey>,
    /// It was opened from these bytes: others have to prove themselves.
    stored: WrappedDataKey,
    at: Instant,
}

#[derive(Default)]
struct Contact {
    asked_at: Option<Instant>,
    answered: bool,
    problem: Option<String>,
}

/// What is wrong with the key service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTrouble {
    pub reason: String,
    /// It answered before: what it unwrapped then still serves.
    pub passing: bool,
}

impl Keyring {
    /// `wraps` wraps from now on; `others` only open what they wrapped.
    pub fn new(wraps: Box<dyn KeyProvider>, others: Vec<Box<dyn KeyProvider>>, outage: Duration) -> Self {
        let providers = std::iter::once(wraps).chain(others).collect();
        Self { providers, outage, opened: Mutex::default(), contact: Mutex::default() }
    }

    fn current(&self) -> &dyn KeyProvider {
        self.providers[0].as_ref()
    }

    /// Provider and id of the key that wraps from now on.
    pub fn wraps_with(&self) -> (&'static str, &str) {
        (self.current().name(), self.current().key_id())
    }

    /// Whether this process can ask for what this key wrapped.
    pub fn holds(&self, provider: &str, key_id: &str) -> bool {
        self.providers.iter().any(|p| p.name() == provider && p.holds(key_id))
    }

    /// A new data key for an organisation, ready to be stored.
    pub async fn generate_data_key(&self, org: &str) -> Result<WrappedDataKey, SecretError> {
        let mut key = Zeroizing::new([0; 32]);
        random(&mut key)?;
        self.wrap(KeyPlace { org, data_key: Uuid::now_v7() }, &key).await
    }

    /// The same data key, wrapped anew by the key that wraps now. It is proven to open before anybody relies on it.
    pub async fn rewrap(&self, org: &str, stored: &WrappedDataKey) -> Result<WrappedDataKey, SecretError> {
        let place = KeyPlace { org, data_key: stored.id };
        let key = self.unwrap(place, stored).await?;
        let fresh = self.wrap(place, &key).await?;
        let proven = self.unwrap(place, &fresh).await?;
        if bool::from(proven.as_slice().ct_eq(key.as_slice())) {
            Ok(fresh)
        } else {
            Err(SecretError::Unproven(stored.id))
        }
    }

    /// The data key, if it was made for this organisation under a master key that is at hand. Without a key service
    /// this costs microseconds; with one, a caller that opens many secrets of an organisation keeps the result.
    pub async fn unwrap_data_key(&self, org: &str, stored: &WrappedDataKey) -> Result<Arc<DataKey>, SecretError> {
        let provider = self.provider_of(stored)?;
        if let Some(key) = self.remembered(org, stored, FRESH) {
            return Ok(key);
        }
        let opened = self.unwrap(KeyPlace { org, data_key: stored.id }, stored).await;
        let bytes = match opened {
            Err(error) if error.is_outage() => return self.remembered(org, stored, self.outage).ok_or(error),
            other => other?,
        };
        let key = Arc::new(DataKey::new(stored.id, &bytes));
        if provider.is_remote() && !self.outage.is_zero() {
            let opened = Opened { key: Arc::clone(&key), stored: stored.clone(), at: Instant::now() };
            self.opened().insert((org.to_owned(), stored.id), opened);
        }
        Ok(key)
    }

    /// What is wrong with the key service, as far as it was asked.
    pub fn trouble(&self) -> Option<KeyTrouble> {
        let contact = self.contact();
        contact.problem.clone().map(|reason| KeyTrouble { reason, passing: contact.answered })
    }

    /// Forgets data keys in time, and asks a silent key service whether it is there. Runs until it is dropped.
    pub async fn keep(&self) {
        loop {
            self.opened().retain(|_, opened| opened.at.elapsed() < self.outage);
            let due = self.contact().asked_at.is_none_or(|at| at.elapsed() >= PROBE_INTERVAL);
            let troubled = self.contact().problem.is_some();
            if self.current().is_remote() && (due || troubled) {
                let _ =
                    self.wrap(KeyPlace { org: INSTALLATION, data_key: Uuid::nil() }, &Zeroizing::new([0; 32])).await;
            }
            tokio::time::sleep(SWEEP_INTERVAL).await;
        }
    }

    async fn wrap(&self, place: KeyPlace<'_>, key: &KeyBytes) -> Result<WrappedDataKey, SecretError> {
        let provider = self.current();
        let wrapping = self.heard(provider, provider.wrap(&place, key).await)?;
        Ok(WrappedDataKey {
            id: place.data_key,
            wrapped: wrapping.wrapped,
            provider: provider.name().to_owned(),
            master_key_id: provider.key_id().to_owned(),
            master_key_version: wrapping.version,
        })
    }

    async fn unwrap(&self, place: KeyPlace<'_>, stored: &WrappedDataKey) -> Result<KeyBytes, SecretError> {
        let provider = self.provider_of(stored)?;
        self.heard(provider, provider.unwrap(&place, stored).await)
    }

    /// Remembers how the key service answered.
    fn heard<T>(&self, provider: &dyn KeyProvider, answer: Result<T, SecretError>) -> Result<T, SecretError> {
        if provider.is_remote() {
            let mut contact = self.contact();
            contact.asked_at = Some(Instant::now());
            match &answer {
                Err(error @ (SecretError::Outage { .. } | SecretError::Refused { .. })) => {
                    contact.problem = Some(error.to_string());
                }
                _ => (contact.answered, contact.problem) = (true, None),
            }
        }
        answer
    }

    fn provider_of(&self, stored: &WrappedDataKey) -> Result<&dyn KeyProvider, SecretError> {
        let found = self.providers.iter().find(|p| p.name() == stored.provider && p.holds(&stored.master_key_id));
        found.map(AsRef::as_ref).ok_or_else(|| SecretError::MasterKeyMissing {
            data_key: stored.id,
            needs: format!("{}:{}", stored.provider, stored.master_key_id),
            has: self.providers.iter().map(|p| format!("{}:{}", p.name(), p.key_id())).collect::<Vec<_>>().join(", "),
        })
    }

    fn remembered(&self, org: &str, stored: &WrappedDataKey, at_most: Duration) -> Option<Arc<DataKey>> {
        let opened = self.opened();
        let found = opened.get(&(org.to_owned(), stored.id))?;
        (found.stored == *stored && found.at.elapsed() < at_most.min(self.outage)).then(|| Arc::clone(&found.key))
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<(String, Uuid), Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contact(&self) -> MutexGuard<'_, Contact> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("wraps_with", &self.wraps_with()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use secrecy::ExposeSecret;

    use super::super::{LocalKeys, MasterKey, SecretAddress};
    use super::*;

    fn master(first: u8) -> MasterKey {
        let mut bytes = [7; 32];
        bytes[0] = first;
        MasterKey::from_base64(&STANDARD.encode(bytes)).expect("32 bytes")
    }

    fn keyring(current: u8, old: &[u8]) -> Keyring {
        let keys = LocalKeys::new(master(current), old.iter().map(|first| master(*first)).collect());
        Keyring::new(Box::new(keys), Vec::new(), Duration::ZERO)
    }

    #[tokio::test]
    async fn a_wrapped_key_opens_for_its_organisation_only() {
        let keyring = keyring(1, &[]);
        let stored = keyring.generate_data_key("acme").await.expect("makes");
        let address = SecretAddress { org: "acme", datasource_id: Uuid::nil(), key: "k", version: 1, reference: false };
        let key = keyring.unwrap_data_key("acme", &stored).await.expect("opens");
        let sealed = key.seal(&address, &"hunter2".into()).expect("seals");
        let again = keyring.unwrap_data_key("acme", &stored).await.expect("opens");
        assert_eq!(again.open(&address, &sealed).expect("opens").expose_secret(), "hunter2");

        let moved = keyring.unwrap_data_key("evil", &stored).await.expect_err("must fail");
        assert_eq!(moved, SecretError::Tampered("data key"));
        let renamed = WrappedDataKey { id: Uuid::nil(), ..stored };
        assert!(keyring.unwrap_data_key("acme", &renamed).await.is_err());
    }

    #[tokio::test]
    async fn a_flipped_bit_anywhere_in_a_wrapped_key_fails() {
        let keyring = keyring(1, &[]);
        let stored = keyring.generate_data_key("acme").await.expect("makes");
        for position in 0..stored.wrapped.len() {
            let mut changed = stored.clone();
            changed.wrapped[position] ^= 1;
            assert!(keyring.unwrap_data_key("acme", &changed).await.is_err(), "byte {position}");
            changed.wrapped.truncate(position);
            assert!(keyring.unwrap_data_key("acme", &changed).await.is_err(), "{position} bytes");
        }
    }

    #[tokio::test]
    async fn an_old_master_key_opens_what_it_wrapped_until_all_is_wrapped_anew() {
        let stored = keyring(1, &[]).generate_data_key("acme").await.expect("makes");
        let both = keyring(2, &[1]);
        assert!(both.unwrap_data_key("acme", &stored).await.is_ok());
        let fresh = both.rewrap("acme", &stored).await.expect("wraps");
        assert_eq!((fresh.id, fresh.master_key_id.as_str()), (stored.id, master(2).id()));
        let only_new = keyring(2, &[]);
        assert!(only_new.unwrap_data_key("acme", &fresh).await.is_ok());
        let error = only_new.unwrap_data_key("acme", &stored).await.expect_err("must fail").to_string();
        assert!(error.contains(master(1).id()) && error.contains(master(2).id()), "both are named: {error}");
    }

    #[tokio::test]
    async fn a_fingerprint_depends_on_the_key_and_on_where_a_part_ends() {
        let keyring = keyring(1, &[]);
        let (one, other) = (keyring.generate_data_key("a").await, keyring.generate_data_key("a").await);
        let one = keyring.unwrap_data_key("a", &one.expect("makes")).await.expect("opens");
        let other = keyring.unwrap_data_key("a", &other.expect("makes")).await.expect("opens");
        let print = one.fingerprint(&[b"ab", b"c"]);
        assert_eq!(print, one.fingerprint(&[b"ab", b"c"]));
        assert_ne!(print, one.fingerprint(&[b"a", b"bc"]));
        assert_ne!(print, other.fingerprint(&[b"ab", b"c"]));
    }
}
