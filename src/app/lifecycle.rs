//! Publish, roll back, start, stop and restart. Each writes what should be; the registry makes it so.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::change::{Journal, change, check_comment, check_not_archived, check_revision, journal, touch};
use super::{App, OpContext};
use crate::auth::Authorized;
use crate::auth::policy::Grant;
use crate::auth::policy::grant::{Operate, Publish as PublishGrant};
use crate::domain::{
    ApprovalAction, Datasource, DatasourceStatus, DesiredState, EventType, Quota, SecretPins, Version, VersionState,
    now,
};
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::mapping::Document;
use crate::registry::Plan;
use crate::store::Tx;

#[derive(Clone, Debug, Default)]
pub struct Publish {
    pub id: Uuid,
    /// Absent: the newest draft.
    pub version: Option<i32>,
    pub comment: Option<String>,
    pub expected_revision: Option<i64>,
}

#[derive(Clone, Debug, Default)]
pub struct Rollback {
    pub id: Uuid,
    /// Absent: what was published before the current version.
    pub target_version: Option<i32>,
    pub comment: Option<String>,
    pub expected_revision: Option<i64>,
    /// Run the old configuration with the secrets as they are today instead of those that it was published with.
    pub repin_secrets: bool,
}

/// How a version goes live: what the timeline calls it, why, and who agreed.
pub(super) struct GoLive {
    pub(super) event: EventType,
    pub(super) comment: Option<String>,
    /// The request that is used up by it.
    pub(super) approval: Option<Uuid>,
}

/// A datasource to do something to that takes no more than a reason.
#[derive(Clone, Debug, Default)]
pub struct ActOn {
    pub id: Uuid,
    pub reason: Option<String>,
    pub expected_revision: Option<i64>,
}

