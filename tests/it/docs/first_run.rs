//! What the first start prints is true: the token works, and so does the webhook that it invites to try.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::root;
use crate::harness::Client;
use crate::harness::server::delivered;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_invites_to_a_webhook_that_works() {
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).arg("--seed-dir").arg(root().join("examples"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STUDIO_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL").env("STUDIO_DATA_DIR", data_dir.path());
    let mut server = Killed(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the server starts"));
    let output = BufReader::new(server.0.stdout.take().expect("its output"));

    let (mut url, mut token, mut hook, mut records) = (None, None, None, None);
    for line in output.lines().map(|line| line.expect("text")) {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["GraphiQL", address] => url = address.strip_suffix("/graphql").map(str::to_owned),
            [word] if word.starts_with("eyJ") => token = Some((*word).to_owned()),
            ["curl", address, ..] => hook = Some((*address).to_owned()),
            ["cat", path] => {
                records = Some((*path).to_owned());
                break;
            }
            _ => {}
        }
    }
    let http = reqwest::Client::new();
    let (url, token) = (url.expect("an address"), token.expect("a token"));
    let admin = Client { url, token, http: http.clone() };
    let viewer = admin.data("{ viewer { role org } }", Value::Null).await;
    assert_eq!(viewer["viewer"], json!({ "role": "ADMIN", "org": "default" }));

    let hook = hook.expect("a webhook to try");
    let id = hook.rsplit('/').next().expect("an id");
    admin.running(id, 1).await;
    let answer = http.post(&hook).json(&json!({ "id": "1", "text": "hello" })).send().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    let records = std::path::PathBuf::from(records.expect("where the record is"));
    let found = delivered(records.parent().expect("a directory"));
    assert_eq!(found[0]["data"], json!({ "text": "hello", "author": null }));
    assert!(records.exists(), "{}", records.display());
}
