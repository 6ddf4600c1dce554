//! The operations of the OpenAPI document, and a valid call of each.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::harness::rest::Call;
use crate::harness::server::open_webhook;
use crate::harness::{Client, TestServer};

pub struct Operation {
    pub id: String,
    pub method: Method,
    /// With `{id}` and the like, such as `/api/v1/datasources/{id}`.
    pub path: String,
    pub details: Value,
}

/// Every operation, in the order of the document.
pub fn all() -> Vec<Operation> {
    let document = datasource_studio::rest::document();
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |o| (path, o)));
    let operations = operations.map(|(path, (method, details))| Operation {
        id: details["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId")).to_owned(),
        method: method.to_uppercase().parse().expect("a method"),
        path: path.clone(),
        details: details.clone(),
    });
    operations.collect()
}

impl Operation {
    /// The role that the document names.
    pub fn role(&self) -> &str {
        let role = &self.details["security"][0]["bearer"][0];
        role.as_str().unwrap_or_else(|| panic!("{} names no role in its security", self.id))
    }

    pub fn is_about_one(&self) -> bool {
        self.path.contains("{id}")
    }

    /// Whether it is about something that a new datasource does not have.
    pub fn names_a_part(&self) -> bool {
        const PARTS: [&str; 10] = [
            "{job}",
            "{letter}",
            "{account}",
            "{apiKey}",
            "{grant}",
            "{approval}",
            "{export}",
            "{name}",
            "{endpoint}",
            "{delivery}",
        ];
        PARTS.iter().any(|part| self.path.contains(part))
    }

    /// A call that a caller with the role may make.
    pub fn call(&self, client: &Client, id: &str) -> Call {
        let values = [("{id}", id), ("{version}", "1"), ("{other}", "2"), ("{key}", "spare")];
        let kind = if self.path.contains("/metadata/") { "saved_view" } else { "webhook" };
        let none = uuid::Uuid::nil().to_string();
        let values = values.into_iter().chain([
            ("{job}", none.as_str()),
            ("{letter}", none.as_str()),
            ("{account}", none.as_str()),
            ("{grant}", none.as_str()),
            ("{approval}", none.as_str()),
            ("{export}", none.as_str()),
            ("{endpoint}", none.as_str()),
            ("{delivery}", none.as_str()),
            ("{apiKey}", "0123456789abcdef"),
            ("{jti}", "sample"),
            ("{name}", "sample"),
            ("{type}", kind),
        ]);
        let path = values.fold(self.path.clone(), |path, (name, value)| path.replace(name, value));
        assert!(!path.contains('{'), "{path}: give its parameter a value here");
        let call = client.call(self.method.clone(), &path);
        match self.body() {
            Some(body) => call.json(&body),
            None => call,
        }
    }

    fn body(&self) -> Option<Value> {
        let request = self.details.get("requestBody")?;
        let config = open_webhook(json!({ "total": "$.amount" }));
        let body = match self.id.as_str() {
            // Names are unique in a project.
            "createDatasource" | "cloneDatasource" => {
                let mut body = Map::from_iter([("name".to_owned(), json!(uuid::Uuid::now_v7()))]);
                if self.id == "createDatasource" {
                    body.insert("type".to_owned(), json!("webhook"));
                }
                Value::Object(body)
            }
            "createDatasourceVersion" | "validateConfig" => json!({ "config": config }),
            "setDatasourceSecret" => json!({ "key": "another", "value": "of no use" }),
            "testDatasource" => json!({ "payload": { "id": 1, "amount": 2 } }),
            _ if request["required"] != true => return None,
            "updateDatasource" | "patchDatasource" => json!({ "description": "changed" }),
            "updateDatasourceMetadata" => json!({ "team": "changed" }),
            "rollbackDatasourceMetadata" => json!({ "revision": 1 }),
            "setGovernanceRules" => json!({ "maxTags": 30 }),
            "backfillDatasource" => json!({ "range": { "file": "none.jsonl" } }),
            "editDeadLetter" => json!({ "payload": { "id": 1 } }),
            "revokeToken" => json!({ "expiresAt": "2099-01-01T00:00:00Z" }),
            "createServiceAccount" => json!({ "name": uuid::Uuid::now_v7(), "role": "viewer" }),
            "setServiceAccountDisabled" => json!({ "disabled": true }),
            "grantAccess" => {
                json!({ "principalKind": "user", "principal": "ada", "role": "viewer", "projectId": "default" })
            }
            "createApiKey" => json!({ "name": "sample" }),
            "rotateKeys" => json!({ "kind": "data_key" }),
            // It is told nothing: nobody listens there.
            "createNotificationEndpoint" => json!({ "url": "http://127.0.0.1:9/", "active": false }),
            "updateNotificationEndpoint" => json!({ "description": "changed" }),
            "recoverNotifications" => json!({ "since": "2026-01-01T00:00:00Z" }),
            "rejectVersion" => json!({ "comment": "sample" }),
            // As without a policy, but for the number: nothing needs approval afterwards either.
            "setApprovalPolicy" => json!({ "approvers": 2 }),
            "saveMetadataItem" => json!({ "data": { "list": "datasources" } }),
            "restoreMetadataItem" => json!({ "version": 1 }),
            "setDatasourceLogLevel" => json!({ "level": "info" }),
            other => panic!("{other} needs a body: give it one here"),
        };
        Some(body)
    }
}

/// A datasource with two versions, the first one live, and a secret, on which each operation has something to do.
pub async fn subject(server: &TestServer, name: &str) -> String {
    let admin = server.admin();
    let id = admin.webhook(name, open_webhook(json!({ "total": "$.amount" }))).await;
    let path = format!("/datasources/{id}");
    admin.post(&format!("{path}/secrets"), json!({ "key": "spare", "value": "of no use" })).await.ok(200);
    admin.post(&format!("{path}/publish"), json!({})).await.ok(200);
    let config = open_webhook(json!({ "sum": "$.amount" }));
    admin.post(&format!("{path}/versions"), json!({ "config": config })).await.ok(201);
    id
}
