use clap::Args;

use crate::domain::HumanDuration;

/// How stakeholders are told of changes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Notifications")]
pub struct NotificationSettings {
    /// How long to wait after each attempt that failed; after the last wait there is one more attempt
    #[arg(
        long,
        env = "STUDIO_NOTIFICATION_RETRY",
        value_name = "DURATION,…",
        value_delimiter = ',',
        default_value = "5s,5m,30m,2h,5h,10h,14h,20h,24h",
        global = true
    )]
    pub notification_retry: Vec<HumanDuration>,

    /// How long a receiver may take to answer
    #[arg(long, env = "STUDIO_NOTIFICATION_TIMEOUT", value_name = "DURATION", default_value = "15s", global = true)]
    pub notification_timeout: HumanDuration,

    /// After how long without a success an endpoint is switched off
    #[arg(
        long,
        env = "STUDIO_NOTIFICATION_DISABLE_AFTER",
        value_name = "DURATION",
        default_value = "5d",
        global = true
    )]
    pub notification_disable_after: HumanDuration,

    /// How long messages that were delivered or given up are kept in the log
    #[arg(long, env = "STUDIO_NOTIFICATION_RETENTION", value_name = "DURATION", default_value = "30d", global = true)]
    pub notification_retention: HumanDuration,
}
