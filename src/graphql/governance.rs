//! What an organisation allows of governance metadata, what is against it, and the way back to earlier metadata.

use async_graphql::connection::EmptyFields;
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use super::connection::{Plain, edges};
use super::error::Shape;
use super::guard::HasRole;
use super::inputs::uuid;
use super::mutation::{DatasourcePayload, payload};
use super::types::{ConfigProblem, Lifecycle, MetadataField, MetadataRevision};
use crate::app::{self, App, OpContext, SlaChanges, VisibilityChanges};
use crate::auth::Permission;
use crate::domain::paging::PageRequest;
use crate::domain::{self, Timestamp};

/// Who is to see a datasource. What is absent stays; null is nobody of that kind.
#[derive(InputObject)]
pub(super) struct VisibilityInput {
    /// The communities from now on, all of them; at most 100.
    communities: MaybeUndefined<Vec<String>>,
    /// The groups from now on, all of them; at most 100.
    groups: MaybeUndefined<Vec<String>>,
}

impl From<VisibilityInput> for VisibilityChanges {
    fn from(input: VisibilityInput) -> Self {
        let list = |names: MaybeUndefined<Vec<String>>| clearable(names).map(Option::unwrap_or_default);
        Self { communities: list(input.communities), groups: list(input.groups) }
    }
}

/// What consumers may expect from now on. What is absent stays; null clears.
#[derive(InputObject)]
pub(super) struct SlaInput {
    /// The part of the time in which it is available, in percent.
    availability_percent: MaybeUndefined<f64>,
    /// How long a record is under way at most, in seconds.
    max_lag_seconds: MaybeUndefined<i32>,
    /// How it is supported, in the words of the organisation.
    support_tier: MaybeUndefined<String>,
}

impl From<SlaInput> for SlaChanges {
    fn from(input: SlaInput) -> Self {
        Self {
            availability_percent: clearable(input.availability_percent),
            max_lag_seconds: clearable(input.max_lag_seconds),
            support_tier: clearable(input.support_tier),
        }
    }
}

/// A limit besides that of the configuration; the smaller of both holds.
#[derive(InputObject)]
pub(super) struct RateLimitInput {
    /// Records a second, on one node: 1 to 1000000.
    records_per_second: i32,
}

impl From<RateLimitInput> for domain::CustomRateLimit {
    fn from(input: RateLimitInput) -> Self {
        Self { records_per_second: input.records_per_second }
    }
}

/// Tells what is null from what is absent.
pub(super) fn clearable<T, U: From<T>>(value: MaybeUndefined<T>) -> Option<Option<U>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value.into())),
    }
}

/// Null is that everybody sees it within whose reach it is.
pub(super) fn visibility(value: MaybeUndefined<VisibilityInput>) -> Option<VisibilityChanges> {
    clearable(value).map(|given| given.unwrap_or_else(VisibilityChanges::everybody))
}

/// What governance metadata must be like.
struct GovernanceRules(domain::GovernanceRules);

/// What governance metadata must be like, whichever way it comes.
#[Object]
impl GovernanceRules {
    /// Counts the changes; 0 before the first one.
    async fn revision(&self) -> i64 {
        self.0.revision
    }

    /// The categories that there are; null means any.
    async fn categories(&self) -> Option<&[String]> {
        self.0.rules.categories.as_deref()
    }

    /// The tags that there are, or patterns of them in which `*` stands for any text; null means any.
    async fn tags(&self) -> Option<&[String]> {
        self.0.rules.tags.as_deref()
    }

    /// Who may own a datasource; null means anybody.
    async fn owners(&self) -> Option<&[String]> {
        self.0.rules.owners.as_deref()
    }

    /// The teams that there are; null means any.
    async fn teams(&self) -> Option<&[String]> {
        self.0.rules.teams.as_deref()
    }

    /// What may follow what. A state that is not here is the last one.
    async fn transitions(&self) -> Vec<LifecycleTransition> {
        let table = self.0.rules.transitions.iter();
        let row = |(from, to): (&domain::Lifecycle, &Vec<domain::Lifecycle>)| LifecycleTransition {
            from: (*from).into(),
            to: to.iter().map(|state| (*state).into()).collect(),
        };
        table.map(row).collect()
    }

