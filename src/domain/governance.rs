//! What an organisation allows of governance metadata: rules that are data, which its admins edit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Lifecycle, Metadata, MetadataField, Timestamp};
use crate::error::Problem;

/// Entries of one list of the rules.
pub const RULE_ENTRIES_MAX: usize = 500;

/// The rules of an organisation, and who set them last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GovernanceRules {
    pub rules: MetadataRules,
    /// Counts the changes; 0 before the first one.
    pub revision: i64,
    pub updated_at: Option<Timestamp>,
    pub updated_by: Option<String>,
}

/// What metadata must be like. `None` is no rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataRules {
    pub categories: Option<Vec<String>>,
    /// Tags, or patterns of them in which `*` stands for any text.
    pub tags: Option<Vec<String>>,
    pub owners: Option<Vec<String>>,
    pub teams: Option<Vec<String>>,
    /// What may follow what; a state that is not here is the last one.
    pub transitions: BTreeMap<Lifecycle, Vec<Lifecycle>>,
    /// What must be said of a datasource in a state.
    pub required: BTreeMap<Lifecycle, Vec<MetadataField>>,
    pub max_tags: Option<i32>,
    pub max_records_per_second: Option<i32>,
}

/// Metadata that is not as the rules of today have it.
#[derive(Clone, Debug, PartialEq)]
pub struct GovernanceViolation {
    pub datasource_id: Uuid,
    pub name: String,
    pub project: String,
    pub problems: Vec<Problem>,
}

impl Default for MetadataRules {
    /// No rules, but one step at a time forth, and the same way back.
    fn default() -> Self {
        Self {
            categories: None,
            tags: None,
            owners: None,
            teams: None,
            transitions: Self::default_transitions(),
            required: BTreeMap::new(),
            max_tags: None,
            max_records_per_second: None,
        }
    }
}

/// One breach of a rule: of which rule and by what, and how far it goes where that can be more or less.
struct Breach {
    rule: (&'static str, String),
    extent: usize,
    problem: Problem,
}

impl MetadataRules {
    pub fn default_transitions() -> BTreeMap<Lifecycle, Vec<Lifecycle>> {
        use Lifecycle::{Deprecated, Draft, Published, Retired};
        BTreeMap::from([
            (Draft, vec![Published]),
            (Published, vec![Draft, Deprecated]),
            (Deprecated, vec![Published, Retired]),
            (Retired, vec![Deprecated]),
        ])
    }

    /// Every rule that `metadata` is against, whatever it was before; `at` is where it lies in what was sent.
    pub fn violations(&self, at: &str, metadata: &Metadata) -> Vec<Problem> {
        self.breaches(at, metadata).into_iter().map(|breach| breach.problem).collect()
    }

    /// What of a change from `old` to `new` is not allowed. What was against the rules before and did not get worse
    /// stays: newer rules must not keep anybody from mending one thing before another.
    pub fn refusals(&self, at: &str, old: Option<&Metadata>, new: &Metadata) -> Vec<Problem> {
        let before = old.map(|old| self.breaches(at, old)).unwrap_or_default();
        let known = |breach: &Breach| before.iter().any(|b| b.rule == breach.rule && b.extent >= breach.extent);
        let breaches = self.breaches(at, new).into_iter().filter(|breach| !known(breach));
        let step = old.and_then(|old| self.refused_step(at, old.lifecycle, new.lifecycle));
        breaches.map(|breach| breach.problem).chain(step).collect()
    }

    fn refused_step(&self, at: &str, from: Lifecycle, to: Lifecycle) -> Option<Problem> {
        let next = self.transitions.get(&from).map(Vec::as_slice).unwrap_or_default();
        if from == to || next.contains(&to) {
            return None;
        }
        let message = match next {
            [] => format!("cannot be {to}: nothing follows {from}"),
            next => format!("cannot be {to} after {from}; allowed: {}", list(next.iter().map(|l| l.as_str()))),
        };
        Some(Problem::new(format!("{at}/lifecycle"), message))
    }

    fn breaches(&self, at: &str, metadata: &Metadata) -> Vec<Breach> {
        let mut found = Vec::new();
        let mut breach = |rule: &'static str, by: &str, extent: usize, pointer: String, message: String| {
            let problem = Problem::new(format!("{at}{pointer}"), message);
            found.push(Breach { rule: (rule, by.to_owned()), extent, problem });
        };
        let named = [
            ("owner", Some(&metadata.owner), &self.owners),
            ("team", metadata.team.as_ref(), &self.teams),
            ("category", metadata.category.as_ref(), &self.categories),
        ];
        for (field, value, allowed) in named {
            if let (Some(value), Some(allowed)) = (value, allowed)
                && !allowed.contains(value)
            {
                breach(field, value, 0, format!("/{field}"), format!("must be one of: {}", list(allowed)));
            }
        }
        for (i, tag) in metadata.tags.iter().enumerate() {
            if let Some(vocabulary) = &self.tags
                && !vocabulary.iter().any(|pattern| matches(pattern, tag))
            {
                breach("tag", tag, 0, format!("/tags/{i}"), format!("must be one of: {}", list(vocabulary)));
            }
        }
        let most = |limit: Option<i32>| limit.and_then(|limit| usize::try_from(limit).ok());
        if let Some(most) = most(self.max_tags).filter(|most| metadata.tags.len() > *most) {
            breach("max_tags", "", metadata.tags.len(), "/tags".into(), format!("must have at most {most} tags"));
        }
        if let Some(limit) = metadata.rate_limit
            && let Some(most) = self.max_records_per_second.filter(|most| limit.records_per_second > *most)
        {
            let extent = usize::try_from(limit.records_per_second).unwrap_or(usize::MAX);
            breach("rate", "", extent, "/rateLimit/recordsPerSecond".into(), format!("must be at most {most}"));
        }
        let state = metadata.lifecycle;
        for field in self.required.get(&state).into_iter().flatten().filter(|field| !says(metadata, **field)) {
            let message = format!("must be given of what is {state}");
            breach("required", field.as_str(), 0, format!("/{}", pointer_of(*field)), message);
        }
        found
    }
}

