//! `keys`: which keys there are, and moving to new ones.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::print;
use crate::app::{App, OpContext};
use crate::auth::Actor;
use crate::config::Settings;
use crate::domain::{KeyRotation, RotationKind, RotationStatus};
use crate::secrets::INSTALLATION;
use crate::server::{Offline, plain};

pub(super) const HELP: &str = "Examples:
  datasource-studio keys status --json
  datasource-studio keys rotate --reason 'yearly'            wraps all data keys by the current master key
  datasource-studio keys rotate --kind data-key --org acme   new data key for acme; its secrets move to it
  datasource-studio keys retire --org acme                   forgets data keys that seal nothing any more";

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Show which master keys and data keys are in use
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Wrap the data keys by the current master key, or give secrets a new data key
    Rotate {
        #[command(flatten)]
        whose: Whose,
        /// What moves
        #[arg(long, value_enum, default_value = "master-key")]
        kind: Kind,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget data keys that seal nothing any more
    Retire {
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(clap::Args)]
pub(super) struct Whose {
    /// Only this organisation [default: all]
    #[arg(long)]
    org: Option<String>,
    /// Why; for the audit log
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// Data keys are wrapped by the current master key; secrets stay as they are.
    MasterKey,
    /// Each organisation gets a new data key, and its secrets move to it.
    DataKey,
}

impl From<Kind> for RotationKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::MasterKey => Self::MasterKey,
            Kind::DataKey => Self::DataKey,
        }
    }
}

pub(super) async fn run(settings: Settings, command: Keys) -> Result<(), String> {
    let offline = Offline::open_with_keys(&settings).await?;
    let done = match command {
        Keys::Status { json } => status(&offline.app, json).await,
        Keys::Rotate { whose, kind, json } => rotate(&offline.app, &whose, kind.into(), json).await,
        Keys::Retire { whose } => retire(&offline.app, &whose).await,
    };
    offline.close().await;
    done
}

fn context(org: &str) -> OpContext {
    OpContext::new(Actor::system("keys", org), "keys")
}

async fn orgs(app: &App, whose: Option<&str>) -> Result<Vec<String>, String> {
    let all = app.orgs_with_keys().await.map_err(plain)?;
    match whose {
        None => Ok(all.into_iter().filter(|org| org != INSTALLATION).collect()),
        Some(org) if all.iter().any(|known| known == org) => Ok(vec![org.to_owned()]),
        Some(org) => Err(format!("the organisation {org:?} has no data key; it never had a secret")),
    }
}

async fn status(app: &App, as_json: bool) -> Result<(), String> {
    let masters = app.master_keys().await.map_err(plain)?;
    let mut whole = Vec::new();
    for org in orgs(app, None).await? {
        let keys = app.encryption_keys(&context(&org)).await.map_err(plain)?;
        whole.push((org, keys));
    }
    if as_json {
        let masters: Vec<Value> = masters
            .iter()
            .map(|m| {
                json!({
                    "provider": m.used.provider, "masterKey": m.used.master_key_id, "version": m.used.master_key_version,
                    "dataKeys": m.used.data_keys, "held": m.held, "current": m.current,
                })
            })
            .collect();
        let orgs: Vec<Value> = whole
            .iter()
            .map(|(org, keys)| {
                let data_keys: Vec<_> = keys
                    .data_keys
                    .iter()
                    .map(|(key, held)| {
                        json!({
                            "id": key.id, "active": key.active, "secrets": key.secrets, "provider": key.provider,
                            "masterKey": key.master_key_id, "version": key.master_key_version, "held": held,
                            "createdAt": key.created_at, "wrappedAt": key.wrapped_at,
                        })
                    })
                    .collect();
                json!({ "org": org, "dataKeys": data_keys, "rotation": keys.rotations.first().map(rotation_json) })
            })
            .collect();
        return print(&json!({ "masterKeys": masters, "orgs": orgs }).to_string());
    }
    let mut lines = vec!["MASTER KEYS".to_owned()];
    for m in &masters {
        let note = match (m.current, m.held) {
            (true, _) => "current",
            (false, true) => "old: keep it until nothing is wrapped by it",
            (false, false) => "missing: what it wraps cannot be opened",
        };
        let version = m.used.master_key_version.as_deref().unwrap_or("-");
        lines.push(format!(
            "{:<8} {:<24} {:<6} {:>6} data keys  {note}",
            m.used.provider, m.used.master_key_id, version, m.used.data_keys
        ));
    }
    lines.push("DATA KEYS".to_owned());
    for (org, keys) in &whole {
        for (key, _) in &keys.data_keys {
            let note = match (key.active, key.secrets) {
                (true, _) => "active",
                (false, 0) => "can be retired",
                (false, _) => "old",
            };
            let org = super::visible::inline(org);
            lines.push(format!("{org:<20} {} {:>6} values  {note}", key.id, key.secrets));
        }
        if let Some(rotation) = keys.rotations.first() {
            lines.push(told(rotation));
        }
    }
    print(&lines.join("\n"))
}

async fn rotate(app: &App, whose: &Whose, kind: RotationKind, as_json: bool) -> Result<(), String> {
    let mut ended = Vec::new();
    for org in orgs(app, whose.org.as_deref()).await? {
        let ctx = context(&org);
        let mut rotation = app.rotate_keys(&ctx, kind, whose.reason.as_deref()).await.map_err(plain)?;
        // Here, unless a server was faster; then its progress is told.
        while rotation.status == RotationStatus::Running {
            app.registry().rotate_now(&org).await;
            let all = app.encryption_keys(&ctx).await.map_err(plain)?.rotations;
            rotation = all.into_iter().find(|r| r.id == rotation.id).unwrap_or(rotation);
            if rotation.status == RotationStatus::Running {
                eprintln!("{}", told(&rotation));
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
        eprintln!("{}: {}", super::visible::inline(&org), told(&rotation));
        ended.push((org, rotation));
    }
    if as_json {
        let all: Vec<_> = ended
            .iter()
            .map(|(org, rotation)| {
                let mut one = rotation_json(rotation);
                one["org"] = json!(org);
                one
            })
            .collect();
        print(&Value::Array(all).to_string())?;
    }
    match ended.iter().filter(|(_, rotation)| rotation.status == RotationStatus::Failed).count() {
        0 => Ok(()),
        n => Err(format!("{n} of {} rotations failed; what could not be moved stays as it was", ended.len())),
    }
}

async fn retire(app: &App, whose: &Whose) -> Result<(), String> {
    let mut lines = Vec::new();
    for org in orgs(app, whose.org.as_deref()).await? {
        for key in app.retire_keys(&context(&org), whose.reason.as_deref()).await.map_err(plain)? {
            lines.push(format!("retired {} of {}", key.id, super::visible::inline(&org)));
        }
    }
    print(&if lines.is_empty() { "nothing can be retired".to_owned() } else { lines.join("\n") })
}

fn told(rotation: &KeyRotation) -> String {
    let why = rotation.error.as_ref().map(|why| format!(": {}", super::visible::inline(why))).unwrap_or_default();
    format!(
        "rotation of the {} {}, {} of {}{why}",
        rotation.kind.noun(),
        rotation.status,
        rotation.done,
        rotation.total
    )
}

fn rotation_json(rotation: &KeyRotation) -> Value {
    json!({
        "id": rotation.id, "kind": rotation.kind, "status": rotation.status, "total": rotation.total,
        "done": rotation.done, "error": rotation.error, "createdAt": rotation.created_at,
        "createdBy": rotation.created_by, "finishedAt": rotation.finished_at,
    })
}
