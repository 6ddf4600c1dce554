use clap::Args;
use secrecy::SecretString;
use url::Url;

use crate::domain::HumanDuration;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Blobs")]
pub struct BlobSettings {
    /// Where large things are kept beside the database: a directory that all nodes share, or s3://bucket/prefix
    /// [default: `blobs` in the data directory]
    #[arg(long, env = "STUDIO_BLOBS", value_name = "DIR|URL", global = true)]
    pub blobs: Option<String>,

    /// Address of a store that speaks S3, other than Amazon's
    #[arg(long, env = "STUDIO_BLOBS_S3_ENDPOINT", value_name = "URL", global = true)]
    pub blobs_s3_endpoint: Option<Url>,

    /// Region of the bucket
    #[arg(long, env = "STUDIO_BLOBS_S3_REGION", value_name = "REGION", default_value = "us-east-1", global = true)]
    pub blobs_s3_region: String,

    /// Id of the access key [default: credentials from where AWS has them: environment, web identity, container or instance]
    #[arg(long, env = "STUDIO_BLOBS_S3_ACCESS_KEY_ID", value_name = "ID", global = true)]
    pub blobs_s3_access_key_id: Option<String>,

    /// Secret of the access key
    #[arg(
        long,
        env = "STUDIO_BLOBS_S3_SECRET_ACCESS_KEY",
        value_name = "SECRET",
        hide_env_values = true,
        global = true
    )]
    pub blobs_s3_secret_access_key: Option<SecretString>,

    /// Longest sample in bytes that is kept in the database; longer ones are blobs
    #[arg(long, env = "STUDIO_SAMPLE_INLINE_MAX", value_name = "BYTES", default_value_t = 65_536, global = true)]
    pub sample_inline_max: usize,

    /// How long an export can be downloaded
    #[arg(long, env = "STUDIO_EXPORT_RETENTION", value_name = "DURATION", default_value = "7d", global = true)]
    pub export_retention: HumanDuration,
}
