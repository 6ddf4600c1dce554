//! The quota of requests that an organisation has in a minute, on one node.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};

/// Where an organisation differs from the settings; `None` means no limit.
pub type OwnQuotas = HashMap<Arc<str>, Option<u64>>;

#[derive(Default)]
pub(super) struct Organisations {
    state: Mutex<State>,
    clock: DefaultClock,
}

#[derive(Default)]
struct State {
    default: Option<u64>,
    own: OwnQuotas,
    buckets: HashMap<Arc<str>, (u64, Arc<DefaultDirectRateLimiter>)>,
}

impl Organisations {
    pub(super) fn set(&self, default: Option<u64>, own: OwnQuotas) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.default = default;
        state.own = own;
    }

    /// Takes one request; else, of which quota it is one too many, and in how many seconds it is not.
    pub(super) fn take(&self, org: &Arc<str>) -> Result<(), (u64, u64)> {
        let Some((most, bucket)) = self.bucket(org) else { return Ok(()) };
        let Some(bucket) = bucket else { return Err((most, 60)) };
        bucket.check().map_err(|early| {
            let wait = early.wait_time_from(self.clock.now());
            (most, (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
        })
    }

    /// `None` without a quota; no bucket where the quota is none at all.
    fn bucket(&self, org: &Arc<str>) -> Option<(u64, Option<Arc<DefaultDirectRateLimiter>>)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let most = state.own.get(org).copied().unwrap_or(state.default)?;
        let Some(a_minute) = NonZeroU32::new(u32::try_from(most).unwrap_or(u32::MAX)) else {
            return Some((most, None));
        };
        let bucket = match state.buckets.get(org) {
            Some((of, bucket)) if *of == most => Arc::clone(bucket),
            _ => {
                let bucket = Arc::new(DefaultDirectRateLimiter::direct(Quota::per_minute(a_minute)));
                state.buckets.insert(Arc::clone(org), (most, Arc::clone(&bucket)));
                bucket
            }
        };
        Some((most, Some(bucket)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_organisation_has_its_own_and_a_new_quota_begins_anew() {
        let (organisations, acme, globex) = (Organisations::default(), Arc::from("acme"), Arc::from("globex"));
        assert_eq!(organisations.take(&acme), Ok(()), "nobody has a quota yet");
        organisations.set(Some(2), OwnQuotas::from([(Arc::clone(&globex), None)]));
        assert!(organisations.take(&acme).is_ok() && organisations.take(&acme).is_ok());
        let (most, wait) = organisations.take(&acme).expect_err("the third");
        assert!(most == 2 && (29..=30).contains(&wait), "{most} {wait}");
        assert!((0..100).all(|_| organisations.take(&globex).is_ok()), "no limit");
        organisations.set(Some(2), OwnQuotas::from([(Arc::clone(&acme), Some(3)), (globex, Some(0))]));
        assert!((0..3).all(|_| organisations.take(&acme).is_ok()));
        assert_eq!(organisations.take(&Arc::from("globex")), Err((0, 60)));
    }
}
