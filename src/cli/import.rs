//! `import`: datasources as a tree of files says.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::{complain, print, serve, visible};
use crate::app::{Action, FindingKind, ImportOptions, Item, Mode, OpContext, Report, Watch};
use crate::auth::Actor;
use crate::config::Settings;
use crate::domain::{HumanDuration, ManagedBy};
use crate::server::{Offline, plain};

pub(super) const HELP: &str = "Examples:
  datasource-studio import feeds --dry-run                 what would happen
  datasource-studio import feeds                           create what is missing
  datasource-studio import feeds --mode sync --prune       make the database what the tree says
  datasource-studio import feeds --mode check              exit with 1 where they differ

Exit codes: 0 all is as asked, 1 something differs or failed, 2 the command was wrong.";

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ImportMode {
    /// Create what is missing, overwrite nothing
    Bootstrap,
    /// Make what this source keeps as the tree says
    Sync,
    /// Compare as sync would, write nothing
    Check,
}

impl From<ImportMode> for Mode {
    fn from(mode: ImportMode) -> Self {
        match mode {
            ImportMode::Bootstrap => Self::Bootstrap,
            ImportMode::Sync => Self::Sync,
            ImportMode::Check => Self::Check,
        }
    }
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// Files and directories: datasources, and plugin.yaml files of HALCYON
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What to do
    #[arg(long, value_enum, default_value = "bootstrap")]
    mode: ImportMode,
    /// Print the plan and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Name of the tree; what it creates is kept by git:<NAME>
    #[arg(long, value_name = "NAME", default_value = "main")]
    source: String,
    /// The organisation
    #[arg(long, default_value = "default")]
    org: String,
    /// Project of documents that name none
    #[arg(long, default_value = "default")]
    project: String,
    /// Archive what this source keeps and the tree has no more
    #[arg(long)]
    prune: bool,
    /// Prune also when that archives more than half of what the source keeps
    #[arg(long, requires = "prune")]
    prune_all: bool,
    /// Take over what somebody else keeps
    #[arg(long)]
    adopt: bool,
    /// Import a plugin without what has no counterpart here
    #[arg(long)]
    allow_unsupported: bool,
    /// Apply nothing unless all can be applied, and stop at the first failure
    #[arg(long)]
    fail_fast: bool,
    /// Print the report as JSON, on stdout
    #[arg(long)]
    json: bool,
    /// Stay, and import again whenever the files change and at every poll
    #[arg(long)]
    watch: bool,
    /// How often a watch imports by itself, which undoes what was edited past the files
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    poll: HumanDuration,
}

pub(super) async fn run(settings: Settings, args: ImportArgs) -> Result<ExitCode, String> {
    let usage = |message: String| {
        complain(&message);
        Ok(ExitCode::from(2))
    };
    let manager = match ManagedBy::git(&args.source) {
        Ok(manager) => manager,
        Err(message) => return usage(format!("--source: {message}")),
    };
    if let Some(missing) = args.paths.iter().find(|path| !args.watch && !path.exists()) {
        return usage(format!("{} does not exist", missing.display()));
    }
    if args.watch && (args.poll.0.is_zero() || args.dry_run) {
        return usage("--watch needs a --poll longer than 0s, and no --dry-run".into());
    }
    if matches!(args.mode, ImportMode::Bootstrap)
        && let Some(flag) = [("--prune", args.prune), ("--adopt", args.adopt)].iter().find(|(_, given)| *given)
    {
        return usage(format!("{} does nothing in a bootstrap; add --mode sync, or --mode check", flag.0));
    }
    let options = ImportOptions {
        mode: args.mode.into(),
        dry_run: args.dry_run,
        manager,
        project: args.project.clone(),
        prune: args.prune,
        prune_all: args.prune_all,
        adopt: args.adopt,
        allow_unsupported: args.allow_unsupported,
        fail_fast: args.fail_fast,
    };
    let offline = Offline::open(&settings, options.mode != Mode::Check && !options.dry_run).await?;
    let ctx = OpContext::new(Actor::system("import", args.org.as_str()), "import");
    let code = if args.watch {
        follow(&offline, &ctx, args, options).await
    } else {
        let done = offline.app.import(&ctx, &args.paths, &options, &mut progress).await;
        done.map_err(plain).and_then(|report| show(&report, args.json))
    };
    offline.close().await;
    code
}

