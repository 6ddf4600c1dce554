//! GraphQL over HTTP: content types, status codes, and what is refused before it runs.

use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::harness::server::open_webhook;
use crate::harness::{Client, Kind, TestServer};
use crate::on_both_databases;

const MODERN: &str = "application/graphql-response+json";
const LEGACY: &str = "application/json";

/// An answer, taken apart.
#[derive(Debug)]
struct Answer {
    status: u16,
    content_type: String,
    request_id: String,
    body: Value,
}

impl Answer {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let header = |name: &str, r: &Response| {
            r.headers().get(name).map(|v| v.to_str().expect("text").to_owned()).unwrap_or_default()
        };
        Self {
            status: response.status().as_u16(),
            content_type: header("content-type", &response),
            request_id: header("x-request-id", &response),
            body: response.json().await.expect("JSON"),
        }
    }

    fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.body["errors"][0]["message"].as_str().unwrap_or_default()
    }
}

fn post(client: &Client) -> RequestBuilder {
    client.http.post(format!("{}/graphql", client.url)).bearer_auth(&client.token)
}

fn get(client: &Client, parameters: &[(&str, &str)]) -> RequestBuilder {
    let mut url = url::Url::parse(&format!("{}/graphql", client.url)).expect("a URL");
    url.query_pairs_mut().extend_pairs(parameters);
    client.http.get(url).bearer_auth(&client.token)
}

async fn ask(client: &Client, accept: &str, body: Value) -> Answer {
    Answer::of(post(client).header("accept", accept).json(&body)).await
}

