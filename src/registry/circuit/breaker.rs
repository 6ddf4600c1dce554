//! The circuit breaker as a pure machine: time and dice come in, decisions go out.

use std::time::Duration;

use crate::domain::CircuitState;
use crate::mapping::CircuitBreaker as Policy;

/// The pause after a probe that failed is twice the one before it, up to this or `open_for`, whichever is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// For the others, how soon to ask again while a probe is under way.
const PROBE_UNDER_WAY: Duration = Duration::from_secs(1);

/// Leave to write once; every pass comes back by [`Breaker::settle`].
#[derive(Debug, PartialEq, Eq)]
pub struct Pass {
    probe: bool,
    /// How often the breaker had opened when it was given.
    opened: u64,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The sink answered and does its work.
    Well,
    /// The sink failed in a way that may pass, and may have named a time before which there is no use in trying.
    Failed { retry_after: Option<Duration> },
    /// Nothing is known: the write was cut off, or refused for a reason that is not the sink's health.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Duration,
    },
    /// One probe is under way.
    HalfOpen,
}

#[derive(Debug)]
pub struct Breaker {
    state: State,
    opened: u64,
    /// Probes in a row that failed.
    probes: u32,
}

impl Breaker {
    pub const fn new() -> Self {
        Self { state: State::Closed { failures: 0 }, opened: 0, probes: 0 }
    }

    /// Trusts the sink anew; writes that are under way change nothing any more.
    pub fn reset(&mut self) {
        *self = Self { opened: self.opened + 1, ..Self::new() };
    }

