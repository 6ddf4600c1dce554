//! A life with many secrets, and then a search for each of them in all that came out of it, in every usual spelling.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::vault_server::{Mood, VaultServer};
use crate::harness::server::{JWT_SECRET, MASTER_KEY, mutation};
use crate::harness::{Client, Database, Kind, Process, Socket, eventually};
use crate::registry::source::{HttpSource, Visit, page, poller, status};

/// Each secret of the story, with characters that some spellings change.
const CANARIES: [(&str, &str); 13] = [
    ("token of a webhook", "canary-hook/+7f3a91 c0a1"),
    ("token of a poller", "canary-bearer-5b20e7d4"),
    ("second token of a poller", "canary-rotated-0c9d77aa"),
    ("password of a poller", "canary-basic&=9e1f44b2"),
    ("key in a query", "canary-query %2f 66d0c3"),
    ("header of a sink", "canary-sink-a81e2295"),
    ("variable of the environment", "canary-env-1177de0f"),
    ("field of a vault", "canary-vault-93bb40c6"),
    ("token of the vault", "canary-vault-token-e07a"),
    ("literal in a configuration", "canary-literal-48f6d1"),
    ("credential that was wrong", "canary-wrong-52ca0be8"),
    ("token that was refused", "canary-jwt-c35d91f7"),
    ("value that waits for approval", "canary-waits-7c05e3b9"),
];

fn canary(name: &str) -> &'static str {
    CANARIES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no canary {name}")).1
}

/// How a value may be spelled: as it is, in JSON, in a URL, in hex, and in base64 wherever in a text it began.
fn spellings(value: &str) -> Vec<String> {
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let json = json!(value).to_string();
    let mut all = vec![
        value.to_owned(),
        json.trim_matches('"').to_owned(),
        encoded.replace('+', "%20"),
        encoded.to_lowercase(),
        encoded,
        hex::encode(value),
        hex::encode_upper(value),
    ];
    for before in 0..3 {
        let bytes = [&vec![0; before], value.as_bytes()].concat();
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            // The first and the last characters share bits with what stands around the value.
            let (from, upto) = ([0, 2, 3][before], text.len() - usize::from(bytes.len() % 3 != 0));
            all.push(text[from..upto].to_owned());
        }
    }
    all.sort();
    all.dedup();
    all
}

/// All that came out, and where.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, String)>>>);

impl Seen {
    fn add(&self, place: impl Into<String>, text: impl Into<String>) {
        self.0.lock().expect("no panic").push((place.into(), text.into()));
    }

    fn search(&self, secrets: &[(String, String)]) {
        let all = self.0.lock().expect("no panic");
        for (name, value) in secrets {
            for spelling in spellings(value) {
                for (place, text) in all.iter() {
                    if let Some(at) = text.find(&spelling) {
                        let from = text.floor_char_boundary(at.saturating_sub(150));
                        let upto = text.ceil_char_boundary(at + spelling.len() + 50);
                        panic!("the {name} is in {place}, as {spelling:?}: …{}…", &text[from..upto]);
                    }
                }
            }
        }
    }
}

/// A client whose answers are all kept.
struct Watched<'a>(Client, &'a Seen);

impl Watched<'_> {
    async fn send(&self, query: &str, variables: Value) -> Value {
        let answer = self.0.send(query, variables).await;
        self.1.add(format!("the answer to {query}"), answer.to_string());
        answer
    }

    async fn mutate(&self, name: &str, input: Value, selection: &str) -> Value {
        self.send(&mutation(name, selection), json!({ "input": input })).await
    }

    async fn set(&self, id: &str, key: &str, value: &str) {
        let input = json!({ "id": id, "key": key, "value": value, "repin": true, "reason": "a new one" });
        let done = self.mutate("setDatasourceSecret", input, "secret { key version }").await;
        assert!(done.get("errors").is_none(), "{done}");
    }

    async fn rest(&self, path: &str) {
        let answer = self.0.get(path).await;
        self.1.add(format!("GET {path}"), answer.body.to_string());
    }

    async fn create(&self, name: &str, kind: &str, config: Value) -> String {
        let input = json!({ "name": name, "type": kind, "config": config });
        let made = self.mutate("createDatasource", input, "datasource { id }").await;
        made["data"]["createDatasource"]["datasource"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }
}

