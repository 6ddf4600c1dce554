//! A real nats-server with JetStream in a directory of its own, on a free port.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use async_nats::jetstream::{self, Context, stream};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::eventually;

pub struct NatsServer {
    child: Child,
    directory: TempDir,
    flags: Vec<String>,
    pub port: u16,
}

impl NatsServer {
    pub async fn start(flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let flags: Vec<_> = flags.iter().map(|f| (*f).to_owned()).collect();
        // Only the server itself can tell whether a port is free, so it chooses, and writes it down.
        let child = spawn(directory.path(), -1, &flags);
        let port = eventually("nats-server writes its port down", || async {
            let found = std::fs::read_dir(directory.path()).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
            let file = found.into_iter().find(|path| path.extension().is_some_and(|e| e == "ports"))?;
            let ports: Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
            ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
        })
        .await;
        let server = Self { child, directory, flags, port };
        server.listens().await;
        server
    }

    /// Ends it at once; what it stored stays.
    pub fn kill(&mut self) {
        self.child.kill().expect("nats-server is killed");
        self.child.wait().expect("nats-server ends");
    }

    /// Starts it again, with what it stored.
    pub async fn revive(&mut self) {
        self.child = spawn(self.directory.path(), i32::from(self.port), &self.flags);
        self.listens().await;
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// JetStream, for a test that looks or publishes itself.
    pub async fn jetstream(&self) -> Context {
        jetstream::new(async_nats::connect(self.address()).await.expect("nats-server takes a connection"))
    }

    /// A stream of the subjects `name.>`.
    pub async fn stream(&self, name: &str) -> stream::Stream {
        let config =
            stream::Config { name: name.to_owned(), subjects: vec![format!("{name}.>")], ..stream::Config::default() };
        let jetstream = self.jetstream().await;
        eventually("JetStream is ready", || async { jetstream.get_or_create_stream(config.clone()).await.ok() }).await
    }

    /// Publishes `{"n": n}`, each stored when this returns.
    pub async fn publish(&self, subject: &str, numbers: impl IntoIterator<Item = i64>) {
        let jetstream = self.jetstream().await;
        let mut sent = Vec::new();
        for n in numbers {
            let payload = json!({ "n": n }).to_string();
            sent.push(jetstream.publish(subject.to_owned(), payload.into()).await.expect("it is sent"));
        }
        for stored in sent {
            stored.await.expect("it is stored");
        }
    }

    pub async fn publish_raw(&self, subject: &str, payload: &str) {
        let jetstream = self.jetstream().await;
        let stored = jetstream.publish(subject.to_owned(), payload.to_owned().into()).await.expect("it is sent");
        stored.await.expect("it is stored");
    }

    async fn listens(&self) {
        eventually("nats-server listens", || async {
            tokio::net::TcpStream::connect(self.address()).await.is_ok().then_some(())
        })
        .await;
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(directory: &Path, port: i32, flags: &[String]) -> Child {
    // Debian's package puts it where only root looks.
    let installed = Path::new("/usr/sbin/nats-server");
    let program = if installed.exists() { installed } else { Path::new("nats-server") };
    Command::new(program)
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(directory.join("jetstream"))
        .arg("--ports_file_dir")
        .arg(directory)
        .args(flags)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts: scripts/ensure-services.sh installs it")
}
