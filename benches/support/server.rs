//! The program in a process of its own, on a data directory that is thrown away.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_datasource-studio");

/// Where the server keeps its things: embedded SQLite, or PostgreSQL where `TEST_DATABASE_URL` names one.
pub struct Home {
    dir: tempfile::TempDir,
    database_url: Option<String>,
}

pub struct Server {
    pub url: String,
    child: Child,
    token: String,
    http: reqwest::Client,
}

/// What a process took of the machine so far.
#[derive(Clone, Copy)]
pub struct Usage {
    pub cpu: Duration,
    /// Resident memory, in bytes.
    pub memory: u64,
}

impl Home {
    pub fn sqlite() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), database_url: None }
    }

    /// A database of its own in the cluster of `TEST_DATABASE_URL`; `None` without a cluster.
    pub async fn postgres() -> Option<Self> {
        use sea_orm::ConnectionTrait as _;
        let cluster = std::env::var("TEST_DATABASE_URL").ok()?;
        let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
        let admin = sea_orm::Database::connect(&cluster).await.expect("PostgreSQL answers");
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database");
        let mut url = url::Url::parse(&cluster).expect("an address");
        url.set_path(&name);
        Some(Self { dir: tempfile::tempdir().expect("a directory"), database_url: Some(url.into()) })
    }

    /// Another node's home on the same database.
    pub fn beside(&self) -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), database_url: self.database_url.clone() }
    }

    pub fn database(&self) -> &'static str {
        if self.database_url.is_some() { "PostgreSQL" } else { "SQLite" }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg(subcommand)
            .env_remove("DATABASE_URL")
            .env("STUDIO_DATA_DIR", self.path())
            .env("STUDIO_JWT_SECRET", "a-secret-for-benchmarks-of-32-bytes-or-more")
            .env("STUDIO_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
            .env("STUDIO_EGRESS_ALLOW", "127.0.0.1")
            .env("STUDIO_RATE_LIMITS", "off")
            .env("STUDIO_LOG", "error")
            .stdin(Stdio::null());
        if let Some(url) = &self.database_url {
            command.env("DATABASE_URL", url);
        }
        command
    }

    /// A connection beside the server, to fill what it will find.
    pub async fn connect(&self) -> sea_orm::DatabaseConnection {
        let mut options = match &self.database_url {
            Some(url) => sea_orm::ConnectOptions::new(url),
            None => {
                sea_orm::ConnectOptions::new(format!("sqlite://{}?mode=rw", self.path().join("studio.db").display()))
            }
        };
        options.max_connections(1).sqlx_logging(false).set_schema_search_path("studio,audit");
        sea_orm::Database::connect(options).await.expect("the database answers")
    }

    /// Runs `migrate` by hand, as an operator does.
    pub fn migrate(&self, args: &[&str]) {
        let done = self.command("migrate").args(args).stdout(Stdio::null()).status().expect("the program runs");
        assert!(done.success(), "migrate {args:?} failed");
    }

    /// Imports `documents`, manifests of datasources, without a server.
    pub fn import(&self, documents: impl Iterator<Item = Value>) {
        let dir = tempfile::tempdir().expect("a directory");
        for (i, document) in documents.enumerate() {
            let path: PathBuf = dir.path().join(format!("{i:05}.yaml"));
            std::fs::write(path, document.to_string()).expect("a file");
        }
        let done = self.command("import").arg(dir.path()).stdout(Stdio::null()).status().expect("the program runs");
        assert!(done.success(), "the import failed");
    }

    /// Starts a server and waits until it is ready.
    pub async fn serve(&self) -> Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let token = self.command("token").args(["--role", "admin", "--ttl", "1d"]).output().expect("the program runs");
        let token = String::from_utf8(token.stdout).expect("a token").trim().to_owned();
        let mut command = self.command("serve");
        command.args(["--listen", &address.to_string()]).stdout(Stdio::null());
        let child = command.spawn().expect("the program runs");
        let server = Server { url: format!("http://{address}"), child, token, http: reqwest::Client::new() };
        server.until("it is ready", async || server.answers("/health/ready").await).await;
        server
    }
}

impl Server {
    pub fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    async fn answers(&self, path: &str) -> bool {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await;
        answer.is_ok_and(|a| a.status().is_success())
    }

    /// Looks every 10 ms until `done`; gives up after ten minutes.
    pub async fn until(&self, what: &str, mut done: impl AsyncFnMut() -> bool) -> Duration {
        let began = Instant::now();
        while !done().await {
            assert!(began.elapsed() < Duration::from_secs(600), "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }

    /// A call of the REST API as an admin, which must succeed.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let method: reqwest::Method = method.parse().expect("a method");
        let request = self.http.request(method, format!("{}/api/v1{path}", self.url)).bearer_auth(&self.token);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Creates, publishes and starts a datasource; answers with its id.
    pub async fn create(&self, name: &str, config: &Value) -> String {
        let created = self
            .call(
                "POST",
                "/datasources",
                &json!({ "name": name, "type": config["connector"]["type"], "config": config }),
            )
            .await;
        let id = created["id"].as_str().expect("an id").to_owned();
        self.call("POST", &format!("/datasources/{id}/publish"), &json!({})).await;
        id
    }

    /// The sum of a metric over the series that carry `label`.
    pub async fn metric(&self, name: &str, label: &str) -> f64 {
        let answer = self.http.get(format!("{}/metrics", self.url)).send().await.expect("an answer");
        let text = answer.text().await.expect("metrics");
        let series = text.lines().filter(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        let of_label = series.filter(|l| l.contains(label));
        of_label.filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Usage {
    pub fn of(pid: u32) -> Self {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("Linux's /proc");
        let stat = read("stat");
        // After the name, which may hold anything: utime and stime are fields 14 and 15, in hundredths of a second.
        let fields: Vec<_> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|f| f.parse::<u64>().expect("ticks")).sum();
        let status = read("status");
        let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS");
        let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().expect("kB");
        Self { cpu: Duration::from_millis(ticks * 10), memory: kilobytes * 1_024 }
    }
}
