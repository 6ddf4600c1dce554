//! `metadata`: templates and saved views as files, in both directions.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::import::ImportMode;
use super::{complain, print, visible};
use crate::app::{Action, Exported, ImportedItem, ItemReport, Mode, OpContext};
use crate::auth::Actor;
use crate::config::Settings;
use crate::domain::MetadataItemType;
use crate::server::{Offline, plain};

#[derive(Subcommand)]
pub(super) enum Metadata {
    /// Write every stored item as a YAML file
    #[command(after_help = "Example: datasource-studio metadata export items --type connector_template")]
    Export {
        /// Directory of the files: one an item, <type>/<name>.yaml
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Only items of this type; files of others stay as they are
        #[arg(long = "type", value_name = "TYPE")]
        item_type: Option<MetadataItemType>,
        /// The organisation
        #[arg(long, default_value = "default")]
        org: String,
        /// Also overwrite files that an export did not write, or that were changed since, and remove all that it wrote
        #[arg(long)]
        force: bool,
        /// Print what was done as JSON, on stdout
        #[arg(long)]
        json: bool,
    },
    /// Make items what files say; datasources among them are left alone
    #[command(after_help = "Examples:
  datasource-studio metadata import items --dry-run          what would happen
  datasource-studio metadata import items                    create what is missing
  datasource-studio metadata import items --mode sync        make what is stored what the files say
  datasource-studio metadata import items --mode check       exit with 1 where they differ

Exit codes: 0 all is as asked, 1 something differs or failed, 2 the command was wrong.")]
    Import {
        /// Files and directories, of YAML or JSON
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// What to do
        #[arg(long, value_enum, default_value = "bootstrap")]
        mode: ImportMode,
        /// Print the plan and write nothing
        #[arg(long)]
        dry_run: bool,
        /// The organisation
        #[arg(long, default_value = "default")]
        org: String,
        /// Print the report as JSON, on stdout
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(settings: Settings, command: Metadata) -> Result<ExitCode, String> {
    match command {
        Metadata::Export { directory, item_type, org, force, json } => {
            let offline = Offline::open(&settings, false).await?;
            let ctx = OpContext::new(Actor::system("export", org), "export");
            let done = offline.app.export_metadata_items(&ctx, &directory, item_type, force).await;
            offline.close().await;
            let done: Exported = done.map_err(plain)?;
            eprintln!(
                "{} written, {} removed, {} unchanged in {}",
                done.written.len(),
                done.removed.len(),
                done.unchanged,
                directory.display()
            );
            if json {
                print(&serde_json::to_string_pretty(&done).map_err(|e| e.to_string())?)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Metadata::Import { paths, mode, dry_run, org, json } => {
            if let Some(missing) = paths.iter().find(|path| !path.exists()) {
                complain(&format!("{} does not exist", missing.display()));
                return Ok(ExitCode::from(2));
            }
            let mode = Mode::from(mode);
            let offline = Offline::open(&settings, mode != Mode::Check && !dry_run).await?;
            let ctx = OpContext::new(Actor::system("import", org), "import");
            let done = offline.app.import_metadata_items(&ctx, &paths, mode, dry_run).await;
            offline.close().await;
            show(&done.map_err(plain)?, json)
        }
    }
}

fn show(report: &ItemReport, json: bool) -> Result<ExitCode, String> {
    let text = match json {
        true => visible::json(&serde_json::to_string_pretty(report).map_err(|e| e.to_string())?),
        false => describe(report),
    };
    print(&text)?;
    let fine = !report.failed() && !report.drifts();
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is as it should be is only counted.
fn describe(report: &ItemReport) -> String {
    let mut out = String::new();
    let told = |item: &&ImportedItem| item.action != Action::Unchanged || !item.findings.is_empty();
    for item in report.items.iter().filter(told) {
        let kind = item.item_type.map_or("?", MetadataItemType::as_str);
        let (name, file) = (visible::inline(&item.name), visible::inline(&item.file));
        let _ = writeln!(out, "{:<10} {kind}/{name}  {file}:{}", item.action.as_str(), item.position.line);
        if !item.changes.is_empty() {
            let _ = writeln!(out, "           differs in {}", visible::inline(&item.changes.join(", ")));
        }
        for why in item.reason.iter().chain(&item.error) {
            let _ = writeln!(out, "           {}", visible::inline(why));
        }
        for finding in &item.findings {
            let _ = writeln!(out, "           {}", visible::inline(&finding.to_string()));
        }
    }
    for finding in &report.findings {
        let _ = writeln!(out, "{:<10} {}", "unread", visible::inline(&finding.to_string()));
    }
    let counts: Vec<_> = report.summary.iter().map(|(action, count)| format!("{count} {action}")).collect();
    let what = if report.applied { "done" } else { "plan" };
    let _ = write!(out, "{what}: {}", if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") });
    out
}
