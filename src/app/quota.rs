//! What an organisation may have at most.

use std::time::Duration;

use serde_json::{Value, json};

use super::{App, OpContext};
use crate::auth::ActorKind;
use crate::auth::policy::grant::Read;
use crate::domain::{FieldChange, Most, Quota, QuotaUse};
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::store::Tx;

/// How soon every node knows of another quota of requests.
const RATES_READ_EVERY: Duration = Duration::from_secs(5);

impl App {
    /// Keeps the request rates of all organisations in memory, until it is dropped.
    pub async fn keep_rates(&self) {
        let default = self.quotas.most(Quota::RequestsPerMinute);
        loop {
            match self.store.own_request_rates().await {
                Ok(own) => self.limits.set_quotas(default, own),
                Err(error) => tracing::warn!(%error, "could not read the quotas of requests; the last ones stay"),
            }
            tokio::time::sleep(RATES_READ_EVERY).await;
        }
    }

    /// Every quota of the organisation, and what it has of it.
    pub async fn quotas(&self, ctx: &OpContext) -> Result<Vec<QuotaUse>> {
        let proof = ctx.authorize::<Read>()?;
        let tx = self.store.read(proof.scope()).await?;
        let mut all = Vec::with_capacity(Quota::ALL.len());
        for name in Quota::ALL.iter().copied() {
            all.push(QuotaUse { name, limit: self.quota_limit(&tx, name).await?, used: tx.quota_used(name).await? });
        }
        Ok(all)
    }

    /// Makes a quota of one organisation differ from the settings; `None` lets them decide again.
    /// For who runs the server: no organisation sets its own.
    pub async fn set_quota(
        &self,
        ctx: &OpContext,
        quota: Quota,
        most: Option<Most>,
        reason: Option<&str>,
    ) -> Result<()> {
        if ctx.actor.kind != ActorKind::System {
            return Err(Error::new(ErrorCode::Forbidden, "quotas are set by who runs the server, at its command line"));
        }
        let tx = self.store.read(&ctx.actor.scope).await?;
        let old = tx.own_quotas().await?.into_iter().find(|(name, _)| *name == quota).map(|(_, most)| most);
        drop(tx);
        let shown = |most: Option<Most>| most.map_or(json!("default"), |Most(n)| n.map_or(json!("none"), Value::from));
        let change = FieldChange { field: format!("quotas.{quota}"), old: shown(old), new: shown(most) };
        let entry = ctx.audit("quota_set", reason, vec![change]);
        self.store.set_quota(&ctx.actor, quota, most, entry).await
    }

    /// The most that the organisation of `tx` may have; `None` means no limit.
    pub(super) async fn quota_limit(&self, tx: &Tx, quota: Quota) -> Result<Option<u64>> {
        let own = tx.own_quotas().await?.into_iter().find(|(name, _)| *name == quota);
        Ok(own.map_or(self.quotas.most(quota), |(_, Most(most))| most))
    }

    /// Refuses what `tx` just wrote, if that is more than the organisation may have. Who writes at the same time
    /// waits here for the end of this transaction, and then counts with it.
    pub(super) async fn admit(&self, tx: &Tx, quota: Quota) -> Result<()> {
        let Some(limit) = self.quota_limit(tx, quota).await? else { return Ok(()) };
        tx.hold_quotas().await?;
        match tx.quota_used(quota).await? {
            Some(used) if used > limit => Err(exceeded(quota, limit, used)),
            _ => Ok(()),
        }
    }

    /// A new version of a datasource; its row is locked, so that nobody else counts.
    pub(super) async fn admit_version(&self, tx: &Tx, number: i32) -> Result<()> {
        let wanted = u64::try_from(number).unwrap_or(0);
        match self.quota_limit(tx, Quota::VersionsPerDatasource).await? {
            Some(limit) if wanted > limit => Err(exceeded(Quota::VersionsPerDatasource, limit, wanted)),
            _ => Ok(()),
        }
    }
}

fn exceeded(quota: Quota, limit: u64, wanted: u64) -> Error {
    let remedy = match quota {
        Quota::Datasources => "archive one that is not needed",
        Quota::VersionsPerDatasource => "go on with a clone of the datasource",
        Quota::SampleBytes => "save it in place of another sample, by its name, or do not save it",
        Quota::Workers => "stop a datasource that is not needed, or lower runtime.parallelism",
        Quota::RequestsPerMinute => "send less in a minute",
        Quota::ApiKeys => "revoke one that is not needed",
        Quota::MetadataItems => "delete one that is not needed",
        Quota::NotificationEndpoints => "delete one that is not needed",
    };
    let message = format!(
        "the quota {quota} of your organisation is {limit}, and this would make it {wanted}; {remedy}, or ask who runs \
         the server for more"
    );
    Error::validation(vec![Problem::new("", message)])
}
