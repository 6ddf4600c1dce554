//! The integration tests: one binary, so that it links once.
//!
//! They drive a real server over HTTP and WebSocket, on SQLite and on
//! PostgreSQL. `make test` provides the database.

mod approvals;
mod audit;
mod authz_matrix;
mod blobs;
mod connectors;
mod console;
mod contract;
mod docs;
mod fuzz;
mod gitops;
mod governance;
mod graphql;
mod hardening;
mod harness;
mod identity;
mod layers;
mod metadata_items;
mod migrations;
mod notifications;
mod registry;
mod rest;
mod schema;
mod sdl;
mod second_wall;
mod secrets;
