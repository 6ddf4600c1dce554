//! What people say of a datasource while it runs: who answers for it, who may see it, and what to expect of it.

use serde::{Deserialize, Serialize};

use super::{Lifecycle, Timestamp, check_label, check_name, check_tags, normalise_tags};
use crate::error::Problem;

/// As much as a configuration can ask for.
pub const RECORDS_PER_SECOND_MAX: i32 = 1_000_000;
const LAG_MAX: i32 = 31_536_000;
/// Communities or groups that one datasource names.
const AUDIENCE_MAX: usize = 100;

/// Governance metadata, whole: what is stored of it is what is compared, kept and brought back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub owner: String,
    pub team: Option<String>,
    pub category: Option<String>,
    /// In alphabetical order, without repeats.
    pub tags: Vec<String>,
    pub visibility: Visibility,
    pub lifecycle: Lifecycle,
    pub sla: Option<Sla>,
    pub rate_limit: Option<CustomRateLimit>,
}

/// Who sees a datasource, besides its owner, its admins and whoever is granted a role on it. Empty is everybody
/// within whose reach it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Visibility {
    pub communities: Vec<String>,
    pub groups: Vec<String>,
}

/// What consumers may expect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sla {
    pub availability_percent: Option<f64>,
    pub max_lag_seconds: Option<i32>,
    pub support_tier: Option<String>,
}

/// A limit below that of the configuration, which changes without another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomRateLimit {
    pub records_per_second: i32,
}

/// The metadata as it was from one revision of its datasource on.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataRevision {
    pub datasource_id: uuid::Uuid,
    pub revision: i64,
    pub metadata: Metadata,
    pub at: Timestamp,
    pub by: String,
    pub reason: Option<String>,
}

impl Visibility {
    pub fn is_for_all(&self) -> bool {
        self.communities.is_empty() && self.groups.is_empty()
    }
}

impl Sla {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Metadata {
    /// In one spelling, so that what means the same is stored the same.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        self.team = self.team.filter(|team| !team.is_empty());
        self.category = self.category.filter(|category| !category.is_empty());
        self.tags = normalise_tags(self.tags);
        self.visibility.communities = normalise_tags(self.visibility.communities);
        self.visibility.groups = normalise_tags(self.visibility.groups);
        if let Some(sla) = &mut self.sla {
            sla.support_tier = sla.support_tier.take().filter(|tier| !tier.is_empty());
        }
        self.sla = self.sla.filter(|sla| !sla.is_empty());
        self
    }

    /// All that no organisation could mean; `at` is where the metadata lies in what was sent.
    pub fn check(&self, at: &str, problems: &mut Vec<Problem>) {
        check_name(&format!("{at}/owner"), &self.owner, problems);
        check_label(&format!("{at}/team"), self.team.as_deref().unwrap_or_default(), problems);
        check_label(&format!("{at}/category"), self.category.as_deref().unwrap_or_default(), problems);
        check_tags(&format!("{at}/tags"), &self.tags, problems);
        let Visibility { communities, groups } = &self.visibility;
        for (name, list) in [("communities", communities), ("groups", groups)] {
            check_audience(&format!("{at}/visibility/{name}"), list, problems);
        }
        if let Some(sla) = &self.sla {
            check_sla(&format!("{at}/sla"), sla, problems);
        }
        if let Some(CustomRateLimit { records_per_second }) = self.rate_limit
            && !(1..=RECORDS_PER_SECOND_MAX).contains(&records_per_second)
        {
            let message = format!("must be between 1 and {RECORDS_PER_SECOND_MAX}");
            problems.push(Problem::new(format!("{at}/rateLimit/recordsPerSecond"), message));
        }
    }
}

fn check_audience(pointer: &str, list: &[String], problems: &mut Vec<Problem>) {
    if list.len() > AUDIENCE_MAX {
        problems.push(Problem::new(pointer, format!("must name at most {AUDIENCE_MAX}")));
    }
    for (i, name) in list.iter().enumerate() {
        check_name(&format!("{pointer}/{i}"), name, problems);
    }
}

fn check_sla(at: &str, sla: &Sla, problems: &mut Vec<Problem>) {
    if sla.availability_percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        problems.push(Problem::new(format!("{at}/availabilityPercent"), "must be between 0 and 100"));
    }
    if sla.max_lag_seconds.is_some_and(|seconds| !(1..=LAG_MAX).contains(&seconds)) {
        problems.push(Problem::new(format!("{at}/maxLagSeconds"), format!("must be between 1 and {LAG_MAX}")));
    }
    check_label(&format!("{at}/supportTier"), sla.support_tier.as_deref().unwrap_or_default(), problems);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_spelled_the_same() {
        let typed = Metadata {
            owner: "ada".into(),
            team: Some(String::new()),
            tags: vec!["b".into(), " a ".into(), "b".into()],
            visibility: Visibility { communities: vec!["y".into(), "x".into(), "x".into()], groups: Vec::new() },
            sla: Some(Sla { support_tier: Some(String::new()), ..Sla::default() }),
            ..Metadata::default()
        };
        let kept = typed.normalised();
        assert_eq!((kept.team.as_deref(), kept.sla.clone()), (None, None));
        assert_eq!(
            (kept.tags.clone(), kept.visibility.communities.clone()),
            (vec!["a".to_owned(), "b".to_owned()], vec!["x".to_owned(), "y".to_owned()])
        );
        assert_eq!(kept.clone().normalised(), kept);
    }

    #[test]
    fn every_problem_has_its_place() {
        let wrong = Metadata {
            owner: " ".into(),
            visibility: Visibility { communities: vec![String::new()], groups: vec!["g".into(); 101] },
            sla: Some(Sla {
                availability_percent: Some(f64::NAN),
                max_lag_seconds: Some(0),
                support_tier: Some("a\nb".into()),
            }),
            rate_limit: Some(CustomRateLimit { records_per_second: 0 }),
            ..Metadata::default()
        };
        let mut problems = Vec::new();
        wrong.check("/metadata", &mut problems);
        let places: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
        assert_eq!(
            places,
            [
                "/metadata/owner",
                "/metadata/visibility/communities/0",
                "/metadata/visibility/groups",
                "/metadata/sla/availabilityPercent",
                "/metadata/sla/maxLagSeconds",
                "/metadata/sla/supportTier",
                "/metadata/rateLimit/recordsPerSecond",
            ]
        );
    }

    #[test]
    fn a_stored_snapshot_reads_back() {
        let kept = Metadata {
            owner: "ada".into(),
            sla: Some(Sla { availability_percent: Some(99.95), ..Sla::default() }),
            rate_limit: Some(CustomRateLimit { records_per_second: 5 }),
            ..Metadata::default()
        };
        let text = serde_json::to_value(&kept).expect("JSON");
        assert_eq!(serde_json::from_value::<Metadata>(text).expect("metadata"), kept);
    }
}
