//! Which keys a process starts with. It has them all or it does not start.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::envelope::{KEY_BYTES, random};
use super::keyfile::load_or_create;
use super::{KeyProvider, Keyring, LocalKeys, MasterKey, Vault, VaultTransit};
use crate::config::{KeyProviderKind, Settings};

/// Whether this is a trial on one machine: its own SQLite file, reachable from this host only.
/// Only then may the process make its own keys.
pub fn is_embedded(settings: &Settings) -> bool {
    settings.database.database_url.is_none() && settings.node.listen.ip().is_loopback()
}

/// The key material of a process.
pub struct Keys {
    pub keyring: Keyring,
    /// Signs and verifies tokens; absent where tokens are verified with a public key.
    pub jwt_secret: Option<SecretString>,
}

impl Keys {
    /// From the settings, else in embedded mode from files that the first run makes.
    pub fn resolve(settings: &Settings, embedded: bool) -> Result<Self, String> {
        Ok(Self { keyring: Self::keyring(settings, embedded)?, jwt_secret: Self::signing(settings, embedded)? })
    }

    /// What wraps data keys alone.
    pub fn keyring(settings: &Settings, embedded: bool) -> Result<Keyring, String> {
        keyring(settings, embedded)
    }

    /// The key of tokens alone.
    pub fn signing(settings: &Settings, embedded: bool) -> Result<Option<SecretString>, String> {
        let auth = &settings.auth;
        match &auth.jwt_secret {
            Some(secret) => Ok(Some(secret.clone())),
            None if auth.jwt_public_key.is_some() || auth.jwks_url.is_some() => Ok(None),
            None if embedded => Ok(Some(signing_key(&settings.node.data_dir.join("keys"))?)),
            None if auth.oidc_issuers.is_some() => Ok(None),
            None => {
                let settings = "STUDIO_JWT_SECRET (or STUDIO_JWT_PUBLIC_KEY, STUDIO_JWKS_URL or STUDIO_OIDC_ISSUERS)";
                Err(missing("key to verify tokens", settings))
            }
        }
    }
}

/// What wraps data keys now, and all that opens what was wrapped before.
fn keyring(settings: &Settings, embedded: bool) -> Result<Keyring, String> {
    let own = LocalKeys::from_settings(settings, embedded)?;
    let keys = &settings.keys;
    let wraps: Box<dyn KeyProvider> = match keys.key_provider {
        KeyProviderKind::Local => {
            let own = own.ok_or_else(|| missing("master key", "STUDIO_MASTER_KEY"))?;
            return Ok(Keyring::new(Box::new(own), Vec::new(), keys.data_key_cache.0));
        }
        KeyProviderKind::Vault => Box::new(VaultTransit::new(Arc::new(Vault::from_settings(keys)?), keys)?),
        #[cfg(feature = "aws_kms")]
        KeyProviderKind::AwsKms => Box::new(super::AwsKms::from_settings(keys)?),
        #[cfg(not(feature = "aws_kms"))]
        KeyProviderKind::AwsKms => return Err("STUDIO_KEY_PROVIDER: this build lacks the feature aws_kms".into()),
    };
    let others = own.into_iter().map(|own| -> Box<dyn KeyProvider> { Box::new(own) }).collect();
    Ok(Keyring::new(wraps, others, keys.data_key_cache.0))
}

impl LocalKeys {
    /// The master keys of the settings: the first one wraps. `None` where there are none.
    fn from_settings(settings: &Settings, embedded: bool) -> Result<Option<Self>, String> {
        let named = |name: &str, text: &str| MasterKey::from_base64(text).map_err(|e| format!("{name} {e}"));
        let from_file = |path: &Path, text: &str| {
            let name = format!("the key file {}", path.display());
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.map(|line| named(&name, line)).collect::<Result<Vec<_>, _>>()
        };
        let mut all = Vec::new();
        if let Some(text) = &settings.auth.master_key {
            all.push(named("STUDIO_MASTER_KEY", text.expose_secret())?);
        }
        if let Some(path) = &settings.keys.master_key_file {
            let none = || Err(format!("the key file {} (STUDIO_MASTER_KEY_FILE) does not exist", path.display()));
            all.extend(from_file(path, &load_or_create(path, none)?)?);
        }
        if all.is_empty() && embedded && settings.keys.key_provider == KeyProviderKind::Local {
            let path = settings.node.data_dir.join("keys").join("master.key");
            all.extend(from_file(&path, &load_or_create(&path, generate)?)?);
        }
        if all.is_empty() && settings.keys.key_provider == KeyProviderKind::Local {
            return Ok(None);
        }
        for text in &settings.keys.master_keys_old {
            all.push(named("STUDIO_MASTER_KEYS_OLD", text.expose_secret())?);
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = all.iter().find(|key| !seen.insert(key.id().to_owned())) {
            return Err(format!("the master key {} is given twice; give each one once", twice.id()));
        }
        let mut all = all.into_iter();
        Ok(all.next().map(|current| Self::new(current, all.collect())))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("keyring", &self.keyring).finish_non_exhaustive()
    }
}

fn signing_key(directory: &Path) -> Result<SecretString, String> {
    let path = directory.join("signing.key");
    let text = load_or_create(&path, generate)?;
    if text.len() < KEY_BYTES {
        return Err(format!("the key file {} is shorter than {KEY_BYTES} bytes; restore or remove it", path.display()));
    }
    Ok(text.as_str().into())
}

fn generate() -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    random(&mut bytes).map_err(|e| e.to_string())?;
    Ok(Zeroizing::new(STANDARD.encode(bytes.as_slice())))
}

