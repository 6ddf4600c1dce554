//! The sample consumer reads what the contract promises, as it is shipped.

use std::path::Path;
use std::process::Command;

use super::{Reader, two_organisations};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_consumer_reads_feeds_and_their_state() {
    let server = two_organisations().await;
    let reader = Reader::create(&server.database).await;
    reader.grant(&server.database, "acme");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/contract-consumer/feeds.sh");
    let mut command = Command::new("bash");
    command.arg(&script).env("CONTRACT_DATABASE_URL", &reader.url);
    // Servers bring their own psql, which is not always on the path.
    let programs = std::env::var("PATH").unwrap_or_default();
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = installed.map(|version| version.path().join("bin").display().to_string());
    command.env("PATH", std::iter::once(programs).chain(installed).collect::<Vec<_>>().join(":"));
    let output = command.output().expect("bash runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("acme-orders") && text.contains("running"), "{text}");
    assert!(text.contains("mapping_failed"), "{text}");
    assert!(!text.contains("globex"), "{text}");
    reader.drop(&server.database).await;
}
