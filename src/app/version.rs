//! Drafts, and what a configuration must be before it is stored.

use serde_json::{Value, json};
use uuid::Uuid;

use super::change::{Journal, check_comment, check_not_archived, check_revision, touch};
use super::{App, OpContext};
use crate::auth::Actor;
use crate::auth::policy::grant::{Edit, Read};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    ApprovalState, Change, Datasource, EventType, SecretPins, Version, VersionState, checksum, diff, now,
};
use crate::error::{Error, Problem, Result};
use crate::registry::Plan;
use crate::store::Tx;

/// The longest configuration that is stored, as canonical JSON.
pub(super) const CONFIG_MAX: usize = 256 * 1024;

#[derive(Clone, Debug)]
pub struct CreateVersion {
    pub id: Uuid,
    pub config: Value,
    pub comment: Option<String>,
    pub expected_revision: Option<i64>,
}

/// What changed between two configurations.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionDiff {
    pub from: i32,
    pub to: i32,
    pub changes: Vec<Change>,
}

/// A configuration that passed every check.
pub(super) struct CheckedConfig {
    config: Value,
    schema_version: i32,
}

impl CheckedConfig {
    pub(super) fn into_config(self) -> Value {
        self.config
    }
}

impl App {
    pub async fn version(&self, ctx: &OpContext, id: Uuid, version: i32) -> Result<Option<Version>> {
        let proof = ctx.authorize::<Read>()?;
        self.store.read(proof.scope()).await?.version(id, version).await
    }

    pub async fn versions(&self, ctx: &OpContext, id: Uuid, page: &PageRequest<i32>) -> Result<Page<Version>> {
        let proof = ctx.authorize::<Read>()?;
        self.store.read(proof.scope()).await?.versions(id, page).await
    }

    pub async fn versions_by_number(&self, ctx: &OpContext, keys: &[(Uuid, i32)]) -> Result<Vec<Version>> {
        let proof = ctx.authorize::<Read>()?;
        self.store.read(proof.scope()).await?.versions_by_number(keys).await
    }

    pub async fn create_version(&self, ctx: &OpContext, input: CreateVersion) -> Result<(Datasource, Version)> {
        let proof = ctx.authorize::<Edit>()?;
        check_comment("/comment", input.comment.as_deref())?;
        // The type never changes, so the costly check runs before the row is locked.
        let found = self.store.read(proof.scope()).await?.datasource(input.id).await?;
        let connector_type = found.ok_or_else(|| Error::not_found("datasource"))?.connector_type;
        let checked = self.check_config(&connector_type, input.config)?;

        let mut tx = ctx.begin(&self.store, &proof).await?;
        let mut row = tx.datasource_for_update(input.id).await?;
        check_revision(&row, input.expected_revision)?;
        check_not_archived(&row)?;
        row.latest_version += 1;
        self.admit_version(&tx, row.latest_version).await?;
        let row = tx.save_datasource(&proof, touch(ctx, row)).await?;
        let draft = draft(&row, row.latest_version, checked, input.comment, &ctx.actor);
        tx.insert_version(&proof, &draft).await?;
        journal_created(ctx, &mut tx, &draft);
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::VersionCreated);
        Ok((row, draft))
    }

    /// What changed from one version to another, in either direction.
    pub async fn diff_versions(&self, ctx: &OpContext, id: Uuid, from: i32, to: i32) -> Result<VersionDiff> {
        let proof = ctx.authorize::<Read>()?;
        let tx = self.store.read(proof.scope()).await?;
        tx.datasource(id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        let missing = |number: i32| Error::not_found(&format!("version {number}"));
        let old = tx.version(id, from).await?.ok_or_else(|| missing(from))?;
        let new = tx.version(id, to).await?.ok_or_else(|| missing(to))?;
        Ok(VersionDiff { from, to, changes: diff(&old.config, &new.config) })
    }

    /// All that is wrong with a configuration, without storing it. Nothing is wrong with a valid one.
    pub fn validate_config(&self, ctx: &OpContext, connector_type: &str, config: Value) -> Result<Vec<Problem>> {
        ctx.authorize::<Read>()?;
        match self.check_config(connector_type, config) {
            Ok(_) => Ok(Vec::new()),
            Err(error) if !error.problems().is_empty() => Ok(error.problems().to_vec()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn check_config(&self, connector_type: &str, mut config: Value) -> Result<CheckedConfig> {
        let Some(connector) = self.connectors().get(connector_type) else {
            return Err(Error::invalid("/type", self.unknown_type(connector_type)));
        };
        if let Some(section) = config.get_mut("connector").and_then(Value::as_object_mut) {
            section.entry("type").or_insert_with(|| connector_type.into());
        }
        let size = config.to_string().len();
        if size > CONFIG_MAX {
            let message = format!("is {size} bytes long; the most is {CONFIG_MAX}");
            return Err(Error::config_invalid(vec![Problem::new("", message)]));
        }
        let plan = Plan::compile(self.connectors(), self.sinks(), &config).map_err(Error::config_invalid)?;
        if plan.document.connector_type != connector_type {
            let message = format!("must be {connector_type:?}, the type of the datasource");
            return Err(Error::config_invalid(vec![Problem::new("/connector/type", message)]));
        }
        Ok(CheckedConfig { config, schema_version: connector.spec().schema_version })
    }
}

pub(super) fn draft(
    row: &Datasource,
    number: i32,
    checked: CheckedConfig,
    comment: Option<String>,
    actor: &Actor,
) -> Version {
    Version {
        id: Uuid::now_v7(),
        tenant: row.tenant.clone(),
        datasource_id: row.id,
        version: number,
        state: VersionState::Draft,
        checksum: checksum(&checked.config),
        config: checked.config,
        connector_schema_version: checked.schema_version,
        comment: comment.filter(|c| !c.is_empty()),
        secret_pins: SecretPins::new(),
        approval: ApprovalState::NotRequired,
        approved_by: None,
        approved_at: None,
        created_at: now(),
        created_by: actor.subject.to_string(),
        published_at: None,
        published_by: None,
    }
}

pub(super) fn journal_created(ctx: &OpContext, tx: &mut Tx, draft: &Version) {
    let entry = Journal {
        tenant: &draft.tenant,
        datasource_id: draft.datasource_id,
        version: Some(draft.version),
        event: EventType::VersionCreated,
        payload: json!({ "checksum": draft.checksum, "comment": draft.comment }),
        changes: Vec::new(),
        reason: draft.comment.as_deref(),
    };
    ctx.journal(tx, entry);
}
