//! Keys and secret values: who wraps them, how they change, who uses them, and that they show nowhere.

#[cfg(feature = "aws_kms")]
mod aws_kms;
mod canary;
mod in_use;
mod key_settings;
mod references;
mod rotation;
mod vault;
mod vault_server;

use clap::Parser;
use datasource_studio::config::{KeySettings, Settings};

/// Settings as the command line gives them.
pub fn key_settings(flags: &[&str]) -> KeySettings {
    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        settings: Settings,
    }
    Parsed::parse_from([&["test"], flags].concat()).settings.keys
}