impl App {
    pub async fn publish(&self, ctx: &OpContext, input: Publish) -> Result<(Datasource, Version)> {
        let proof = ctx.authorize::<PublishGrant>()?;
        check_comment("/comment", input.comment.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(input.id).await?;
        check_revision(&row, input.expected_revision)?;
        check_not_archived(&row)?;
        let number = input.version.unwrap_or(row.latest_version);
        let version = tx.version(row.id, number).await?.ok_or_else(|| no_such_version(&row, number))?;
        match version.state {
            VersionState::Draft => {}
            VersionState::Published => {
                return Err(Error::conflict(format!("version {number} is published already; draft a new one first")));
            }
            VersionState::Archived => {
                return Err(Error::conflict(format!("version {number} was published before; roll back to it instead")));
            }
        }
        let pins = self.pin_secrets(&tx, &version).await?;
        let version = Version { secret_pins: pins, ..version };
        let approval = self.pass(&proof, &mut tx, &row, ApprovalAction::Publish, &version).await?;
        let how = GoLive { event: EventType::Published, comment: input.comment, approval };
        let out = self.go_live(ctx, &proof, &mut tx, row, version, how).await?;
        tx.commit().await?;
        self.runs_from_now_on(&out.0);
        self.metrics.lifecycle_event(EventType::Published);
        Ok(out)
    }

    pub async fn rollback(&self, ctx: &OpContext, input: Rollback) -> Result<(Datasource, Version)> {
        let proof = ctx.authorize::<PublishGrant>()?;
        check_comment("/comment", input.comment.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(input.id).await?;
        check_revision(&row, input.expected_revision)?;
        check_not_archived(&row)?;
        let mut version = match input.target_version {
            Some(number) => tx.version(row.id, number).await?.ok_or_else(|| no_such_version(&row, number))?,
            None => tx.published_before(row.id, row.current_version.unwrap_or(0)).await?.ok_or_else(|| {
                Error::conflict("no version was published before the current one; there is nothing to roll back to")
            })?,
        };
        match version.state {
            VersionState::Archived if version.published_at.is_some() => {}
            VersionState::Published => {
                return Err(Error::conflict(format!("version {} is the published one already", version.version)));
            }
            _ => {
                return Err(Error::conflict(format!(
                    "version {} was never published; publish it instead of rolling back to it",
                    version.version
                )));
            }
        }
        if input.repin_secrets {
            version.secret_pins = self.pin_secrets(&tx, &version).await?;
        } else {
            check_pins_exist(&tx, &version).await?;
        }
        let approval = self.pass(&proof, &mut tx, &row, ApprovalAction::Rollback, &version).await?;
        let how = GoLive { event: EventType::RolledBack, comment: input.comment, approval };
        let out = self.go_live(ctx, &proof, &mut tx, row, version, how).await?;
        tx.commit().await?;
        self.runs_from_now_on(&out.0);
        self.metrics.lifecycle_event(EventType::RolledBack);
        Ok(out)
    }

    pub async fn start(&self, ctx: &OpContext, input: ActOn) -> Result<Datasource> {
        let proof = ctx.authorize::<Operate>()?;
        self.set_running(ctx, &proof, &input, DesiredState::Running).await
    }

    pub async fn stop(&self, ctx: &OpContext, input: ActOn) -> Result<Datasource> {
        let proof = ctx.authorize::<Operate>()?;
        self.set_running(ctx, &proof, &input, DesiredState::Stopped).await
    }

    /// Replaces the worker by a fresh one of the same version.
    pub async fn restart(&self, ctx: &OpContext, input: ActOn) -> Result<Datasource> {
        let proof = ctx.authorize::<Operate>()?;
        let (id, reason) = (input.id, input.reason.as_deref());
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(id).await?;
        check_revision(&row, input.expected_revision)?;
        check_not_archived(&row)?;
        if desired(&tx, id).await? != DesiredState::Running {
            return Err(Error::conflict("the datasource is stopped; start it instead"));
        }
        tx.raise_generation(&proof, id).await?;
        let entry = journal(&row, EventType::Restarted, json!({}));
        ctx.journal(&mut tx, Journal { version: row.current_version, reason, ..entry });
        tx.commit().await?;
        self.runs_from_now_on(&row);
        self.metrics.lifecycle_event(EventType::Restarted);
        Ok(row)
    }

    async fn set_running(
        &self,
        ctx: &OpContext,
        proof: &Authorized<Operate>,
        input: &ActOn,
        wanted: DesiredState,
    ) -> Result<Datasource> {
        let (id, reason) = (input.id, input.reason.as_deref());
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, proof).await?;
        let row = tx.datasource_for_update(id).await?;
        check_revision(&row, input.expected_revision)?;
        check_not_archived(&row)?;
        if row.current_version.is_none() {
            return Err(Error::conflict("no version is published yet; publish one first"));
        }
        if desired(&tx, id).await? == wanted {
            // Asked twice, it is done once; but what gave up is started again.
            if wanted != DesiredState::Running || row.status != DatasourceStatus::Error {
                return Ok(row);
            }
            tx.raise_generation(proof, id).await?;
        }
        let (row, event) = self.set_running_within(ctx, proof, &mut tx, row, wanted, reason).await?;
        tx.commit().await?;
        if wanted == DesiredState::Running {
            self.runs_from_now_on(&row);
        }
        self.metrics.lifecycle_event(event);
        Ok(row)
    }

    /// Who runs no more workers than before may go on, though others made the organisation pass its quota.
    async fn admit_workers(&self, tx: &Tx, id: Uuid, before: u64) -> Result<()> {
        if tx.wanted_workers(id).await? > before { self.admit(tx, Quota::Workers).await } else { Ok(()) }
    }

    /// Before the caller hears of it: a sender may post the moment after, sooner than this node looks.
    fn runs_from_now_on(&self, row: &Datasource) {
        if row.status != DatasourceStatus::Disabled {
            self.registry.expect(&row.connector_type, row.id);
        }
    }

    /// What is published runs, or does not, from now on.
    pub(super) async fn set_running_within<P: Grant>(
        &self,
        ctx: &OpContext,
        proof: &Authorized<P>,
        tx: &mut Tx,
        mut row: Datasource,
        wanted: DesiredState,
        reason: Option<&str>,
    ) -> Result<(Datasource, EventType)> {
        let (status, event) = match wanted {
            DesiredState::Running => (DatasourceStatus::Active, EventType::Started),
            DesiredState::Stopped => (DatasourceStatus::Disabled, EventType::Stopped),
        };
        let changes = change("status", row.status.as_str(), status.as_str()).into_iter().collect();
        row.status = status;
        let before = tx.wanted_workers(row.id).await?;
        tx.set_desired(proof, row.id, wanted).await?;
        self.admit_workers(tx, row.id, before).await?;
        let row = tx.save_datasource(proof, touch(ctx, row)).await?;
        let entry = journal(&row, event, json!({}));
        ctx.journal(tx, Journal { version: row.current_version, changes, reason, ..entry });
        Ok((row, event))
    }

    /// Makes `version` the published one. A datasource that somebody stopped stays stopped.
    pub(super) async fn go_live<P: Grant>(
        &self,
        ctx: &OpContext,
        proof: &Authorized<P>,
        tx: &mut Tx,
        mut row: Datasource,
        mut version: Version,
        how: GoLive,
    ) -> Result<(Datasource, Version)> {
        let previous = row.current_version;
        if let Some(number) = previous
            && let Some(mut current) = tx.version(row.id, number).await?
        {
            current.state = VersionState::Archived;
            tx.save_version(proof, &current).await?;
        }
        version.state = VersionState::Published;
        version.published_at = Some(now());
        version.published_by = Some(ctx.actor.subject.to_string());
        tx.save_version(proof, &version).await?;

        let (old_status, before) = (row.status, tx.wanted_workers(row.id).await?);
        if row.status != DatasourceStatus::Disabled {
            row.status = DatasourceStatus::Active;
            tx.set_desired(proof, row.id, DesiredState::Running).await?;
        }
        let workers = Document::parse(&version.config).map_or(1, |document| document.runtime.parallelism);
        tx.set_parallelism(proof, &row.tenant, row.id, workers).await?;
        self.admit_workers(tx, row.id, before).await?;
        row.current_version = Some(version.version);
        let row = tx.save_datasource(proof, touch(ctx, row)).await?;
        let changes = [
            change("currentVersion", json!(previous), json!(row.current_version)),
            change("status", old_status.as_str(), row.status.as_str()),
        ];
        let mut payload = json!({ "previousVersion": previous, "checksum": version.checksum, "comment": how.comment });
        if let Some(approval) = how.approval {
            payload["approvalId"] = json!(approval);
        }
        let entry = Journal {
            version: Some(version.version),
            changes: changes.into_iter().flatten().collect(),
            reason: how.comment.as_deref(),
            ..journal(&row, how.event, payload)
        };
        ctx.journal(tx, entry);
        self.settle_approvals(ctx, proof, tx, &row).await?;
        Ok((row, version))
    }

    /// The newest value of every secret that a configuration names; a missing one refuses it, by name.
    pub(super) async fn pin_secrets(&self, tx: &Tx, version: &Version) -> Result<SecretPins> {
        let plan = Plan::compile(self.connectors(), self.sinks(), &version.config).map_err(Error::config_invalid)?;
        self.newest_pins(tx, version.datasource_id, &plan.document).await
    }

    pub(super) async fn newest_pins(&self, tx: &Tx, id: Uuid, document: &Document) -> Result<SecretPins> {
        let stored: BTreeMap<_, _> = tx.secrets(&[id]).await?.into_iter().map(|s| (s.key, s.version)).collect();
        let mut pins = SecretPins::new();
        let mut missing = Vec::new();
        for key in document.secret_keys() {
            match stored.get(&key) {
                Some(number) => drop(pins.insert(key, *number)),
                None => missing.push(key),
            }
        }
        if missing.is_empty() { Ok(pins) } else { Err(secrets_missing(&missing)) }
    }
}

pub(super) async fn check_pins_exist(tx: &Tx, version: &Version) -> Result<()> {
    let found: Vec<_> =
        tx.sealed_secrets(version.datasource_id, &version.secret_pins).await?.into_iter().map(|s| s.key).collect();
    let missing: Vec<_> = version.secret_pins.keys().filter(|k| !found.contains(k)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::SecretMissing,
        format!(
            "version {} ran with values of {} that were deleted since; set them and roll back with repinSecrets",
            version.version,
            missing.join(", ")
        ),
    ))
}

fn secrets_missing(keys: &[String]) -> Error {
    let problems = keys.iter().map(|key| {
        Problem::new(
            "/secrets",
            format!("the secret {key:?} is not set; set it (setDatasourceSecret, or POST …/secrets)"),
        )
    });
    Error::with_problems(
        ErrorCode::SecretMissing,
        "the configuration names secrets that are not set",
        problems.collect(),
    )
}

async fn desired(tx: &Tx, id: Uuid) -> Result<DesiredState> {
    let state = tx.states(&[id]).await?.into_iter().next();
    state.map(|s| s.desired).ok_or_else(|| Error::internal(format!("datasource {id} has no state row")))
}

pub(super) fn no_such_version(row: &Datasource, number: i32) -> Error {
    if row.latest_version == 0 {
        Error::conflict("the datasource has no version yet; create one first")
    } else {
        Error::new(ErrorCode::NotFound, format!("version {number} not found; the newest is {}", row.latest_version))
    }
}
