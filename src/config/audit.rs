use clap::Args;
use secrecy::SecretString;

use crate::domain::HumanDuration;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Audit")]
pub struct AuditSettings {
    /// How often the heads of the audit logs are signed; 0s: never
    #[arg(
        long,
        env = "STUDIO_AUDIT_CHECKPOINT_INTERVAL",
        value_name = "DURATION",
        default_value = "1h",
        global = true
    )]
    pub audit_checkpoint_interval: HumanDuration,

    /// Key that signs them: base64 of 32 bytes [default: derived from the master key]
    #[arg(long, env = "STUDIO_AUDIT_SIGNING_KEY", value_name = "BASE64", hide_env_values = true, global = true)]
    pub audit_signing_key: Option<SecretString>,
}
