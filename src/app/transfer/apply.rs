//! Makes datasources what their files say: each in one transaction of its own.

use serde_json::json;
use uuid::Uuid;

use super::ImportOptions;
use super::plan::{Action, ConfigStep, Difference, Item, difference, judge, may_change};
use super::resource::Resource;
use super::snapshot::Existing;
use crate::app::change::{Journal, check_not_archived, journal, touch};
use crate::app::lifecycle::GoLive;
use crate::app::metadata::{check_rules, note_metadata};
use crate::app::{App, CreateDatasource, OpContext, version};
use crate::auth::Authorized;
use crate::auth::policy::grant::{Archive, Edit, Publish};
use crate::domain::{DatasourceStatus, DesiredState, EventType, Version};
use crate::error::{Error, ErrorCode, Result};
use crate::store::Tx;

impl App {
    /// Does what the plan says of one item; what was changed meanwhile is compared anew under the lock of the row.
    pub(super) async fn apply(
        &self,
        ctx: &OpContext,
        item: &mut Item,
        resource: Option<&Resource>,
        options: &ImportOptions,
    ) -> Result<Option<Uuid>> {
        match (item.action, resource, item.id) {
            (Action::Create, Some(resource), _) => {
                match self.create_resource(ctx, &item.project, resource, options).await {
                    Ok(id) => Ok(Some(id)),
                    Err(error) if error.code() == ErrorCode::Conflict => {
                        self.plan_anew(ctx, item, resource, options, error).await
                    }
                    Err(error) => Err(error),
                }
            }
            (Action::Update, Some(resource), Some(id)) => {
                self.update_resource(ctx, id, resource, options).await?;
                Ok(Some(id))
            }
            (Action::Archive, _, Some(id)) => {
                self.archive_resource(ctx, id, options).await?;
                Ok(Some(id))
            }
            _ => Ok(item.id),
        }
    }

    /// Somebody else created it since the plan was made, perhaps from the same tree.
    async fn plan_anew(
        &self,
        ctx: &OpContext,
        item: &mut Item,
        resource: &Resource,
        options: &ImportOptions,
        refused: Error,
    ) -> Result<Option<Uuid>> {
        let snapshot = self.snapshot_of(ctx, &item.project, &item.name).await?;
        let Some(existing) = snapshot.get(&(item.project.clone(), item.name.clone())) else { return Err(refused) };
        let id = existing.row.id;
        item.missing_secrets.clear();
        judge(item, resource, Some(existing), None, options);
        if item.action == Action::Update {
            self.update_resource(ctx, id, resource, options).await?;
        }
        Ok(Some(id))
    }

