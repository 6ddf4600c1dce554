//! Create, edit, archive, restore, clone, look up and list.

use serde_json::{Value, json};
use uuid::Uuid;

use super::change::{Journal, change, check, check_comment, check_not_archived, check_revision, journal, touch};
use super::metadata::{check_rules, note_metadata};
use super::{ActOn, App, MetadataChanges, OpContext, SlaChanges, UseTemplate, VisibilityChanges, version};
use crate::auth::Authorized;
use crate::auth::policy::grant::{Archive, Edit, ManageMetadata, Read};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    Datasource, DatasourceStatus, DesiredState, EventType, ManagedBy, Metadata, Quota, State, TemplateOrigin,
    Visibility, check_description, check_name, now,
};
use crate::domain::{DatasourceFilter, DatasourceKey, DatasourceOrder};
use crate::error::{Error, Problem, Result};
use crate::store::Tx;

#[derive(Clone, Debug, Default)]
pub struct CreateDatasource {
    pub name: String,
    pub connector_type: String,
    pub project: Option<String>,
    pub description: Option<String>,
    /// Without an owner, the creator is.
    pub metadata: MetadataChanges,
    /// Present: also becomes version 1, a draft.
    pub config: Option<Value>,
    /// In place of a configuration: makes one.
    pub template: Option<UseTemplate>,
    pub comment: Option<String>,
}

/// Absent fields stay as they are; `Some(None)` clears one.
#[derive(Clone, Debug, Default)]
pub struct UpdateDatasource {
    pub id: Uuid,
    /// Present: refused with CONFLICT when somebody else changed the datasource meanwhile.
    pub expected_revision: Option<i64>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: MetadataChanges,
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub struct CloneDatasource {
    pub id: Uuid,
    pub name: String,
    pub project: Option<String>,
    /// Absent: the published version, else the latest.
    pub version: Option<i32>,
}

/// A datasource that passed every check and is not stored yet.
pub(super) struct Fresh {
    row: Datasource,
    config: Option<version::CheckedConfig>,
    comment: Option<String>,
}

impl App {
    pub async fn datasource(&self, ctx: &OpContext, id: Uuid) -> Result<Option<Datasource>> {
        let proof = ctx.authorize::<Read>()?;
        self.store.read(proof.scope()).await?.datasource(id).await
    }

    pub async fn datasources_by_id(&self, ctx: &OpContext, ids: &[Uuid]) -> Result<Vec<Datasource>> {
        let proof = ctx.authorize::<Read>()?;
        self.store.read(proof.scope()).await?.datasources_by_id(ids).await
    }

    pub async fn states(&self, ctx: &OpContext, ids: &[Uuid]) -> Result<Vec<State>> {
        let proof = ctx.authorize::<Read>()?;
        self.store.read(proof.scope()).await?.states(ids).await
    }

    pub async fn datasources(
        &self,
        ctx: &OpContext,
        filter: &DatasourceFilter,
        order: DatasourceOrder,
        page: &PageRequest<DatasourceKey>,
    ) -> Result<Page<Datasource>> {
        let proof = ctx.authorize::<Read>()?;
        check_filter(filter)?;
        order.check_cursors(page)?;
        self.store.read(proof.scope()).await?.datasources(filter, order, page).await
    }

    pub async fn count_datasources(&self, ctx: &OpContext, filter: &DatasourceFilter) -> Result<u64> {
        let proof = ctx.authorize::<Read>()?;
        check_filter(filter)?;
        self.store.read(proof.scope()).await?.count_datasources(filter).await
    }

    pub async fn create_datasource(&self, ctx: &OpContext, mut input: CreateDatasource) -> Result<Datasource> {
        let proof = ctx.authorize::<Edit>()?;
        let Some(wanted) = input.template.take() else {
            return self.create(ctx, &proof, input, None, EventType::Created, json!({})).await;
        };
        if input.config.is_some() {
            return Err(Error::invalid("/config", "must not stand beside template, which gives a configuration too"));
        }
        let (config, origin) = self.fill_template(ctx, &input.connector_type, wanted).await?;
        input.config = Some(config);
        let payload = json!({ "template": origin });
        self.create(ctx, &proof, input, Some(origin), EventType::Created, payload).await
    }

