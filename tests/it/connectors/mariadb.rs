//! A real MariaDB on a free port, with the database `shop`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySqlConnection};
use tempfile::TempDir;

use crate::harness::eventually;

pub struct MariaDb {
    child: Child,
    directory: TempDir,
    pub port: u16,
}

impl MariaDb {
    pub const PASSWORD: &str = "let-me-in";

    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        // It may not run as root under another name; as ourselves it may.
        let user = format!("--user={}", std::env::var("USER").unwrap_or_else(|_| "root".to_owned()));
        let installed = Command::new("mariadb-install-db")
            .arg(format!("--datadir={}", data.display()))
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &user])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("mariadb-install-db runs: scripts/ensure-services.sh installs it");
        assert!(installed.success(), "MariaDB makes its directory");
        for _ in 0..10 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
            let child = spawn(directory.path(), port, &user);
            let mut server = Self { child, directory: tempfile::tempdir().expect("a directory"), port };
            if server.is_up(directory.path()).await {
                server.directory = directory;
                server.prepare().await;
                return server;
            }
        }
        panic!("MariaDB found no free port");
    }

    /// Waits until it answers; `false` when it ended instead.
    async fn is_up(&mut self, home: &Path) -> bool {
        let socket = home.join("socket");
        eventually("MariaDB answers", || {
            let ended = self.child.try_wait().expect("a state").is_some();
            let socket = socket.clone();
            async move {
                if ended {
                    return Some(false);
                }
                let options = MySqlConnectOptions::new().socket(socket).username("root");
                options.connect().await.ok().map(|_| true)
            }
        })
        .await
    }

    async fn prepare(&self) {
        let options = MySqlConnectOptions::new().socket(self.directory.path().join("socket")).username("root");
        let mut root = options.connect().await.expect("root connects");
        let prepare = format!(
            "CREATE DATABASE shop; CREATE USER studio@'127.0.0.1' IDENTIFIED BY '{}'; GRANT ALL ON shop.* TO studio@'127.0.0.1'",
            Self::PASSWORD
        );
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut root).await.expect("prepared");
    }

    pub async fn run(&self, sql: &str) {
        let options = MySqlConnectOptions::new().host("127.0.0.1").port(self.port).database("shop");
        let options = options.username("studio").password(Self::PASSWORD).ssl_mode(MySqlSslMode::Disabled);
        let mut connection = MySqlConnection::connect_with(&options).await.expect("a connection");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the statement runs");
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(home: &Path, port: u16, user: &str) -> Child {
    let installed = Path::new("/usr/sbin/mariadbd");
    Command::new(if installed.exists() { installed } else { Path::new("mariadbd") })
        .args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-log-bin",
            "--innodb-flush-log-at-trx-commit=0",
            user,
        ])
        .arg(format!("--port={port}"))
        .arg(format!("--datadir={}", home.join("data").display()))
        .arg(format!("--socket={}", home.join("socket").display()))
        .arg(format!("--pid-file={}", home.join("pid").display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mariadbd starts")
}
