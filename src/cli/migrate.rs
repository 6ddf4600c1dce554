//! `migrate`: the manual migration path.

use clap::Subcommand;
use serde_json::{Value, json};

use super::print;
use crate::config::Settings;
use crate::server::plain;
use crate::store::{DatabaseUrl, MigrationInfo, MigrationState, Store, Up};

#[derive(Subcommand)]
pub(super) enum Migrate {
    /// Apply what is pending
    #[command(after_help = "Examples:
  datasource-studio migrate up              what a server would apply at its start
  datasource-studio migrate up --release    release migrations too; stop the servers of older builds before")]
    Up {
        /// At most this many
        #[arg(long)]
        steps: Option<u32>,
        /// Release migrations too, which break older builds that still run
        #[arg(long)]
        release: bool,
    },
    /// Show every migration: its category, whether it is applied, with which scripts, when and how long it took
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
        Migrate::Up { steps, release } => {
            let names = store.migrate_up(&settings, Up { steps, release }).await.map_err(plain)?;
            let mut text = match names.as_slice() {
                [] => "nothing is pending".to_owned(),
                names => format!("applied {}", names.join(", ")),
            };
            for left in store.migrations().await.map_err(plain)?.iter().filter_map(left) {
                text.push_str(&format!("\n{left}"));
            }
            print(&text)?;
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
            print(&if json { all.iter().map(document).collect::<Value>().to_string() } else { table(&all) })?;
        }
    }
    store.close().await;
    Ok(())
}

/// What an `up` did not do, and who does.
fn left(info: &MigrationInfo) -> Option<String> {
    let name = &info.name;
    match &info.state {
        MigrationState::Pending if info.waits_for_release() => Some(format!("{name} waits for `migrate up --release`")),
        MigrationState::Pending | MigrationState::Running { .. } if info.category == "data" => {
            Some(format!("{name} runs in the background of a server"))
        }
        _ => None,
    }
}

fn document(info: &MigrationInfo) -> Value {
    let applied = info.applied.as_ref();
    let mut row = json!({
        "name": info.name,
        "category": info.category,
        "state": info.state.as_str(),
        "applied": applied.is_some(),
        "checksum": info.checksum,
        "appliedAt": applied.map(|a| a.at),
        "durationMs": applied.and_then(|a| a.milliseconds),
        "build": applied.map(|a| &a.build).filter(|build| !build.is_empty()),
    });
    match &info.state {
        MigrationState::Running { done, total, error } => {
            row["done"] = json!(done);
            row["total"] = json!(total);
            row["error"] = json!(error);
        }
        MigrationState::Changed { applied } => row["appliedChecksum"] = json!(applied),
        _ => {}
    }
    row
}

fn table(all: &[MigrationInfo]) -> String {
    let head = format!(
        "{:<28} {:<8} {:<12} {:<12} {:<20} {:>8}  {}",
        "name", "category", "state", "checksum", "applied", "ms", "build"
    );
    let line = |info: &MigrationInfo| {
        let state = match &info.state {
            MigrationState::Running { done, total, .. } => format!("running {}%", percent(*done, *total)),
            other => other.as_str().to_owned(),
        };
        let (at, took, build) = match &info.applied {
            Some(applied) => (
                applied.at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
                applied.milliseconds.map_or_else(|| "-".to_owned(), |ms| ms.to_string()),
                if applied.build.is_empty() { "-" } else { &applied.build },
            ),
            None => ("-".to_owned(), "-".to_owned(), "-"),
        };
        let checksum: String = info.checksum.chars().take(12).collect();
        format!("{:<28} {:<8} {state:<12} {checksum:<12} {at:<20} {took:>8}  {build}", info.name, info.category)
    };
    std::iter::once(head).chain(all.iter().map(line)).collect::<Vec<_>>().join("\n")
}

fn percent(done: u64, total: u64) -> u64 {
    if total == 0 { 0 } else { (u128::from(done) * 100 / u128::from(total)).try_into().unwrap_or(100) }
}
