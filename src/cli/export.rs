//! `export`: every datasource as a file.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::app::OpContext;
use crate::auth::Actor;
use crate::config::Settings;
use crate::server::{Offline, plain};

#[derive(Args)]
pub(super) struct ExportArgs {
    /// Directory of the files: one a datasource, <project>/<name>.yaml
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The organisation
    #[arg(long, default_value = "default")]
    org: String,
    /// Only this project; files of others stay as they are
    #[arg(long)]
    project: Option<String>,
    /// Also overwrite files that an export did not write, or that were changed since, and remove all that it wrote
    #[arg(long)]
    force: bool,
    /// Print what was done as JSON, on stdout
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(settings: Settings, args: ExportArgs) -> Result<(), String> {
    let offline = Offline::open(&settings, false).await?;
    let ctx = OpContext::new(Actor::system("export", args.org.as_str()), "export");
    let done = offline.app.export(&ctx, &args.directory, args.project.as_deref(), args.force).await;
    offline.close().await;
    let done = done.map_err(plain)?;
    eprintln!(
        "{} written, {} removed, {} unchanged in {}",
        done.written.len(),
        done.removed.len(),
        done.unchanged,
        args.directory.display()
    );
    if args.json {
        print(&serde_json::to_string_pretty(&done).map_err(|e| e.to_string())?)?;
    }
    Ok(())
}
