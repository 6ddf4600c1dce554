//! What the claims of a verified token grant. A claim that limits is read
//! strictly: one that cannot be understood refuses the token, it never widens it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::refused;
use crate::auth::{Actor, ActorKind, Credential};
use crate::config::{AuthSettings, IssuerSettings};
use crate::domain::{Role, Scope, Timestamp};
use crate::error::{Error, ErrorCode, Result};

pub(super) const ROLE_PREFIX: &str = "datasource:";
pub(super) const DEFAULT_PROJECT: &str = "default";
const NAME_MAX: usize = 128;
const SUBJECT_MAX: usize = 256;
/// How programs with API keys and the server itself are called, in the audit log too.
const RESERVED: [&str; 2] = ["service:", "system:"];

/// Where to look for a grant; the first path that is there counts.
pub(super) struct ClaimPaths {
    roles: Vec<String>,
    orgs: Vec<String>,
    projects: Vec<String>,
    groups: Vec<String>,
    communities: Vec<String>,
    /// An issuer that keeps the roles of a realm and of an application apart means both together.
    all_roles: bool,
    default_org: Option<String>,
    /// The organisations that may be named; empty is any.
    allowed_orgs: Vec<String>,
}

impl ClaimPaths {
    pub(super) fn from_settings(settings: &AuthSettings) -> Result<Self, String> {
        Ok(Self {
            roles: paths("STUDIO_JWT_ROLE_CLAIMS", &settings.jwt_role_claims)?,
            orgs: paths("STUDIO_JWT_ORG_CLAIMS", &settings.jwt_org_claims)?,
            projects: paths("STUDIO_JWT_PROJECT_CLAIMS", &settings.jwt_project_claims)?,
            groups: paths("STUDIO_JWT_GROUP_CLAIMS", &settings.jwt_group_claims)?,
            communities: paths("STUDIO_JWT_COMMUNITY_CLAIMS", &settings.jwt_community_claims)?,
            all_roles: false,
            default_org: default_org(settings)?,
            allowed_orgs: Vec::new(),
        })
    }

    /// What the issuer says of itself, else what the settings say.
    pub(super) fn of_issuer(
        settings: &AuthSettings,
        issuer: &IssuerSettings,
        audience: &[String],
    ) -> Result<Self, String> {
        let mut paths = Self { all_roles: true, ..Self::from_settings(settings)? };
        // Where Keycloak puts the roles of an application.
        paths.roles.extend(audience.iter().map(|client| format!("resource_access.{client}.roles")));
        let own = [
            (&mut paths.roles, &issuer.role_claims),
            (&mut paths.orgs, &issuer.org_claims),
            (&mut paths.projects, &issuer.project_claims),
            (&mut paths.groups, &issuer.group_claims),
            (&mut paths.communities, &issuer.community_claims),
        ];
        for (paths, given) in own.into_iter().filter(|(_, given)| !given.is_empty()) {
            paths.clone_from(given);
        }
        for org in &issuer.orgs {
            check_org(org).map_err(|rule| format!("an organisation of `orgs` {rule}"))?;
        }
        if let [only] = issuer.orgs.as_slice() {
            paths.default_org = Some(only.clone());
        }
        paths.allowed_orgs.clone_from(&issuer.orgs);
        Ok(paths)
    }

    /// The actor, and why it has no role where it has none: then it reaches nothing but what it is granted.
    pub(super) fn actor(&self, claims: &Map<String, Value>) -> Result<(Actor, Option<Error>)> {
        let subject = name(claims.get("sub"), "sub", SUBJECT_MAX)?;
        check_subject(subject).map_err(|rule| refused(format!("the token's claim `sub` {rule}")))?;
        let org = self.org(claims)?;
        let (scope, default_project) = match self.projects(claims)? {
            None => (Scope::org(org), DEFAULT_PROJECT.into()),
            Some(list) => {
                let default = list.first().map_or(DEFAULT_PROJECT, String::as_str).into();
                (Scope::projects(org, list), default)
            }
        };
        let (role, scope, without) = match self.role(claims) {
            Ok(role) => (role, scope, None),
            Err(error) => (Role::Viewer, Scope::projects(scope.org_id().clone(), Vec::new()), Some(error)),
        };
        let actor = Actor {
            subject: subject.into(),
            kind: ActorKind::User,
            role,
            scope,
            default_project,
            expires_at: Some(expiry(claims)?),
            credential: Credential::Token { jti: claims.get("jti").and_then(Value::as_str).map(Arc::from) },
            groups: names(claims, &self.groups),
            communities: names(claims, &self.communities),
            grants: Arc::default(),
        };
        Ok((actor, without))
    }

