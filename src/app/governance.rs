//! The rules of an organisation for governance metadata, and what is against them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::change::{change, check, check_comment};
use super::{App, OpContext};
use crate::auth::policy::grant::{ManageGovernance, ManageMetadata, Read};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    GovernanceRules, GovernanceViolation, Lifecycle, MetadataField, MetadataRules, RECORDS_PER_SECOND_MAX,
    RULE_ENTRIES_MAX, check_name, normalise_tags, now,
};
use crate::error::{Error, Problem, Result};

const TAGS_MAX: i32 = 32;
/// Datasources that are looked at together.
const CHUNK: u64 = 500;

/// The rules from now on; what is absent is no rule, and without transitions the usual ones hold.
#[derive(Clone, Debug, Default)]
pub struct SetGovernanceRules {
    pub categories: Option<Vec<String>>,
    pub tags: Option<Vec<String>>,
    pub owners: Option<Vec<String>>,
    pub teams: Option<Vec<String>>,
    pub transitions: Option<Vec<(Lifecycle, Vec<Lifecycle>)>>,
    pub required: Vec<(Lifecycle, Vec<MetadataField>)>,
    pub max_tags: Option<i32>,
    pub max_records_per_second: Option<i32>,
    pub expected_revision: Option<i64>,
    pub reason: Option<String>,
}

impl App {
    pub async fn governance_rules(&self, ctx: &OpContext) -> Result<GovernanceRules> {
        let proof = ctx.authorize::<Read>()?;
        self.store.read(proof.scope()).await?.governance_rules().await
    }

    /// Sets the rules in place of those that were there. What is against them already stays as it is.
    pub async fn set_governance_rules(&self, ctx: &OpContext, input: SetGovernanceRules) -> Result<GovernanceRules> {
        let proof = ctx.authorize::<ManageGovernance>()?;
        check_comment("/reason", input.reason.as_deref())?;
        let (expected, reason) = (input.expected_revision, input.reason.clone());
        let rules = rules(input)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let before = tx.governance_rules().await?;
        if let Some(revision) = expected.filter(|revision| *revision != before.revision) {
            return Err(Error::stale(format!(
                "the rules were set meanwhile (revision {}, you have {revision}); read them again and repeat your change",
                before.revision
            )));
        }
        let changes: Vec<_> = {
            let fields = fields(&before.rules).into_iter().zip(fields(&rules));
            fields.filter_map(|((name, old), (_, new))| change(&format!("governanceRules.{name}"), old, new)).collect()
        };
        if changes.is_empty() {
            return Ok(before);
        }
        let (at, by) = (now(), ctx.actor.subject.to_string());
        let revision = before.revision + 1;
        let set = GovernanceRules { rules, revision, updated_at: Some(at), updated_by: Some(by.clone()) };
        tx.put_governance_rules(&proof, &set, at, &by).await?;
        tx.record_audit(ctx.audit("governance_rules_set", reason.as_deref(), changes));
        tx.commit().await?;
        Ok(set)
    }

    /// What is against the rules of today, of all that is not archived and that the caller may mend; by id.
    pub async fn governance_violations(
        &self,
        ctx: &OpContext,
        page: &PageRequest<Uuid>,
    ) -> Result<Page<GovernanceViolation>> {
        let proof = ctx.authorize::<ManageMetadata>()?;
        let tx = self.store.read(proof.scope()).await?;
        let rules = tx.governance_rules().await?.rules;
        let wanted = page.offset.saturating_add(page.limit).saturating_add(1);
        let mut cursor = if page.backward { page.before } else { page.after };
        let mut found = Vec::new();
        loop {
            let rows = tx.datasources_from(cursor, page.backward, CHUNK).await?;
            let last = (rows.len() as u64) < CHUNK;
            cursor = rows.last().map(|row| row.id).or(cursor);
            for row in rows {
                let problems = rules.violations("", &row.metadata);
                if !problems.is_empty() {
                    let project = row.tenant.project.to_string();
                    found.push(GovernanceViolation { datasource_id: row.id, name: row.name, project, problems });
                }
            }
            if last || found.len() as u64 >= wanted {
                break;
            }
        }
        let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
        let most = usize::try_from(page.limit).unwrap_or(usize::MAX).saturating_add(1);
        Ok(Page::from_rows(found.into_iter().skip(skip).take(most).collect(), page))
    }
}

fn rules(input: SetGovernanceRules) -> Result<MetadataRules> {
    let mut problems = Vec::new();
    let lists = [
        ("/categories", &input.categories),
        ("/tags", &input.tags),
        ("/owners", &input.owners),
        ("/teams", &input.teams),
    ];
    for (pointer, list) in lists {
        check_list(pointer, list.as_deref().unwrap_or_default(), &mut problems);
    }
    let mut check_range = |pointer: &str, value: Option<i32>, least: i32, most: i32| {
        if value.is_some_and(|value| !(least..=most).contains(&value)) {
            problems.push(Problem::new(pointer, format!("must be between {least} and {most}")));
        }
    };
    check_range("/maxTags", input.max_tags, 0, TAGS_MAX);
    check_range("/maxRecordsPerSecond", input.max_records_per_second, 1, RECORDS_PER_SECOND_MAX);
    let transitions = match input.transitions {
        Some(table) => by_state("/transitions", table, &mut problems),
        None => MetadataRules::default_transitions(),
    };
    let required = by_state("/required", input.required, &mut problems);
    check(problems)?;
    Ok(MetadataRules {
        categories: input.categories.map(normalise_tags),
        tags: input.tags.map(normalise_tags),
        owners: input.owners.map(normalise_tags),
        teams: input.teams.map(normalise_tags),
        transitions,
        required,
        max_tags: input.max_tags,
        max_records_per_second: input.max_records_per_second,
    })
}

fn check_list(pointer: &str, list: &[String], problems: &mut Vec<Problem>) {
    if list.len() > RULE_ENTRIES_MAX {
        problems.push(Problem::new(pointer, format!("must have at most {RULE_ENTRIES_MAX} entries")));
    }
    for (i, entry) in list.iter().enumerate() {
        check_name(&format!("{pointer}/{i}"), entry, problems);
    }
}

/// A table as clients send it, a row a state; in one order, without repeats.
fn by_state<T: Ord>(
    pointer: &str,
    table: Vec<(Lifecycle, Vec<T>)>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Lifecycle, Vec<T>> {
    let mut found = BTreeMap::new();
    for (i, (state, mut list)) in table.into_iter().enumerate() {
        list.sort_unstable();
        list.dedup();
        if found.insert(state, list).is_some() {
            problems.push(Problem::new(format!("{pointer}/{i}"), format!("says what is of {state} once more")));
        }
    }
    found
}

/// For the audit log, which has one entry a rule.
fn fields(rules: &MetadataRules) -> [(&'static str, Value); 8] {
    [
        ("categories", json!(rules.categories)),
        ("tags", json!(rules.tags)),
        ("owners", json!(rules.owners)),
        ("teams", json!(rules.teams)),
        ("transitions", json!(rules.transitions)),
        ("required", json!(rules.required)),
        ("maxTags", json!(rules.max_tags)),
        ("maxRecordsPerSecond", json!(rules.max_records_per_second)),
    ]
}
