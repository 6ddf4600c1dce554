//! A server on this machine, and an egress that may reach it.

use axum::Router;
use tokio::task::JoinHandle;

use super::Egress;

/// A real HTTP server on a free port; it ends with the value.
pub(crate) struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(routes: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.expect("the test server") });
        Self { port, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An egress that reaches the local server.
pub(crate) fn allow_local() -> Egress {
    Egress::new(vec!["127.0.0.1/32".parse().expect("a rule")])
}