on_both_databases! {
    async fn an_answer_comes_in_the_media_type_that_was_asked_for(server: TestServer) {
        let viewer = server.viewer();
        let body = json!({ "query": "{ viewer { role } }" });
        for (accept, given) in [
            (MODERN, MODERN),
            ("*/*", MODERN),
            ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", MODERN),
            ("application/json, application/graphql-response+json;q=0.9", MODERN),
            (LEGACY, LEGACY),
        ] {
            let answer = ask(&viewer, accept, body.clone()).await;
            assert_eq!((answer.status, &answer.body), (200, &json!({ "data": { "viewer": { "role": "VIEWER" } } })));
            assert_eq!(answer.content_type, format!("{given}; charset=utf-8"), "Accept: {accept}");
        }
    }

    /// The modern media type has a status of its own for what was not executed; the older one answers 200.
    async fn what_was_not_executed_has_a_status_and_no_data(server: TestServer) {
        let viewer = server.viewer();
        let refused = [
            (json!({ "query": "{ viewer { " }), "VALIDATION_FAILED", 400),
            (json!({ "query": "{ viewer { nothing } }" }), "VALIDATION_FAILED", 400),
            (json!({ "query": "query A { viewer { role } }", "operationName": "B" }), "VALIDATION_FAILED", 400),
            (json!({ "query": "query A { viewer { role } } query B { viewer { org } }" }), "VALIDATION_FAILED", 400),
            (json!({ "query": "query($id: ID!) { datasource(id: $id) { name } }" }), "VALIDATION_FAILED", 400),
            (json!({ "query": "{ auditLog { nodes { id } } }" }), "FORBIDDEN", 403),
        ];
        for (body, code, status) in refused {
            let modern = ask(&viewer, MODERN, body.clone()).await;
            assert_eq!((modern.status, modern.code()), (status, code), "{body}: {modern:?}");
            assert!(modern.body.get("data").is_none(), "{body}: a request error has no data: {modern:?}");
            let legacy = ask(&viewer, LEGACY, body.clone()).await;
            assert_eq!((legacy.status, legacy.code()), (200, code), "{body}: {legacy:?}");
            assert!(legacy.body.get("data").is_none(), "{body}: a request error has no data: {legacy:?}");
        }
    }

    /// A field error comes with data and 200, in either media type.
    async fn a_field_that_failed_nulls_its_nearest_nullable_parent(server: TestServer) {
        let id = server.operator().webhook("orders", open_webhook(json!({}))).await;
        let viewer = server.viewer();
        let query = "query($id: ID!) { viewer { role } datasource(id: $id) { name versions(first: -1) { nodes { id } } } }";
        for accept in [MODERN, LEGACY] {
            let answer = ask(&viewer, accept, json!({ "query": query, "variables": { "id": id } })).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.body["data"], json!({ "viewer": { "role": "VIEWER" }, "datasource": null }));
            assert_eq!(answer.body["errors"][0]["path"], json!(["datasource", "versions"]));
            assert_eq!(answer.body["errors"][0]["extensions"]["problems"][0]["pointer"], "/first");
        }
        // Up to the root, where nothing between is nullable: executed, so `data` is there and null.
        let answer = ask(&viewer, MODERN, json!({ "query": "{ viewer { role } datasources(first: -1) { nodes { id } } }" })).await;
        assert_eq!((answer.status, &answer.body["data"]), (200, &Value::Null));
        assert!(answer.body.as_object().expect("an object").contains_key("data"));
    }

    async fn fields_come_in_the_order_of_the_document(server: TestServer) {
        let id = server.operator().webhook("orders", open_webhook(json!({}))).await;
        let query = format!(
            "{{ z: viewer {{ subject role org }} ...Rest a: viewer {{ org role }} }}
             fragment Rest on Query {{ m: datasource(id: {id:?}) {{ type name ... on Datasource {{ id type }} revision }} }}"
        );
        let viewer = server.viewer();
        let response = post(&viewer).json(&json!({ "query": query })).send().await.expect("an answer");
        let text = response.text().await.expect("text");
        let expected = format!(
            r#"{{"data":{{"z":{{"subject":"viewer@acme","role":"VIEWER","org":"acme"}},"m":{{"type":"webhook","name":"orders","id":"{id}","revision":1}},"a":{{"org":"acme","role":"VIEWER"}}}}}}"#
        );
        assert_eq!(text, expected);
    }

    /// What a form on another site can send without asking first.
    async fn simple_cross_site_requests_are_refused(server: TestServer) {
        let admin = server.admin();
        let body = json!({ "query": "{ viewer { role } }" }).to_string();
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
            let request = post(&admin).header("accept", MODERN).header(CONTENT_TYPE, content_type).body(body.clone());
            let answer = Answer::of(request).await;
            assert_eq!((answer.status, answer.code()), (415, "VALIDATION_FAILED"), "{content_type:?}: {answer:?}");
            assert!(answer.message().contains("application/json"), "the message says what to send");
        }
        let request = post(&admin).header(CONTENT_TYPE, "Application/JSON; charset=UTF-8").body(body);
        assert_eq!(Answer::of(request).await.status, 200);
    }

    async fn a_get_may_query_and_not_change(server: TestServer) {
        let operator = server.operator();
        let query = "query A($n: Int) { datasources(first: $n) { totalCount } } query B { viewer { role } }";
        let answer = Answer::of(get(&operator, &[("query", query), ("operationName", "A"), ("variables", r#"{"n":1}"#)])).await;
        assert_eq!((answer.status, &answer.body["data"]["datasources"]["totalCount"]), (200, &json!(0)));

        let mutation = r#"mutation { createDatasource(input: { name: "x", type: "webhook" }) { datasource { id } } }"#;
        let response = get(&operator, &[("query", mutation)]).send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().ok()), (405, Some("POST")));
        assert_eq!(operator.data("{ datasources { totalCount } }", json!({})).await["datasources"]["totalCount"], 0);

        for parameters in [vec![("variables", "{}")], vec![("query", "{ viewer { role } }"), ("variables", "nonsense")]] {
            let answer = Answer::of(get(&operator, &parameters)).await;
            assert_eq!((answer.status, answer.code()), (400, "VALIDATION_FAILED"), "{parameters:?}: {answer:?}");
        }
    }

    async fn a_body_that_is_no_request_is_refused(server: TestServer) {
        let viewer = server.viewer();
        for body in [
            "", "{", "null", "7", r#""{ viewer { role } }""#, "{}", r#"{"query":7}"#, r#"{"query":null}"#,
            r#"{"query":"{ viewer { role } }","variables":"none"}"#,
            r#"{"query":"{ viewer { role } }","variables":[1]}"#,
            r#"{"query":"{ viewer { role } }","operationName":7}"#,
            r#"{"query":"{ viewer { role } }","variables":{"n":1e999}}"#,
            "\u{feff}{}",
        ] {
            let request = post(&viewer).header("accept", MODERN).header(CONTENT_TYPE, "application/json").body(body);
            let answer = Answer::of(request).await;
            assert_eq!((answer.status, answer.code()), (400, "VALIDATION_FAILED"), "{body:?}: {answer:?}");
            assert!(answer.body.get("data").is_none(), "{body:?}: {answer:?}");
        }
        // Explicitly absent is absent.
        let body = json!({ "query": "{ viewer { role } }", "variables": null, "operationName": null, "extensions": null });
        assert_eq!(ask(&viewer, MODERN, body).await.status, 200);
    }

    async fn a_batch_is_answered_in_its_order(server: TestServer) {
        let viewer = server.viewer();
        let body = json!([
            { "query": "{ viewer { role } }" },
            { "query": "{ nothing }" },
            { "query": "{ auditLog { nodes { id } } }" },
            { "query": "subscription { datasourceEvents { id } }" },
            { "query": "{ viewer { org } }" },
        ]);
        let answer = ask(&viewer, MODERN, body).await;
        assert_eq!(answer.status, 200);
        let codes: Vec<_> = answer.body.as_array().expect("a list").iter().map(|a| {
            a["errors"][0]["extensions"]["code"].as_str().unwrap_or("-")
        }).collect();
        assert_eq!(codes, ["-", "VALIDATION_FAILED", "FORBIDDEN", "VALIDATION_FAILED", "-"]);
        assert_eq!(answer.body[4], json!({ "data": { "viewer": { "org": "acme" } } }));
    }

    /// The id is in the header and in every error; a fit one of the caller's is kept.
    async fn every_error_carries_the_request_id(server: TestServer) {
        let viewer = server.viewer();
        for query in ["{", "{ nothing }", "{ auditLog { nodes { id } } }", "{ datasource(id: \"x\") { id } }"] {
            let request = post(&viewer).header("x-request-id", "trace-0123456789").json(&json!({ "query": query }));
            let answer = Answer::of(request).await;
            assert_eq!(answer.request_id, "trace-0123456789", "{query}");
            for error in answer.body["errors"].as_array().expect("errors") {
                assert_eq!(error["extensions"]["requestId"], "trace-0123456789", "{query}: {error}");
                assert!(error["extensions"]["code"].is_string(), "{query}: {error}");
            }
        }
        let unauthenticated = viewer.http.post(format!("{}/graphql", viewer.url)).json(&json!({ "query": "{ a }" }));
        let answer = Answer::of(unauthenticated).await;
        assert_eq!(answer.body["errors"][0]["extensions"]["requestId"], answer.request_id.as_str());
        assert!(!answer.request_id.is_empty());

        for unfit in ["short", "has spaces in it", "x".repeat(65).as_str(), "quote\"quote\"quote"] {
            let answer = Answer::of(post(&viewer).header("x-request-id", unfit).json(&json!({ "query": "{ a }" }))).await;
            assert!(answer.request_id != unfit && answer.request_id.len() >= 8, "{unfit:?} -> {:?}", answer.request_id);
        }
    }

    async fn tools_can_read_the_schema(server: TestServer) {
        let viewer = server.viewer();
        let data = viewer.data(
            "{ __schema { queryType { name } mutationType { name } subscriptionType { name } directives { name } }
               __type(name: \"Query\") { fields { name description } } }",
            json!({}),
        ).await;
        assert_eq!(data["__schema"]["subscriptionType"]["name"], "Subscription");
        let directives = data["__schema"]["directives"].as_array().expect("directives");
        assert!(directives.iter().any(|d| d["name"] == "hasRole"), "{directives:?}");
        assert!(data["__type"]["fields"].as_array().expect("fields").iter().all(|f| f["description"].is_string()));
    }

    /// A subscription needs a stream; a plain POST is told where to find one.
    async fn a_subscription_without_a_stream_is_refused(server: TestServer) {
        let answer = ask(&server.viewer(), MODERN, json!({ "query": "subscription { datasourceEvents { id } }" })).await;
        assert_eq!((answer.status, answer.code()), (406, "VALIDATION_FAILED"));
        assert!(answer.message().contains("text/event-stream") && answer.message().contains("/graphql/ws"), "{answer:?}");
    }
}

/// Each limit refuses with QUERY_TOO_COMPLEX and says what was too much; just below it, the document is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_have_limits() {
    let flags = [
        ["--graphql-max-depth", "6"],
        ["--graphql-max-complexity", "500"],
        ["--graphql-max-aliases", "4"],
        ["--graphql-max-directives", "2"],
        ["--graphql-max-tokens", "200"],
    ];
    let server = TestServer::start_with(Kind::Sqlite, &flags.concat()).await;
    let viewer = server.viewer();
    let aliases = |n: usize| {
        let fields: Vec<_> = (0..n).map(|i| format!("a{i}: viewer {{ role }}")).collect();
        format!("{{ {} }}", fields.join(" "))
    };
    let directives = |more: &str| format!("{{ viewer {{ role @include(if: true) @skip(if: false) {more} }} }}");
    let tokens = |n: usize| format!("{{ viewer {{ {} }} }}", "role ".repeat(n - 5));
    let page = |n: usize| format!("{{ datasources(first: {n}) {{ nodes {{ id name }} }} }}");
    for (what, fits, exceeds) in [
        ("token", tokens(200), tokens(201)),
        ("alias", aliases(4), aliases(5)),
        ("directive", directives(""), directives("@include(if: true)")),
        ("complex", page(50), page(200)),
        (
            "deep",
            "{ datasources(first: 1) { nodes { events(first: 1) { pageInfo { endCursor } } } } }".to_owned(),
            "{ __schema { types { fields { type { ofType { ofType { ofType { name } } } } } } } }".to_owned(),
        ),
    ] {
        let answer = ask(&viewer, MODERN, json!({ "query": fits })).await;
        assert_eq!(answer.status, 200, "{what}: {fits}: {answer:?}");
        let answer = ask(&viewer, MODERN, json!({ "query": exceeds })).await;
        assert_eq!((answer.status, answer.code()), (400, "QUERY_TOO_COMPLEX"), "{what}: {exceeds}: {answer:?}");
        assert!(answer.message().to_lowercase().contains(what), "{what}: {:?}", answer.message());
        assert!(answer.body.get("data").is_none(), "{what}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_have_limits() {
    let server =
        TestServer::start_with(Kind::Sqlite, &["--graphql-max-batch", "3", "--graphql-max-body", "20000"]).await;
    let viewer = server.viewer();
    let operation = json!({ "query": "{ viewer { role } }" });
    assert_eq!(ask(&viewer, MODERN, json!(vec![&operation; 3])).await.status, 200);
    for size in [0, 4] {
        let answer = ask(&viewer, MODERN, json!(vec![&operation; size])).await;
        assert_eq!((answer.status, answer.code()), (400, "QUERY_TOO_COMPLEX"), "a batch of {size}: {answer:?}");
        assert!(answer.message().contains('3'), "{}", answer.message());
    }

    let long = json!({ "query": "{ viewer { role } }", "variables": { "text": "x".repeat(20_000) } });
    let answer = ask(&viewer, MODERN, long).await;
    assert_eq!(answer.status, 413);
    assert!(answer.message().contains("20000 bytes"), "{}", answer.message());
}

/// A document must not cost the server more than its length suggests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_documents_are_refused_and_the_server_lives() {
    let server = TestServer::start(Kind::Sqlite).await;
    let viewer = server.viewer();
    let nested = format!("{}{}", "{ a ".repeat(100_000), "}".repeat(100_000));
    let lists = format!("{{ datasource(id: {}1{}) {{ id }} }}", "[".repeat(50_000), "]".repeat(50_000));
    let cycle = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned();
    // Each fragment spreads the next one twice: two to the power of thirty selections.
    let doubling: String = (0..30)
        .map(|i| format!("fragment F{i} on Query {{ a: __typename ...F{0} b: __typename ...F{0} }} ", i + 1))
        .collect::<String>()
        + "fragment F30 on Query { __typename } { ...F0 }";
    for document in [nested, lists, cycle, doubling] {
        let answer = ask(&viewer, MODERN, json!({ "query": document })).await;
        assert_eq!(answer.status, 400, "{}…: {answer:?}", &document[..60]);
        assert!(["VALIDATION_FAILED", "QUERY_TOO_COMPLEX"].contains(&answer.code()), "{answer:?}");
    }
    assert_eq!(ask(&viewer, MODERN, json!({ "query": "{ viewer { role } }" })).await.status, 200);
}
