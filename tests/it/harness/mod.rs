//! A real server per test, on its own database, and clients for it.

pub mod cluster;
pub mod database;
pub mod process;
pub mod rest;
pub mod server;
pub mod socket;
pub mod sql;

use std::future::Future;
use std::time::{Duration, Instant};

pub use database::{Database, Kind};
pub use process::Process;
pub use rest::Answer;
pub use server::{Client, TestServer};
pub use socket::Socket;
pub use sql::Sql;

/// Runs one async test body on SQLite and on PostgreSQL, as two tests.
///
/// ```ignore
/// on_both_databases! {
///     async fn a_draft_is_not_live(server: TestServer) { … }
/// }
/// ```
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$meta:meta])* async fn $name:ident($server:ident: TestServer) $body:block)+) => {
        $($(#[$meta])* mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn body($server: $crate::harness::TestServer) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body($crate::harness::TestServer::start($crate::harness::Kind::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                body($crate::harness::TestServer::start($crate::harness::Kind::Postgres).await).await;
            }
        })+
    };
}

/// Asks again until `question` has an answer; fails with `what` when that takes too long.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut question: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
