//! `migrate`: the manual migration path.

use clap::Subcommand;

use super::print;
use crate::config::Settings;
use crate::server::plain;
use crate::store::{DatabaseUrl, Store};

#[derive(Subcommand)]
pub(super) enum Migrate {
    /// Apply what is pending
    Up {
        /// At most this many
        #[arg(long)]
        steps: Option<u32>,
    },
    /// Show every migration and whether it is applied
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revert the last ones; what they made is lost
    Down {
        /// How many
        #[arg(long, default_value_t = 1)]
        steps: u32,
        /// Confirm that the data may be lost
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(settings: Settings, command: Migrate) -> Result<(), String> {
    let url = DatabaseUrl::from_settings(&settings)?;
    let store = Store::connect(url, &settings).await.map_err(plain)?;
    match command {
        Migrate::Up { steps } => {
            let names = store.migrate_up(&settings, steps).await.map_err(plain)?;
            print(&if names.is_empty() {
                "nothing is pending".to_owned()
            } else {
                format!("applied {}", names.join(", "))
            })?;
        }
        Migrate::Down { yes: false, .. } => {
            return Err("reverting a migration drops what it made, with all data in it; repeat with --yes".into());
        }
        Migrate::Down { steps, yes: true } => {
            let names = store.migrate_down(&settings, steps).await.map_err(plain)?;
            print(&if names.is_empty() {
                "nothing is applied".to_owned()
            } else {
                format!("reverted {}", names.join(", "))
            })?;
        }
        Migrate::Status { json } => {
            let all = store.migrations().await.map_err(plain)?;
            let text = if json {
                let rows: Vec<_> =
                    all.iter().map(|m| serde_json::json!({ "name": m.name, "applied": m.applied })).collect();
                serde_json::Value::Array(rows).to_string()
            } else {
                let row = |m: &crate::store::MigrationInfo| {
                    format!("{:<40} {}", m.name, if m.applied { "applied" } else { "pending" })
                };
                all.iter().map(row).collect::<Vec<_>>().join("\n")
            };
            print(&text)?;
        }
    }
    store.close().await;
    Ok(())
}
