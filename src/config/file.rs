//! The settings file, and the page that lists every setting.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Command;

/// Gives `command` the values of a TOML file as defaults, below flags and environment.
pub fn apply_file(mut command: Command, path: &Path) -> Result<Command, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let table: toml::Table = text.parse().map_err(|e| format!("{}: {e}", path.display()))?;
    for (name, value) in table {
        let (name, value) = match (name.as_str(), value) {
            ("auth", toml::Value::Table(section)) => {
                issuers(section).map_err(|e| format!("{}: {e}", path.display()))?
            }
            (_, value) => (name, value),
        };
        let has =
            |c: &Command| c.get_arguments().any(|a| a.get_long() == Some(&name) && name != "config" && is_setting(a));
        let serve = command.find_subcommand(SERVE).is_some_and(has);
        if !serve && !has(&command) {
            return Err(format!("{}: there is no setting {name:?}", path.display()));
        }
        let text = match value {
            toml::Value::String(s) => s,
            toml::Value::Array(items) => items
                .into_iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            toml::Value::Table(_) => return Err(format!("{}: {name:?} must not be a table", path.display())),
            other => other.to_string(),
        };
        let id = name.replace('-', "_");
        command = if serve {
            command.mut_subcommand(SERVE, |c| c.mut_arg(id, |arg| arg.default_value(text)))
        } else {
            command.mut_arg(id, |arg| arg.default_value(text))
        };
    }
    Ok(command)
}

/// `[[auth.issuers]]`, the one thing that is a table: as the setting for which it stands.
fn issuers(mut section: toml::Table) -> Result<(String, toml::Value), String> {
    let issuers = section.remove("issuers").ok_or("the section [auth] holds [[auth.issuers]] and nothing else")?;
    if let Some(other) = section.keys().next() {
        return Err(format!("there is no setting {other:?} in [auth]; it holds [[auth.issuers]]"));
    }
    let json = serde_json::to_string(&issuers).map_err(|e| e.to_string())?;
    Ok(("oidc-issuers".to_owned(), toml::Value::String(json)))
}

/// The file that `--config` or `STUDIO_CONFIG` names, before the command line is parsed in full.
pub fn file_from(args: &[OsString]) -> Option<PathBuf> {
    let mut args = args.iter().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--config" {
            return args.next().map(PathBuf::from);
        }
        if let Some(path) = arg.to_str().and_then(|a| a.strip_prefix("--config=")) {
            return Some(path.into());
        }
    }
    std::env::var_os("STUDIO_CONFIG").map(PathBuf::from)
}

/// The command that has settings of its own.
const SERVE: &str = "serve";
const GROUPS: [&str; 7] = ["Node", "HTTP", "Database", "Identity and keys", "Key services", "GraphQL", "Registry"];

fn is_setting(arg: &clap::Arg) -> bool {
    arg.get_env().is_some()
}

/// `docs/configuration.md`: one table a group.
pub fn reference(command: &Command) -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "# Configuration\n\n\
         <!-- Printed by `datasource-studio print-settings`; a test fails when it differs. -->\n\n\
         A setting comes from its flag, else its environment variable, else the TOML file of `--config` \
         (by the name of the flag without the dashes), else its default. \
         A value that is not valid, and a name that does not exist, stop the process at start.\n",
    );
    let mut group = None;
    let serve = command.find_subcommand(SERVE).into_iter().flat_map(Command::get_arguments);
    let mut settings: Vec<_> = command.get_arguments().chain(serve).filter(|a| is_setting(a)).collect();
    // Stable: within a group the order is that of the declaration.
    settings.sort_by_key(|a| GROUPS.iter().position(|g| a.get_help_heading() == Some(g)));
    for arg in settings {
        let heading = arg.get_help_heading();
        if heading != group {
            group = heading;
            let _ = write!(
                out,
                "\n## {}\n\n| flag | environment | default | meaning |\n| --- | --- | --- | --- |\n",
                heading.unwrap_or("General")
            );
        }
        let env = arg.get_env().and_then(|e| e.to_str()).unwrap_or_default();
        let defaults: Vec<_> = arg.get_default_values().iter().filter_map(|v| v.to_str()).collect();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let (help, default) = match help.split_once(" [default: ") {
            Some((text, default)) => (text.to_owned(), default.trim_end_matches(']').to_owned()),
            None if defaults.is_empty() => (help, "none".to_owned()),
            None => (help, format!("`{}`", defaults.join(","))),
        };
        let values: Vec<_> = arg.get_possible_values().iter().map(|v| format!("`{}`", v.get_name())).collect();
        let choices = if values.is_empty() || values.len() == 2 && values[0] == "`true`" {
            String::new()
        } else {
            format!(": {}", values.join(", "))
        };
        let _ = writeln!(
            out,
            "| `--{}` | `{env}` | {} | {}{choices} |",
            arg.get_long().unwrap_or_default(),
            default.replace('|', "\\|"),
            help.replace('|', "\\|"),
        );
    }
    out
}
