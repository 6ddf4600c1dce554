//! Endpoints, and the secrets that sign for them.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;
use uuid::Uuid;

use super::super::change::{change, check, check_comment};
use super::super::{App, OpContext};
use crate::auth::Authorized;
use crate::auth::policy::grant::{ManageNotifications, ManageSecrets};
use crate::domain::{
    EventType, FieldChange, NotificationEndpoint, NotificationFilter, Quota, check_description, check_label,
    check_name, now, parse_duration,
};
use crate::error::{Error, Problem, Result};
use crate::secrets::{SecretAddress, generate_signing_secret};
use crate::store::Tx;
use crate::store::notification::NewSigningSecret as StoredSecret;

const URL_MAX: usize = 2_048;
/// Names in one list of a filter.
const NAMES_MAX: usize = 100;
/// Secrets that sign at once.
const SECRETS_MAX: usize = 5;
const OVERLAP: Duration = Duration::from_secs(86_400);
const OVERLAP_MAX: Duration = Duration::from_secs(7 * 86_400);

#[derive(Clone, Debug)]
pub struct CreateNotificationEndpoint {
    pub url: String,
    pub description: String,
    pub filter: NotificationFilter,
    pub active: bool,
    pub reason: Option<String>,
}

/// Absent fields stay as they are.
#[derive(Clone, Debug, Default)]
pub struct UpdateNotificationEndpoint {
    pub id: Uuid,
    pub url: Option<String>,
    pub description: Option<String>,
    /// It takes the place of the one that was there.
    pub filter: Option<NotificationFilter>,
    pub active: Option<bool>,
    /// It is not told of what happened until now.
    pub skip_missed: bool,
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub struct RotateNotificationSecret {
    pub id: Uuid,
    /// How long the secrets before it go on signing, such as `24h`.
    pub overlap: Option<String>,
    pub reason: Option<String>,
}

/// An endpoint, and for this once what signs for it.
pub struct NewSigningSecret {
    pub endpoint: NotificationEndpoint,
    secret: SecretString,
}

impl NewSigningSecret {
    /// For the one answer that shows it.
    pub fn reveal(&self) -> String {
        self.secret.expose_secret().to_owned()
    }
}

impl App {
    /// The oldest first.
    pub async fn notification_endpoints(&self, ctx: &OpContext) -> Result<Vec<NotificationEndpoint>> {
        let proof = ctx.authorize::<ManageNotifications>()?;
        self.store.read(proof.scope()).await?.notification_endpoints(&proof).await
    }

    /// It is told of what happens from now on.
    pub async fn create_notification_endpoint(
        &self,
        ctx: &OpContext,
        input: CreateNotificationEndpoint,
    ) -> Result<NewSigningSecret> {
        let proof = ctx.authorize::<ManageNotifications>()?;
        let mut problems = Vec::new();
        self.check_url(&input.url, &mut problems);
        check_description("/description", &input.description, &mut problems);
        check_filter(&input.filter, &mut problems);
        check(problems)?;
        check_comment("/reason", input.reason.as_deref())?;
        let fresh = self.fresh_secret(ctx).await?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let at = now();
        let mut endpoint = NotificationEndpoint {
            id: Uuid::now_v7(),
            org: proof.scope().org_id().clone(),
            url: input.url,
            description: input.description,
            filter: input.filter,
            active: input.active,
            disabled_reason: None,
            failing_since: None,
            event_cursor: tx.feed_bounds().await?.head,
            secrets: Vec::new(),
            created_at: at,
            created_by: ctx.actor.subject.to_string(),
            updated_at: at,
            updated_by: ctx.actor.subject.to_string(),
        };
        tx.insert_notification_endpoint(&proof, &endpoint).await?;
        self.admit(&tx, Quota::NotificationEndpoints).await?;
        let secret = fresh.keep(ctx, &proof, &tx, &endpoint, Duration::ZERO).await?;
        let changes = named(&endpoint, fields(&endpoint).into_iter().map(|(name, new)| (name, Value::Null, new)));
        tx.record_audit(ctx.audit("notification_endpoint_created", input.reason.as_deref(), changes));
        endpoint = tx.notification_endpoint_for_update(&proof, endpoint.id).await?;
        tx.commit().await?;
        self.registry.nudge_notifications();
        Ok(NewSigningSecret { endpoint, secret })
    }

