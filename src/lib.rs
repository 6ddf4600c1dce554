//! Datasource Studio: a control plane for data feeds.
//!
//! The crate is a house of floors; a floor imports only floors below it, and
//! `tests/it/layers.rs` fails on an upward `use`.
//!
//! | floor | modules | holds |
//! |---|---|---|
//! | F5 wiring | [`server`], [`cli`] | composition root, commands |
//! | F4 transports | [`graphql`], [`rest`], [`console`] | parse, call one use-case, shape the answer |
//! | F3 use-cases | [`app`] | authorise, validate, one transaction, notify |
//! | F2 data plane | [`registry`], [`connectors`], [`sinks`] | what runs a published version |
//! | F1 services | [`store`], [`auth`], [`secrets`], [`telemetry`], [`egress`], [`rate_limit`], [`blobs`] | database, identity, keys, metrics, the way out, how often clients may come, large things |
//! | F0 pure | [`domain`], [`mapping`], [`config`], [`error`], [`fault`] | no IO |

pub mod app;
pub mod auth;
pub mod blobs;
pub mod cli;
pub mod config;
pub mod connectors;
pub mod console;
pub mod domain;
pub mod egress;
pub mod error;
pub mod fault;
pub mod graphql;
pub mod mapping;
pub mod rate_limit;
pub mod registry;
pub mod rest;
pub mod secrets;
pub mod server;
pub mod sinks;
pub mod store;
pub mod telemetry;
