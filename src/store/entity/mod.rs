//! Rows as they are stored. No logic; nothing outside the store sees them.

#![allow(unreachable_pub, reason = "the derives of an entity make public items")]

pub(super) mod access_grant;
pub(super) mod api_key;
pub(super) mod approval;
pub(super) mod approval_policy;
pub(super) mod audit;
pub(super) mod blob;
pub(super) mod checkpoint;
pub(super) mod contract_reader;
pub(super) mod data_key;
pub(super) mod data_migration;
pub(super) mod datasource;
pub(super) mod datasource_audience;
pub(super) mod dead_letter;
pub(super) mod event;
pub(super) mod export;
pub(super) mod governance_rules;
pub(super) mod idempotency_key;
pub(super) mod job;
pub(super) mod key_rotation;
pub(super) mod metadata_history;
pub(super) mod metadata_item;
pub(super) mod metadata_item_version;
pub(super) mod migration_history;
pub(super) mod node;
pub(super) mod notification_attempt;
pub(super) mod notification_delivery;
pub(super) mod notification_endpoint;
pub(super) mod notification_secret;
pub(super) mod org;
pub(super) mod org_quota;
pub(super) mod revoked_token;
pub(super) mod secret;
pub(super) mod service_account;
pub(super) mod state;
pub(super) mod test_sample;
pub(super) mod version;
pub(super) mod worker_slot;