    /// An endpoint that is switched on again is told of what it missed, unless that is to be skipped.
    pub async fn update_notification_endpoint(
        &self,
        ctx: &OpContext,
        input: UpdateNotificationEndpoint,
    ) -> Result<NotificationEndpoint> {
        let proof = ctx.authorize::<ManageNotifications>()?;
        let mut problems = Vec::new();
        if let Some(url) = &input.url {
            self.check_url(url, &mut problems);
        }
        check_description("/description", input.description.as_deref().unwrap_or_default(), &mut problems);
        check_filter(&input.filter.clone().unwrap_or_default(), &mut problems);
        check(problems)?;
        check_comment("/reason", input.reason.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let old = tx.notification_endpoint_for_update(&proof, input.id).await?;
        let mut new = NotificationEndpoint {
            url: input.url.unwrap_or_else(|| old.url.clone()),
            description: input.description.unwrap_or_else(|| old.description.clone()),
            filter: input.filter.unwrap_or_else(|| old.filter.clone()),
            active: input.active.unwrap_or(old.active),
            ..old.clone()
        };
        if new.active && !old.active {
            new.disabled_reason = None;
            new.failing_since = None;
        }
        if input.skip_missed {
            new.event_cursor = tx.feed_bounds().await?.head;
        }
        if new == old {
            return Ok(old);
        }
        new.updated_at = now();
        new.updated_by = ctx.actor.subject.to_string();
        tx.save_notification_endpoint(&proof, &new).await?;
        let pairs = fields(&old).into_iter().zip(fields(&new)).map(|((name, was), (_, is))| (name, was, is));
        let skipped = json!(new.event_cursor - old.event_cursor);
        let changes = named(&new, pairs.chain([("skippedEvents", json!(0), skipped)]));
        tx.record_audit(ctx.audit("notification_endpoint_updated", input.reason.as_deref(), changes));
        tx.commit().await?;
        self.registry.nudge_notifications();
        Ok(new)
    }

    /// Its messages and their log go with it.
    pub async fn delete_notification_endpoint(
        &self,
        ctx: &OpContext,
        id: Uuid,
        reason: Option<&str>,
    ) -> Result<NotificationEndpoint> {
        let proof = ctx.authorize::<ManageNotifications>()?;
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let endpoint = tx.notification_endpoint_for_update(&proof, id).await?;
        tx.delete_notification_endpoint(&proof, id).await?;
        let changes = named(&endpoint, fields(&endpoint).into_iter().map(|(name, old)| (name, old, Value::Null)));
        tx.record_audit(ctx.audit("notification_endpoint_deleted", reason, changes));
        tx.commit().await?;
        Ok(endpoint)
    }

    /// A new secret. Messages carry the signatures of those before it, too, until the overlap is over.
    pub async fn rotate_notification_secret(
        &self,
        ctx: &OpContext,
        input: RotateNotificationSecret,
    ) -> Result<NewSigningSecret> {
        let proof = ctx.authorize::<ManageNotifications>()?;
        check_comment("/reason", input.reason.as_deref())?;
        let overlap = match input.overlap.as_deref().map(parse_duration) {
            None => OVERLAP,
            Some(Ok(overlap)) if overlap <= OVERLAP_MAX => overlap,
            Some(Ok(_)) => return Err(Error::invalid("/overlap", "must be at most 7d")),
            Some(Err(message)) => return Err(Error::invalid("/overlap", message)),
        };
        let fresh = self.fresh_secret(ctx).await?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let endpoint = tx.notification_endpoint_for_update(&proof, input.id).await?;
        if endpoint.secrets.len() >= SECRETS_MAX && !overlap.is_zero() {
            return Err(Error::conflict(format!(
                "{SECRETS_MAX} secrets sign for this endpoint already; wait until one of them expires, or end them all \
                 with an overlap of 0s"
            )));
        }
        let secret = fresh.keep(ctx, &proof, &tx, &endpoint, overlap).await?;
        if overlap.is_zero() {
            // Whoever sends with the others right now stops.
            tx.save_notification_endpoint(&proof, &endpoint).await?;
        }
        let change = FieldChange {
            field: format!("notificationEndpoints.{}.secret", endpoint.id),
            old: json!(null),
            new: json!(null),
        };
        tx.record_audit(ctx.audit("notification_secret_rotated", input.reason.as_deref(), vec![change]));
        let endpoint = tx.notification_endpoint_for_update(&proof, endpoint.id).await?;
        tx.commit().await?;
        self.metrics.secret_operation("set", true);
        Ok(NewSigningSecret { endpoint, secret })
    }

    fn check_url(&self, text: &str, problems: &mut Vec<Problem>) {
        let mut wrong = |message: String| problems.push(Problem::new("/url", message));
        if text.len() > URL_MAX {
            return wrong(format!("must have at most {URL_MAX} bytes"));
        }
        let Ok(url) = text.parse::<Url>() else {
            return wrong("must be an absolute URL like https://example.com/hooks".to_owned());
        };
        if !matches!(url.scheme(), "http" | "https") {
            return wrong("must begin with https:// or http://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("must not hold credentials: the signature shows where a message comes from".to_owned());
        }
        if url.fragment().is_some() {
            return wrong("must not have a fragment, which is sent to nobody".to_owned());
        }
        if let Err(fault) = self.registry.check_egress(&url) {
            wrong(fault.message);
        }
    }

    /// Made before the transaction: a key service may take its time, and must not hold up other writers.
    async fn fresh_secret(&self, ctx: &OpContext) -> Result<FreshSecret> {
        // Whoever may do this may do that, on the same rows.
        let proof = ctx.authorize::<ManageSecrets>()?;
        Ok(FreshSecret { data_key: self.data_key(&proof).await?, secret: generate_signing_secret()? })
    }
}

/// A signing secret that is not stored yet, and the key that will seal it.
struct FreshSecret {
    data_key: std::sync::Arc<crate::secrets::DataKey>,
    secret: SecretString,
}

impl FreshSecret {
    async fn keep(
        self,
        ctx: &OpContext,
        proof: &Authorized<ManageNotifications>,
        tx: &Tx,
        endpoint: &NotificationEndpoint,
        overlap: Duration,
    ) -> Result<SecretString> {
        let version = endpoint.secrets.first().map_or(1, |newest| newest.version + 1);
        let address = SecretAddress::signing(&endpoint.org, endpoint.id, version);
        let stored = StoredSecret {
            endpoint_id: endpoint.id,
            version,
            data_key_id: self.data_key.id(),
            ciphertext: self.data_key.seal(&address, &self.secret)?,
            created_by: &ctx.actor.subject,
        };
        tx.insert_signing_secret(proof, stored, now() + overlap).await?;
        Ok(self.secret)
    }
}

fn check_filter(filter: &NotificationFilter, problems: &mut Vec<Problem>) {
    let lists = [
        ("eventTypes", filter.event_types.len()),
        ("projects", filter.projects.len()),
        ("datasourceIds", filter.datasource_ids.len()),
    ];
    for (name, length) in lists {
        if length > NAMES_MAX {
            problems.push(Problem::new(format!("/filter/{name}"), format!("must have at most {NAMES_MAX} entries")));
        }
    }
    for (i, project) in filter.projects.iter().enumerate().take(NAMES_MAX) {
        check_name(&format!("/filter/projects/{i}"), project, problems);
    }
    if filter.event_types.iter().any(|name| *name == EventType::Dropped.as_str()) {
        problems.push(Problem::new("/filter/eventTypes", "must not name dropped, which is no event"));
    }
    for (name, label) in [("owner", &filter.owner), ("team", &filter.team), ("category", &filter.category)] {
        let at = format!("/filter/{name}");
        match label.as_deref() {
            Some("") => problems.push(Problem::new(at, "must not be empty; leave it out to take any")),
            label => check_label(&at, label.unwrap_or_default(), problems),
        }
    }
}

/// What the audit log tells of an endpoint.
fn fields(endpoint: &NotificationEndpoint) -> [(&'static str, Value); 4] {
    [
        ("url", json!(told(&endpoint.url))),
        ("description", json!(endpoint.description)),
        ("filter", json!(endpoint.filter)),
        ("active", json!(endpoint.active)),
    ]
}

fn named(
    endpoint: &NotificationEndpoint,
    fields: impl Iterator<Item = (&'static str, Value, Value)>,
) -> Vec<FieldChange> {
    let id = endpoint.id;
    fields.filter_map(|(name, old, new)| change(&format!("notificationEndpoints.{id}.{name}"), old, new)).collect()
}

/// A path may hold a secret, so that only the server is named, and a hash that tells one URL from another.
fn told(url: &str) -> String {
    let origin = url.parse::<Url>().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    format!("{origin} (SHA-256 {})", hex::encode(&Sha256::digest(url)[..8]))
}
