//! How fast records of a datasource may come, on one node: by `runtime.rate_limit` of its configuration and by the rate
//! limit of its metadata, of which the smaller holds.
//!
//! What is taken fills a bucket that drains at the rate. A little may come at once; what is more
//! than that is a debt, and nothing else is taken until it is paid.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Stats;

/// Which part of a second's records may come at once.
const BURST: f64 = 0.1;
/// Less of a record than this is none: the rest of a division.
const NOTHING: f64 = 1e-6;
/// How soon who waits hears of another limit.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Longer than anybody waits for a rate.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

/// Records a second, above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// `None` for 0, which no configuration says.
    pub fn new(records_per_second: u32) -> Option<Self> {
        (records_per_second > 0).then(|| Self(f64::from(records_per_second)))
    }

    /// What each of `workers` has of it.
    fn share(self, workers: u32) -> Self {
        Self(self.0 / f64::from(workers.max(1)))
    }

    fn burst(self) -> f64 {
        (self.0 * BURST).max(1.0)
    }

    fn time(self, records: f64) -> Duration {
        Duration::try_from_secs_f64(records / self.0).map_or(WAIT_MAX, |wait| wait.min(WAIT_MAX))
    }
}

/// Knows no clock: whoever asks says what time it is. In records and not in time, so that a debt of
/// a slow version is soon paid at the rate of a faster one.
pub struct Throttle(Mutex<Bucket>);

struct Bucket {
    records: f64,
    at: Instant,
}

impl Default for Throttle {
    fn default() -> Self {
        Self(Mutex::new(Bucket { records: 0.0, at: Instant::now() }))
    }
}

impl Throttle {
    /// One request of a client that can come again: takes it, or says how long until it would be taken.
    /// More than may come at once is taken when nothing is owed, since it would never be otherwise.
    pub fn admit(&self, rate: Rate, now: Instant, records: u64) -> Result<(), Duration> {
        let mut bucket = self.drained(rate, now);
        let records = to_f64(records);
        let room = if records > rate.burst() { 0.0 } else { rate.burst() - records };
        let early = bucket.records - room;
        if early > NOTHING {
            return Err(rate.time(early));
        }
        bucket.records += records;
        Ok(())
    }

    /// These were taken already.
    pub fn charge(&self, rate: Rate, now: Instant, records: u64) {
        self.drained(rate, now).records += to_f64(records);
    }

    /// How long until the debt is paid.
    pub fn wait(&self, rate: Rate, now: Instant) -> Duration {
        let over = self.drained(rate, now).records - rate.burst();
        if over > NOTHING { rate.time(over) } else { Duration::ZERO }
    }

    fn drained(&self, rate: Rate, now: Instant) -> MutexGuard<'_, Bucket> {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let past = now.saturating_duration_since(bucket.at);
        bucket.records = (bucket.records - past.as_secs_f64() * rate.0).max(0.0);
        bucket.at = bucket.at.max(now);
        bucket
    }
}

/// Counts of one delivery: far below where a float skips numbers.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn to_f64(records: u64) -> f64 {
    records as f64
}

/// The pace of one reader. All readers of a datasource on this node keep the rate together; one that
/// has only a share of it, because others read on other nodes, keeps to that as well.
pub struct Pacer {
    /// What the configuration allows.
    limit: Option<u32>,
    stats: Arc<Stats>,
    workers: u32,
    own: Option<Throttle>,
}

impl Pacer {
    pub fn new(stats: &Arc<Stats>, limit: Option<u32>, workers: u32) -> Self {
        Self { limit, stats: Arc::clone(stats), workers, own: (workers > 1).then(Throttle::default) }
    }

