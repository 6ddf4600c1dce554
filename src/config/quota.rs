use clap::Args;

use crate::domain::{Most, Quota};

/// What an organisation may have at most, unless `datasource-studio quota set` says otherwise of it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Quotas")]
pub struct QuotaSettings {
    /// Datasources of an organisation, without archived ones
    #[arg(long, env = "STUDIO_QUOTA_DATASOURCES", value_name = "N|none", default_value = "none", global = true)]
    pub quota_datasources: Most,

    /// Versions of one datasource
    #[arg(
        long,
        env = "STUDIO_QUOTA_VERSIONS_PER_DATASOURCE",
        value_name = "N|none",
        default_value = "10000",
        global = true
    )]
    pub quota_versions_per_datasource: Most,

    /// Bytes of all stored samples of an organisation
    #[arg(long, env = "STUDIO_QUOTA_SAMPLE_BYTES", value_name = "N|none", default_value = "1073741824", global = true)]
    pub quota_sample_bytes: Most,

    /// Requests of an organisation in a minute
    #[arg(
        long,
        env = "STUDIO_QUOTA_REQUESTS_PER_MINUTE",
        value_name = "N|none",
        default_value = "none",
        global = true
    )]
    pub quota_requests_per_minute: Most,

    /// Workers of an organisation that are to run
    #[arg(long, env = "STUDIO_QUOTA_WORKERS", value_name = "N|none", default_value = "none", global = true)]
    pub quota_workers: Most,

    /// API keys of an organisation
    #[arg(long, env = "STUDIO_QUOTA_API_KEYS", value_name = "N|none", default_value = "1000", global = true)]
    pub quota_api_keys: Most,

    /// Templates and saved views of an organisation
    #[arg(long, env = "STUDIO_QUOTA_METADATA_ITEMS", value_name = "N|none", default_value = "1000", global = true)]
    pub quota_metadata_items: Most,

    /// Endpoints of notifications of an organisation
    #[arg(
        long,
        env = "STUDIO_QUOTA_NOTIFICATION_ENDPOINTS",
        value_name = "N|none",
        default_value = "50",
        global = true
    )]
    pub quota_notification_endpoints: Most,
}

impl QuotaSettings {
    pub fn most(&self, quota: Quota) -> Option<u64> {
        let most = match quota {
            Quota::Datasources => self.quota_datasources,
            Quota::VersionsPerDatasource => self.quota_versions_per_datasource,
            Quota::SampleBytes => self.quota_sample_bytes,
            Quota::RequestsPerMinute => self.quota_requests_per_minute,
            Quota::Workers => self.quota_workers,
            Quota::ApiKeys => self.quota_api_keys,
            Quota::MetadataItems => self.quota_metadata_items,
            Quota::NotificationEndpoints => self.quota_notification_endpoints,
        };
        most.0
    }
}
