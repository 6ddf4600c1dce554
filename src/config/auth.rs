use clap::Args;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::domain::HumanDuration;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Identity and keys")]
pub struct AuthSettings {
    /// Master key that wraps the data keys: base64 of 32 bytes
    #[arg(long, env = "STUDIO_MASTER_KEY", value_name = "BASE64", hide_env_values = true, global = true)]
    pub master_key: Option<SecretString>,

    /// Shared secret of HS256 tokens, at least 32 bytes
    #[arg(long, env = "STUDIO_JWT_SECRET", value_name = "SECRET", hide_env_values = true, global = true)]
    pub jwt_secret: Option<SecretString>,

    /// PEM public key of RS256, PS256, ES256 or EdDSA tokens: the text, or the path of a file
    #[arg(long, env = "STUDIO_JWT_PUBLIC_KEY", value_name = "PEM|FILE", global = true)]
    pub jwt_public_key: Option<String>,

    /// URL of the key set (JWKS) that verifies tokens, in place of a secret or a public key
    #[arg(long, env = "STUDIO_JWKS_URL", value_name = "URL", global = true)]
    pub jwks_url: Option<Url>,

    /// Issuers of tokens with keys of their own, found by OpenID Connect discovery: a list of URLs, or a JSON array of objects
    #[arg(long, env = "STUDIO_OIDC_ISSUERS", value_name = "URL,…|JSON", global = true)]
    pub oidc_issuers: Option<IssuerList>,

    /// Shortest time between two fetches of an issuer's keys, whatever it or a token asks for
    #[arg(long, env = "STUDIO_JWKS_MIN_AGE", value_name = "DURATION", default_value = "10s", global = true)]
    pub jwks_min_age: HumanDuration,

    /// Longest time that an issuer's keys are used without a look at whether they still hold
    #[arg(long, env = "STUDIO_JWKS_MAX_AGE", value_name = "DURATION", default_value = "1h", global = true)]
    pub jwks_max_age: HumanDuration,

    /// How long known keys go on when their issuer cannot be reached
    #[arg(long, env = "STUDIO_JWKS_OUTAGE", value_name = "DURATION", default_value = "12h", global = true)]
    pub jwks_outage: HumanDuration,

    /// How long a fetch of keys may take
    #[arg(long, env = "STUDIO_JWKS_TIMEOUT", value_name = "DURATION", default_value = "5s", global = true)]
    pub jwks_timeout: HumanDuration,

    /// Signature algorithms that are accepted [default: HS256 with a secret; what the key can do with a public key]
    #[arg(long, env = "STUDIO_JWT_ALGORITHMS", value_name = "ALG,…", value_delimiter = ',', global = true)]
    pub jwt_algorithms: Vec<String>,

    /// Required `iss` claim
    #[arg(long, env = "STUDIO_JWT_ISSUER", value_name = "ISSUER", global = true)]
    pub jwt_issuer: Option<String>,

    /// Required `aud` claim
    #[arg(long, env = "STUDIO_JWT_AUDIENCE", value_name = "AUDIENCE", global = true)]
    pub jwt_audience: Option<String>,

    /// Clock difference that is tolerated
    #[arg(long, env = "STUDIO_JWT_LEEWAY", value_name = "DURATION", default_value = "30s", global = true)]
    pub jwt_leeway: HumanDuration,

    /// Claims that hold roles, as dotted paths; the first that is there counts
    #[arg(
        long,
        env = "STUDIO_JWT_ROLE_CLAIMS",
        value_name = "PATH,…",
        value_delimiter = ',',
        default_value = "roles,realm_access.roles,scope",
        global = true
    )]
    pub jwt_role_claims: Vec<String>,

    /// Claims that hold the organisation, as dotted paths; the first that is there counts
    #[arg(
        long,
        env = "STUDIO_JWT_ORG_CLAIMS",
        value_name = "PATH,…",
        value_delimiter = ',',
        default_value = "org,org_id,tenant",
        global = true
    )]
    pub jwt_org_claims: Vec<String>,

    /// Claims that limit a token to projects, as dotted paths; without one it covers all projects
    #[arg(
        long,
        env = "STUDIO_JWT_PROJECT_CLAIMS",
        value_name = "PATH,…",
        value_delimiter = ',',
        default_value = "projects,project",
        global = true
    )]
    pub jwt_project_claims: Vec<String>,

    /// Claims that hold the groups to which access may be granted, as dotted paths; the first that is there counts
    #[arg(
        long,
        env = "STUDIO_JWT_GROUP_CLAIMS",
        value_name = "PATH,…",
        value_delimiter = ',',
        default_value = "groups",
        global = true
    )]
    pub jwt_group_claims: Vec<String>,

    /// Claims that hold the communities to which datasources may be shown, as dotted paths; the first that is there counts
    #[arg(
        long,
        env = "STUDIO_JWT_COMMUNITY_CLAIMS",
        value_name = "PATH,…",
        value_delimiter = ',',
        default_value = "communities",
        global = true
    )]
    pub jwt_community_claims: Vec<String>,

    /// Organisation of tokens that name none [default: such tokens are refused]
    #[arg(long, env = "STUDIO_JWT_DEFAULT_ORG", value_name = "ORG", global = true)]
    pub jwt_default_org: Option<String>,
}

/// One issuer of tokens: an entry of `[[auth.issuers]]`. What it does not say is as the settings have it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// What `iss` must be, to the letter.
    pub issuer: String,
    /// What `aud` (one of them) or `azp` must be.
    #[serde(default, deserialize_with = "one_or_many")]
    pub audience: Vec<String>,
    /// Where its keys are; without it, discovery tells.
    #[serde(default)]
    pub jwks_url: Option<Url>,
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// The organisations that it may speak for; a token that names none is of the only one.
    #[serde(default)]
    pub orgs: Vec<String>,
    #[serde(default)]
    pub role_claims: Vec<String>,
    #[serde(default)]
    pub org_claims: Vec<String>,
    #[serde(default)]
    pub project_claims: Vec<String>,
    #[serde(default)]
    pub group_claims: Vec<String>,
    #[serde(default)]
    pub community_claims: Vec<String>,
}

/// The value of `STUDIO_OIDC_ISSUERS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerList(pub Vec<IssuerSettings>);

impl std::str::FromStr for IssuerList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let list: Vec<IssuerSettings> = if text.starts_with('[') {
            serde_json::from_str(text).map_err(|e| format!("is not a JSON array of issuers: {e}"))?
        } else {
            let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
            urls.map(|url| serde_json::from_value(serde_json::json!({ "issuer": url })))
                .collect::<Result<_, _>>()
                .map_err(|e| e.to_string())?
        };
        for (i, issuer) in list.iter().enumerate() {
            if list[..i].iter().any(|other| other.issuer == issuer.issuer) {
                return Err(format!("names the issuer {:?} twice", issuer.issuer));
            }
        }
        Ok(Self(list))
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::One(text) => vec![text],
        Given::Many(list) => list,
    })
}