    /// Returns when something may come, or early when `stop` is cancelled: what was read already is then
    /// delivered, and whoever comes next pays for it.
    pub async fn wait(&self, stop: &CancellationToken) {
        loop {
            // Not the whole wait at once: the limit may be raised meanwhile.
            let wait = self.left(Instant::now()).min(LOOK_AGAIN);
            if wait.is_zero() || stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    pub fn charge(&self, records: u64) {
        self.charge_at(Instant::now(), records);
    }

    fn left(&self, now: Instant) -> Duration {
        let Some(rate) = self.stats.rate(self.limit) else { return Duration::ZERO };
        let own = self.own.as_ref().map_or(Duration::ZERO, |throttle| throttle.wait(rate.share(self.workers), now));
        own.max(self.stats.throttle.wait(rate, now))
    }

    fn charge_at(&self, now: Instant, records: u64) {
        let Some(rate) = self.stats.rate(self.limit) else { return };
        self.stats.throttle.charge(rate, now, records);
        if let Some(throttle) = &self.own {
            throttle.charge(rate.share(self.workers), now, records);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Tenant, WorkerMetrics};
    use crate::telemetry::Metrics;

    fn rate(records_per_second: u32) -> Rate {
        Rate::new(records_per_second).expect("a rate")
    }

    /// A clock that is set by hand, with the moment from which it counts.
    fn clock() -> impl Fn(u64) -> Instant {
        let began = Instant::now();
        move |millis| began + Duration::from_millis(millis)
    }

    #[track_caller]
    fn about(wait: Duration, millis: u64) {
        assert!(wait.abs_diff(Duration::from_millis(millis)) < Duration::from_millis(1), "{wait:?}, not {millis} ms");
    }

    #[test]
    fn no_second_has_more_than_the_rate_and_a_burst() {
        for (limit, burst) in [(1, 1), (5, 1), (100, 10), (1_000, 100)] {
            let (throttle, at) = (Throttle::default(), clock());
            let taken = (0..10_000).filter(|millis| throttle.admit(rate(limit), at(*millis), 1).is_ok()).count();
            let most = usize::try_from(10 * limit + burst).expect("a count");
            // There are no more requests than one a millisecond.
            assert!((most.min(10_000) - 1..=most).contains(&taken), "{limit}: {taken} in 10 s");
        }
        assert_eq!(Rate::new(0), None);
    }

    #[test]
    fn what_is_refused_is_told_when_to_come_and_is_taken_then() {
        let (throttle, at) = (Throttle::default(), clock());
        for _ in 0..10 {
            assert_eq!(throttle.admit(rate(100), at(0), 1), Ok(()));
        }
        let wait = throttle.admit(rate(100), at(0), 4).expect_err("one too many");
        about(wait, 40);
        assert!(throttle.admit(rate(100), at(39), 4).is_err(), "a refusal costs nothing, and time is not skipped");
        assert_eq!(throttle.admit(rate(100), at(41), 4), Ok(()));
    }

    #[test]
    fn more_than_a_burst_is_taken_when_nothing_is_owed_and_is_paid_after() {
        let (throttle, at) = (Throttle::default(), clock());
        assert_eq!(throttle.admit(rate(100), at(0), 1), Ok(()));
        about(throttle.admit(rate(100), at(0), 500).expect_err("something is owed"), 10);
        assert_eq!(throttle.admit(rate(100), at(11), 500), Ok(()));
        about(throttle.admit(rate(100), at(11), 1).expect_err("a debt of five seconds"), 4_910);
        about(throttle.wait(rate(100), at(11)), 4_900);
        assert_eq!(throttle.admit(rate(100), at(4_922), 1), Ok(()));
    }

    #[test]
    fn a_debt_is_of_records_and_a_faster_version_pays_it_sooner() {
        let (throttle, at) = (Throttle::default(), clock());
        throttle.charge(rate(1), at(5_100), 100);
        about(throttle.wait(rate(1_000), at(5_100)), 0);
        about(throttle.wait(rate(1), at(5_100)), 99_000);
    }

    #[test]
    fn a_clock_that_seems_to_go_back_pays_nothing_twice() {
        let (throttle, at) = (Throttle::default(), clock());
        throttle.charge(rate(10), at(1_000), 11);
        about(throttle.wait(rate(10), at(500)), 1_000);
        about(throttle.wait(rate(10), at(1_000)), 1_000);
    }

    #[test]
    fn readers_on_one_node_keep_the_rate_together_and_each_its_share() {
        let tenant = Tenant { org: "acme".into(), project: "default".into() };
        let labels = Metrics::new(10).datasource(uuid::Uuid::now_v7());
        let stats = Arc::new(Stats::new(tenant, labels, WorkerMetrics::default()));
        let at = clock();
        let pacer = |workers| Pacer::new(&stats, Some(100), workers);
        let (first, second, job) = (pacer(4), pacer(4), pacer(1));
        first.charge_at(at(0), 50);
        // A quarter of the rate, and a tenth of a second of that at once: 47.5 of 50 are owed.
        about(first.left(at(0)), 1_900);
        about(second.left(at(0)), 400);
        second.charge_at(at(0), 50);
        about(job.left(at(0)), 900);
        assert!(stats.throttle.admit(rate(100), at(0), 1).is_err(), "a webhook has the same limit");
        assert_eq!(Pacer::new(&stats, None, 1).left(at(0)), Duration::ZERO, "without a limit nobody waits");
    }

    #[test]
    fn the_smaller_of_two_limits_holds_and_a_new_one_does_at_once() {
        let tenant = Tenant { org: "acme".into(), project: "default".into() };
        let labels = Metrics::new(10).datasource(uuid::Uuid::now_v7());
        let stats = Arc::new(Stats::new(tenant, labels, WorkerMetrics::default()));
        let rates = |configured| stats.rate(configured);
        assert_eq!((rates(None), rates(Some(100))), (None, Some(rate(100))));
        stats.set_custom_limit(Some(10));
        assert_eq!((rates(None), rates(Some(100)), rates(Some(5))), (Some(rate(10)), Some(rate(10)), Some(rate(5))));
        let (at, pacer) = (clock(), Pacer::new(&stats, Some(100), 1));
        pacer.charge_at(at(0), 21);
        about(pacer.left(at(0)), 2_000);
        stats.set_custom_limit(None);
        about(pacer.left(at(0)), 110);
    }
}
