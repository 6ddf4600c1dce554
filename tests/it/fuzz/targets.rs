//! What is fuzzed, from which seeds.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use clap::Parser;
use datasource_studio::auth::jwt::{Minter, TokenRequest, Verifier, bearer};
use datasource_studio::config::AuthSettings;
use datasource_studio::connectors::{Catalog, ConnectorContext, PushRequest, PushSource, Source};
use datasource_studio::domain::paging::decode_cursor;
use datasource_studio::domain::{Role, Tenant, now};
use datasource_studio::egress::Egress;
use datasource_studio::mapping::{Document, Limits, Mapping};
use datasource_studio::sinks::SinkCatalog;
use datasource_studio::telemetry::Metrics;
use futures::FutureExt as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::harness::server::JWT_SECRET;
use crate::harness::{Client, Kind, TestServer};

type Run = Box<dyn FnMut(&[u8])>;

pub struct Target {
    pub name: &'static str,
    pub runs: u64,
    pub seeds: &'static [&'static str],
    pub words: &'static [&'static str],
    pub prepare: fn() -> Run,
}

const MAPPING_WORDS: &[&str] = &[
    "$..*",
    "$[?@.a==1]",
    "$[?match(@.a,'(a+)+b')]",
    "$[::-1]",
    "$[0:9999999]",
    "$..[?@..*]",
    "[?count(@..*)>1]",
    "length(",
    "\"fields\":{}",
    "\"input\":\"$..*\"",
    "\"transform\":{\"language\":\"rhai\",\"source\":\"loop{}\"}",
    "let x=[];loop{x.push(x)}",
    "let s=\"a\";loop{s+=s}",
    "fn f(){f()} f()",
    "record",
    "#{a:1}",
];

const CONFIGS: &[&str] = &[
    include_str!("../../fixtures/github-push.json"),
    r#"{"connector":{"type":"http_poller","url":"https://api.example.com/alerts","schedule":"every 60s","auth":{"type":"bearer","token":{"$secret":"t"}}},"secrets":{"t":"api_token"},"mapping":{"input":"$.alerts[*]","outputs":[{"kind":"alert","id":"$.id","fields":{"title":"$.title"}}],"transform":{"language":"rhai","source":"record"}},"delivery":{"sink":{"type":"http","url":"https://example.com"},"on_error":"dead_letter","batch":{"max_records":5,"max_wait":"1s"}},"runtime":{"retry":{"initial":"1s","max":"5m","multiplier":2},"rate_limit":{"records_per_second":5}}}"#,
    r#"{"connector":{"type":"kafka","brokers":["k:9092"],"topics":["a"],"group":"g"},"mapping":{"entity_type":"Event","id":"$.id","attrs":{"m":"$.msg"}}}"#,
    r#"{"connector":{"type":"sql","url":"postgres://h/d","query":"SELECT id FROM t WHERE id > $1","cursor":{"column":"id"}},"delivery":{"sink":{"type":"jsonl"}}}"#,
    r#"{"connector":{"type":"object_store","url":"s3://bucket/prefix","format":"csv"}}"#,
    r#"{"connector":{"type":"webhook","auth":{"type":"hmac_sha256","header":"x-signature","secret":{"$secret":"s"}}}}"#,
    r#"{"connector":{"type":"nats","servers":["nats://h:4222"],"stream":"S","subject":"a.>"}}"#,
];

