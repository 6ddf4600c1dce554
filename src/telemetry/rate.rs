//! Rates and means that forget: what happened lately weighs most. Time comes from the caller.

use std::time::{Duration, Instant};

/// After this long an event weighs 1/e (37 %) of a new one, as in the one-minute
/// load average of Unix; it is halved after 42 s.
pub const TIME_CONSTANT: Duration = Duration::from_secs(60);

/// Below this age a rate is not extrapolated: one event at the start is one a second, not a million.
const YOUNGEST: f64 = 1.0;

/// A sum whose terms fade.
#[derive(Clone, Copy, Debug)]
struct Fading {
    sum: f64,
    at: Instant,
}

impl Fading {
    fn at(&self, now: Instant) -> f64 {
        // A reader may bring a slightly older time than the last writer: nothing has faded then.
        self.sum * (-now.saturating_duration_since(self.at).as_secs_f64() / TIME_CONSTANT.as_secs_f64()).exp()
    }

    fn add(&mut self, term: f64, now: Instant) {
        self.sum = self.at(now) + term;
        self.at = self.at.max(now);
    }
}

/// Events per second. Right from the start: the part of the window that lies
/// before the first moment counts as unknown, not as silence.
#[derive(Clone, Copy, Debug)]
pub struct DecayedRate {
    started: Instant,
    events: Fading,
}

impl DecayedRate {
    pub fn new(now: Instant) -> Self {
        Self { started: now, events: Fading { sum: 0.0, at: now } }
    }

    pub fn record(&mut self, events: u64, now: Instant) {
        self.events.add(events as f64, now);
    }

    pub fn per_second(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.started).as_secs_f64().max(YOUNGEST);
        let window = TIME_CONSTANT.as_secs_f64() * (1.0 - (-age / TIME_CONSTANT.as_secs_f64()).exp());
        self.events.at(now) / window
    }
}

/// The mean of a measurement, weighted towards the recent ones.
#[derive(Clone, Copy, Debug)]
pub struct DecayedMean {
    total: Fading,
    weight: Fading,
}

impl DecayedMean {
    pub fn new(now: Instant) -> Self {
        let nothing = Fading { sum: 0.0, at: now };
        Self { total: nothing, weight: nothing }
    }

    /// Takes a value that was measured on `count` things at once.
    pub fn record(&mut self, value: f64, count: u64, now: Instant) {
        self.total.add(value * count as f64, now);
        self.weight.add(count as f64, now);
    }

    /// 0 before the first value, and again once all of them have faded from what a float can hold.
    pub fn value(&self) -> f64 {
        // Both faded alike since the last value, so their quotient needs no time.
        if self.weight.sum > 0.0 { self.total.sum / self.weight.sum } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64) -> bool {
        (left - right).abs() <= right.abs() * 0.01
    }

    /// A rate that saw `per_second` events in each of so many seconds, and the time then.
    fn steady(per_second: u64, seconds: u64) -> (DecayedRate, Instant) {
        let start = Instant::now();
        let mut rate = DecayedRate::new(start);
        for tenth in 1..=seconds * 10 {
            rate.record(per_second / 10, start + Duration::from_millis(tenth * 100));
        }
        (rate, start + Duration::from_secs(seconds))
    }

    #[test]
    fn shows_a_steady_rate_from_the_first_seconds_on() {
        for seconds in [1, 5, 60, 600] {
            let (rate, now) = steady(500, seconds);
            assert!(near(rate.per_second(now), 500.0), "after {seconds} s: {}", rate.per_second(now));
        }
    }

    #[test]
    fn fades_when_nothing_comes() {
        let (rate, now) = steady(500, 600);
        assert!(near(rate.per_second(now + TIME_CONSTANT), 500.0 / std::f64::consts::E));
        assert!(near(rate.per_second(now + TIME_CONSTANT.mul_f64(2.0_f64.ln())), 250.0));
        assert!(rate.per_second(now + Duration::from_secs(86_400)) < 1e-9);
    }

    #[test]
    fn survives_odd_times() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut rate = DecayedRate::new(start);
        assert_eq!(rate.per_second(start), 0.0);
        rate.record(1, start);
        assert!(near(rate.per_second(start), 1.0), "one event at the start is one a second");
        rate.record(1, start - Duration::from_secs(50));
        assert!(near(rate.per_second(start), 2.0), "an event from the past counts as one of now");
        assert!(rate.per_second(start + Duration::from_secs(u32::MAX.into())).is_finite());
    }

    #[test]
    fn a_mean_follows_the_recent_values() {
        let start = Instant::now();
        let mut mean = DecayedMean::new(start);
        assert_eq!(mean.value(), 0.0);
        mean.record(2.0, 10, start);
        assert!(near(mean.value(), 2.0));
        mean.record(4.0, 10, start);
        assert!(near(mean.value(), 3.0));
        mean.record(8.0, 10, start + 20 * TIME_CONSTANT);
        assert!(near(mean.value(), 8.0));
    }
}
