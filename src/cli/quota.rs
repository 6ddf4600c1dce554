//! `quota`: what an organisation may have at most.

use clap::Subcommand;
use serde_json::json;

use super::print;
use crate::app::OpContext;
use crate::auth::Actor;
use crate::config::Settings;
use crate::domain::{Most, Quota};
use crate::server::{Offline, plain};

#[derive(Subcommand)]
pub(super) enum QuotaCommand {
    /// Show every quota of an organisation, and what it has
    #[command(after_help = "Example: datasource-studio quota get --org acme --json")]
    Get {
        /// The organisation
        #[arg(long, default_value = "default")]
        org: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set a quota of one organisation
    #[command(after_help = "Examples:
  datasource-studio quota set --org acme datasources 50
  datasource-studio quota set --org acme workers none       no limit
  datasource-studio quota set --org acme workers default    as the settings of the server say")]
    Set {
        /// The organisation
        #[arg(long, default_value = "default")]
        org: String,
        /// The quota
        #[arg(value_name = "NAME")]
        name: Quota,
        /// A number, `none` or `default`
        #[arg(value_name = "N|none|default", value_parser = wanted)]
        most: Wanted,
        /// Why; for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Clone, Copy)]
pub(super) struct Wanted(Option<Most>);

fn wanted(text: &str) -> Result<Wanted, String> {
    match text {
        "default" => Ok(Wanted(None)),
        _ => text.parse().map(|most| Wanted(Some(most))),
    }
}

pub(super) async fn run(settings: Settings, command: QuotaCommand) -> Result<(), String> {
    let (org, writes) = match &command {
        QuotaCommand::Get { org, .. } => (org.clone(), false),
        QuotaCommand::Set { org, .. } => (org.clone(), true),
    };
    let offline = Offline::open(&settings, writes).await?;
    let ctx = OpContext::new(Actor::system("quota", org), "quota");
    let done = match command {
        QuotaCommand::Get { json, .. } => offline.app.quotas(&ctx).await.map(|all| {
            let rows = all.iter().map(|q| json!({ "name": q.name, "limit": q.limit, "used": q.used }));
            if json {
                return rows.collect::<serde_json::Value>().to_string();
            }
            let line = |q: &crate::domain::QuotaUse| {
                let used = q.used.map_or("-".to_owned(), |used| used.to_string());
                format!("{:<24} {used:>12} of {}", q.name.as_str(), Most(q.limit))
            };
            all.iter().map(line).collect::<Vec<_>>().join("\n")
        }),
        QuotaCommand::Set { name, most, reason, .. } => {
            let set = offline.app.set_quota(&ctx, name, most.0, reason.as_deref()).await;
            set.map(|()| format!("{name} is {}", most.0.map_or("default".to_owned(), |most| most.to_string())))
        }
    };
    offline.close().await;
    print(&done.map_err(plain)?)
}