async fn follow(
    offline: &Offline,
    ctx: &OpContext,
    args: ImportArgs,
    options: ImportOptions,
) -> Result<ExitCode, String> {
    let stop = CancellationToken::new();
    serve::stop_on_signal(&stop);
    let watch = Watch { paths: args.paths, options, poll: args.poll.0 };
    let mut last = String::new();
    let mut report = |done: crate::error::Result<Report>| {
        // What did not change since is not said again.
        let text = match &done {
            Ok(report) if args.json => visible::json(&serde_json::to_string(report).unwrap_or_default()),
            Ok(report) => describe(report),
            Err(error) => error.message().to_owned(),
        };
        if text != last {
            match &done {
                Ok(_) => drop(print(&text)),
                Err(_) => complain(&text),
            }
            last = text;
        }
    };
    offline.app.watch(ctx, &watch, &stop, &mut progress, &mut report).await;
    Ok(ExitCode::SUCCESS)
}

/// One line a resource; on a terminal they share one line.
fn progress(done: usize, total: usize, item: &Item) {
    let mut err = std::io::stderr().lock();
    let (project, name) = (visible::inline(&item.project), visible::inline(&item.name));
    let line = format!("[{done}/{total}] {} {project}/{name}", item.action.as_str());
    let _ = match err.is_terminal() {
        true => write!(err, "\r\x1b[2K{line}{}", if done == total { "\n" } else { "" }),
        false => writeln!(err, "{line}"),
    };
    let _ = err.flush();
}

fn show(report: &Report, json: bool) -> Result<ExitCode, String> {
    let text = match json {
        true => visible::json(&serde_json::to_string_pretty(report).map_err(|e| e.to_string())?),
        false => describe(report),
    };
    print(&text)?;
    let fine = !report.failed() && !report.drifts();
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is as it should be is only counted.
fn describe(report: &Report) -> String {
    let mut out = String::new();
    let told = |item: &&Item| item.action != Action::Unchanged || !item.findings.is_empty() || item.reason.is_some();
    for item in report.items.iter().filter(told) {
        let (project, name) = (visible::inline(&item.project), visible::inline(&item.name));
        let _ = write!(out, "{:<10} {project}/{name}", item.action.as_str());
        if let (Some(file), Some(position)) = (&item.file, item.position) {
            let _ = write!(out, "  {}:{}", visible::inline(file), position.line);
        }
        out.push('\n');
        if !item.changes.is_empty() {
            let _ = writeln!(out, "           differs in {}", visible::inline(&item.changes.join(", ")));
        }
        if !item.missing_secrets.is_empty() {
            let _ = writeln!(
                out,
                "           is published when these secrets are set: {}",
                visible::inline(&item.missing_secrets.join(", "))
            );
        }
        for why in item.reason.iter().chain(&item.error) {
            let _ = writeln!(out, "           {}", visible::inline(why));
        }
        for finding in &item.findings {
            let kind = match finding.kind {
                FindingKind::Invalid => "",
                FindingKind::Unsupported => "unsupported: ",
                FindingKind::Note => "note: ",
            };
            let _ = writeln!(out, "           {kind}{}", visible::inline(&finding.to_string()));
        }
    }
    for finding in &report.findings {
        let _ = writeln!(out, "{:<10} {}", "unread", visible::inline(&finding.to_string()));
    }
    if let Some(why) = &report.prune_refused {
        let _ = writeln!(out, "{:<10} {why}", "refused");
    }
    let counts: Vec<_> = report.summary.iter().map(|(action, count)| format!("{count} {action}")).collect();
    let what = if report.applied { "done" } else { "plan" };
    let _ = write!(out, "{what}: {}", if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") });
    out
}
