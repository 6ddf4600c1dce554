//! `serve`: runs until it is told to stop.

use tokio_util::sync::CancellationToken;

use super::print;
use crate::config::{LogFormat, ServeSettings, Settings};
use crate::server::Server;

pub(super) async fn run(settings: Settings, serve: ServeSettings) -> Result<(), String> {
    let pretty = settings.node.log_format == LogFormat::Pretty;
    let stop = CancellationToken::new();
    let server = Server::start(settings.clone(), serve).await?;
    let address = server.address().map_err(|e| e.to_string())?;
    let base = settings
        .node
        .public_url
        .as_ref()
        .map_or_else(|| format!("http://{address}"), |url| url.as_str().trim_end_matches('/').to_owned());
    tracing::info!(%address, "listening");
    if let (Some(token), true) = (server.embedded_token(), pretty) {
        banner(&base, token)?;
        if let Some(id) = server.first_webhook() {
            invitation(&base, id, &settings.node.data_dir)?;
        }
    }
    stop_on_signal(&stop);
    server.run(stop).await.map_err(|e| format!("the server ended: {e}"))
}

fn banner(base: &str, token: &str) -> Result<(), String> {
    print(&format!(
        "\nDatasource Studio runs in embedded mode (SQLite, loopback only, keys under the data directory).\n\n  \
         Console    {base}/\n  \
         GraphiQL   {base}/graphql\n  \
         REST       {base}/api/docs\n  \
         Webhooks   {base}/hooks/<datasource id>\n  \
         Metrics    {base}/metrics\n  \
         Health     {base}/health/ready\n\n  \
         Admin token, valid for 24 hours (the console and GraphiQL have it already):\n  {token}\n"
    ))
}

/// What to do first, so that nobody has to look for it.
fn invitation(base: &str, id: uuid::Uuid, data_dir: &std::path::Path) -> Result<(), String> {
    let records = data_dir.join("out/default").join(id.to_string()).join("records.jsonl");
    print(&format!(
        "\n  Try the first example, and look at its record:\n  \
         curl {base}/hooks/{id} -H 'Content-Type: application/json' -d '{{\"id\": \"1\", \"text\": \"hello\"}}'\n  \
         cat {}\n",
        records.display()
    ))
}

/// A second signal means: now.
pub(super) fn stop_on_signal(stop: &CancellationToken) {
    let stop = stop.clone();
    tokio::spawn(async move {
        interrupted().await;
        stop.cancel();
        interrupted().await;
        std::process::exit(130);
    });
}

async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
