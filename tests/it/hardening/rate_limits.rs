//! How often clients may come: a refusal says when to come again, and takes nothing.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::harness::server::open_webhook;
use datasource_studio::domain::Role;

use crate::harness::{Client, Database, Kind, Socket, TestServer, eventually};

/// A server with these limits alone; the file may go as soon as it has started.
async fn limited(rules: &str, flags: &[&str]) -> TestServer {
    let others = ["address", "refused", "principal", "graphql_cost", "test_runs", "webhook"];
    let off: String = others.iter().filter(|n| !rules.contains(**n)).map(|n| format!("{n} = \"off\"\n")).collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{off}{rules}")).expect("written");
    let setting = file.path().to_str().expect("a path");
    TestServer::start_with(Kind::Sqlite, &[&["--rate-limits", setting], flags].concat()).await
}

async fn get(client: &Client, path: &str, forwarded: Option<&str>) -> Response {
    let request = client.http.get(format!("{}{path}", client.url)).bearer_auth(&client.token);
    let request = forwarded.into_iter().fold(request, |request, value| request.header("x-forwarded-for", value));
    request.send().await.expect("an answer")
}

/// Checks that a refusal says what, and when to come again.
async fn refused(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = response.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!(wait >= 1, "{wait}");
    response.json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_a_share_and_probes_and_webhooks_do_not_count() {
    let server = limited("address = { rate = \"1/h\", burst = 60 }", &[]).await;
    let admin = server.admin();
    let id = admin.webhook("orders", open_webhook(json!({}))).await;
    admin.publish(&id).await;
    // How many were asked until the worker ran is not known.
    let mut answers = Vec::new();
    while answers.last().is_none_or(|answer: &Response| answer.status() == 200) && answers.len() <= 60 {
        answers.push(get(&admin, "/api/v1/datasources", None).await);
    }
    let rest = refused(answers.pop().expect("an answer")).await;
    assert_eq!(rest["code"], "RATE_LIMITED");
    assert!(rest["detail"].as_str().expect("a detail").contains("this address"), "{rest}");
    let graphql = refused(get(&admin, "/graphql?query={viewer{role}}", None).await).await;
    assert_eq!(graphql["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert!(graphql["errors"][0]["extensions"]["retryAfter"].as_u64().expect("seconds") > 60);
    for _ in 0..20 {
        assert_eq!(server.post_hook(&id, &json!({ "id": "1" })).await.0, 202);
        assert_eq!(get(&admin, "/health/live", None).await.status(), 200);
    }
    assert_eq!(server.metric("rate_limited_total{limit=\"address\"}").await, Some(2.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_every_client_has_its_own_share_and_its_own_name() {
    let server = limited("address = { rate = \"1/h\", burst = 2 }", &["--trusted-proxies", "127.0.0.0/8"]).await;
    let admin = server.admin();
    for client in ["198.51.100.1", "198.51.100.2", "203.0.113.9, 198.51.100.3"] {
        for _ in 0..2 {
            assert_eq!(get(&admin, "/api/v1/viewer", Some(client)).await.status(), 200, "{client}");
        }
        refused(get(&admin, "/api/v1/viewer", Some(client)).await).await;
    }
    let create = admin.http.post(format!("{}/api/v1/datasources", admin.url)).bearer_auth(&admin.token);
    let create = create.header("x-forwarded-for", "198.51.100.77").json(&json!({ "name": "a", "type": "webhook" }));
    assert_eq!(create.send().await.expect("an answer").status(), 201);
    let log: Value = get(&admin, "/api/v1/audit-log", Some("198.51.100.78")).await.json().await.expect("JSON");
    assert!(log.to_string().contains("198.51.100.77"), "the audit log names the client: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_no_trusted_proxy_cannot_name_another_client() {
    let server = limited("address = { rate = \"1/h\", burst = 2 }", &[]).await;
    let admin = server.admin();
    for client in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(get(&admin, "/api/v1/viewer", Some(client)).await.status(), 200);
    }
    refused(get(&admin, "/api/v1/viewer", Some("198.51.100.3")).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_principal_has_a_share_of_the_rest_api() {
    let server = limited("principal = { rate = \"1/h\", burst = 3 }", &[]).await;
    let (admin, viewer) = (server.admin(), server.viewer());
    for _ in 0..3 {
        assert_eq!(get(&admin, "/api/v1/viewer", None).await.status(), 200);
    }
    refused(get(&admin, "/api/v1/viewer", None).await).await;
    assert_eq!(get(&viewer, "/api/v1/viewer", None).await.status(), 200, "another principal has its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphql_is_paid_by_computed_cost_on_every_transport() {
    let server = limited("graphql_cost = { rate = \"1/min\", burst = 20000 }", &[]).await;
    let viewer = server.viewer();
    let page = "{ datasources(first: 100) { nodes { id name type status revision } } }";
    let mut run = 0;
    let refusal = loop {
        let answer = viewer.send(page, json!({})).await;
        if answer.get("errors").is_some() {
            break answer;
        }
        run += 1;
        assert!(run < 100, "601 each do not fit into 20,000 so often");
    };
    // 100 rows of five fields, each with the list that it is in.
    assert!((28..=34).contains(&run), "{run}");
    assert_eq!(refusal["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert!(refusal.get("data").is_none(), "nothing was executed: {refusal}");
    let mut socket = Socket::subscribe(&viewer, page, json!({})).await;
    assert_eq!(socket.error_code().await, "RATE_LIMITED");
    let small = viewer.data("{ viewer { role } }", json!({})).await;
    assert_eq!(small["viewer"]["role"], "VIEWER", "what is left pays for less");
    assert_eq!(server.operator().send(page, json!({})).await.get("errors"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_runs_have_a_share_of_their_own_in_both_apis() {
    let server = limited("test_runs = { rate = \"1/h\", burst = 2 }", &[]).await;
    let operator = server.operator();
    let id = operator.webhook("orders", open_webhook(json!({}))).await;
    let input = json!({ "id": id, "payload": { "id": "1" } });
    operator.mutate("testDatasource", input.clone(), "run { success }").await;
    operator.post(&format!("/api/v1/datasources/{id}/test"), json!({ "payload": { "id": "1" } })).await.ok(200);
    let again = operator.post(&format!("/api/v1/datasources/{id}/test"), json!({})).await;
    again.refused(429, "RATE_LIMITED");
    let mutation = "mutation($input: TestDatasourceInput!) { testDatasource(input: $input) { run { success } } }";
    assert_eq!(operator.code(mutation, json!({ "input": input })).await, "RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_has_a_share_and_another_is_not_held_up_by_it() {
    let server = limited("webhook = { rate = \"1/h\", burst = 2 }", &[]).await;
    let admin = server.admin();
    let mut ids = Vec::new();
    for name in ["orders", "returns"] {
        let id = admin.webhook(name, open_webhook(json!({}))).await;
        admin.publish(&id).await;
        ids.push(id);
    }
    for expected in [202, 202, 429] {
        assert_eq!(server.post_hook(&ids[0], &json!({ "id": "1" })).await.0, expected);
    }
    assert_eq!(server.post_hook(&ids[1], &json!({ "id": "1" })).await.0, 202);
    assert_eq!(server.delivered("acme", &ids[0]).len(), 2);
}

/// Guessing is slowed down; who knows the credential is let in all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_and_unknown_webhooks_are_counted_together() {
    let server = limited("refused = { rate = \"1/h\", burst = 3 }", &[]).await;
    let guess = server.with_token("guess".to_owned());
    assert_eq!(get(&guess, "/api/v1/viewer", None).await.status(), 401);
    assert_eq!(get(&guess, "/graphql?query={viewer{role}}", None).await.status(), 401);
    assert_eq!(server.post_hook(&uuid::Uuid::now_v7().to_string(), &json!({})).await.0, 404);
    refused(get(&guess, "/api/v1/viewer", None).await).await;
    refused(get(&guess, "/graphql?query={viewer{role}}", None).await).await;
    assert_eq!(server.post_hook("no-id-at-all", &json!({})).await.0, 429);
    assert_eq!(get(&server.viewer(), "/api/v1/viewer", None).await.status(), 200);
}

/// What an organisation was given holds although rate limits are off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organisation_has_a_quota_of_requests() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let flags = ["--rate-limits", "off", "--quota-requests-per-minute", "5"];
        let server = TestServer::on(Database::create(kind).await, &flags).await;
        let (admin, viewer) = (server.admin(), server.viewer());
        let refusal = eventually("one request too many", || async {
            let answer = get(&admin, "/api/v1/viewer", None).await;
            if answer.status() == 200 { None } else { Some(answer) }
        });
        let refusal = refused(refusal.await).await;
        assert!(refusal["detail"].as_str().expect("a detail").contains("quota of 5 requests a minute"), "{refusal}");
        assert_eq!(viewer.code("{ viewer { role } }", json!({})).await, "RATE_LIMITED", "all of it share");
        let other = server.client(Role::Viewer, "globex");
        assert_eq!(get(&other, "/api/v1/viewer", None).await.status(), 200);
    }
}
