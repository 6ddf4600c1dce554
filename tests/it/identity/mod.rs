//! Who is let in: issuers and their keys.

mod grants;
mod issuer;
mod keys;
mod refusals;
mod revocation;
mod service_accounts;

use serde_json::{Value, json};

use crate::harness::TestServer;

/// What a caller with this token is told of itself: the status and the body.
async fn viewer(server: &TestServer, token: &str) -> (u16, Value) {
    let query = "{ viewer { subject role org projects permissions } }";
    let request = server.http.post(format!("{}/graphql", server.url)).bearer_auth(token);
    let response = request.json(&json!({ "query": query })).send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

async fn accepted(server: &TestServer, token: &str) -> Value {
    let (status, mut body) = viewer(server, token).await;
    assert_eq!(status, 200, "{body:#}");
    body["data"]["viewer"].take()
}

/// The code and the message of the refusal.
async fn refused(server: &TestServer, token: &str) -> (String, String) {
    let (_, body) = viewer(server, token).await;
    let error = &body["errors"][0];
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("a refusal, not {body:#}")).to_owned();
    (text(&error["extensions"]["code"]), text(&error["message"]))
}
