//! `contract`: who reads the views of the schema `contract_v1`.

use clap::Subcommand;

use super::print;
use crate::app::OpContext;
use crate::auth::Actor;
use crate::config::Settings;
use crate::domain::ContractReader;
use crate::server::{Offline, plain};

#[derive(Subcommand)]
pub(super) enum Contract {
    /// Let a login of the database see an organisation
    #[command(after_help = "Example: datasource-studio contract grant --login reporting --org acme")]
    Grant(Reader),
    /// Take an organisation away from a login
    #[command(after_help = "Example: datasource-studio contract revoke --login reporting --org acme")]
    Revoke(Reader),
    /// Show which login sees which organisation
    #[command(after_help = "Example: datasource-studio contract list --json")]
    List {
        /// Only this organisation
        #[arg(long)]
        org: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct Reader {
    /// The login
    #[arg(long, value_name = "NAME")]
    login: String,
    /// The organisation
    #[arg(long, default_value = "default")]
    org: String,
    /// Why; for the audit log
    #[arg(long)]
    reason: Option<String>,
}

pub(super) async fn run(settings: Settings, command: Contract) -> Result<(), String> {
    let writes = !matches!(command, Contract::List { .. });
    let offline = Offline::open(&settings, writes).await?;
    let ctx = |reader: &Reader| OpContext::new(Actor::system("contract", reader.org.as_str()), "contract");
    let done = match &command {
        Contract::Grant(reader) => {
            let granted = offline.app.grant_contract(&ctx(reader), &reader.login, reader.reason.as_deref()).await;
            granted.map(|granted| {
                let sees = if granted.changed { "sees" } else { "saw" };
                let text = format!("{} {sees} the organisation {} in contract_v1", reader.login, reader.org);
                match granted.missing {
                    Some(statement) => format!("{text}, once you have run in the database: {statement}"),
                    None => text,
                }
            })
        }
        Contract::Revoke(reader) => {
            let revoked = offline.app.revoke_contract(&ctx(reader), &reader.login, reader.reason.as_deref()).await;
            revoked.map(|had| {
                let verb = if had { "no longer sees" } else { "did not see" };
                format!("{} {verb} the organisation {} in contract_v1", reader.login, reader.org)
            })
        }
        Contract::List { org, json } => offline.app.contract_readers(org.as_deref()).await.and_then(|readers| {
            if *json {
                return serde_json::to_string(&readers).map_err(crate::error::Error::internal);
            }
            Ok(table(&readers))
        }),
    };
    offline.close().await;
    print(&done.map_err(plain)?)
}

fn table(readers: &[ContractReader]) -> String {
    if readers.is_empty() {
        return "nobody reads contract_v1".to_owned();
    }
    let line = |r: &ContractReader| {
        format!("{:<32} {:<24} {}  {}", r.login, r.org, r.granted_at.format("%Y-%m-%d %H:%M:%SZ"), r.granted_by)
    };
    readers.iter().map(line).collect::<Vec<_>>().join("\n")
}