fn missing(what: &str, setting: &str) -> String {
    format!(
        "there is no {what}: set {setting}; make one with `openssl rand -base64 32` and keep it. \
         Keys are generated only without DATABASE_URL and on a loopback address"
    )
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    /// Settings as the command line gives them, without the keys of the environment that runs the test.
    fn settings(data_dir: &Path, args: &[&str]) -> Settings {
        let mut command = Settings::augment_args(clap::Command::new("test").no_binary_name(true));
        let names: Vec<_> = command.get_arguments().map(|a| a.get_id().clone()).collect();
        for name in names {
            command = command.mut_arg(name, |arg| arg.env(None::<&str>));
        }
        let data_dir = format!("--data-dir={}", data_dir.display());
        let matches = command.try_get_matches_from([&[data_dir.as_str()], args].concat()).expect("valid arguments");
        Settings::from_arg_matches(&matches).expect("valid arguments")
    }

    fn key() -> String {
        STANDARD.encode(b"0123456789abcdef0123456789abcdef")
    }

    #[test]
    fn embedded_means_own_database_and_loopback() {
        let embedded = |args: &[&str]| is_embedded(&settings(Path::new("."), args));
        assert!(embedded(&[]));
        assert!(embedded(&["--listen=[::1]:80"]));
        assert!(!embedded(&["--listen=0.0.0.0:8080"]));
        assert!(!embedded(&["--database-url=postgres://localhost/studio"]));
    }

    #[test]
    fn the_first_run_makes_keys_and_the_next_finds_them() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let resolve = || Keys::resolve(&settings(dir.path(), &[]), true).expect("keys");
        let (first, second) = (resolve(), resolve());
        assert_eq!(first.keyring.wraps_with(), second.keyring.wraps_with());
        let secret = |keys: &Keys| keys.jwt_secret.as_ref().map(|s| s.expose_secret().to_owned());
        assert_eq!(secret(&first), secret(&second));
        assert!(secret(&first).is_some_and(|s| s.len() >= 32));
        assert!(!format!("{first:?}").contains(&secret(&first).unwrap_or_default()));
    }

    #[test]
    fn elsewhere_a_missing_key_stops_the_start_and_says_how_to_make_one() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let resolve = |args: &[&str]| Keys::resolve(&settings(dir.path(), args), false).map(|_| ());
        let master = format!("--master-key={}", key());
        for (args, names) in [(vec![], "STUDIO_MASTER_KEY"), (vec![master.as_str()], "STUDIO_JWT_SECRET")] {
            let error = resolve(&args).expect_err("must be refused");
            assert!(error.contains(names) && error.contains("openssl rand -base64 32"), "{error}");
        }
        assert_eq!(resolve(&[&master, "--jwt-public-key=key.pem"]), Ok(()));
        assert_eq!(resolve(&[&master, "--jwt-secret=0123456789abcdef0123456789abcdef"]), Ok(()));
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 0, "nothing was written");
    }

    #[test]
    fn settings_win_over_files_and_wrong_ones_are_named() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let given = format!("--master-key={}", key());
        let from_settings = Keys::resolve(&settings(dir.path(), &[&given]), true).expect("keys").keyring;
        let from_file = Keys::resolve(&settings(dir.path(), &[]), true).expect("keys").keyring;
        assert_ne!(from_settings.wraps_with(), from_file.wraps_with());
        let error = Keys::resolve(&settings(dir.path(), &["--master-key=short"]), true).expect_err("refused");
        assert!(error.starts_with("STUDIO_MASTER_KEY must be base64 of 32 bytes"), "{error}");
        assert!(!error.contains("short"), "{error}");

        let file = dir.path().join("keys/master.key");
        std::fs::write(&file, "nonsense!").expect("writes");
        let error = Keys::resolve(&settings(dir.path(), &[]), true).expect_err("refused");
        assert!(error.contains("master.key") && !error.contains("nonsense"), "{error}");
    }
}
