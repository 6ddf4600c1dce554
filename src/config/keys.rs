use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secrecy::SecretString;
use url::Url;

use crate::domain::HumanDuration;

/// Who wraps the data keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyProviderKind {
    /// This process, with its master key.
    Local,
    /// The Transit engine of a HashiCorp Vault.
    Vault,
    /// AWS Key Management Service.
    AwsKms,
}

/// How this process shows a Vault who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VaultAuth {
    Token,
    Approle,
    Kubernetes,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Key services")]
pub struct KeySettings {
    /// Who wraps the data keys; the master keys that are set still open what they wrapped
    #[arg(long, env = "STUDIO_KEY_PROVIDER", value_enum, default_value = "local", global = true)]
    pub key_provider: KeyProviderKind,

    /// Master keys from before, which still open what they wrapped
    #[arg(
        long,
        env = "STUDIO_MASTER_KEYS_OLD",
        value_name = "BASE64,…",
        value_delimiter = ',',
        hide_env_values = true,
        global = true
    )]
    pub master_keys_old: Vec<SecretString>,

    /// File of master keys, one a line: the first one wraps, the others open what they wrapped
    #[arg(long, env = "STUDIO_MASTER_KEY_FILE", value_name = "FILE", global = true)]
    pub master_key_file: Option<PathBuf>,

    /// How long a data key stays in memory while a key service does not answer; 0s asks each time
    #[arg(long, env = "STUDIO_DATA_KEY_CACHE", value_name = "DURATION", default_value = "1h", global = true)]
    pub data_key_cache: HumanDuration,

    /// Lets secrets be references env://NAME to environment variables with this prefix, in every organisation [default: off]
    #[arg(long, env = "STUDIO_SECRET_ENV_PREFIX", value_name = "PREFIX", global = true)]
    pub secret_env_prefix: Option<String>,

    /// Lets secrets be references vault://path#field to paths that begin so; {org} and {project} stand for those of the datasource
    #[arg(long, env = "STUDIO_SECRET_VAULT_PATHS", value_name = "PATH/,…", value_delimiter = ',', global = true)]
    pub secret_vault_paths: Vec<String>,

    /// Address of the Vault
    #[arg(long, env = "STUDIO_VAULT_ADDR", value_name = "URL", global = true)]
    pub vault_addr: Option<Url>,

    /// Namespace of the Vault
    #[arg(long, env = "STUDIO_VAULT_NAMESPACE", value_name = "NAME", global = true)]
    pub vault_namespace: Option<String>,

    /// Certificates (PEM) that are trusted besides those of the system when the Vault is spoken to
    #[arg(long, env = "STUDIO_VAULT_CA_FILE", value_name = "FILE", global = true)]
    pub vault_ca_file: Option<PathBuf>,

    /// Mount of the Transit engine
    #[arg(long, env = "STUDIO_VAULT_TRANSIT_MOUNT", value_name = "PATH", default_value = "transit", global = true)]
    pub vault_transit_mount: String,

    /// Transit key that wraps the data keys, of an AEAD type such as aes256-gcm96
    #[arg(
        long,
        env = "STUDIO_VAULT_TRANSIT_KEY",
        value_name = "NAME",
        default_value = "datasource-studio",
        global = true
    )]
    pub vault_transit_key: String,

    /// How the Vault is shown who asks
    #[arg(long, env = "STUDIO_VAULT_AUTH", value_enum, default_value = "token", global = true)]
    pub vault_auth: VaultAuth,

    /// Mount of the auth method [default: approle or kubernetes]
    #[arg(long, env = "STUDIO_VAULT_AUTH_MOUNT", value_name = "PATH", global = true)]
    pub vault_auth_mount: Option<String>,

    /// Token, for the auth method token
    #[arg(long, env = "STUDIO_VAULT_TOKEN", value_name = "TOKEN", hide_env_values = true, global = true)]
    pub vault_token: Option<SecretString>,

    /// File of the token, read anew for each request, such as the sink of a Vault Agent
    #[arg(long, env = "STUDIO_VAULT_TOKEN_FILE", value_name = "FILE", global = true)]
    pub vault_token_file: Option<PathBuf>,

    /// Role: the role_id for approle, the name of the role for kubernetes
    #[arg(long, env = "STUDIO_VAULT_ROLE", value_name = "ROLE", global = true)]
    pub vault_role: Option<String>,

    /// secret_id, for the auth method approle
    #[arg(long, env = "STUDIO_VAULT_SECRET_ID", value_name = "ID", hide_env_values = true, global = true)]
    pub vault_secret_id: Option<SecretString>,

    /// File of the service account's token, for the auth method kubernetes
    #[arg(
        long,
        env = "STUDIO_VAULT_JWT_FILE",
        value_name = "FILE",
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount/token",
        global = true
    )]
    pub vault_jwt_file: PathBuf,

    /// KMS key that wraps the data keys: its ARN, id or alias. Credentials come from where AWS has them:
    /// environment, web identity, container or instance
    #[arg(long, env = "STUDIO_AWS_KMS_KEY", value_name = "KEY", global = true)]
    pub aws_kms_key: Option<String>,

    /// Region of the KMS key [default: that of its ARN]
    #[arg(long, env = "STUDIO_AWS_KMS_REGION", value_name = "REGION", global = true)]
    pub aws_kms_region: Option<String>,

    /// Endpoint of KMS [default: that of the region]
    #[arg(long, env = "STUDIO_AWS_KMS_ENDPOINT", value_name = "URL", global = true)]
    pub aws_kms_endpoint: Option<Url>,
}