    /// What must be said of a datasource in a state.
    async fn required(&self) -> Vec<LifecycleRequirement> {
        let table = self.0.rules.required.iter();
        let row = |(lifecycle, fields): (&domain::Lifecycle, &Vec<domain::MetadataField>)| LifecycleRequirement {
            lifecycle: (*lifecycle).into(),
            fields: fields.iter().map(|field| (*field).into()).collect(),
        };
        table.map(row).collect()
    }

    /// The most tags of a datasource; null means 32.
    async fn max_tags(&self) -> Option<i32> {
        self.0.rules.max_tags
    }

    /// The highest custom rate limit; null means 1000000.
    async fn max_records_per_second(&self) -> Option<i32> {
        self.0.rules.max_records_per_second
    }

    /// When they were last set; null before the first time.
    async fn updated_at(&self) -> Option<Timestamp> {
        self.0.updated_at
    }

    /// Who set them last.
    async fn updated_by(&self) -> Option<&str> {
        self.0.updated_by.as_deref()
    }
}

/// What may follow one state of the lifecycle.
#[derive(SimpleObject)]
struct LifecycleTransition {
    /// The state.
    from: Lifecycle,
    /// What may follow it.
    to: Vec<Lifecycle>,
}

/// What must be said of a datasource in one state of the lifecycle.
#[derive(SimpleObject)]
struct LifecycleRequirement {
    /// The state.
    lifecycle: Lifecycle,
    /// The fields that must be given.
    fields: Vec<MetadataField>,
}

/// A datasource whose metadata is against the rules of today.
#[derive(SimpleObject)]
pub(super) struct GovernanceViolation {
    /// The datasource.
    datasource_id: ID,
    /// Its name.
    name: String,
    /// Its project.
    project: String,
    /// Each thing that is against a rule.
    problems: Vec<ConfigProblem>,
}

impl From<domain::GovernanceViolation> for GovernanceViolation {
    fn from(found: domain::GovernanceViolation) -> Self {
        Self {
            datasource_id: found.datasource_id.into(),
            name: found.name,
            project: found.project,
            problems: found.problems.into_iter().map(ConfigProblem::from).collect(),
        }
    }
}

/// What may follow one state of the lifecycle.
#[derive(InputObject)]
struct LifecycleTransitionInput {
    /// The state.
    from: Lifecycle,
    /// What may follow it.
    to: Vec<Lifecycle>,
}

/// What must be said of a datasource in one state of the lifecycle.
#[derive(InputObject)]
struct LifecycleRequirementInput {
    /// The state.
    lifecycle: Lifecycle,
    /// The fields that must be given.
    fields: Vec<MetadataField>,
}

/// The rules from now on; they take the place of those that were there. What is left out is no rule.
#[derive(InputObject)]
struct SetGovernanceRulesInput {
    /// Refuse with CONFLICT when this is not their revision any more.
    expected_revision: Option<i64>,
    /// The categories that there are, at most 500. Absent: any.
    categories: Option<Vec<String>>,
    /// The tags that there are, or patterns of them in which `*` stands for any text. Absent: any.
    tags: Option<Vec<String>>,
    /// Who may own a datasource. Absent: anybody.
    owners: Option<Vec<String>>,
    /// The teams that there are. Absent: any.
    teams: Option<Vec<String>>,
    /// What may follow what. Absent: one step forth or back of draft, published, deprecated, retired.
    transitions: Option<Vec<LifecycleTransitionInput>>,
    /// What must be said of a datasource in a state.
    required: Option<Vec<LifecycleRequirementInput>>,
    /// The most tags of a datasource, 0 to 32.
    max_tags: Option<i32>,
    /// The highest custom rate limit, 1 to 1000000.
    max_records_per_second: Option<i32>,
    /// Why; for the audit log.
    reason: Option<String>,
}