    async fn create_resource(
        &self,
        ctx: &OpContext,
        project: &str,
        resource: &Resource,
        options: &ImportOptions,
    ) -> Result<Uuid> {
        let proof = ctx.authorize::<Edit>()?;
        let input = CreateDatasource {
            name: resource.name.clone(),
            connector_type: resource.connector_type.clone(),
            project: Some(project.to_owned()),
            description: Some(resource.description.clone()),
            metadata: resource.metadata.clone(),
            config: None,
            template: None,
            comment: None,
        };
        let fresh = self.fresh(ctx, &proof, input)?;
        let mut tx = self.store.write(&proof).await?;
        let row = self.insert(ctx, &proof, &mut tx, fresh, EventType::Created, json!({})).await?;
        let id = row.id;
        let existing = Existing::read(&tx, row).await?;
        let difference = difference(resource, &existing, &options.manager);
        self.bring_about(ctx, &proof, &mut tx, existing, resource, difference).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::Created);
        Ok(id)
    }

    async fn update_resource(
        &self,
        ctx: &OpContext,
        id: Uuid,
        resource: &Resource,
        options: &ImportOptions,
    ) -> Result<()> {
        let proof = ctx.authorize::<Edit>()?;
        let mut tx = self.store.write(&proof).await?;
        let row = tx.datasource_for_update(id).await?;
        check_not_archived(&row)?;
        let existing = Existing::read(&tx, row).await?;
        may_change(resource, &existing, options).map_err(Error::conflict)?;
        let difference = difference(resource, &existing, &options.manager);
        self.bring_about(ctx, &proof, &mut tx, existing, resource, difference).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::Updated);
        Ok(())
    }

    async fn archive_resource(&self, ctx: &OpContext, id: Uuid, options: &ImportOptions) -> Result<()> {
        let proof = ctx.authorize::<Archive>()?;
        let mut tx = self.store.write(&proof).await?;
        let row = tx.datasource_for_update(id).await?;
        if row.managed_by != options.manager {
            return Err(Error::conflict(format!("{} keeps it now, so it is not archived", row.managed_by)));
        }
        self.archive_within(ctx, &proof, &mut tx, row, Some("its file is gone")).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::Archived);
        Ok(())
    }

    /// Every step from what is stored to what the file says; the caller commits.
    async fn bring_about(
        &self,
        ctx: &OpContext,
        proof: &Authorized<Edit>,
        tx: &mut Tx,
        existing: Existing,
        resource: &Resource,
        difference: Difference,
    ) -> Result<()> {
        let mut row = existing.row;
        if !difference.fields.is_empty() {
            let old = row.clone();
            row.description.clone_from(&resource.description);
            row.managed_by = ctx.channel.clone();
            let changed = resource.metadata.clone().apply(&mut row);
            if !changed.is_empty() {
                check_rules(ctx, tx, Some(&old), &row).await?;
            }
            row = tx.save_datasource(proof, touch(ctx, row)).await?;
            if !changed.is_empty() {
                note_metadata(ctx, proof, tx, &old, &row, resource.comment.as_deref(), None).await?;
            }
            let changes: Vec<_> = difference.fields.into_iter().filter(|c| !changed.contains(c)).collect();
            if !changes.is_empty() {
                let fields: Vec<_> = changes.iter().map(|change| change.field.clone()).collect();
                let entry = journal(&row, EventType::Updated, json!({ "fields": fields }));
                ctx.journal(tx, Journal { changes, ..entry });
            }
        }
        let ready = difference.missing_secrets.is_empty();
        let config = resource.config.as_ref();
        let live = match (difference.config, config) {
            (ConfigStep::Draft | ConfigStep::DraftAndPublish, Some(config)) => {
                let drafted;
                (row, drafted) = self.add_draft(ctx, proof, tx, row, config, resource.comment.clone()).await?;
                (ready && difference.config == ConfigStep::DraftAndPublish).then_some(drafted)
            }
            (ConfigStep::Publish(number), _) if ready => tx.version(row.id, number).await?,
            _ => None,
        };
        if let Some(version) = live {
            let grant = ctx.authorize_on::<Publish>(&row)?;
            let secret_pins = self.pin_secrets(tx, &version).await?;
            let version = Version { secret_pins, ..version };
            let approval = self.pass_import(ctx, &grant, tx, &row, &version).await?;
            let how = GoLive { event: EventType::Published, comment: resource.comment.clone(), approval };
            (row, _) = self.go_live(ctx, &grant, tx, row, version, how).await?;
        }
        if let Some(draft) = resource.draft.as_ref().filter(|_| difference.draft) {
            (row, _) = self.add_draft(ctx, proof, tx, row, &draft.config, draft.comment.clone()).await?;
        }
        // Asked again: what was just published may have to be stopped, as the file says.
        let stopped = row.status == DatasourceStatus::Disabled;
        if let Some(enabled) = resource.enabled.filter(|e| row.current_version.is_some() && *e == stopped) {
            let wanted = if enabled { DesiredState::Running } else { DesiredState::Stopped };
            self.set_running_within(ctx, proof, tx, row, wanted, None).await?;
        }
        Ok(())
    }

    async fn add_draft(
        &self,
        ctx: &OpContext,
        proof: &Authorized<Edit>,
        tx: &mut Tx,
        mut row: crate::domain::Datasource,
        config: &serde_json::Value,
        comment: Option<String>,
    ) -> Result<(crate::domain::Datasource, Version)> {
        let checked = self.check_config(&row.connector_type, config.clone())?;
        row.latest_version += 1;
        self.admit_version(tx, row.latest_version).await?;
        let row = tx.save_datasource(proof, touch(ctx, row)).await?;
        let draft = version::draft(&row, row.latest_version, checked, comment, &ctx.actor);
        tx.insert_version(proof, &draft).await?;
        version::journal_created(ctx, tx, &draft);
        Ok((row, draft))
    }
}
