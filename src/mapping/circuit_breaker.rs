//! `runtime.circuit_breaker`: when a failing sink is left alone, and for how long.

use std::time::Duration;

use schemars::JsonSchema;
use serde_json::Value;

use super::section::Section;
use crate::domain::HumanDuration;
use crate::error::Problem;

/// After how many failed writes in a row a sink is left alone, and for how long at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CircuitBreaker {
    /// Failed writes in a row that open it.
    #[schemars(default = "failures", range(min = 1, max = 1_000))]
    pub failures: u32,
    /// How long nothing is sent, 100ms to 1h. Then one batch shows whether the sink is well; if not, the pause doubles.
    #[schemars(default = "open_for")]
    pub open_for: HumanDuration,
}

const fn failures() -> u32 {
    5
}

const fn open_for() -> HumanDuration {
    HumanDuration(Duration::from_secs(30))
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { failures: failures(), open_for: open_for() }
    }
}

impl CircuitBreaker {
    pub(super) fn read(value: &Value, pointer: String, problems: &mut Vec<Problem>) -> Self {
        let limits = HumanDuration(Duration::from_millis(100))..=HumanDuration(Duration::from_secs(3_600));
        let Some(section) = Section::open(value, pointer, &["failures", "open_for"], problems) else {
            return Self::default();
        };
        Self {
            failures: section.integer("failures", failures(), 1..=1_000, problems),
            open_for: section.duration("open_for", open_for(), limits, problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_are_optional_and_bounded() {
        let read = |value| {
            let mut problems = Vec::new();
            let policy = CircuitBreaker::read(&value, "/runtime/circuit_breaker".into(), &mut problems);
            (policy, problems.into_iter().map(|p| p.pointer).collect::<Vec<_>>())
        };
        assert_eq!(read(json!({})), (CircuitBreaker::default(), Vec::new()));
        let policy = CircuitBreaker { failures: 2, open_for: HumanDuration(Duration::from_millis(100)) };
        assert_eq!(read(json!({ "failures": 2, "open_for": "100ms" })), (policy, Vec::new()));
        for (field, wrong) in [
            ("failures", json!(0)),
            ("failures", json!(1_001)),
            ("failures", json!("5")),
            ("open_for", json!("99ms")),
            ("open_for", json!("61m")),
            ("open_for", json!(30)),
            ("on", json!(true)),
        ] {
            assert_eq!(read(json!({ field: wrong })).1, [format!("/runtime/circuit_breaker/{field}")], "{wrong}");
        }
    }
}