    fn org(&self, claims: &Map<String, Value>) -> Result<Arc<str>> {
        let org: Arc<str> = match (first(claims, &self.orgs), &self.default_org) {
            (Some((path, org)), _) => name(Some(org), path, NAME_MAX)?.into(),
            (None, Some(default)) => default.as_str().into(),
            (None, None) => {
                let message = format!("the token names no organisation: it needs a claim {}", any_of(&self.orgs));
                return Err(refused(message));
            }
        };
        if !self.allowed_orgs.is_empty() && self.allowed_orgs.iter().all(|allowed| **allowed != *org) {
            return Err(refused("the token names an organisation that its issuer may not speak for"));
        }
        Ok(org)
    }

    fn role(&self, claims: &Map<String, Value>) -> Result<Role> {
        let granted = if self.all_roles {
            self.roles.iter().filter_map(|path| find(claims, path)).filter_map(highest_role).max()
        } else {
            first(claims, &self.roles).and_then(|(_, value)| highest_role(value))
        };
        granted.ok_or_else(|| {
            let message = format!(
                "the token grants no datasource role: it needs datasource:viewer, datasource:operator or \
                 datasource:admin in the claim {}",
                any_of(&self.roles)
            );
            Error::new(ErrorCode::Forbidden, message)
        })
    }

    /// `None` is every project. A null is not taken for "no claim", for that would grant the most.
    fn projects(&self, claims: &Map<String, Value>) -> Result<Option<Vec<String>>> {
        let Some((path, value)) = self.projects.iter().find_map(|p| Some((p.as_str(), find(claims, p)?))) else {
            return Ok(None);
        };
        let items = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        items.iter().map(|item| Ok(name(Some(item), path, NAME_MAX)?.to_owned())).collect::<Result<_>>().map(Some)
    }
}

/// A group or community can only add to what the token grants, so that one that cannot be read is left out.
fn names(claims: &Map<String, Value>, paths: &[String]) -> Arc<[String]> {
    match first(claims, paths).map(|(_, value)| value) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => Arc::new([one.clone()]),
        _ => Arc::default(),
    }
}

/// What an organisation, a project or a subject may be called in a token.
pub(super) fn check_name(text: &str, max: usize) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("must not be empty".into());
    }
    if text.chars().count() > max {
        return Err(format!("must have at most {max} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".into());
    }
    Ok(())
}

pub(super) fn check_org(text: &str) -> Result<(), String> {
    check_name(text, NAME_MAX)
}

pub(super) fn check_subject(text: &str) -> Result<(), String> {
    check_name(text, SUBJECT_MAX)?;
    match RESERVED.iter().find(|prefix| text.trim_start().starts_with(**prefix)) {
        Some(prefix) => Err(format!("must not begin with `{prefix}`, which stands for no person")),
        None => Ok(()),
    }
}

fn name<'a>(value: Option<&'a Value>, claim: &str, max: usize) -> Result<&'a str> {
    let rule = match value.and_then(Value::as_str) {
        None => Err("must be a string".to_owned()),
        Some(text) => check_name(text, max).map(|()| text),
    };
    rule.map_err(|rule| refused(format!("the token's claim `{claim}` {rule}")))
}

fn highest_role(value: &Value) -> Option<Role> {
    match value {
        Value::String(text) => text.split_ascii_whitespace().filter_map(role_named).max(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).filter_map(role_named).max(),
        _ => None,
    }
}

fn role_named(text: &str) -> Option<Role> {
    text.strip_prefix(ROLE_PREFIX)?.parse().ok()
}

fn expiry(claims: &Map<String, Value>) -> Result<Timestamp> {
    let seconds = claims.get("exp").and_then(|exp| exp.as_i64().or_else(|| exp.as_f64().map(|f| f as i64)));
    seconds
        .and_then(|s| Timestamp::from_timestamp(s, 0))
        .ok_or_else(|| refused("the token's `exp` is not a time in seconds since 1970"))
}

fn first<'a, 'p>(claims: &'a Map<String, Value>, paths: &'p [String]) -> Option<(&'p str, &'a Value)> {
    paths.iter().find_map(|path| Some((path.as_str(), find(claims, path).filter(|v| !v.is_null())?)))
}

/// A claim by its literal name, else by descending at any of the dots, so that both
/// `realm_access.roles` and `https://acme.example/claims.roles` are found.
/// Every step enters another object of the token, so the work is bounded by its size.
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| {
        path.match_indices('.').find_map(|(at, _)| {
            let inner = claims.get(&path[..at])?.as_object()?;
            find(inner, &path[at + 1..])
        })
    })
}

fn default_org(settings: &AuthSettings) -> Result<Option<String>, String> {
    if let Some(org) = &settings.jwt_default_org {
        check_org(org).map_err(|rule| format!("STUDIO_JWT_DEFAULT_ORG {rule}"))?;
    }
    Ok(settings.jwt_default_org.clone())
}

fn paths(setting: &str, given: &[String]) -> Result<Vec<String>, String> {
    let paths: Vec<_> = given.iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect();
    if paths.is_empty() {
        return Err(format!("{setting} is empty: name at least one claim"));
    }
    Ok(paths)
}

fn any_of(paths: &[String]) -> String {
    paths.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(" or ")
}
