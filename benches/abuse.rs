//! What attackers of GraphQL servers send, and how soon each is answered with an error.

use std::time::Instant;

use serde_json::{Value, json};

use super::support::server::Home;
use super::support::{percentile, table};

const ROUNDS: usize = 100;

/// Who sends it, and how.
enum Attack {
    Body(Value),
    Bare(Value),
    Get(String),
    Form(String),
}

pub async fn run() {
    let server = Home::sqlite().serve().await;
    let mut rows = Vec::new();
    for (name, attack) in attacks() {
        let (mut times, mut code, mut bytes) = (Vec::new(), String::new(), 0);
        for _ in 0..ROUNDS {
            let endpoint = format!("{}/graphql", server.url);
            let request = match &attack {
                Attack::Body(body) => server.http().post(endpoint).bearer_auth(server.token()).json(body),
                Attack::Bare(body) => server.http().post(endpoint).json(body),
                Attack::Get(query) => {
                    let url = url::Url::parse_with_params(&endpoint, [("query", query)]).expect("a URL");
                    server.http().get(url).bearer_auth(server.token())
                }
                Attack::Form(body) => {
                    let request = server.http().post(endpoint).bearer_auth(server.token()).body(body.clone());
                    request.header("content-type", "application/x-www-form-urlencoded")
                }
            };
            let request = request.build().expect("a request");
            bytes = request.body().and_then(|b| b.as_bytes()).map_or(request.url().as_str().len(), <[u8]>::len);
            let began = Instant::now();
            let answer = server.http().execute(request).await.expect("an answer");
            let status = answer.status();
            let body: Value = answer.json().await.expect("JSON");
            times.push(began.elapsed().as_secs_f64() * 1e3);
            let error = body["errors"][0]["extensions"]["code"].as_str();
            let error = error.unwrap_or_else(|| panic!("{name}: it was answered: {body}"));
            code = format!("{} {error}", status.as_u16());
        }
        let (p50, most) = (percentile(&mut times, 50.0), percentile(&mut times, 100.0));
        rows.push(vec![name.to_owned(), bytes.to_string(), code, format!("{p50:.1} ms"), format!("{most:.1} ms")]);
        assert!(most < 100.0, "{name}: an answer took {most:.0} ms");
    }
    println!("{ROUNDS} of each, one after another, over one connection. An answer that takes 100 ms ends the run.\n");
    table(&["attack", "bytes sent", "answer", "p50", "slowest"], &rows);
}

fn attacks() -> Vec<(&'static str, Attack)> {
    let query = |text: String| Attack::Body(json!({ "query": text }));
    let aliases: String = (0..20_000).map(|i| format!("a{i}: viewer {{ role }} ")).collect();
    let directives = "@include(if: true) ".repeat(20_000);
    let doubling: String = (0..40)
        .map(|i| format!("fragment F{i} on Query {{ a: __typename ...F{0} b: __typename ...F{0} }} ", i + 1))
        .collect();
    let introspection =
        "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }";
    vec![
        ("20,000 aliases", query(format!("{{ {aliases} }}"))),
        ("20,000 directives on a field", query(format!("{{ viewer {{ role {directives} }} }}"))),
        ("50,000 levels", query(format!("{}{}", "{ a ".repeat(50_000), "}".repeat(50_000)))),
        ("50,000 lists in an argument", query(format!("{{ datasource(id: {}1{}) {{ id }} }}", "[".repeat(50_000), "]".repeat(50_000)))),
        ("fragments in a circle", query("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".into())),
        ("fragments that double 40 times", query(format!("{doubling} fragment F40 on Query {{ __typename }} {{ ...F0 }}"))),
        ("a page of pages of pages", query("{ datasources(first: 200) { nodes { versions(first: 200) { nodes { config } } events(first: 200) { nodes { id } } } } }".into())),
        ("a batch of 1,000", Attack::Body(json!(vec![json!({ "query": "{ viewer { role } }" }); 1_000]))),
        ("introspection that goes round", query(introspection.into())),
        ("a document of 2 MiB", query("# ".repeat(1_048_570))),
        ("a mutation by GET", Attack::Get("mutation { archiveDatasource(input: { id: \"x\" }) { datasource { id } } }".into())),
        ("a form of another site", Attack::Form("query=mutation%20%7B%20x%20%7D".into())),
        ("introspection without a token", Attack::Bare(json!({ "query": introspection }))),
        ("a misspelt field without a token", Attack::Bare(json!({ "query": "{ datasourcs { totalCount } }" }))),
        ("a value that does not parse", Attack::Body(json!({ "query": "query($id: ID!) { datasource(id: $id) { id } }", "variables": { "id": { "a": "' OR 1=1" } } }))),
    ]
}