fn guarded() -> Value {
    json!({
        "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "token" } } },
        "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": { "a": "$.a" } }],
            "transform": { "language": "rhai", "source": "if record.a < 0 { throw \"negative\" } record" } },
    })
}

/// A page, or a refusal that repeats in its body and in a header what was sent.
fn repeating(visit: &Visit, refused: Option<u16>) -> Response {
    let Some(code) = refused else { return page([i64::try_from(visit.index).unwrap_or(0)]) };
    let sent = format!("you sent {:?} and {:?}", visit.headers, visit.query);
    let mut response = status(code, &[("x-echo", &hex::encode(&sent))]);
    *response.body_mut() = json!({ "error": sent }).to_string().into();
    response
}

#[test]
fn a_value_is_found_in_every_spelling() {
    let value = "canary-query %2f 66d0c3";
    let around = |bytes: &[u8]| [&b"Authorization: x:"[..], bytes, b" and more"].concat();
    let texts = [
        String::from_utf8(around(value.as_bytes())).expect("UTF-8"),
        format!("?key={}", url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>()),
        hex::encode(around(value.as_bytes())),
        STANDARD_NO_PAD.encode(around(value.as_bytes())),
        URL_SAFE_NO_PAD.encode([&b"ab"[..], value.as_bytes()].concat()),
        STANDARD_NO_PAD.encode(value),
    ];
    for text in texts {
        assert!(spellings(value).iter().any(|spelling| text.contains(spelling)), "not found in {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_comes_out_anywhere() {
    nothing_comes_out(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_comes_out_anywhere_on_postgres() {
    nothing_comes_out(Kind::Postgres).await;
}

async fn nothing_comes_out(kind: Kind) {
    let seen = Seen::default();
    let vault = VaultServer::start().await;
    vault.accept(canary("token of the vault"));
    vault.put("kv/acme/feed", json!({ "token": canary("field of a vault") }));
    let source = HttpSource::start(|visit| repeating(visit, (visit.index % 5 == 4).then_some(500))).await;
    let refusals = [None, Some(500), Some(422)];
    let receiver = HttpSource::start(move |visit| repeating(visit, refusals[visit.index % 3])).await;

    let database = Database::create(kind).await;
    let data_dir = database.data_dir.path();
    let log = data_dir.join("server.log");
    let file = std::fs::File::create(&log).expect("a log file");
    let environment = [
        ("FEED_TOKEN", canary("variable of the environment")),
        ("STUDIO_SECRET_ENV_PREFIX", "FEED_"),
        ("STUDIO_VAULT_ADDR", vault.url.as_str()),
        ("STUDIO_VAULT_TOKEN", canary("token of the vault")),
        ("STUDIO_SECRET_VAULT_PATHS", "kv/{org}/"),
    ];
    let process = Process::spawn_with(file.into(), &database, data_dir, &["--log", "trace"], &environment);
    process.ready().await;
    let admin = Watched(process.client(Role::Admin), &seen);
    let http = reqwest::Client::new();

    // Webhooks: taken, refused, failed and replayed.
    let hook = admin.create("hook", "webhook", guarded()).await;
    admin.set(&hook, "token", canary("token of a webhook")).await;
    let published = admin.mutate("publishDatasource", json!({ "id": hook }), "version { version }").await;
    assert!(published.get("errors").is_none(), "{published}");
    admin.0.running(&hook, 1).await;
    for (token, body, expected) in [
        (canary("token of a webhook"), json!({ "id": 1, "a": 1 }), 202),
        (canary("token of a webhook"), json!({ "id": 2, "a": -1 }), 202),
        (canary("credential that was wrong"), json!({ "id": 3 }), 401),
    ] {
        let answer = http.post(format!("{}/hooks/{hook}", process.url)).bearer_auth(token).json(&body).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status().as_u16(), expected, "{body}");
        seen.add(
            "the answer of a webhook",
            format!("{:?} {}", answer.headers().clone(), answer.text().await.expect("text")),
        );
    }

    // Pollers: by bearer, basic and a key in the query, with a receiver that wants a header; their logs are watched.
    let mut logs = Vec::new();
    let auths = [
        ("bearer", json!({ "type": "bearer", "token": { "$secret": "k" } }), canary("token of a poller")),
        (
            "basic",
            json!({ "type": "basic", "username": "feeds", "password": { "$secret": "k" } }),
            canary("password of a poller"),
        ),
        ("query", json!({ "type": "api_key", "query": "key", "value": { "$secret": "k" } }), canary("key in a query")),
    ];
    let mut pollers = Vec::new();
    for (name, auth, value) in auths {
        let mut config = poller(&source.url);
        config["connector"]["auth"] = auth;
        config["delivery"] =
            json!({ "sink": { "type": "http", "url": receiver.url, "headers": { "X-Key": "{{secret.s}}" } } });
        let id = admin.create(name, "http_poller", config).await;
        admin.set(&id, "k", value).await;
        admin.set(&id, "s", canary("header of a sink")).await;
        admin
            .mutate(
                "setDatasourceLogLevel",
                json!({ "id": id, "level": "DEBUG", "duration": "5m" }),
                "datasource { id }",
            )
            .await;
        let subscription = "subscription($id: ID!) { datasourceLogs(id: $id, level: DEBUG) { message } }";
        let mut socket = Socket::subscribe(&admin.0, subscription, json!({ "id": id })).await;
        let lines = seen.clone();
        logs.push(tokio::spawn(async move {
            loop {
                let line = socket.message().await;
                lines.add("a live log", line.to_string());
            }
        }));
        admin.mutate("checkDatasource", json!({ "id": id }), "success steps { name code message }").await;
        admin
            .mutate("testDatasource", json!({ "id": id, "fetch": true }), "run { success logs errors { message } }")
            .await;
        admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
        pollers.push(id);
    }
    eventually("sources and receivers refused some", || async {
        (source.visits().len() > 12 && receiver.visits().len() > 6).then_some(())
    })
    .await;
    // A value that the source does not take, and one that it does.
    let rotated = |visit: &Visit| visit.header("authorization").is_some_and(|sent| sent.contains("rotated"));
    source.answers(move |visit| repeating(visit, rotated(visit).then_some(401)));
    admin.set(&pollers[0], "k", canary("second token of a poller")).await;
    eventually("the new value was refused", || async {
        let state = admin.0.state(&pollers[0]).await;
        (state["errorCode"] == "secrets_refused").then_some(())
    })
    .await;

    // Secrets that are kept elsewhere, with a vault that fails.
    for (name, reference) in
        [("from the environment", "env://FEED_TOKEN"), ("from the vault", "vault://kv/acme/feed#token")]
    {
        let id = admin.create(name, "webhook", guarded()).await;
        let set = admin
            .mutate(
                "setDatasourceSecret",
                json!({ "id": id, "key": "token", "reference": reference }),
                "secret { reference }",
            )
            .await;
        assert!(set.get("errors").is_none(), "{set}");
        admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
        admin.0.running(&id, 1).await;
        vault.feel(Mood::Denying);
        admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
        vault.feel(Mood::Well);
    }

    // What is refused is not repeated: a literal where a secret belongs, in GraphQL and in REST, and a wrong token.
    let mut literal = guarded();
    literal["connector"]["auth"]["token"] = json!(canary("literal in a configuration"));
    let draft = json!({ "id": hook, "config": literal });
    let answer = admin.mutate("createDatasourceVersion", draft, "version { version }").await;
    assert!(answer.get("errors").is_some(), "{answer}");
    let mut header = poller(&source.url);
    header["connector"]["headers"] = json!({ "Authorization": canary("literal in a configuration") });
    let answer = admin.0.post("/datasources", json!({ "name": "x", "type": "http_poller", "config": header })).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    seen.add("POST /datasources", answer.body.to_string());
    let stranger =
        Client { token: format!("eyJhbGciOiJIUzI1NiJ9.{}.sig", canary("token that was refused")), ..admin.0.clone() };
    seen.add("the answer to a stranger", stranger.send("{ viewer { subject } }", json!({})).await.to_string());

    // A value that nobody agreed to yet.
    admin
        .mutate("setApprovalPolicy", json!({ "project": "default", "secretChange": true }), "policy { project }")
        .await;
    let waiting = json!({ "id": hook, "key": "token", "value": canary("value that waits for approval"), "requestApproval": true });
    let asked = admin.mutate("setDatasourceSecret", waiting, "approval { id status }").await;
    assert_eq!(asked["data"]["setDatasourceSecret"]["approval"]["status"], "PENDING", "{asked}");
    admin.send("{ approvals { nodes { id status reason comment } } }", json!({})).await;
    admin.rest("/approvals").await;

    // Keys move, and everything is read that can be read.
    admin.mutate("rotateKeys", json!({ "kind": "DATA_KEY" }), "rotation { id }").await;
    eventually("keys have moved", || async {
        let keys = admin
            .send("{ encryptionKeys { masterKey dataKeys { id secrets } rotations { status error } } }", json!({}))
            .await;
        (keys["data"]["encryptionKeys"]["rotations"][0]["status"] == "SUCCEEDED").then_some(())
    })
    .await;
    admin.mutate("replayDeadLetters", json!({ "id": hook, "filter": {} }), "job { id }").await;
    let whole = "query($id: ID!) { datasource(id: $id) { name secrets { key version reference usedBy { version } }
        currentVersion { config secretPins { key version } } state { errorCode errorMessage checkpoint }
        events(first: 100) { nodes { eventType payload actor } } } deadLetters(id: $id) { nodes { payload errorMessage } } }";
    for id in pollers.iter().chain([&hook]) {
        admin.send(whole, json!({ "id": id })).await;
        for part in
            ["", "/versions", "/events", "/secrets", "/state", "/metrics", "/dead-letters", "/jobs", "/metadata/audit"]
        {
            admin.rest(&format!("/datasources/{id}{part}")).await;
        }
    }
    let audit = "{ auditLog(first: 200) { nodes { action actor reason field oldValue newValue } } }";
    assert!(admin.send(audit, json!({})).await.to_string().contains("secrets_opened"));
    for page in ["/metrics", "/health/ready"] {
        let answer = http.get(format!("{}{page}", process.url)).send().await.expect("an answer");
        seen.add(page, answer.text().await.expect("text"));
    }
    // What is said last is still on its way.
    eventually("a live log has said something", || async {
        seen.0.lock().expect("no panic").iter().any(|(place, _)| place == "a live log").then_some(())
    })
    .await;
    logs.iter().for_each(tokio::task::JoinHandle::abort);
    let token = admin.0.token.rsplit('.').next().expect("a signature").to_owned();
    assert!(process.terminate(), "the server ends well");

    let exported = data_dir.join("exported");
    for args in [
        &["export", exported.to_str().expect("UTF-8"), "--org", "acme", "--json"][..],
        &["keys", "status"],
        &["keys", "rotate"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
        command
            .args(args)
            .args(["--log", "trace"])
            .env_remove("DATABASE_URL")
            .env("STUDIO_DATA_DIR", data_dir)
            .env("STUDIO_JWT_SECRET", JWT_SECRET)
            .env("STUDIO_MASTER_KEY", MASTER_KEY)
            .stdin(Stdio::null());
        if let Some(url) = &database.url {
            command.env("DATABASE_URL", url);
        }
        let output = command.output().expect("the program runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        seen.add(format!("the output of {args:?}"), String::from_utf8_lossy(&output.stdout));
        seen.add(format!("the log of {args:?}"), String::from_utf8_lossy(&output.stderr));
    }
    if kind == Kind::Postgres {
        let sql = database.sql().await;
        let tables = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('studio', 'audit')";
        for table in sql.column::<String>(tables).await {
            let rows = sql.column::<String>(&format!("SELECT t::text FROM {table} t")).await;
            seen.add(table, rows.join("\n"));
        }
    }
    let mut files = vec![data_dir.to_path_buf()];
    let mut bytes = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("a directory").map(|e| e.expect("an entry").path()));
            continue;
        }
        let content = std::fs::read(&path).expect("a readable file");
        bytes += content.len();
        seen.add(path.display().to_string(), String::from_utf8_lossy(&content));
    }
    assert!(bytes > 100_000, "the database, the log and the exports were looked at: {bytes}");
    assert!(std::fs::read_to_string(&log).expect("text").contains("TRACE"), "the log tells all that it can");
    assert!(exported.join("default").is_dir() || exported.is_dir(), "there is an export");

    let mut secrets: Vec<_> = CANARIES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    secrets.push(("master key".into(), MASTER_KEY.into()));
    secrets.push(("signing key of tokens".into(), JWT_SECRET.into()));
    secrets.push(("signature of a token".into(), token));
    seen.search(&secrets);
}
