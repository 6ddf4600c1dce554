//! The command line.

mod audit;
mod contract;
mod export;
mod import;
mod keys;
mod metadata;
mod migrate;
mod quota;
mod serve;
mod visible;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::auth::jwt::{Minter, TokenRequest};
use crate::config::{self, ServeSettings, Settings};
use crate::domain::{HumanDuration, Role};
use crate::secrets::{Keys, is_embedded};
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
        command: migrate::Migrate,
    },
    /// Make datasources what a tree of YAML files says
    #[command(after_help = import::HELP)]
    Import(import::ImportArgs),
    /// Write every datasource as a YAML file
    #[command(after_help = "Example: datasource-studio export feeds")]
    Export(export::ExportArgs),
    /// Write templates and saved views as files, or make them what files say
    Metadata {
        #[command(subcommand)]
        command: metadata::Metadata,
    },
    /// Verify or export the audit log
    Audit {
        #[command(subcommand)]
        command: audit::Audit,
    },
    /// Show or say which logins of the database read the views of contract_v1
    Contract {
        #[command(subcommand)]
        command: contract::Contract,
    },
    /// Show or set what an organisation may have at most
    Quota {
        #[command(subcommand)]
        command: quota::QuotaCommand,
    },
    /// Show, rotate and retire encryption keys
    #[command(after_help = keys::HELP)]
    Keys {
        #[command(subcommand)]
        command: keys::Keys,
    },
    /// Print the GraphQL schema
    #[command(after_help = "Example: datasource-studio print-schema > schema.graphql")]
    PrintSchema,
    /// Print the OpenAPI document of the REST API
    #[command(after_help = "Example: datasource-studio openapi > docs/openapi.json")]
    Openapi,
    /// Print the reference of all settings, as docs/configuration.md has it
    #[command(after_help = "Example: datasource-studio print-settings > docs/configuration.md")]
    PrintSettings,
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
        Ok(code) => code,
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

fn run(cli: Cli) -> Result<ExitCode, String> {
    let settings = cli.settings;
    let done = match cli.command {
        Command::Import(args) => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            return block_on(import::run(settings, args));
        }
        Command::Export(args) => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            block_on(export::run(settings, args))
        }
        Command::Metadata { command } => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            return block_on(metadata::run(settings, command));
        }
        Command::Audit { command } => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            return block_on(audit::run(settings, command));
        }
        Command::Contract { command } => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            block_on(contract::run(settings, command))
        }
        Command::Quota { command } => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            block_on(quota::run(settings, command))
        }
        Command::Keys { command } => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            block_on(keys::run(settings, command))
        }
        Command::PrintSchema => print(&crate::graphql::sdl()),
        Command::Openapi => print(&format!("{:#}", crate::rest::document())),
        Command::PrintSettings => print(&config::reference(&Cli::command())),
        Command::Token(args) => token(&settings, args),
        Command::Migrate { command } => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            block_on(migrate::run(settings, command))
        }
        Command::Serve(serve) => {
            logging::init(settings.node.log_format, &settings.node.log)?;
            block_on(serve::run(settings, serve))
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn block_on<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| format!("cannot start the runtime: {e}"))?.block_on(future)
}

fn token(settings: &Settings, args: TokenArgs) -> Result<(), String> {
    let key = Keys::signing(settings, is_embedded(settings))?;
    let minter = Minter::new(&settings.auth, key.as_ref())?;
    let request = TokenRequest {
        subject: args.subject,
        role: args.role,
        org: args.org,
        projects: args.projects,
        ttl: args.ttl.0,
    };
    print(&minter.mint(&request).map_err(|e| e.message().to_owned())?)
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
    let _ = writeln!(std::io::stderr(), "error: {}", visible::lines(message));
}
