//! Until when this node may rely on its leases, by its own clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A node that was stopped, or cut off from the database, may have lost its leases before anybody
/// tells it. The database refuses what it writes then; this keeps it from writing elsewhere, too.
pub struct Fence {
    began: Instant,
    /// Milliseconds since `began`.
    until: AtomicU64,
    /// How often leases ended before they were renewed.
    lapses: AtomicU64,
}

/// What was begun before a lapse does not go on after it, whoever has the lease by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass(u64);

impl Default for Fence {
    fn default() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(0), lapses: AtomicU64::new(0) }
    }
}

impl Fence {
    /// Leases were asked for at `asked` and go on for `ttl` from then at least. Answers whether they had ended before.
    pub fn extend(&self, asked: Instant, ttl: Duration) -> bool {
        let asked = asked.saturating_duration_since(self.began);
        let before = self.until.load(Ordering::Acquire);
        let lapsed = before != 0 && u128::from(before) < asked.as_millis();
        if lapsed {
            // Counted first: nobody may take the new time for that of an old pass.
            self.lapses.fetch_add(1, Ordering::AcqRel);
        }
        let until = u64::try_from((asked + ttl).as_millis()).unwrap_or(u64::MAX);
        self.until.fetch_max(until, Ordering::AcqRel);
        lapsed
    }

    pub fn holds(&self) -> bool {
        self.began.elapsed().as_millis() < u128::from(self.until.load(Ordering::Acquire))
    }

    /// For what begins now.
    pub fn pass(&self) -> Pass {
        Pass(self.lapses.load(Ordering::Acquire))
    }

    pub fn lets(&self, pass: Pass) -> bool {
        self.holds() && self.pass() == pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn it_holds_for_as_long_as_the_last_answer_said() {
        let fence = Fence::default();
        assert!(!fence.holds(), "nobody answered yet");
        let now = Instant::now();
        assert!(!fence.extend(now, LONG), "nothing had ended");
        assert!(fence.holds());
        assert!(!fence.extend(now, Duration::ZERO));
        assert!(fence.holds(), "an answer that comes late takes nothing back");
    }

    #[test]
    fn what_began_before_a_lapse_does_not_go_on() {
        let fence = Fence::default();
        let now = Instant::now();
        fence.extend(now, Duration::from_secs(1));
        let early = fence.pass();
        assert!(fence.lets(early));
        assert!(fence.extend(now + Duration::from_secs(2), LONG), "there was a gap");
        assert!(fence.holds() && !fence.lets(early));
        assert!(fence.lets(fence.pass()));
    }
}
