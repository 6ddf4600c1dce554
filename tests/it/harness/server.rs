use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use datasource_studio::auth::jwt::{Minter, TokenRequest};
use datasource_studio::config::{ServeSettings, Settings};
use datasource_studio::domain::Role;
use datasource_studio::server::Server;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Database, Kind, eventually};

pub const JWT_SECRET: &str = "a-secret-for-tests-that-is-long-enough";
pub const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A server in this process, with its database.
pub struct TestServer {
    pub url: String,
    pub database: Database,
    pub http: reqwest::Client,
    settings: Settings,
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

/// A caller with a token.
#[derive(Clone)]
pub struct Client {
    pub url: String,
    pub token: String,
    pub http: reqwest::Client,
}

#[derive(Parser)]
struct Parsed {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    serve: ServeSettings,
}

impl TestServer {
    pub async fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[]).await
    }

    /// With more flags, such as `["--graphql-max-depth", "5"]`.
    pub async fn start_with(kind: Kind, flags: &[&str]) -> Self {
        let database = Database::create(kind).await;
        Self::on(database, flags).await
    }

    /// On a database that is there already.
    pub async fn on(database: Database, flags: &[&str]) -> Self {
        Self::launch(database, flags, "http", reqwest::Client::new()).await
    }

    /// With a certificate, for a client that knows its authority.
    pub async fn start_tls(flags: &[&str], http: reqwest::Client) -> Self {
        Self::launch(Database::create(Kind::Sqlite).await, flags, "https", http).await
    }

    async fn launch(database: Database, flags: &[&str], scheme: &str, http: reqwest::Client) -> Self {
        let data_dir = database.data_dir.path().to_str().expect("a path in UTF-8").to_owned();
        let mut args = vec!["test", "--listen", "127.0.0.1:0", "--data-dir", &data_dir];
        args.extend(["--master-key", MASTER_KEY, "--egress-allow", "127.0.0.1"]);
        // A key set stands in the place of a secret.
        if !flags.contains(&"--jwks-url") {
            args.extend(["--jwt-secret", JWT_SECRET]);
        }
        args.extend(database.url.iter().flat_map(|url| ["--database-url", url]));
        args.extend(flags);
        let Parsed { settings, serve } = Parsed::parse_from(args);
        let server = Server::start(settings.clone(), serve).await.expect("the server starts");
        let url = format!("{scheme}://{}", server.address().expect("an address"));
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move { server.run(token).await.expect("the server ends well") });
        // Until the registry looked for the first time, every webhook might be one that is still to start.
        eventually("the server is ready", || async {
            let response = http.get(format!("{url}/health/ready")).send().await.ok()?;
            response.status().is_success().then_some(())
        })
        .await;
        Self { url, database, http, settings, stop, task: Some(task) }
    }

    /// Ends the server as SIGTERM would, and gives its database back.
    pub async fn stop(mut self) -> Database {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            task.await.expect("the server ends");
        }
        let empty =
            Database { kind: Kind::Sqlite, url: None, name: None, data_dir: tempfile::tempdir().expect("a directory") };
        std::mem::replace(&mut self.database, empty)
    }

    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    pub fn token(&self, role: Role, org: &str, ttl: Duration) -> String {
        self.mint(&TokenRequest {
            subject: format!("{role}@{org}"),
            role,
            org: org.to_owned(),
            projects: Vec::new(),
            ttl,
        })
    }

    fn mint(&self, request: &TokenRequest) -> String {
        let minter = Minter::new(&self.settings.auth, Some(&SecretString::from(JWT_SECRET))).expect("a minter");
        minter.mint(request).expect("a token")
    }

    /// A caller whose token covers only these projects of `acme`.
    pub fn limited_to(&self, role: Role, projects: &[&str]) -> Client {
        let projects = projects.iter().map(|p| (*p).to_owned()).collect();
        let (org, ttl) = ("acme".to_owned(), Duration::from_secs(3_600));
        let token = self.mint(&TokenRequest { subject: format!("{role}@{org}"), role, org, projects, ttl });
        self.with_token(token)
    }

    pub fn with_token(&self, token: String) -> Client {
        Client { url: self.url.clone(), token, http: self.http.clone() }
    }

    pub fn client(&self, role: Role, org: &str) -> Client {
        self.with_token(self.token(role, org, Duration::from_secs(3_600)))
    }

    pub fn admin(&self) -> Client {
        self.client(Role::Admin, "acme")
    }

    pub fn operator(&self) -> Client {
        self.client(Role::Operator, "acme")
    }

    pub fn viewer(&self) -> Client {
        self.client(Role::Viewer, "acme")
    }

    /// Posts JSON to a webhook; answers with the status and the body.
    pub async fn post_hook(&self, id: &str, payload: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}/hooks/{id}", self.url)).json(payload);
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    /// What the jsonl sink holds for a datasource, in the order of the files.
    pub fn delivered(&self, org: &str, id: &str) -> Vec<Value> {
        delivered(&self.database.data_dir.path().join("out").join(org).join(id))
    }

    pub async fn metrics(&self) -> String {
        let response = self.http.get(format!("{}/metrics", self.url)).send().await.expect("an answer");
        response.text().await.expect("text")
    }

    /// The value of one series, by its full name with labels.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.metrics().await;
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Every record in the jsonl files of a directory.
pub fn delivered(directory: &std::path::Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    files.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
    files.sort();
    let lines = files.iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).expect("a readable file");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect::<Vec<Value>>()
    });
    lines.collect()
}