pub const TARGETS: &[Target] = &[
    Target {
        name: "configurations",
        runs: 4_000,
        seeds: CONFIGS,
        words: &[
            "{\"$secret\":\"a\"}",
            "{{secret.a}}",
            "\"schedule\":\"*/5 * * * *\"",
            "\"every 1ns\"",
            "file:///etc/passwd",
            "\"type\":",
            "[::1]",
        ],
        prepare: || {
            let (connectors, sinks) = (Catalog::standard(), SinkCatalog::standard());
            Box::new(move |input| {
                let Ok(config) = serde_json::from_slice::<Value>(input) else { return };
                let (document, _) = Document::inspect(&config);
                for connector in connectors.iter() {
                    connectors.check(connector.spec().name, &config["connector"]);
                }
                sinks.check("http", &config["delivery"]["sink"]);
                if let Some(document) = document {
                    let _ = Mapping::compile(&document.mapping);
                }
            })
        },
    },
    Target {
        name: "files_of_datasources",
        runs: 3,
        seeds: &[
            include_str!("../../../examples/hello-webhook.yaml"),
            include_str!("../../../examples/weather.yaml"),
            include_str!("../../../examples/payments.yaml"),
        ],
        words: &["&a [*a,*a]", "<<: *a", "? ", ": ", "---\n", "|+\n", "!!binary ", "\t", "${HOME}", "- - - -"],
        prepare: import,
    },
    Target {
        name: "mappings",
        runs: 1_500,
        seeds: &[
            r#"{"mapping":{"outputs":[{"kind":"a","id":"$.id","fields":{"t":"$.title","h":"$.device.hostname"}}]},"document":{"id":1,"title":"x","device":{"hostname":"h"}}}"#,
            r#"{"mapping":{"input":"$.a[*]","outputs":[{"kind":"a","fields":{"x":"$..b[?@.c>1]"}}]},"document":{"a":[{"b":[{"c":2}]},{"b":[{"c":3}]}]}}"#,
            r#"{"mapping":{"outputs":[{"kind":"a","fields":{"x":"$"}}],"transform":{"language":"rhai","source":"record.x = record.x + 1; record"}},"document":{"id":1}}"#,
        ],
        words: MAPPING_WORDS,
        prepare: || {
            Box::new(|input| {
                let Ok(case) = serde_json::from_slice::<Value>(input) else { return };
                let config = json!({ "connector": { "type": "webhook" }, "mapping": case["mapping"] });
                let Ok(document) = Document::parse(&config) else { return };
                let Ok(mapping) = Mapping::compile(&document.mapping) else { return };
                mapping.apply(&case["document"], &Limits::default(), &mut |_| {});
            })
        },
    },
    Target {
        name: "payloads_of_webhooks",
        runs: 5_000,
        seeds: &["{\"id\":\"1\",\"text\":\"hello\"}", "[{\"id\":1},{\"id\":2}]", "{\"id\":1}\n{\"id\":2}\n"],
        words: &["\n", "{\"a\":", ","],
        prepare: || {
            let hook = webhook(&json!({ "auth": { "type": "none" } }));
            Box::new(move |input| {
                let mut headers = HeaderMap::new();
                headers.insert("content-type", HeaderValue::from_static("application/json"));
                let _ = hook.accept(&PushRequest { headers, body: input.to_vec().into(), received_at: now() });
            })
        },
    },
    Target {
        name: "signatures",
        runs: 5_000,
        seeds: &[
            "webhook-id: msg_1\nwebhook-timestamp: 1700000000\nwebhook-signature: v1,bm9wZQ== v1,bm9wZQ==",
            "x-hub-signature-256: sha256=00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff",
            "authorization: Basic dXNlcjpwYXNz",
            "authorization: Bearer abc",
            "x-signature: 00ff",
        ],
        words: &["v1,", "v1a,", "sha256=", "whsec_", "99999999999999999999", "-1", " ", ",", "Basic ", "=="],
        prepare: signatures,
    },
    Target {
        name: "graphql_documents",
        runs: 1_500,
        seeds: &[
            "query($id: ID!, $n: Int = 5) { datasource(id: $id) { name versions(first: $n) { nodes { ...V } } } } fragment V on DatasourceVersion { version state config }",
            "{ viewer { role org } datasources(first: 3, filter: { search: \"a\" }) { totalCount nodes { id name @include(if: true) } pageInfo { endCursor } } }",
            "mutation($i: CreateDatasourceInput!) { createDatasource(input: $i) { datasource { id } } }",
            "{ __schema { types { name fields { name type { ofType { name } } } } } }",
        ],
        words: &[
            "...V ",
            "a: viewer { role } ",
            "@skip(if: $x) ",
            "fragment V on Query { ...V }",
            "\"\"\"",
            "$x: [[[Int!]!]!]!",
            "on ",
            "query ",
            "subscription ",
            "#",
        ],
        prepare: || graphql(|text| json!({ "query": text, "variables": { "id": "x" } })),
    },
    Target {
        name: "graphql_variables",
        runs: 1_500,
        seeds: &[
            r#"{"filter":{"search":"abc","status":["ACTIVE"],"tags":["x"]},"first":5,"after":"MQ"}"#,
            r#"{"filter":{"owner":"me","type":["webhook"]},"last":5,"before":"WyJhIiwiYiJd"}"#,
        ],
        words: &["\"after\":\"", "\"first\":-1", "\"first\":99999999999", "\"search\":\"%_\\\\\"", "null", "[[[["],
        prepare: || {
            graphql(|text| {
                let query = "query($filter: DatasourceFilterInput, $first: Int, $after: String, $last: Int, $before: String) {
                    datasources(filter: $filter, first: $first, after: $after, last: $last, before: $before) { totalCount nodes { id } } }";
                json!({ "query": query, "variables": serde_json::from_str::<Value>(text).unwrap_or(Value::Null) })
            })
        },
    },
    Target {
        name: "cursors",
        runs: 10_000,
        seeds: &["MQ", "WyJuYW1lIiwiMDE5OWM0ZTAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAwIl0", "OTk"],
        words: &["=", "-", "_", "W10", "bnVsbA"],
        prepare: || {
            Box::new(|input| {
                let text = String::from_utf8_lossy(input);
                let _ = decode_cursor::<i64>("/after", &text);
                let _ = decode_cursor::<(String, uuid::Uuid)>("/after", &text);
                let _ = decode_cursor::<Value>("/after", &text);
            })
        },
    },
    Target {
        name: "tokens",
        runs: 5_000,
        seeds: &[
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA",
            "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
            "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.AAAA",
        ],
        words: &[".", "Bearer ", "eyJhbGciOiJub25lIn0", "eyJjcml0IjpbImEiXX0", "e30", "=", "bearer"],
        prepare: tokens,
    },
];