    pub async fn clone_datasource(&self, ctx: &OpContext, input: CloneDatasource) -> Result<Datasource> {
        let proof = ctx.authorize::<Edit>()?;
        let tx = self.store.read(proof.scope()).await?;
        let source = tx.datasource(input.id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        let open = source.metadata.visibility == Visibility::default();
        let number = input.version.or(source.current_version).unwrap_or(source.latest_version);
        let config = match tx.version(source.id, number).await? {
            Some(version) => Some(version.config),
            None if input.version.is_some() => return Err(Error::not_found("version")),
            None => None,
        };
        drop(tx);
        let Metadata { team, category, tags, visibility, sla, rate_limit, .. } = source.metadata;
        let copy = CreateDatasource {
            name: input.name,
            connector_type: source.connector_type,
            project: input.project.or_else(|| Some(source.tenant.project.to_string())),
            description: Some(source.description),
            metadata: MetadataChanges {
                owner: None,
                team: Some(team),
                category: Some(category),
                tags: Some(tags),
                visibility: Some(VisibilityChanges {
                    communities: Some(visibility.communities),
                    groups: Some(visibility.groups),
                }),
                lifecycle: None,
                sla: sla.map(|sla| {
                    Some(SlaChanges {
                        availability_percent: Some(sla.availability_percent),
                        max_lag_seconds: Some(sla.max_lag_seconds),
                        support_tier: Some(sla.support_tier),
                    })
                }),
                rate_limit: Some(rate_limit),
            },
            config,
            template: None,
            comment: None,
        };
        // Who sees the copy may not see the source.
        let from = open.then_some(source.id);
        self.create(ctx, &proof, copy, None, EventType::Cloned, json!({ "from": from, "version": number })).await
    }

    async fn create(
        &self,
        ctx: &OpContext,
        proof: &Authorized<Edit>,
        input: CreateDatasource,
        origin: Option<TemplateOrigin>,
        event: EventType,
        payload: Value,
    ) -> Result<Datasource> {
        let mut fresh = self.fresh(ctx, proof, input)?;
        fresh.row.template = origin;
        let mut tx = ctx.begin(&self.store, proof).await?;
        let row = self.insert(ctx, proof, &mut tx, fresh, event, payload).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(event);
        Ok(row)
    }

    /// Checks all that can be checked before a transaction begins.
    pub(super) fn fresh(&self, ctx: &OpContext, proof: &Authorized<Edit>, input: CreateDatasource) -> Result<Fresh> {
        let creator = Metadata { owner: ctx.actor.subject.to_string(), ..Metadata::default() };
        let metadata = input.metadata.applied(&creator);
        let description = input.description.unwrap_or_default();
        let mut problems = Vec::new();
        check_name("/name", &input.name, &mut problems);
        check_description("/description", &description, &mut problems);
        metadata.check("", &mut problems);
        if self.connectors().get(&input.connector_type).is_none() {
            problems.push(Problem::new("/type", self.unknown_type(&input.connector_type)));
        }
        if let Some(project) = &input.project {
            check_name("/project", project, &mut problems);
        }
        check(problems)?;
        let tenant = proof.tenant(input.project.as_deref().unwrap_or(&ctx.actor.default_project))?;
        let config = match input.config {
            Some(config) => Some(self.check_config(&input.connector_type, config)?),
            None => None,
        };

        let (at, subject) = (now(), ctx.actor.subject.to_string());
        let row = Datasource {
            id: Uuid::now_v7(),
            tenant,
            name: input.name,
            connector_type: input.connector_type,
            description,
            metadata: metadata.normalised(),
            status: DatasourceStatus::Draft,
            revision: 1,
            current_version: None,
            latest_version: i32::from(config.is_some()),
            created_at: at,
            created_by: subject.clone(),
            updated_at: at,
            updated_by: subject,
            archived_at: None,
            managed_by: ctx.channel.clone(),
            template: None,
        };
        Ok(Fresh { row, config, comment: input.comment })
    }

    pub(super) async fn insert(
        &self,
        ctx: &OpContext,
        proof: &Authorized<Edit>,
        tx: &mut Tx,
        fresh: Fresh,
        event: EventType,
        payload: Value,
    ) -> Result<Datasource> {
        let Fresh { row, config, comment } = fresh;
        check_rules(ctx, tx, None, &row).await?;
        tx.insert_datasource(proof, &row).await?;
        tx.keep_metadata(proof, &row, None).await?;
        tx.insert_state(proof, &row.tenant, row.id).await?;
        self.admit(tx, Quota::Datasources).await?;
        let mut details = json!({ "name": row.name, "type": row.connector_type });
        if let (Some(details), Value::Object(more)) = (details.as_object_mut(), payload) {
            details.extend(more);
        }
        ctx.journal(tx, journal(&row, event, details));
        if let Some(checked) = config {
            self.admit_version(tx, 1).await?;
            let draft = version::draft(&row, 1, checked, comment, &ctx.actor);
            tx.insert_version(proof, &draft).await?;
            version::journal_created(ctx, tx, &draft);
        }
        Ok(row)
    }

    /// Name and description change any time; governance metadata only of a draft, unless the caller may manage it.
    pub async fn update_datasource(&self, ctx: &OpContext, input: UpdateDatasource) -> Result<Datasource> {
        let proof = ctx.authorize::<Edit>()?;
        let mut problems = Vec::new();
        if let Some(name) = &input.name {
            check_name("/name", name, &mut problems);
        }
        check_description("/description", input.description.as_deref().unwrap_or_default(), &mut problems);
        input.metadata.check(&mut problems);
        check_description("/reason", input.reason.as_deref().unwrap_or_default(), &mut problems);
        check(problems)?;

        let mut tx = ctx.begin(&self.store, &proof).await?;
        let old = tx.datasource_for_update(input.id).await?;
        check_revision(&old, input.expected_revision)?;
        check_not_archived(&old)?;
        let mut row = old.clone();
        row.name = input.name.unwrap_or(row.name);
        row.description = input.description.unwrap_or(row.description);
        let metadata = input.metadata.apply(&mut row);
        if !metadata.is_empty() && row.status != DatasourceStatus::Draft {
            ctx.authorize_on::<ManageMetadata>(&row)?;
        }
        if !metadata.is_empty() {
            check_rules(ctx, &tx, Some(&old), &row).await?;
        }
        let described = [
            change("name", old.name.as_str(), row.name.as_str()),
            change("description", old.description.as_str(), row.description.as_str()),
        ];
        let changes: Vec<_> = described.into_iter().flatten().collect();
        if changes.is_empty() && metadata.is_empty() {
            return Ok(old);
        }
        let row = tx.save_datasource(&proof, touch(ctx, row)).await?;
        let reason = input.reason.as_deref();
        let mut events = Vec::new();
        if !changes.is_empty() {
            let fields: Vec<_> = changes.iter().map(|c| c.field.clone()).collect();
            let entry = journal(&row, EventType::Updated, json!({ "fields": fields }));
            ctx.journal(&mut tx, Journal { changes, reason, ..entry });
            events.push(EventType::Updated);
        }
        if !metadata.is_empty() {
            note_metadata(ctx, &proof, &mut tx, &old, &row, reason, None).await?;
            events.push(EventType::MetadataUpdated);
        }
        tx.commit().await?;
        events.into_iter().for_each(|event| self.metrics.lifecycle_event(event));
        Ok(row)
    }

    /// Stops the worker, cancels the jobs and hides the datasource; its name becomes free.
    pub async fn archive_datasource(
        &self,
        ctx: &OpContext,
        id: Uuid,
        expected_revision: Option<i64>,
        reason: Option<&str>,
    ) -> Result<Datasource> {
        let proof = ctx.authorize::<Archive>()?;
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(id).await?;
        check_revision(&row, expected_revision)?;
        if row.archived_at.is_some() {
            return Ok(row);
        }
        let row = self.archive_within(ctx, &proof, &mut tx, row, reason).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::Archived);
        Ok(row)
    }

