//! A PostgreSQL of a test's own, to be stopped in the middle of its work.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Database, Kind, eventually};

pub struct Postgres {
    /// `scripts/with-postgres.sh`, which takes the whole cluster away at its end.
    keeper: Child,
    url: String,
    data: PathBuf,
    /// Where the programs of this PostgreSQL are.
    programs: PathBuf,
}

impl Postgres {
    pub async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/with-postgres.sh");
        let mut command = Command::new(script);
        command.args(["bash", "-c", "echo \"$TEST_DATABASE_URL\"; exec sleep 3600"]).env_remove("TEST_DATABASE_URL");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = command.spawn().expect("the script runs");
        let out = keeper.stdout.take().expect("its output");
        let first = tokio::task::spawn_blocking(move || BufReader::new(out).lines().next());
        let url = first.await.expect("a line").expect("PostgreSQL starts").expect("UTF-8");
        let mut postgres = Self { keeper, url, data: PathBuf::new(), programs: PathBuf::new() };
        let sql = postgres.database().sql().await;
        postgres.data = sql.column::<String>("SHOW data_directory").await.remove(0).into();
        let program = std::fs::read_link(format!("/proc/{}/exe", postgres.pid())).expect("a running program");
        postgres.programs = program.parent().expect("a directory").to_owned();
        // The cluster of the tests forgets its last moments in a crash; this one must not.
        sql.run("ALTER SYSTEM SET synchronous_commit = on").await;
        sql.run("SELECT pg_reload_conf()").await;
        postgres
    }

    /// The cluster's one database; it goes with the cluster.
    pub fn database(&self) -> Database {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        Database { kind: Kind::Postgres, url: Some(self.url.clone()), name: None, data_dir }
    }

    /// As `pg_ctl stop -m immediate`: nothing is finished, nothing is said.
    pub async fn crash(&self) {
        let pid = self.pid();
        assert!(Command::new("kill").args(["-QUIT", &pid]).status().expect("kill runs").success());
        let alive = PathBuf::from(format!("/proc/{pid}"));
        eventually("PostgreSQL is gone", || async { (!alive.exists()).then_some(()) }).await;
    }

    /// Starts it again, where it was.
    pub async fn revive(&self) {
        let owner = std::fs::metadata(&self.data).expect("the data directory");
        let port: url::Url = self.url.parse().expect("a URL");
        let mut command = Command::new(self.programs.join("pg_ctl"));
        command.args(["start", "-s", "-w", "-t", "60", "-D"]).arg(&self.data).current_dir(&self.data);
        command.arg("-l").arg(self.data.join("revived.log"));
        command.args(["-o", &format!("-p {}", port.port().expect("a port"))]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() != owner.uid()) {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let started = tokio::task::spawn_blocking(move || command.status()).await.expect("it ends");
        assert!(started.expect("pg_ctl runs").success(), "PostgreSQL starts again");
    }

    fn pid(&self) -> String {
        let file: &Path = &self.data.join("postmaster.pid");
        let text = std::fs::read_to_string(file).expect("PostgreSQL runs");
        text.lines().next().expect("a process id").trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.keeper.id().to_string()).status();
        let _ = self.keeper.wait();
    }
}
