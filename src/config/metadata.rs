use std::path::PathBuf;

use clap::Args;

/// Templates and saved views.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Metadata")]
pub struct MetadataSettings {
    /// Directory of metadata items (YAML or JSON) for every organisation; what is stored takes their place. Read at
    /// the start and whenever it changes
    #[arg(long, env = "STUDIO_METADATA_DIR", value_name = "DIR", global = true)]
    pub metadata_dir: Option<PathBuf>,
}