impl Client {
    /// The whole answer, with `data` and `errors`.
    pub async fn send(&self, query: &str, variables: Value) -> Value {
        let request = self.http.post(format!("{}/graphql", self.url)).bearer_auth(&self.token);
        let response =
            request.json(&json!({ "query": query, "variables": variables })).send().await.expect("an answer");
        response.json().await.expect("JSON")
    }

    /// The data; fails on any error.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.send(query, variables).await;
        assert!(answer.get("errors").is_none(), "unexpected errors: {answer:#}");
        answer["data"].take()
    }

    /// The code of the first error; fails when there is none.
    pub async fn code(&self, query: &str, variables: Value) -> String {
        let answer = self.send(query, variables).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        code.unwrap_or_else(|| panic!("an error with a code, not {answer:#}")).to_owned()
    }

    /// Runs a mutation that takes one input and selects `id` of the datasource; answers with its payload.
    pub async fn mutate(&self, name: &str, input: Value, selection: &str) -> Value {
        let mut data = self.data(&mutation(name, selection), json!({ "input": input })).await;
        data[name].take()
    }

    /// A webhook datasource with one draft; answers with its id.
    pub async fn webhook(&self, name: &str, config: Value) -> String {
        let input = json!({ "name": name, "type": "webhook", "config": config });
        let made = self.mutate("createDatasource", input, "datasource { id }").await;
        made["datasource"]["id"].as_str().expect("an id").to_owned()
    }

    /// Publishes the latest version and waits until a worker runs it; answers with its number.
    pub async fn publish(&self, id: &str) -> i64 {
        let done = self.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
        let version = done["version"]["version"].as_i64().expect("a version");
        self.running(id, version).await;
        version
    }

    /// Waits until the worker runs `version`.
    pub async fn running(&self, id: &str, version: i64) {
        eventually("the version runs", || async {
            let state = self.state(id).await;
            (state["workerStatus"] == "RUNNING" && state["runningVersion"] == version).then_some(())
        })
        .await;
    }

    pub async fn state(&self, id: &str) -> Value {
        let query = "query($id: ID!) { datasource(id: $id) { status revision state {
            desired workerStatus runningVersion errorCode errorMessage restartCount lastRecordAt checkpoint circuit
            metrics { delivered failed skipped } } } }";
        let mut data = self.data(query, json!({ "id": id })).await;
        let mut state = data["datasource"]["state"].take();
        state["status"] = data["datasource"]["status"].take();
        state["revision"] = data["datasource"]["revision"].take();
        state
    }
}

/// `mutation { name(input: $input) { selection } }`, with the input type by convention.
pub fn mutation(name: &str, selection: &str) -> String {
    let action =
        ["startDatasource", "stopDatasource", "restartDatasource", "restoreDatasource", "repinDatasourceSecrets"];
    let input = if action.contains(&name) {
        "DatasourceActionInput".to_owned()
    } else {
        format!("{}{}Input", name[..1].to_uppercase(), &name[1..])
    };
    format!("mutation($input: {input}!) {{ {name}(input: $input) {{ {selection} }} }}")
}

/// A webhook that takes anything, with one output of kind `event`.
pub fn open_webhook(fields: Value) -> Value {
    json!({
        "connector": { "type": "webhook", "auth": { "type": "none" } },
        "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": fields }] },
    })
}
