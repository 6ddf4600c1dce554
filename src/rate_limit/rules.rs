//! The limits that are in force: the defaults, or what a file says.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use serde::Deserialize;

/// `None` is no limit.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rules {
    #[serde(deserialize_with = "rate_or_off")]
    pub(super) address: Option<Rate>,
    #[serde(deserialize_with = "rate_or_off")]
    pub(super) refused: Option<Rate>,
    #[serde(deserialize_with = "rate_or_off")]
    pub(super) principal: Option<Rate>,
    #[serde(deserialize_with = "rate_or_off")]
    pub(super) graphql_cost: Option<Rate>,
    #[serde(deserialize_with = "rate_or_off")]
    pub(super) test_runs: Option<Rate>,
    #[serde(deserialize_with = "rate_or_off")]
    pub(super) webhook: Option<Rate>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            address: Some(Rate::per_second(500, 2_000)),
            refused: Some(Rate::per_second(1, 300)),
            principal: Some(Rate::per_second(200, 1_000)),
            graphql_cost: Some(Rate::per_second(20_000, 200_000)),
            test_runs: Some(Rate::per_second(5, 200)),
            webhook: Some(Rate::per_second(5_000, 10_000)),
        }
    }
}

const OFF: Rules =
    Rules { address: None, refused: None, principal: None, graphql_cost: None, test_runs: None, webhook: None };

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    tokens: NonZeroU32,
    per: Duration,
    pub(super) burst: NonZeroU32,
}

/// A bucket that takes longer to fill is a mistake, and beyond what a clock in nanoseconds counts.
const FILLED_WITHIN: Duration = Duration::from_secs(366 * 86_400);

impl Rate {
    const fn per_second(tokens: u32, burst: u32) -> Self {
        let (Some(tokens), Some(burst)) = (NonZeroU32::new(tokens), NonZeroU32::new(burst)) else { panic!() };
        Self { tokens, per: Duration::from_secs(1), burst }
    }

    pub(super) fn quota(self) -> Quota {
        let period = (self.per / self.tokens.get()).max(Duration::from_nanos(1));
        Quota::with_period(period).expect("a period above zero").allow_burst(self.burst)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "min",
            _ => "h",
        };
        write!(f, "{}/{unit} (burst {})", self.tokens, self.burst)
    }
}

impl Rules {
    pub(super) fn read(setting: &str) -> Result<Self, String> {
        match setting {
            "default" => Ok(Self::default()),
            "off" => Ok(OFF),
            path => {
                let refusal = |e: &dyn fmt::Display| format!("--rate-limits (STUDIO_RATE_LIMITS) {path}: {e}");
                let text = std::fs::read_to_string(path)
                    .map_err(|e| refusal(&format!("{e}; it is default, off, or the path of a TOML file")))?;
                toml::from_str(&text).map_err(|e| refusal(&e))
            }
        }
    }

    /// A bucket that cannot hold what one request may take would refuse that request for ever.
    pub(super) fn check(&self, cost_max: usize) -> Result<(), String> {
        match self.graphql_cost {
            Some(rate) if (rate.burst.get() as usize) < cost_max => Err(format!(
                "the burst of graphql_cost is {}, and must be at least --graphql-max-complexity, {cost_max}: \
                 an operation that costs more could never run",
                rate.burst
            )),
            _ => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be \"off\", or a table: { rate = \"100/s\", burst = 200 }")]
enum Written {
    Off(Off),
    Rate(RateTable),
}

#[derive(Deserialize)]
enum Off {
    #[serde(rename = "off")]
    Off,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateTable {
    rate: String,
    burst: NonZeroU32,
}

fn rate_or_off<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    match Written::deserialize(deserializer)? {
        Written::Off(Off::Off) => Ok(None),
        Written::Rate(table) => {
            let Some((tokens, per)) = parse(&table.rate) else {
                let message = format!("rate {:?} must be a number above 0 per s, min or h, such as 100/s", table.rate);
                return Err(serde::de::Error::custom(message));
            };
            let rate = Rate { tokens, per, burst: table.burst };
            if rate.per.as_secs_f64() / f64::from(tokens.get()) * f64::from(rate.burst.get())
                > FILLED_WITHIN.as_secs_f64()
            {
                let message = format!("{rate} takes more than a year to fill: raise the rate or lower the burst");
                return Err(serde::de::Error::custom(message));
            }
            Ok(Some(rate))
        }
    }
}

fn parse(text: &str) -> Option<(NonZeroU32, Duration)> {
    let (tokens, unit) = text.split_once('/')?;
    let seconds = match unit.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        _ => return None,
    };
    Some((tokens.trim().parse().ok()?, Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_what_it_names_and_keeps_the_rest() {
        let rules: Rules =
            toml::from_str("address = \"off\"\ntest_runs = { rate = \"30/min\", burst = 5 }").expect("rules");
        assert_eq!(rules.address, None);
        assert_eq!(rules.test_runs.expect("a rate").to_string(), "30/min (burst 5)");
        assert_eq!(rules.principal, Rules::default().principal);
        assert_eq!(Rules::read("off"), Ok(OFF));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        for (text, part) in [
            ("adress = \"off\"", "unknown field `adress`"),
            ("address = 5", "must be \"off\", or a table"),
            ("address = \"on\"", "must be \"off\", or a table"),
            ("address = { rate = \"5/s\" }", "must be \"off\", or a table"),
            ("address = { rate = \"0/s\", burst = 1 }", "must be a number above 0"),
            ("address = { rate = \"5/day\", burst = 1 }", "per s, min or h"),
            ("address = { rate = \"5/s\", burst = 0 }", "must be \"off\", or a table"),
            ("address = { rate = \"1/h\", burst = 4294967295 }", "takes more than a year to fill"),
        ] {
            let error = toml::from_str::<Rules>(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Rules::read("/no/such/file").expect_err("no file").contains("default, off, or the path"));
        assert!(Rules::default().check(300_000).expect_err("too small").contains("--graphql-max-complexity"));
    }

    #[test]
    fn the_fastest_rate_that_can_be_written_is_a_rate() {
        let rules: Rules = toml::from_str("address = { rate = \"4294967295/s\", burst = 1 }").expect("rules");
        let _ = rules.address.expect("a rate").quota();
    }
}
