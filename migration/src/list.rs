//! Every migration of this build, in the order in which they are applied to an empty database.

use crate::script::Migration;

macro_rules! migration {
    ($name:literal: $($part:literal)+) => {
        Migration {
            name: $name,
            scripts: &[$(($part, include_str!(concat!("../sql/", $name, ".", $part, ".sql")))),+],
        }
    };
}

/// One line each: the name, and the parts that it has in `sql/`.
pub static MIGRATIONS: &[Migration] = &[
    migration!("001_core": "up" "up.postgres" "up.sqlite" "down" "down.postgres"),
    migration!("002_managed_by": "up" "down"),
    migration!("003_idempotency": "up" "down"),
    migration!("004_jobs": "up" "down"),
    migration!("005_nodes": "up" "down"),
    migration!("007_tenancy": "up.postgres" "down.postgres"),
    migration!("008_identity": "up" "up.postgres" "down"),
    migration!("008_access": "up" "up.postgres" "down"),
    migration!("009_keys": "up" "up.postgres" "down" "down.postgres"),
    migration!("010_audit": "up" "up.postgres" "up.sqlite" "down.postgres" "down.sqlite"),
    migration!("010_quotas": "up" "up.postgres" "down"),
    migration!("011_key_reach": "up" "up.postgres" "up.sqlite" "down"),
    migration!("011_revocation_end": "up.postgres" "down.postgres"),
    migration!("012_approvals": "up" "up.postgres" "down"),
    migration!("013_governance": "up" "up.postgres" "down"),
    migration!("014_notifications": "up" "up.postgres" "down" "down.postgres"),
    migration!("015_metadata_items": "up" "up.postgres" "up.sqlite" "down"),
    migration!("016_contract": "up.postgres" "down.postgres"),
    migration!("S001_codes": "up.postgres" "down.postgres"),
    migration!("017_data_migrations": "up" "up.postgres" "down"),
    migration!("018_blobs": "up" "up.postgres" "down" "down.postgres"),
    migration!("019_installation": "up" "up.postgres" "up.sqlite" "down"),
    migration!("DM001_sample_sizes": "remaining" "batch"),
    migration!("100_sea_orm_history": "up" "down" "down.postgres"),
];
