use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Parser;
use datasource_studio::auth::jwt::{Minter, TokenRequest};
use datasource_studio::config::AuthSettings;
use datasource_studio::domain::Role;
use secrecy::SecretString;

use super::server::{JWT_SECRET, MASTER_KEY};
use super::{Client, Database, eventually};

/// A server in a process of its own, to be killed.
pub struct Process {
    pub url: String,
    child: Child,
}

impl Process {
    /// Starts `serve` on a free port and waits until it is ready.
    pub async fn start(database: &Database, data_dir: &std::path::Path, flags: &[&str]) -> Self {
        let process = Self::spawn(database, data_dir, flags);
        process.ready().await;
        process
    }

    /// Starts `serve` and does not wait.
    pub fn spawn(database: &Database, data_dir: &std::path::Path, flags: &[&str]) -> Self {
        let logs = if std::env::var_os("TEST_LOGS").is_some() { Stdio::inherit() } else { Stdio::null() };
        Self::spawn_logging_to(logs, database, data_dir, flags)
    }

    /// Starts `serve` with its log in a place where a test can read it.
    pub fn spawn_logging_to(logs: Stdio, database: &Database, data_dir: &std::path::Path, flags: &[&str]) -> Self {
        Self::spawn_with(logs, database, data_dir, flags, &[])
    }

    /// The same with more in its environment.
    pub fn spawn_with(
        logs: Stdio,
        database: &Database,
        data_dir: &std::path::Path,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
        command
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(flags)
            .env_remove("DATABASE_URL")
            .env("STUDIO_DATA_DIR", data_dir)
            .env("STUDIO_JWT_SECRET", JWT_SECRET)
            .env("STUDIO_MASTER_KEY", MASTER_KEY)
            .env("STUDIO_EGRESS_ALLOW", "127.0.0.1")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(logs);
        if let Some(url) = &database.url {
            command.env("DATABASE_URL", url);
        }
        let child = command.spawn().expect("the server starts");
        Self { url: format!("http://127.0.0.1:{port}"), child }
    }

    /// What `serve` says when it does not start with these flags.
    pub fn fails(flags: &[&str]) -> String {
        let data_dir = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir.path()).args(flags);
        let output = command
            .env_remove("DATABASE_URL")
            .env("STUDIO_JWT_SECRET", JWT_SECRET)
            .env("STUDIO_MASTER_KEY", MASTER_KEY)
            .output()
            .expect("the program runs");
        assert!(!output.status.success(), "it does not start");
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    pub async fn ready(&self) {
        let http = reqwest::Client::new();
        eventually("the process is ready", || async {
            let response = http.get(format!("{}/health/ready", self.url)).send().await.ok()?;
            response.status().is_success().then_some(())
        })
        .await;
    }

    /// A caller in the organisation `acme`, as `TestServer::client` makes one.
    pub fn client(&self, role: Role) -> Client {
        #[derive(Parser)]
        struct Parsed {
            #[command(flatten)]
            auth: AuthSettings,
        }
        let settings = Parsed::parse_from(["test", "--jwt-secret", JWT_SECRET]).auth;
        let minter = Minter::new(&settings, Some(&SecretString::from(JWT_SECRET))).expect("a minter");
        let token = minter.mint(&TokenRequest {
            subject: format!("{role}@acme"),
            role,
            org: "acme".to_owned(),
            projects: Vec::new(),
            ttl: Duration::from_secs(3_600),
        });
        Client { url: self.url.clone(), token: token.expect("a token"), http: reqwest::Client::new() }
    }

    /// As `kill -9`: nothing is flushed, nothing is said.
    pub fn kill(mut self) {
        self.child.kill().expect("the process is killed");
        self.child.wait().expect("the process ends");
    }

    /// Stops the process in the middle of whatever it does, until [`Self::resume`].
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(sent.success(), "kill {signal}");
    }

    /// As Ctrl-C; answers with whether it ended well.
    pub fn terminate(mut self) -> bool {
        self.signal("-TERM");
        self.child.wait().expect("the process ends").success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
