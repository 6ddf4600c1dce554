//! The REST API, as clients that know nothing else use it.

mod authz;
mod contract;
mod deliveries;
mod document;
mod idempotency;
mod negotiation;
mod operations;
mod paging;
mod parity;
mod preconditions;
