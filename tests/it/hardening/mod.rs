//! What keeps a client from taking more than its share, and from asking what it should not.

mod cross_site;
mod documents;
mod listener;
mod postgres_tls;
mod rate_limits;
mod tls;
