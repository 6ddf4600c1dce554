//! When to poll: `every 30s`, or cron in UTC.

use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::domain::parse_duration;

const SHORTEST: Duration = Duration::from_secs(1);
/// How long a wait goes without another look at the clock, which may be set.
const LONGEST_NAP: Duration = Duration::from_secs(60);
const LONGEST_TEXT: usize = 128;

#[derive(Clone, Debug)]
pub(super) enum Schedule {
    Every(Duration),
    Cron(Box<Cron>),
}

impl Schedule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST_TEXT {
            return Err(format!("must have at most {LONGEST_TEXT} characters"));
        }
        if let Some(period) = text.trim().strip_prefix("every ") {
            let period = parse_duration(period.trim())?;
            if period < SHORTEST {
                return Err("must not be shorter than every 1s".into());
            }
            return Ok(Self::Every(period));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(text.trim()).map_err(|e| {
            format!("is neither \"every\" and a duration, like every 5m, nor cron, like 0 */2 * * * ({e})")
        })?;
        if cron.find_next_occurrence(&Utc::now(), false).is_err() {
            return Err("names no time that ever comes".into());
        }
        Ok(Self::Cron(Box::new(cron)))
    }

    /// Whether a new worker polls before the first tick. A period says how fresh the
    /// data should be; a cron line says at which hours the source may be asked.
    pub(super) fn polls_at_once(&self) -> bool {
        matches!(self, Self::Every(_))
    }

    /// The first time after `now`; ticks that passed while a poll ran are skipped.
    fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Every(period) => now.checked_add_signed(chrono::Duration::from_std(*period).ok()?),
            Self::Cron(cron) => cron.find_next_occurrence(&now, false).ok(),
        }
    }

    /// Waits for the next tick; `None` when there is none.
    pub(super) async fn tick(&self) -> Option<()> {
        if let Self::Every(period) = self {
            tokio::time::sleep(*period).await;
            return Some(());
        }
        let due = self.next(Utc::now())?;
        while let Ok(left) = (due - Utc::now()).to_std()
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(LONGEST_NAP)).await;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, now: &str) -> String {
        let now: DateTime<Utc> = now.parse().expect("a time");
        let next = Schedule::parse(schedule).expect("a schedule").next(now).expect("a next time");
        next.format("%Y-%m-%d %H:%M:%S").to_string()
    }

    #[test]
    fn periods_and_cron_in_utc() {
        assert_eq!(next("every 90s", "2025-03-04T08:00:00Z"), "2025-03-04 08:01:30");
        assert_eq!(next("*/15 * * * *", "2025-03-04T08:00:00Z"), "2025-03-04 08:15:00");
        assert_eq!(next("*/10 * * * * *", "2025-03-04T08:00:05Z"), "2025-03-04 08:00:10");
        assert_eq!(next("30 6 * * MON-FRI", "2025-03-07T07:00:00Z"), "2025-03-10 06:30:00");
    }

    #[test]
    fn what_is_not_a_schedule_is_refused_with_an_example() {
        for wrong in
            ["", "every", "every 0s", "every 500ms", "every 2w", "hourly-ish", "* * *", "0 0 30 2 *", "61 * * * *"]
        {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Schedule::parse(&"* ".repeat(100_000)).is_err());
        assert!(Schedule::parse("sometimes").expect_err("no").contains("every 5m"));
    }

    #[test]
    fn only_a_period_polls_at_once() {
        assert!(Schedule::parse("every 1h").is_ok_and(|s| s.polls_at_once()));
        assert!(Schedule::parse("0 * * * *").is_ok_and(|s| !s.polls_at_once()));
    }

    #[tokio::test]
    async fn a_tick_comes_when_its_period_is_over() {
        let begun = std::time::Instant::now();
        assert_eq!(Schedule::Every(Duration::from_millis(30)).tick().await, Some(()));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        assert_eq!(Schedule::parse("* * * * * *").expect("a schedule").tick().await, Some(()));
    }
}
