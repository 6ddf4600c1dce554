use async_graphql::{Context, Object, Result, SimpleObject};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

use super::approvals::Approval;
use super::error::Shape;
use super::guard::HasRole;
use super::inputs::{
    ArchiveDatasourceInput, CheckDatasourceInput, CloneDatasourceInput, CreateDatasourceInput,
    CreateDatasourceVersionInput, DatasourceActionInput, DeleteDatasourceSecretInput, PublishDatasourceInput,
    RollbackDatasourceInput, SetDatasourceSecretInput, TestDatasourceInput, UpdateDatasourceInput,
    UpdateDatasourceMetadataInput, uuid,
};
use super::runs::{CheckDatasourcePayload, TestRun};
use super::types::{Datasource, DatasourceSecret, DatasourceVersion};
use crate::app::{self, ActOn, App, CheckRequest, OpContext, TestInput, TestRequest};
use crate::auth::Permission;
use crate::error::Error;

#[derive(Default)]
pub struct CatalogMutation;

/// The datasource as it is now.
#[derive(SimpleObject)]
pub(super) struct DatasourcePayload {
    /// As it is now.
    datasource: Datasource,
}

/// The version, and the datasource as it is now.
#[derive(SimpleObject)]
struct DatasourceVersionPayload {
    /// As it is now.
    datasource: Datasource,
    /// As it is now.
    version: DatasourceVersion,
}

/// The secret, without its value.
#[derive(SimpleObject)]
struct DatasourceSecretPayload {
    /// As it is now.
    datasource: Datasource,
    /// As it is now; for a deletion, as it was; for a request, as it would be.
    secret: DatasourceSecret,
    /// Whether the published version still runs with an older value: call `repinDatasourceSecrets` to change that.
    repin_required: bool,
    /// The request for approval, where the value waits for it.
    approval: Option<Approval>,
}

/// What came of a test.
#[derive(SimpleObject)]
struct TestDatasourcePayload {
    /// The run.
    run: TestRun,
}

pub(super) fn payload(row: crate::domain::Datasource) -> DatasourcePayload {
    DatasourcePayload { datasource: Datasource(row) }
}

