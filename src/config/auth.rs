use clap::Args;
use secrecy::SecretString;

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
}
