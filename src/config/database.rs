use clap::Args;
use secrecy::SecretString;

use crate::domain::HumanDuration;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// PostgreSQL or SQLite URL [default: SQLite in the data directory]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub database_url: Option<SecretString>,

    /// PostgreSQL URL of the owner of the tables, for migrations alone [default: DATABASE_URL]
    #[arg(long, env = "STUDIO_MIGRATION_DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub migration_database_url: Option<SecretString>,

    /// Connections in the pool
    #[arg(long, env = "STUDIO_DATABASE_MAX_CONNECTIONS", value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=1_000), global = true)]
    pub database_max_connections: u32,

    /// How long a request waits for a connection
    #[arg(long, env = "STUDIO_DATABASE_ACQUIRE_TIMEOUT", value_name = "DURATION", default_value = "5s", global = true)]
    pub database_acquire_timeout: HumanDuration,

    /// How long a process waits for another one that migrates
    #[arg(long, env = "STUDIO_MIGRATION_LOCK_TIMEOUT", value_name = "DURATION", default_value = "60s", global = true)]
    pub migration_lock_timeout: HumanDuration,

    /// Rows that a data migration changes in one transaction
    #[arg(long, env = "STUDIO_DATA_MIGRATION_BATCH", value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000), global = true)]
    pub data_migration_batch: u32,

    /// How long a data migration pauses between two transactions
    #[arg(long, env = "STUDIO_DATA_MIGRATION_PAUSE", value_name = "DURATION", default_value = "50ms", global = true)]
    pub data_migration_pause: HumanDuration,

    /// Run pending startup and seed migrations when the server starts
    #[arg(long, env = "STUDIO_MIGRATE_ON_START", value_name = "BOOL", default_value_t = true,
        action = clap::ArgAction::Set, global = true)]
    pub migrate_on_start: bool,
}
