//! `audit`: verify and export the audit log.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::print;
use crate::app::{OpContext, Verified, verify_export};
use crate::auth::Actor;
use crate::config::Settings;
use crate::secrets::{PublicKey, Signer};
use crate::server::{Offline, plain};

#[derive(Subcommand)]
pub(super) enum Audit {
    /// Check the chain of entries and its signed checkpoints; exits with 1 where it breaks
    #[command(after_help = "Examples:
  datasource-studio audit verify --org acme
  datasource-studio audit verify --public-key                     the key that this server signs with
  datasource-studio audit verify --from audit.jsonl --trusted-key MCow…   with nothing but the file and the key")]
    Verify {
        /// The organisation
        #[arg(long, default_value = "default")]
        org: String,
        /// Check this export instead of the database
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// A public key that may have signed, besides the one of the settings; may be repeated
        #[arg(long = "trusted-key", value_name = "BASE64")]
        trusted: Vec<PublicKey>,
        /// Exit with 1 where nothing is signed, too
        #[arg(long)]
        require_signed: bool,
        /// Print the public key of the settings, and do nothing else
        #[arg(long)]
        public_key: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write entries and checkpoints as JSON Lines
    #[command(after_help = "Example: datasource-studio audit export --org acme --from 1001 -o audit.jsonl")]
    Export {
        /// The organisation
        #[arg(long, default_value = "default")]
        org: String,
        /// The first entry
        #[arg(long, value_name = "SEQ", default_value_t = 1)]
        from: i64,
        /// The last entry [default: the last there is]
        #[arg(long, value_name = "SEQ")]
        to: Option<i64>,
        /// Write to this file, which must not be there yet [default: stdout]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Print what was written as JSON, on stderr where the export is on stdout
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(settings: Settings, command: Audit) -> Result<ExitCode, String> {
    match command {
        Audit::Verify { public_key: true, .. } => {
            let signer = Signer::from_settings(&settings)?.ok_or_else(no_key)?;
            print(&signer.public_key().to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        Audit::Verify { org, from, mut trusted, require_signed, json, .. } => {
            trusted.extend(Signer::from_settings(&settings)?.map(|signer| signer.public_key().clone()));
            if trusted.is_empty() {
                return Err(no_key());
            }
            let verified = match from {
                Some(path) => verify_file(&path, &trusted)?,
                None => {
                    let offline = Offline::open(&settings, false).await?;
                    let verified = offline.app.verify_audit(&context(&org), &trusted).await;
                    offline.close().await;
                    verified.map_err(plain)?
                }
            };
            print(&if json {
                serde_json::to_string(&verified).map_err(|e| e.to_string())?
            } else {
                describe(&verified)
            })?;
            let holds = verified.ok && (verified.signed_to.is_some() || !require_signed);
            Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Audit::Export { org, from, to, output, json } => {
            export(&settings, &org, from, to, output.as_deref(), json).await
        }
    }
}

fn verify_file(path: &Path, trusted: &[PublicKey]) -> Result<Verified, String> {
    let file = File::open(path).map_err(|e| format!("cannot open {}: {e}", path.display()))?;
    verify_export(BufReader::new(file), trusted).map_err(|e| format!("{}: {e}", path.display()))
}

async fn export(
    settings: &Settings,
    org: &str,
    from: i64,
    to: Option<i64>,
    output: Option<&Path>,
    json: bool,
) -> Result<ExitCode, String> {
    let mut out: Box<dyn Write + Send> = match output {
        Some(path) => {
            let file = File::create_new(path).map_err(|e| format!("cannot create {}: {e}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    let offline = Offline::open(settings, false).await;
    let done = match &offline {
        Ok(offline) => offline.app.export_audit(&context(org), from, to, &mut *out).await.map_err(plain),
        Err(error) => Err(error.clone()),
    };
    if let Ok(offline) = offline {
        offline.close().await;
    }
    drop(out);
    if let (Err(_), Some(path)) = (&done, output) {
        // Half an export would be in the way of the next try.
        let _ = std::fs::remove_file(path);
    }
    let done = done?;
    let said = match json {
        true => serde_json::to_string(&done).map_err(|e| e.to_string())?,
        false => format!(
            "{} entries and {} checkpoints of {:?}; the next export begins with --from {}",
            done.entries,
            done.checkpoints,
            done.org,
            done.to + 1
        ),
    };
    match output {
        Some(_) => print(&said)?,
        None => eprintln!("{said}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(verified: &Verified) -> String {
    let Verified { org, from, to, entries, checkpoints, signed_to, broken, .. } = verified;
    if let Some(broken) = broken {
        return format!("BROKEN: {broken} ({org:?}, entry {}; {entries} entries before hold)", broken.seq);
    }
    let signed = match signed_to {
        Some(seq) if seq == to => "all of it signed".to_owned(),
        Some(seq) => format!("signed up to entry {seq}"),
        // Who can write to the database could have made such a chain, so it is not called intact.
        None => {
            return format!(
                "NOT SIGNED: entries {from} to {to} of {org:?}, {entries} entries; they hold together, but no checkpoint \
                 proves that this server wrote them"
            );
        }
    };
    format!("intact: entries {from} to {to} of {org:?}, {entries} entries, {checkpoints} checkpoints, {signed}")
}

fn context(org: &str) -> OpContext {
    OpContext::new(Actor::system("audit", org), "audit")
}

fn no_key() -> String {
    "there is no key to tell who signed: name the public one with --trusted-key, or set STUDIO_AUDIT_SIGNING_KEY or \
     STUDIO_MASTER_KEY as the server has it (`datasource-studio audit verify --public-key` prints the public one there)"
        .to_owned()
}
