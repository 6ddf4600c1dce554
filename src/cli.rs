//! The command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::auth::jwt::{Minter, TokenRequest};
use crate::config::{self, LogFormat, ServeSettings, Settings};
use crate::domain::{HumanDuration, Role};
use crate::secrets::{Keys, is_embedded};
use crate::server::Server;
use crate::store::{DatabaseUrl, Store};
use crate::telemetry::logging;

/// A control plane for data feeds: create, version, test, publish, watch and roll back datasources.
#[derive(Parser)]
#[command(name = "datasource-studio", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway and the registry
    #[command(after_help = "Example: datasource-studio serve --listen 127.0.0.1:8080 --data-dir ./data")]
    Serve(ServeSettings),
    /// Print a development token on stdout
    #[command(after_help = "Example: datasource-studio token --role operator --org acme --ttl 1h")]
    Token(TokenArgs),
    /// Apply, show or revert migrations of the database
    #[command(after_help = "Example: datasource-studio migrate status --json")]
    Migrate {
        #[command(subcommand)]
        command: Migrate,
    },
    /// Print the GraphQL schema
    #[command(after_help = "Example: datasource-studio print-schema > schema.graphql")]
    PrintSchema,
    /// Print the reference of all settings, as docs/configuration.md has it
    #[command(after_help = "Example: datasource-studio print-settings > docs/configuration.md")]
    PrintSettings,
}

#[derive(Subcommand)]
enum Migrate {
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

#[derive(Args)]
struct TokenArgs {
    /// What the token grants
    #[arg(long = "role", id = "token_role", value_name = "ROLE", default_value = "viewer")]
    role: Role,
    /// The organisation
    #[arg(long, default_value = "default")]
    org: String,
    /// Limit the token to these projects
    #[arg(long = "project", value_name = "PROJECT")]
    projects: Vec<String>,
    /// The subject; it shows as the actor of what is done with the token
    #[arg(long, default_value = "developer")]
    subject: String,
    /// How long the token lasts
    #[arg(long, default_value = "1h")]
    ttl: HumanDuration,
}

/// Runs the command line; what goes wrong is said on stderr.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let cli = match parse(args) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn parse(args: Vec<OsString>) -> Result<Cli, ExitCode> {
    let mut command = Cli::command();
    if let Some(path) = config::file_from(&args) {
        command = config::apply_file(command, &path).map_err(|message| {
            complain(&message);
            ExitCode::from(2)
        })?;
    }
    let matches = command.try_get_matches_from(args).map_err(|error| {
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })?;
    Cli::from_arg_matches(&matches).map_err(|error| {
        let _ = error.print();
        ExitCode::from(2)
    })
}

fn run(cli: Cli) -> Result<(), String> {
    let settings = cli.settings;
    match cli.command {
        Command::PrintSchema => print(&crate::graphql::sdl()),
        Command::PrintSettings => print(&config::reference(&Cli::command())),
        Command::Token(args) => token(&settings, args),
        Command::Migrate { command } => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            block_on(migrate(settings, command))
        }
        Command::Serve(serve) => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            block_on(run_server(settings, serve))
        }
    }
}

fn block_on<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| format!("cannot start the runtime: {e}"))?.block_on(future)
}

async fn run_server(settings: Settings, serve: ServeSettings) -> Result<(), String> {
    let pretty = settings.node.log_format == LogFormat::Pretty;
    let stop = CancellationToken::new();
    let server = Server::start(settings.clone(), serve).await?;
    let address = server.address().map_err(|e| e.to_string())?;
    let base = settings
        .node
        .public_url
        .as_ref()
        .map_or_else(|| format!("http://{address}"), |url| url.as_str().trim_end_matches('/').to_owned());
    tracing::info!(%address, "listening");
    if let (Some(token), true) = (server.embedded_token(), pretty) {
        banner(&base, token)?;
        if let Some(id) = server.first_webhook() {
            invitation(&base, id, &settings.node.data_dir)?;
        }
    }
    tokio::spawn({
        let stop = stop.clone();
        async move {
            interrupted().await;
            stop.cancel();
            // A second signal means: now.
            interrupted().await;
            std::process::exit(130);
        }
    });
    server.run(stop).await.map_err(|e| format!("the server ended: {e}"))
}

fn banner(base: &str, token: &str) -> Result<(), String> {
    print(&format!(
        "\nDatasource Studio runs in embedded mode (SQLite, loopback only, keys under the data directory).\n\n  \
         GraphiQL   {base}/graphql\n  \
         Webhooks   {base}/hooks/<datasource id>\n  \
         Metrics    {base}/metrics\n  \
         Health     {base}/health/ready\n\n  \
         Admin token, valid for 24 hours (GraphiQL has it already):\n  {token}\n"
    ))
}

/// What to do first, so that nobody has to look for it.
fn invitation(base: &str, id: uuid::Uuid, data_dir: &std::path::Path) -> Result<(), String> {
    let records = data_dir.join("out/default").join(id.to_string()).join("records.jsonl");
    print(&format!(
        "\n  Try the first example, and look at its record:\n  \
         curl {base}/hooks/{id} -H 'Content-Type: application/json' -d '{{\"id\": \"1\", \"text\": \"hello\"}}'\n  \
         cat {}\n",
        records.display()
    ))
}

async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn token(settings: &Settings, args: TokenArgs) -> Result<(), String> {
    let keys = Keys::resolve(settings, is_embedded(settings))?;
    let minter = Minter::new(&settings.auth, keys.jwt_secret.as_ref())?;
    let request = TokenRequest {
        subject: args.subject,
        role: args.role,
        org: args.org,
        projects: args.projects,
        ttl: args.ttl.0,
    };
    print(&minter.mint(&request).map_err(|e| e.message().to_owned())?)
}

async fn migrate(settings: Settings, command: Migrate) -> Result<(), String> {
    let url = DatabaseUrl::from_settings(&settings)?;
    let plain = |e: crate::error::Error| format!("{} {}", e.message(), e.detail().unwrap_or_default());
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

/// A reader that went away, such as `head`, is no failure.
fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("cannot write: {error}")),
        _ => Ok(()),
    }
}

fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "error: {message}");
}