fn webhook(config: &Value) -> std::sync::Arc<dyn PushSource> {
    let context = ConnectorContext {
        datasource_id: uuid::Uuid::now_v7(),
        tenant: Tenant { org: "acme".into(), project: "default".into() },
        egress: std::sync::Arc::new(Egress::new(Vec::new())),
        input_dir: "/nonexistent".into(),
    };
    let catalog = Catalog::standard();
    let connector = catalog.iter().find(|c| c.spec().name == "webhook").expect("a connector");
    let started = runtime().block_on(connector.start(config, context));
    let Ok(Source::Push(source)) = started else { panic!("a webhook starts: {:?}", started.err()) };
    source
}

/// Every way to prove who sends, and none that lets a wrong one in.
fn signatures() -> Run {
    let ways = [
        json!({ "type": "standard_webhooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }),
        json!({ "type": "github", "secret": "It's a Secret to Everybody" }),
        json!({ "type": "hmac_sha256", "header": "x-signature", "secret": "a secret" }),
        json!({ "type": "basic", "username": "user", "password": "not pass" }),
        json!({ "type": "bearer", "token": "not abc" }),
    ];
    let hooks: Vec<_> = ways.iter().map(|auth| webhook(&json!({ "auth": auth }))).collect();
    Box::new(move |input| {
        let mut headers = HeaderMap::new();
        for line in input.split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], &line[(colon + 2).min(line.len())..]);
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        for hook in &hooks {
            let request = PushRequest { headers: headers.clone(), body: "{}".into(), received_at: now() };
            assert!(hook.accept(&request).is_err(), "nobody signed this");
        }
    })
}

fn tokens() -> Run {
    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        auth: AuthSettings,
    }
    let settings = Parsed::parse_from(["test", "--jwt-secret", JWT_SECRET]).auth;
    let secret = SecretString::from(JWT_SECRET);
    let verifier = Verifier::new(&settings, Some(&secret), &Metrics::new(1)).expect("a verifier");
    let request = TokenRequest {
        subject: "x".to_owned(),
        role: Role::Viewer,
        org: "acme".to_owned(),
        projects: Vec::new(),
        ttl: Duration::from_secs(3_600),
    };
    let good = Minter::new(&settings, Some(&secret)).expect("a minter").mint(&request).expect("a token");
    // Keys that are fixed make nobody wait.
    let accepted = move |token: &str| verifier.verify(token).now_or_never().expect("an answer at once").is_ok();
    assert!(accepted(&good));
    let mut at = 0;
    Box::new(move |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(token) = bearer(Some(&text)) {
            assert!(!accepted(token), "nobody signed this");
        }
        // One byte of a good token changed makes a bad one.
        at = (at + 1) % good.len();
        let mut changed = good.clone().into_bytes();
        changed[at] = input.first().copied().unwrap_or_default();
        // The last characters of base64 have bits that stand for nothing.
        if let Ok(changed) = String::from_utf8(changed)
            && changed != good
            && at + 2 < good.len()
        {
            assert!(!accepted(&changed), "byte {at} of the token does not count");
        }
    })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Posts what `body` makes of the input to a real server, which must answer, and not with a defect.
fn graphql(body: fn(&str) -> Value) -> Run {
    let runtime = runtime();
    let server = runtime.block_on(TestServer::start_with(Kind::Sqlite, &["--rate-limits", "off"]));
    let client: Client = server.admin();
    Box::new(move |input| {
        let body = body(&String::from_utf8_lossy(input));
        let request = client.http.post(format!("{}/graphql", server.url)).bearer_auth(&client.token).json(&body);
        let (status, answer) = runtime.block_on(async {
            let response = request.send().await.expect("an answer");
            (response.status(), response.json::<Value>().await.expect("JSON"))
        });
        assert!(!status.is_server_error(), "{status}: {answer}");
        let internal = answer["errors"].as_array().into_iter().flatten().any(|e| e["extensions"]["code"] == "INTERNAL");
        assert!(!internal, "{answer}");
    })
}

/// Many files a run, for each run is a process.
fn import() -> Run {
    let target = TARGETS.iter().find(|t| t.name == "files_of_datasources").expect("a target");
    let mut round = 0;
    Box::new(move |_| {
        round += 1;
        let mut mutator = super::mutate::Mutator::new(round, target.seeds, target.words);
        let directory = tempfile::tempdir().expect("a directory");
        let files = directory.path().join("datasources");
        std::fs::create_dir(&files).expect("a directory");
        for i in 0..150 {
            std::fs::write(files.join(format!("{i}.yaml")), mutator.next()).expect("written");
        }
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
        command.args(["import", "--json", "--data-dir"]).arg(directory.path().join("data")).arg(&files);
        let output = command.env_remove("DATABASE_URL").output().expect("the program runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0..=2)), "{}: {errors}", output.status);
        assert!(!errors.contains("panicked"), "{errors}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|e| panic!("a report: {e}; {errors}"));
    })
}