impl From<SetGovernanceRulesInput> for app::SetGovernanceRules {
    fn from(input: SetGovernanceRulesInput) -> Self {
        let step = |row: LifecycleTransitionInput| (row.from.into(), row.to.into_iter().map(Into::into).collect());
        let needs =
            |row: LifecycleRequirementInput| (row.lifecycle.into(), row.fields.into_iter().map(Into::into).collect());
        Self {
            categories: input.categories,
            tags: input.tags,
            owners: input.owners,
            teams: input.teams,
            transitions: input.transitions.map(|table| table.into_iter().map(step).collect()),
            required: input.required.unwrap_or_default().into_iter().map(needs).collect(),
            max_tags: input.max_tags,
            max_records_per_second: input.max_records_per_second,
            expected_revision: input.expected_revision,
            reason: input.reason,
        }
    }
}

/// The rules as they are now.
#[derive(SimpleObject)]
struct GovernanceRulesPayload {
    /// As they are now.
    rules: GovernanceRules,
}

/// Which metadata to bring back.
#[derive(InputObject)]
struct RollbackDatasourceMetadataInput {
    /// The datasource.
    id: ID,
    /// A revision of the datasource: the metadata becomes what it was then.
    revision: i64,
    /// Refuse with CONFLICT when this is not the datasource's revision any more.
    expected_revision: Option<i64>,
    /// Why; for the timeline and the audit log.
    reason: Option<String>,
}

#[derive(Default)]
pub struct GovernanceQuery;

/// What metadata must be like, and was.
#[Object]
impl GovernanceQuery {
    /// What the organisation allows of governance metadata.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn governance_rules(&self, ctx: &Context<'_>) -> Result<GovernanceRules> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.governance_rules(op)).await.shaped(ctx).map(GovernanceRules)
    }

    /// Datasources whose metadata the rules of today would refuse, by id.
    #[graphql(directive = HasRole::apply(Permission::ManageMetadata))]
    async fn governance_violations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
    ) -> Result<Plain<GovernanceViolation>> {
        let page = PageRequest::relay(first, after.as_deref(), None, None).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let found = Box::pin(app.governance_violations(op, &page)).await.shaped(ctx)?;
        Ok(edges(found, EmptyFields, |found| found.datasource_id, GovernanceViolation::from))
    }

    /// The whole of the governance metadata at each revision that changed it, newest first.
    #[graphql(directive = HasRole::apply(Permission::ReadAudit))]
    async fn metadata_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
    ) -> Result<Plain<MetadataRevision>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let page = PageRequest::relay(first, after.as_deref(), None, None).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let found = Box::pin(app.metadata_history(op, id, &page)).await.shaped(ctx)?;
        Ok(edges(found, EmptyFields, |kept| kept.revision, MetadataRevision::from))
    }
}

#[derive(Default)]
pub struct GovernanceMutation;

/// What metadata must be like, and is to be again.
#[Object]
impl GovernanceMutation {
    /// Says what governance metadata must be like from now on. What is against it already stays as it is; see
    /// `governanceViolations`.
    #[graphql(directive = HasRole::apply(Permission::ManageGovernance))]
    async fn set_governance_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rules.")] input: SetGovernanceRulesInput,
    ) -> Result<GovernanceRulesPayload> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let rules = Box::pin(app.set_governance_rules(op, input.into())).await.shaped(ctx)?;
        Ok(GovernanceRulesPayload { rules: GovernanceRules(rules) })
    }

    /// Makes the governance metadata what it was at a revision, as far as the rules of today allow it. This is a
    /// change like any other, and can be taken back likewise.
    #[graphql(directive = HasRole::apply(Permission::ManageMetadata))]
    async fn rollback_datasource_metadata(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which revision, and why.")] input: RollbackDatasourceMetadataInput,
    ) -> Result<DatasourcePayload> {
        let input = app::RollbackMetadata {
            id: uuid("/id", &input.id).shaped(ctx)?,
            revision: input.revision,
            expected_revision: input.expected_revision,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.rollback_metadata(op, input)).await.shaped(ctx).map(payload)
    }
}
