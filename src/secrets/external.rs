//! Secrets that are kept elsewhere, and named here: `vault://path#field`, `env://NAME`.
//!
//! What may be named is for who runs the server to say; nothing is, until then. A value is fetched when a worker
//! starts, and kept nowhere but in that worker.

use std::sync::Arc;

use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{SecretError, Vault};
use crate::config::KeySettings;
use crate::domain::Tenant;

/// Longest text of a reference.
const TEXT_MAX: usize = 512;

/// Where the value of a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reference<'a> {
    Vault { path: &'a str, field: &'a str },
    Env { name: &'a str },
}

/// Fetches what references name, as far as the settings allow it.
#[derive(Default)]
pub struct External {
    vault: Option<(Arc<Vault>, Vec<String>)>,
    env_prefix: Option<String>,
}

impl External {
    pub fn from_settings(settings: &KeySettings) -> Result<Self, String> {
        let legal = |prefix: &String| {
            prefix.len() >= 2 && prefix.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        if let Some(prefix) = settings.secret_env_prefix.as_ref().filter(|prefix| !legal(prefix)) {
            return Err(format!("STUDIO_SECRET_ENV_PREFIX is {prefix:?}; it must be two or more of A-Z, 0-9 and _"));
        }
        if settings
            .secret_env_prefix
            .as_ref()
            .is_some_and(|p| "STUDIO_".starts_with(p.as_str()) || p.starts_with("STUDIO_"))
        {
            return Err("STUDIO_SECRET_ENV_PREFIX must not let the server's own settings be read".into());
        }
        let paths = &settings.secret_vault_paths;
        if let Some(path) = paths.iter().find(|path| !path.ends_with('/') || path.len() < 2) {
            return Err(format!("STUDIO_SECRET_VAULT_PATHS has {path:?}; each must be a path that ends with a slash"));
        }
        let vault = match paths.is_empty() {
            true => None,
            false => Some((Arc::new(Vault::from_settings(settings)?), paths.clone())),
        };
        Ok(Self { vault, env_prefix: settings.secret_env_prefix.clone() })
    }

    /// Whether a datasource of this tenant may name this, and if not, what would do.
    pub fn check(&self, tenant: &Tenant, text: &str) -> Result<(), String> {
        self.allowed(tenant, text).map(drop)
    }

    /// The value, fetched now.
    pub async fn fetch(&self, tenant: &Tenant, text: &str) -> Result<SecretString, SecretError> {
        let failed = |why: String| SecretError::Reference { reference: shown(text), why };
        match self.allowed(tenant, text).map_err(failed)? {
            Reference::Env { name } => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(value.into()),
                _ => Err(failed("the environment of this server has no such variable, or an empty one".into())),
            },
            Reference::Vault { path, field } => {
                let Some((vault, _)) = &self.vault else { return Err(failed("no Vault is configured".into())) };
                let answer: Secret = vault.ask(Method::GET, path, None).await?;
                // The second version of the KV engine has the fields one level deeper, beside their metadata.
                let fields = match (answer.0.get("data"), answer.0.get("metadata")) {
                    (Some(Value::Object(inner)), Some(_)) => inner.get(field),
                    _ => answer.0.get(field),
                };
                match fields {
                    Some(Value::String(text)) if !text.is_empty() => Ok(text.clone().into()),
                    Some(_) => Err(failed("the field is not a text, or an empty one".into())),
                    None => Err(failed("the Vault has no such field there".into())),
                }
            }
        }
    }

    fn allowed<'t>(&self, tenant: &Tenant, text: &'t str) -> Result<Reference<'t>, String> {
        let reference = parse(text)?;
        match &reference {
            Reference::Env { name } => match &self.env_prefix {
                None => Err("env:// is off on this server; STUDIO_SECRET_ENV_PREFIX turns it on".into()),
                Some(prefix) if name.starts_with(prefix.as_str()) && name.len() > prefix.len() => Ok(reference),
                Some(prefix) => Err(format!("the name of the variable must begin with {prefix}")),
            },
            Reference::Vault { path, .. } => {
                let Some((_, prefixes)) = &self.vault else {
                    return Err("vault:// is off on this server; STUDIO_SECRET_VAULT_PATHS turns it on".into());
                };
                let mine: Vec<_> = prefixes.iter().filter_map(|prefix| filled(prefix, tenant)).collect();
                if mine.iter().any(|prefix| path.starts_with(prefix.as_str()) && path.len() > prefix.len()) {
                    return Ok(reference);
                }
                Err(format!(
                    "the path must begin with {}",
                    if mine.is_empty() { "nothing: this project has no path".to_owned() } else { mine.join(" or ") }
                ))
            }
        }
    }
}