    pub(super) async fn archive_within(
        &self,
        ctx: &OpContext,
        proof: &Authorized<Archive>,
        tx: &mut Tx,
        mut row: Datasource,
        reason: Option<&str>,
    ) -> Result<Datasource> {
        row.archived_at = Some(now());
        if row.status != DatasourceStatus::Draft {
            row.status = DatasourceStatus::Disabled;
        }
        let row = tx.save_datasource(proof, touch(ctx, row)).await?;
        tx.set_desired(proof, row.id, DesiredState::Stopped).await?;
        let cancelled = tx.cancel_open_jobs(proof, row.id).await?;
        let details = if cancelled.is_empty() { json!({}) } else { json!({ "cancelledJobs": cancelled }) };
        ctx.journal(tx, Journal { reason, ..journal(&row, EventType::Archived, details) });
        self.settle_approvals(ctx, proof, tx, &row).await?;
        Ok(row)
    }

    /// Brings an archived datasource back, stopped.
    pub async fn restore_datasource(&self, ctx: &OpContext, input: ActOn) -> Result<Datasource> {
        let proof = ctx.authorize::<Archive>()?;
        let reason = input.reason.as_deref();
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let mut row = tx.datasource_for_update(input.id).await?;
        check_revision(&row, input.expected_revision)?;
        if row.archived_at.take().is_none() {
            return Ok(row);
        }
        let row = tx.save_datasource(&proof, touch(ctx, row)).await?;
        self.admit(&tx, Quota::Datasources).await?;
        ctx.journal(&mut tx, Journal { reason, ..journal(&row, EventType::Restored, json!({})) });
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::Restored);
        Ok(row)
    }

    pub(super) fn unknown_type(&self, name: &str) -> String {
        let known: Vec<_> = self.connectors().iter().map(|c| c.spec().name).collect();
        format!("{name:?} is not a connector type; known types: {}", known.join(", "))
    }
}

fn check_filter(filter: &DatasourceFilter) -> Result<()> {
    if filter.search.as_ref().is_some_and(|s| s.chars().count() > 200) {
        return Err(Error::invalid("/filter/search", "must have at most 200 characters"));
    }
    if let Some(Err(problem)) = filter.managed_by.as_ref().map(|text| text.parse::<ManagedBy>()) {
        return Err(Error::invalid("/filter/managedBy", problem));
    }
    Ok(())
}