fn says(metadata: &Metadata, field: MetadataField) -> bool {
    match field {
        MetadataField::Owner => !metadata.owner.is_empty(),
        MetadataField::Team => metadata.team.is_some(),
        MetadataField::Category => metadata.category.is_some(),
        MetadataField::Tags => !metadata.tags.is_empty(),
        MetadataField::Visibility => !metadata.visibility.is_for_all(),
        MetadataField::Sla => metadata.sla.is_some(),
        MetadataField::RateLimit => metadata.rate_limit.is_some(),
    }
}

/// The field as documents spell it.
fn pointer_of(field: MetadataField) -> &'static str {
    match field {
        MetadataField::RateLimit => "rateLimit",
        other => other.as_str(),
    }
}

/// Enough of a list to choose from.
fn list<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 20;
    let words: Vec<_> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    match words.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more (see governanceRules)", words[..SHOWN].join(", ")),
        None if words.is_empty() => "nothing".to_owned(),
        None => words.join(", "),
    }
}

/// Whether a text is as a pattern says, in which `*` is any text. One look back at the last `*` is enough, so that no
/// pattern takes longer than its length times that of the text.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CustomRateLimit;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn places(problems: &[Problem]) -> Vec<&str> {
        problems.iter().map(|problem| problem.pointer.as_str()).collect()
    }

    #[test]
    fn a_pattern_stands_for_what_it_says() {
        for (pattern, text, fits) in [
            ("billing", "billing", true),
            ("billing", "billings", false),
            ("team:*", "team:a", true),
            ("team:*", "team:", true),
            ("team:*", "tea", false),
            ("*:*", "a:b:c", true),
            ("*-eu-*", "x-us-eu-1", true),
            ("*a", "ab", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern:?} {text:?}");
        }
        let hostile = "*a".repeat(200);
        assert!(!matches(&hostile, &format!("{}b", "a".repeat(50))));
    }

    #[test]
    fn every_breach_is_told_at_once() {
        let rules = MetadataRules {
            categories: Some(strings(&["finance"])),
            tags: Some(strings(&["team:*"])),
            owners: Some(strings(&["ada"])),
            teams: Some(Vec::new()),
            required: BTreeMap::from([(Lifecycle::Published, vec![MetadataField::Sla, MetadataField::RateLimit])]),
            max_tags: Some(1),
            max_records_per_second: Some(10),
            ..MetadataRules::default()
        };
        let metadata = Metadata {
            owner: "bob".into(),
            team: Some("x".into()),
            category: Some("fun".into()),
            tags: strings(&["red", "team:a"]),
            lifecycle: Lifecycle::Published,
            rate_limit: Some(CustomRateLimit { records_per_second: 11 }),
            ..Metadata::default()
        };
        let problems = rules.refusals("/m", None, &metadata);
        let expected =
            ["/m/owner", "/m/team", "/m/category", "/m/tags/0", "/m/tags", "/m/rateLimit/recordsPerSecond", "/m/sla"];
        assert_eq!(places(&problems), expected);
        assert!(problems[1].message.ends_with("nothing") && problems[2].message.contains("finance"));
        assert_eq!(rules.violations("/m", &metadata), problems);
    }

    #[test]
    fn what_was_against_a_newer_rule_before_stays_as_long_as_it_gets_no_worse() {
        let rules = MetadataRules { categories: Some(strings(&["a"])), max_tags: Some(1), ..MetadataRules::default() };
        let with = |category: &str, tags: &[&str]| Metadata {
            category: Some(category.into()),
            tags: strings(tags),
            ..Metadata::default()
        };
        let old = with("z", &["1", "2", "3"]);
        assert_eq!(rules.refusals("", Some(&old), &with("z", &["2", "3"])), []);
        assert_eq!(rules.refusals("", Some(&old), &with("a", &["1", "2", "4"])), []);
        assert_eq!(places(&rules.refusals("", Some(&old), &with("y", &["1", "2", "3", "4"]))), ["/category", "/tags"]);
        assert_eq!(rules.violations("", &old).len(), 2);
    }

    #[test]
    fn each_step_is_one_that_the_table_has() {
        let rules = MetadataRules::default();
        let at = |lifecycle| Metadata { lifecycle, ..Metadata::default() };
        let refused = |from, to| !rules.refusals("", Some(&at(from)), &at(to)).is_empty();
        for from in Lifecycle::ALL.iter().copied() {
            assert!(!refused(from, from));
            for to in Lifecycle::ALL.iter().copied().filter(|to| *to != from) {
                assert_eq!(refused(from, to), refused(to, from), "a step can be taken back: {from} {to}");
            }
        }
        assert!(refused(Lifecycle::Draft, Lifecycle::Retired) && !refused(Lifecycle::Draft, Lifecycle::Published));
        let last = MetadataRules { transitions: BTreeMap::new(), ..rules };
        let told = last.refusals("", Some(&at(Lifecycle::Draft)), &at(Lifecycle::Published));
        assert!(told[0].message.contains("nothing follows draft"), "{told:?}");
    }
}
