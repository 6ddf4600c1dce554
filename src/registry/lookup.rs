//! Webhooks of which this node was not told yet: another node published them a moment ago.
//!
//! Anybody can name ids that do not exist, so what that costs the database has a bound. Whoever is
//! beyond it is asked to come again, since nobody knows whether his webhook exists.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use uuid::Uuid;

use super::Shared;
use super::ingest::{IngestError, WORKER_WAIT};
use super::throttle::{Rate, Throttle};
use crate::connectors::Placement;

/// Look-ups a second, and at once.
const A_SECOND: u32 = 50;
const AT_ONCE: usize = 4;
/// How long what was not found is not looked up again.
const ABSENT: Duration = Duration::from_millis(500);

pub(super) struct LookUps {
    throttle: Throttle,
    turns: Semaphore,
    /// What was not found, and when. The throttle bounds how many these are.
    absent: Mutex<HashMap<Uuid, Instant>>,
}

impl Default for LookUps {
    fn default() -> Self {
        Self { throttle: Throttle::default(), turns: Semaphore::new(AT_ONCE), absent: Mutex::default() }
    }
}

impl LookUps {
    fn was_absent(&self, id: Uuid, now: Instant) -> bool {
        self.absent().get(&id).is_some_and(|since| now.saturating_duration_since(*since) < ABSENT)
    }

    fn is_absent(&self, id: Uuid, now: Instant) {
        let mut absent = self.absent();
        absent.retain(|_, since| now.saturating_duration_since(*since) < ABSENT);
        absent.insert(id, now);
    }

    fn may(&self, now: Instant) -> bool {
        Rate::new(A_SECOND).is_some_and(|rate| self.throttle.admit(rate, now, 1).is_ok())
    }

    fn absent(&self) -> MutexGuard<'_, HashMap<Uuid, Instant>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// What to say of a webhook that this node does not know: senders give up on what is not found.
    pub(super) async fn not_here(&self, id: Uuid) -> IngestError {
        let (look_ups, now) = (self.ingest.look_ups(), Instant::now());
        if look_ups.was_absent(id, now) {
            return IngestError::NotFound;
        }
        let later = IngestError::Unavailable(WORKER_WAIT);
        let Ok(_turn) = look_ups.turns.try_acquire() else { return later };
        if !look_ups.may(now) {
            return later;
        }
        match self.deps.store.assignments(Some(&[id])).await {
            Ok(work) if work.iter().any(|w| self.ours(w) == Some(Placement::EveryNode)) => {
                self.ingest.expect(id);
                later
            }
            Ok(_) => {
                look_ups.is_absent(id, now);
                IngestError::NotFound
            }
            Err(error) => {
                tracing::debug!(%error, datasource = %id, "a webhook could not be looked up");
                later
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_do_not_exist_cost_little() {
        let (look_ups, began) = (LookUps::default(), Instant::now());
        let at = |millis| began + Duration::from_millis(millis);
        let mut asked = 0;
        for millis in 0..10_000 {
            if look_ups.may(at(millis)) {
                asked += 1;
                look_ups.is_absent(Uuid::now_v7(), at(millis));
            }
        }
        assert!(asked <= 10 * A_SECOND + 5, "{asked} look-ups in 10 s");
        assert!(look_ups.absent().len() <= 30, "{} are remembered", look_ups.absent().len());
    }

    #[test]
    fn what_was_not_found_is_looked_up_again_soon() {
        let (look_ups, began, id) = (LookUps::default(), Instant::now(), Uuid::now_v7());
        assert!(!look_ups.was_absent(id, began));
        look_ups.is_absent(id, began);
        assert!(look_ups.was_absent(id, began + ABSENT / 2));
        assert!(!look_ups.was_absent(id, began + ABSENT));
    }
}