/// A prefix with the names of the tenant in it. One that is no single segment of a path cannot be told from another.
fn filled(prefix: &str, tenant: &Tenant) -> Option<String> {
    let segment = |name: &str| {
        let legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        !name.is_empty() && name != "." && name != ".." && legal
    };
    let names = [("{org}", &tenant.org), ("{project}", &tenant.project)];
    names.into_iter().try_fold(prefix.to_owned(), |prefix, (placeholder, name)| {
        (segment(name) || !prefix.contains(placeholder)).then(|| prefix.replace(placeholder, name))
    })
}

#[derive(serde::Deserialize)]
struct Answer {
    data: serde_json::Map<String, Value>,
}

/// The fields of an answer, wiped when they are dropped.
struct Secret(serde_json::Map<String, Value>);

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Answer::deserialize(deserializer).map(|answer| Self(answer.data))
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut Value::Object(std::mem::take(&mut self.0)));
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => drop(Zeroizing::new(std::mem::take(text))),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        _ => {}
    }
}

fn parse(text: &str) -> Result<Reference<'_>, String> {
    const HELP: &str = "must be vault://path#field or env://NAME";
    if text.len() > TEXT_MAX {
        return Err(format!("must have at most {TEXT_MAX} bytes"));
    }
    if let Some(name) = text.strip_prefix("env://") {
        let legal = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return if legal { Ok(Reference::Env { name }) } else { Err(HELP.into()) };
    }
    let (path, field) = text.strip_prefix("vault://").and_then(|rest| rest.split_once('#')).ok_or(HELP)?;
    let legal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !path.split('/').all(|part| legal(part) && part != "." && part != "..") || !legal(field) {
        return Err(format!("{HELP}; path and field are letters, digits, and - _ ."));
    }
    Ok(Reference::Vault { path, field })
}

/// A reference is no secret; what is none may be one that was put in the wrong place.
fn shown(text: &str) -> String {
    if parse(text).is_ok() { text.to_owned() } else { "the stored reference".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(org: &str, project: &str) -> Tenant {
        Tenant { org: org.into(), project: project.into() }
    }

    #[test]
    fn a_prefix_has_room_for_one_segment_each() {
        let prefix = "kv/data/{org}/{project}/";
        assert_eq!(filled(prefix, &tenant("acme", "north")).as_deref(), Some("kv/data/acme/north/"));
        assert_eq!(filled("kv/data/{org}/", &tenant("acme", "a/b")).as_deref(), Some("kv/data/acme/"));
        for (org, project) in [("acme", "a/b"), ("..", "north"), ("", "north"), ("acme", ".")] {
            assert_eq!(filled(prefix, &tenant(org, project)), None, "{org} {project}");
        }
    }

    fn env_only() -> External {
        External { vault: None, env_prefix: Some("FEED_".into()) }
    }

    #[test]
    fn nothing_may_be_named_until_somebody_says_so() {
        let none = External::default();
        assert!(
            none.check(&tenant("acme", "default"), "env://FEED_TOKEN")
                .expect_err("off")
                .contains("STUDIO_SECRET_ENV_PREFIX")
        );
        assert!(
            none.check(&tenant("acme", "default"), "vault://kv/data/x#y")
                .expect_err("off")
                .contains("STUDIO_SECRET_VAULT_PATHS")
        );
        assert_eq!(env_only().check(&tenant("acme", "default"), "env://FEED_TOKEN"), Ok(()));
        for wrong in ["env://PATH", "env://FEED_", "env://STUDIO_MASTER_KEY", "env://feed_token"] {
            assert!(
                env_only().check(&tenant("acme", "default"), wrong).expect_err("not allowed").contains("FEED_"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_reference_cannot_lead_elsewhere() {
        for wrong in [
            "",
            "hunter2",
            "env://",
            "env://A B",
            "env://A=B",
            "vault://",
            "vault://a",
            "vault://a#",
            "vault://#f",
            "vault://a//b#f",
            "vault://a/../b#f",
            "vault://./a#f",
            "vault://a%2f..#f",
            "vault://a?x#f",
            "vault://a#f#g",
            "file:///etc/passwd",
            "vault:///a#f",
        ] {
            assert!(parse(wrong).expect_err("no reference").contains("vault://path#field"), "{wrong}");
            assert!(!shown(wrong).contains("hunter2"));
        }
        assert_eq!(
            parse("vault://kv/data/feeds/x#token"),
            Ok(Reference::Vault { path: "kv/data/feeds/x", field: "token" })
        );
    }

    #[tokio::test]
    async fn a_variable_that_is_not_there_is_named() {
        let error = env_only()
            .fetch(&tenant("acme", "default"), "env://FEED_THAT_NOBODY_SET")
            .await
            .expect_err("missing")
            .to_string();
        assert!(error.contains("env://FEED_THAT_NOBODY_SET") && error.contains("no such variable"), "{error}");
    }
}