    pub const fn state(&self) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen => CircuitState::HalfOpen,
        }
    }

    /// Leave to write now, or how long to wait before asking again.
    pub fn admit(&mut self, now: Duration) -> Result<Pass, Duration> {
        let probe = match self.state {
            State::Closed { .. } => false,
            State::Open { until } if now >= until => {
                self.state = State::HalfOpen;
                true
            }
            State::Open { until } => return Err(until - now),
            State::HalfOpen => return Err(PROBE_UNDER_WAY),
        };
        Ok(Pass { probe, opened: self.opened })
    }

    /// `now` is any monotonic time; `dice` in 0..1 spreads the probes of many datasources.
    pub fn settle(&mut self, now: Duration, dice: f64, policy: &Policy, pass: &Pass, ending: Ending) {
        // A write that began before the breaker opened says nothing about the sink after it.
        if pass.opened != self.opened {
            return;
        }
        match (&mut self.state, pass.probe, ending) {
            (State::Closed { failures }, false, Ending::Well) => *failures = 0,
            (State::Closed { failures }, false, Ending::Failed { retry_after }) => {
                *failures = failures.saturating_add(1);
                if *failures >= policy.failures {
                    self.open(now, dice, policy, retry_after);
                }
            }
            (State::HalfOpen, true, Ending::Well) => {
                self.state = State::Closed { failures: 0 };
                self.probes = 0;
            }
            (State::HalfOpen, true, Ending::Failed { retry_after }) => {
                self.probes = self.probes.saturating_add(1);
                self.open(now, dice, policy, retry_after);
            }
            // The next one who asks is the probe.
            (State::HalfOpen, true, Ending::Unknown) => {
                self.opened += 1;
                self.state = State::Open { until: now };
            }
            _ => {}
        }
    }

    fn open(&mut self, now: Duration, dice: f64, policy: &Policy, retry_after: Option<Duration>) {
        let first = policy.open_for.0;
        let grown = first.saturating_mul(1 << self.probes.min(16)).min(LONGEST_PAUSE.max(first));
        let pause = grown.mul_f64(1.0 + dice.clamp(0.0, 1.0) / 4.0).max(retry_after.unwrap_or_default());
        self.opened += 1;
        self.state = State::Open { until: now + pause };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::HumanDuration;

    const FAILED: Ending = Ending::Failed { retry_after: None };

    fn policy() -> Policy {
        Policy { failures: 3, open_for: HumanDuration(Duration::from_secs(10)) }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn write(breaker: &mut Breaker, now: Duration, ending: Ending) {
        let pass = breaker.admit(now).expect("admitted");
        breaker.settle(now, 0.0, &policy(), &pass, ending);
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_probe_closes_it() {
        let mut breaker = Breaker::new();
        for ending in [FAILED, FAILED, Ending::Well, FAILED, FAILED, Ending::Unknown] {
            write(&mut breaker, at(0), ending);
            assert_eq!(breaker.state(), CircuitState::Closed, "not three in a row");
        }
        write(&mut breaker, at(0), FAILED);
        assert_eq!(breaker.admit(at(4)), Err(at(6)));
        let probe = breaker.admit(at(10)).expect("the probe");
        assert_eq!(breaker.state(), CircuitState::HalfOpen);
        assert!(breaker.admit(at(10)).is_err(), "one at a time");
        breaker.settle(at(11), 0.0, &policy(), &probe, Ending::Well);
        assert_eq!(breaker.state(), CircuitState::Closed);
        write(&mut breaker, at(11), FAILED);
        assert_eq!(breaker.state(), CircuitState::Closed, "counted from none again");
    }

    #[test]
    fn the_pause_grows_with_each_probe_that_fails_and_heeds_the_sink() {
        let mut breaker = Breaker::new();
        let mut now = at(0);
        for _ in 0..3 {
            write(&mut breaker, now, FAILED);
        }
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(breaker.admit(now), Err(at(seconds)));
            now += at(seconds);
            write(&mut breaker, now, FAILED);
        }
        now += at(300);
        write(&mut breaker, now, Ending::Failed { retry_after: Some(at(900)) });
        assert_eq!(breaker.admit(now), Err(at(900)));
    }

    #[test]
    fn a_probe_that_was_cut_off_leaves_its_place_to_the_next() {
        let mut breaker = Breaker::new();
        for _ in 0..3 {
            write(&mut breaker, at(0), FAILED);
        }
        write(&mut breaker, at(10), Ending::Unknown);
        assert_eq!(breaker.state(), CircuitState::Open);
        write(&mut breaker, at(10), Ending::Well);
        assert_eq!(breaker.state(), CircuitState::Closed);
    }

    #[test]
    fn a_write_from_before_it_opened_changes_nothing() {
        let mut breaker = Breaker::new();
        let early = breaker.admit(at(0)).expect("admitted");
        for _ in 0..3 {
            write(&mut breaker, at(0), FAILED);
        }
        breaker.settle(at(1), 0.0, &policy(), &early, Ending::Well);
        assert_eq!(breaker.state(), CircuitState::Open);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Ask,
        Settle(prop::sample::Index, Ending),
        Wait(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let ending = prop_oneof![Just(Ending::Well), Just(FAILED), Just(Ending::Unknown)];
        prop_oneof![
            Just(Step::Ask),
            (any::<prop::sample::Index>(), ending).prop_map(|(which, ending)| Step::Settle(which, ending)),
            (0_u8..30).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order.
        #[test]
        fn there_is_never_more_than_one_probe_and_never_a_write_while_it_is_open(
            steps in prop::collection::vec(step(), 0..200), dice in 0.0..1.0,
        ) {
            let (mut breaker, mut now, mut held) = (Breaker::new(), at(0), Vec::<Pass>::new());
            for step in steps {
                match step {
                    Step::Ask => {
                        let before = breaker.state();
                        let pass = breaker.admit(now);
                        prop_assert!(before != CircuitState::HalfOpen || pass.is_err());
                        prop_assert_eq!(pass.as_ref().is_ok_and(|p| p.probe), before == CircuitState::Open && pass.is_ok());
                        held.extend(pass.ok());
                    }
                    Step::Settle(which, ending) if !held.is_empty() => {
                        let pass = held.swap_remove(which.index(held.len()));
                        breaker.settle(now, dice, &policy(), &pass, ending);
                    }
                    Step::Settle(..) => {}
                    Step::Wait(seconds) => now += at(seconds.into()),
                }
                let probes = held.iter().filter(|pass| pass.probe).count();
                prop_assert_eq!(probes, usize::from(breaker.state() == CircuitState::HalfOpen));
            }
        }
    }
}