/// Everything that can be changed.
#[Object]
impl CatalogMutation {
    /// Creates a datasource; with a configuration, also its first draft.
    #[graphql(directive = HasRole::apply(Permission::Edit))]
    async fn create_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new datasource.")] input: CreateDatasourceInput,
    ) -> Result<DatasourcePayload> {
        let mut input = input;
        let input = app::CreateDatasource {
            metadata: input.metadata(),
            name: input.name,
            connector_type: input.connector_type,
            project: input.project,
            description: input.description,
            config: input.config.map(|c| c.0),
            template: input.template.map(Into::into),
            comment: input.comment,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.create_datasource(op, input)).await.shaped(ctx).map(payload)
    }

    /// Edits what describes a datasource. Its configuration changes by versions. Governance metadata of a datasource
    /// that was published before needs the role ADMIN.
    #[graphql(directive = HasRole::apply(Permission::Edit))]
    async fn update_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateDatasourceInput,
    ) -> Result<DatasourcePayload> {
        let mut input = input;
        let input = app::UpdateDatasource {
            id: uuid("/id", &input.id).shaped(ctx)?,
            metadata: input.metadata(),
            expected_revision: input.expected_revision,
            name: input.name,
            description: input.description,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.update_datasource(op, input)).await.shaped(ctx).map(payload)
    }

    /// Changes the governance metadata of a datasource, also of what is live: what is absent stays, null clears. What
    /// the rules of the organisation do not allow is refused as a whole, with every problem.
    #[graphql(directive = HasRole::apply(Permission::ManageMetadata))]
    async fn update_datasource_metadata(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateDatasourceMetadataInput,
    ) -> Result<DatasourcePayload> {
        let mut input = input;
        let input = app::UpdateMetadata {
            id: uuid("/id", &input.id).shaped(ctx)?,
            changes: input.metadata(),
            expected_revision: input.expected_revision,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.update_metadata(op, input)).await.shaped(ctx).map(payload)
    }

    /// Stops a datasource and hides it. Its history stays, and its name becomes free.
    #[graphql(directive = HasRole::apply(Permission::Archive))]
    async fn archive_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: ArchiveDatasourceInput,
    ) -> Result<DatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let done = Box::pin(app.archive_datasource(op, id, input.expected_revision, input.reason.as_deref())).await;
        done.shaped(ctx).map(payload)
    }

    /// Brings an archived datasource back, stopped.
    #[graphql(directive = HasRole::apply(Permission::Archive))]
    async fn restore_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: DatasourceActionInput,
    ) -> Result<DatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.restore_datasource(op, act_on(id, input))).await.shaped(ctx).map(payload)
    }

    /// Creates a datasource from another one's description and configuration, without its secrets.
    #[graphql(directive = HasRole::apply(Permission::Edit))]
    async fn clone_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and the name of the copy.")] input: CloneDatasourceInput,
    ) -> Result<DatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let input = app::CloneDatasource { id, name: input.name, project: input.project, version: input.version };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.clone_datasource(op, input)).await.shaped(ctx).map(payload)
    }

    /// Stores a configuration as a new draft, if it is valid.
    #[graphql(directive = HasRole::apply(Permission::Edit))]
    async fn create_datasource_version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The draft.")] input: CreateDatasourceVersionInput,
    ) -> Result<DatasourceVersionPayload> {
        let input = app::CreateVersion {
            id: uuid("/id", &input.id).shaped(ctx)?,
            config: input.config.0,
            comment: input.comment,
            expected_revision: input.expected_revision,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let (row, version) = Box::pin(app.create_version(op, input)).await.shaped(ctx)?;
        Ok(version_payload(row, version))
    }

    /// Makes a draft go live. The worker takes it over without losing a record.
    #[graphql(directive = HasRole::apply(Permission::Publish))]
    async fn publish_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version, and why.")] input: PublishDatasourceInput,
    ) -> Result<DatasourceVersionPayload> {
        let input = app::Publish {
            id: uuid("/id", &input.id).shaped(ctx)?,
            version: input.version,
            comment: input.comment,
            expected_revision: input.expected_revision,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let (row, version) = Box::pin(app.publish(op, input)).await.shaped(ctx)?;
        Ok(version_payload(row, version))
    }

    /// Makes a version that was published before go live again.
    #[graphql(directive = HasRole::apply(Permission::Publish))]
    async fn rollback_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To which version, and why.")] input: RollbackDatasourceInput,
    ) -> Result<DatasourceVersionPayload> {
        let input = app::Rollback {
            id: uuid("/id", &input.id).shaped(ctx)?,
            target_version: input.target_version,
            comment: input.comment,
            expected_revision: input.expected_revision,
            repin_secrets: input.repin_secrets,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let (row, version) = Box::pin(app.rollback(op, input)).await.shaped(ctx)?;
        Ok(version_payload(row, version))
    }

    /// Runs a configuration on a payload, in a sandbox: nothing is delivered and no checkpoint moves.
    /// Without payload, sample or fetch, the connector's example is used.
    #[graphql(directive = HasRole::apply(Permission::Test))]
    async fn test_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration and the payload.")] input: TestDatasourceInput,
    ) -> Result<TestDatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let source = match (input.payload, input.sample, input.fetch) {
            (None, None, false) => TestInput::Example,
            (Some(payload), None, false) => TestInput::Payload(match payload.0 {
                Value::String(raw) => raw.into_bytes(),
                json => json.to_string().into_bytes(),
            }),
            (None, Some(name), false) => TestInput::Sample(name),
            (None, None, true) => TestInput::Fetch,
            _ => {
                let message = "cannot be combined: pass one of payload, sample and fetch";
                return Err(Error::invalid("/payload", message)).shaped(ctx);
            }
        };
        let request = TestRequest {
            id,
            version: input.version,
            config_override: input.config_override.map(|c| c.0),
            input: source,
            save_sample_as: input.save_sample_as,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let run = Box::pin(app.test(op, request)).await.shaped(ctx)?;
        Ok(TestDatasourcePayload { run: run.into() })
    }

    /// Tries to reach the source with the settings and secrets of a version, and says how far that went.
    #[graphql(directive = HasRole::apply(Permission::Test))]
    async fn check_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: CheckDatasourceInput,
    ) -> Result<CheckDatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.check_source(op, CheckRequest { id, version: input.version })).await.shaped(ctx).map(Into::into)
    }

    /// Asks for the published version to run.
    #[graphql(directive = HasRole::apply(Permission::Operate))]
    async fn start_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: DatasourceActionInput,
    ) -> Result<DatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.start(op, act_on(id, input))).await.shaped(ctx).map(payload)
    }

    /// Asks for the worker to drain and stop.
    #[graphql(directive = HasRole::apply(Permission::Operate))]
    async fn stop_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: DatasourceActionInput,
    ) -> Result<DatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.stop(op, act_on(id, input))).await.shaped(ctx).map(payload)
    }

    /// Asks for a fresh worker of the same version.
    #[graphql(directive = HasRole::apply(Permission::Operate))]
    async fn restart_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: DatasourceActionInput,
    ) -> Result<DatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.restart(op, act_on(id, input))).await.shaped(ctx).map(payload)
    }

    /// Gives a secret a value, the first one or a new one.
    #[graphql(directive = HasRole::apply(Permission::ManageSecrets))]
    async fn set_datasource_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key and the value.")] input: SetDatasourceSecretInput,
    ) -> Result<DatasourceSecretPayload> {
        let input = app::SetSecret {
            id: uuid("/id", &input.id).shaped(ctx)?,
            key: input.key,
            value: input.value.map(Into::into),
            reference: input.reference,
            repin: input.repin,
            request_approval: input.request_approval,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let done = Box::pin(app.set_secret(op, input)).await.shaped(ctx)?;
        Ok(DatasourceSecretPayload {
            datasource: Datasource(done.datasource),
            secret: done.secret.into(),
            repin_required: done.repin_required,
            approval: done.approval.map(Approval),
        })
    }

    /// Forgets every value of a secret.
    #[graphql(directive = HasRole::apply(Permission::ManageSecrets))]
    async fn delete_datasource_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which key, and why.")] input: DeleteDatasourceSecretInput,
    ) -> Result<DatasourceSecretPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let input = app::DeleteSecret { id, key: input.key, force: input.force, reason: input.reason };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let (row, secret) = Box::pin(app.delete_secret(op, input)).await.shaped(ctx)?;
        let (datasource, secret) = (Datasource(row), secret.into());
        Ok(DatasourceSecretPayload { datasource, secret, repin_required: false, approval: None })
    }

    /// Lets the published version run with the newest values of its secrets.
    #[graphql(directive = HasRole::apply(Permission::ManageSecrets))]
    async fn repin_datasource_secrets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: DatasourceActionInput,
    ) -> Result<DatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.repin_secrets(op, act_on(id, input))).await.shaped(ctx).map(payload)
    }
}

fn version_payload(row: crate::domain::Datasource, version: crate::domain::Version) -> DatasourceVersionPayload {
    DatasourceVersionPayload { datasource: Datasource(row), version: DatasourceVersion(Arc::new(version)) }
}

fn act_on(id: Uuid, input: DatasourceActionInput) -> ActOn {
    ActOn { id, reason: input.reason, expected_revision: input.expected_revision }
}
