//! A client from before: it knows these paths, bodies and fields, and parses every answer.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::server::open_webhook;
use crate::harness::{Client, eventually};
use crate::on_both_databases;

/// Checks that an object has these fields, each of its type; `?` marks one that may be null.
#[track_caller]
fn has(object: &Value, fields: &[(&str, &str)]) {
    for (name, kind) in fields {
        let value = object.get(name).unwrap_or_else(|| panic!("{name} is missing: {object:#}"));
        let (kind, may_be_null) = kind.strip_suffix('?').map_or((*kind, false), |kind| (kind, true));
        let fits = match kind {
            "text" => value.is_string(),
            "number" => value.is_i64() || value.is_u64(),
            "time" => value.as_str().is_some_and(|t| chrono::DateTime::parse_from_rfc3339(t).is_ok()),
            "list" => value.is_array(),
            "object" => value.is_object(),
            "flag" => value.is_boolean(),
            other => panic!("no such kind: {other}"),
        };
        assert!(fits || (may_be_null && value.is_null()), "{name} is to be {kind}: {object:#}");
    }
}

const DATASOURCE: &[(&str, &str)] = &[
    ("id", "text"),
    ("name", "text"),
    ("type", "text"),
    ("description", "text"),
    ("status", "text"),
    ("ownerId", "text"),
    ("orgId", "text"),
    ("projectId", "text"),
    ("team", "text?"),
    ("category", "text?"),
    ("tags", "list"),
    ("createdAt", "time"),
    ("createdBy", "text"),
    ("updatedAt", "time"),
    ("updatedBy", "text"),
    ("archivedAt", "time?"),
    ("currentVersion", "number?"),
    ("state", "object?"),
];

const STATE: &[(&str, &str)] = &[
    ("workerStatus", "text"),
    ("lastHeartbeatAt", "time?"),
    ("lastEventAt", "time?"),
    ("errorCode", "text?"),
    ("errorMessage", "text?"),
    ("metrics", "object"),
    ("updatedAt", "time"),
];

const VERSION: &[(&str, &str)] = &[
    ("version", "number"),
    ("state", "text"),
    ("config", "object"),
    ("summary", "text?"),
    ("createdAt", "time"),
    ("createdBy", "text"),
    ("approvedAt", "time?"),
    ("approvedBy", "text?"),
];

const EVENT: &[(&str, &str)] = &[
    ("id", "number"),
    ("version", "number?"),
    ("eventType", "text"),
    ("actor", "text"),
    ("payload", "object"),
    ("createdAt", "time"),
];

const SECRET: &[(&str, &str)] = &[
    ("key", "text"),
    ("version", "number"),
    ("createdAt", "time"),
    ("createdBy", "text"),
    ("rotatedAt", "time?"),
    ("rotatedBy", "text?"),
];

const TEST: &[(&str, &str)] = &[
    ("success", "flag"),
    ("output", "object?"),
    ("warnings", "list"),
    ("logs", "list"),
    ("status", "text"),
    ("durationMs", "number"),
    ("outputs", "list"),
    ("diff", "list?"),
];

#[track_caller]
fn datasource(value: &Value) {
    has(value, DATASOURCE);
    has(&value["state"], STATE);
}

/// From create to archive, by the calls that the client has.
async fn plays_its_whole_life(client: &Client, mount: &str) {
    let at = |path: &str| format!("{mount}/datasources{path}");
    let config = |field: &str| {
        let mut config = open_webhook(json!({ "message": field }));
        config["secrets"] = json!({ "token": "upstream" });
        config["connector"]["auth"] =
            json!({ "type": "shared_secret", "header": "x-token", "secret": { "$secret": "token" } });
        config
    };
    let new = json!({
        "name": format!("door sensors{mount}"), "type": "webhook", "description": "Every door", "projectId": "default",
        "ownerId": "facilities", "team": "buildings", "category": "sensors", "tags": ["doors"],
    });
    let made = client.post(&at(""), new).await;
    let id = made.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(made.header("location"), at(&format!("/{id}")));
    let made = made.ok(201);
    datasource(&made);
    assert_eq!(
        (&made["status"], &made["ownerId"], &made["currentVersion"]),
        (&json!("draft"), &json!("facilities"), &Value::Null)
    );
    let one = |verb: &str| at(&format!("/{id}{verb}"));

    let listed = client.get(&at("?limit=10&offset=0&search=sensors")).await.ok(200);
    let listed = listed.as_array().expect("an array").iter().find(|d| d["id"] == *id).expect("it is listed");
    datasource(listed);

    let edited = client.call(Method::PUT, &one("")).json(&json!({ "description": "All doors" })).send().await.ok(200);
    datasource(&edited);
    assert_eq!((&edited["description"], &edited["team"]), (&json!("All doors"), &json!("buildings")));

    for field in ["$.text", "$.message"] {
        let draft = json!({ "config": config(field), "comment": format!("reads {field}") });
        let draft = client.post(&one("/versions"), draft).await.ok(201);
        has(&draft, VERSION);
        assert_eq!((&draft["state"], &draft["summary"]), (&json!("draft"), &json!(format!("reads {field}"))));
    }
    let versions = client.get(&one("/versions")).await.ok(200);
    assert_eq!(versions.as_array().expect("an array").len(), 2);
    versions.as_array().into_iter().flatten().for_each(|v| has(v, VERSION));

    let secret = client.post(&one("/secrets"), json!({ "key": "upstream", "value": "hunter2" })).await.ok(200);
    has(&secret, SECRET);
    let secrets = client.get(&one("/secrets")).await.ok(200);
    has(&secrets[0], SECRET);
    assert!(!secrets.to_string().contains("hunter2"));

    let test = client.post(&one("/test"), json!({ "payload": { "id": "1", "message": "open" } })).await.ok(200);
    has(&test, TEST);
    assert_eq!((&test["success"], &test["status"]), (&json!(true), &json!("passed")));
    assert_eq!(test["output"]["data"], json!({ "message": "open" }));
    let other = json!({ "payload": { "id": "1", "text": "open" }, "version": 1 });
    assert_eq!(client.post(&one("/test"), other).await.ok(200)["version"], 1);
    let other = json!({ "payload": { "id": "1" }, "configOverride": open_webhook(json!({ "x": "$.id" })) });
    assert_eq!(client.post(&one("/test"), other).await.ok(200)["output"]["data"], json!({ "x": "1" }));

    let live = client.post(&one("/publish"), json!({ "version": 1, "comment": "go live" })).await.ok(200);
    datasource(&live);
    assert_eq!((&live["status"], &live["currentVersion"]), (&json!("active"), &json!(1)));
    let live = client.post(&one("/publish"), json!({ "version": 2, "comment": "better" })).await.ok(200);
    assert_eq!(live["currentVersion"], 2);
    eventually("the worker runs", || async {
        let now = client.get(&one("")).await.ok(200);
        (now["state"]["workerStatus"] == "running" && now["state"]["runningVersion"] == 2).then_some(())
    })
    .await;
    let changed =
        client.post(&one("/test"), json!({ "payload": { "id": "1", "text": "a" }, "version": 1 })).await.ok(200);
    let change = json!([{ "op": "replace", "path": "/0/data/message", "old": null, "new": "a" }]);
    assert_eq!(changed["diff"], change, "against what is published");

    let back = client.post(&one("/rollback"), json!({ "targetVersion": 1, "comment": "worse" })).await.ok(200);
    assert_eq!(back["currentVersion"], 1);
    for (verb, body, status) in [
        ("/stop", Some(json!({})), "disabled"),
        ("/start", None, "active"),
        ("/restart", Some(json!({ "reason": "for luck" })), "active"),
    ] {
        let call = client.call(Method::POST, &one(verb));
        let call = if let Some(body) = body { call.json(&body) } else { call };
        let now = call.send().await.ok(200);
        datasource(&now);
        assert_eq!(now["status"], status, "{verb}");
    }

    let events = client.get(&one("/events?limit=100")).await.ok(200);
    let events = events.as_array().expect("an array");
    events.iter().for_each(|e| has(e, EVENT));
    let newest = events.iter().filter_map(|e| e["eventType"].as_str()).filter(|kind| *kind != "reloaded");
    let newest: Vec<_> = newest.take(4).collect();
    assert_eq!(newest, ["restart", "start", "stop", "rollback"], "newest first");
    let ids: Vec<_> = events.iter().filter_map(|e| e["id"].as_i64()).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");

    client.call(Method::DELETE, &one("/secrets/upstream")).send().await.refused(409, "CONFLICT");
    let gone = client.call(Method::DELETE, &one("/secrets/upstream?force=true")).send().await.ok(200);
    has(&gone, SECRET);
    assert_eq!(client.get(&one("/secrets")).await.ok(200), json!([]));

    let archived = client.call(Method::DELETE, &one("")).send().await.ok(200);
    datasource(&archived);
    has(&archived, &[("archivedAt", "time")]);
    let listed = client.get(&at("")).await.ok(200);
    assert!(listed.as_array().expect("an array").iter().all(|d| d["id"] != *id), "what is archived is not listed");
    has(&client.get(&one("")).await.ok(200), &[("archivedAt", "time")]);
}

on_both_databases! {
    async fn a_client_from_before_works_from_create_to_archive(server: TestServer) {
        for mount in ["", "/api/v1"] {
            Box::pin(plays_its_whole_life(&server.admin(), mount)).await;
        }
    }

    /// What else a client that has no GraphQL needs.
    async fn a_rest_only_client_has_the_rest_too(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let at = |path: &str| format!("/api/v1/datasources/{id}{path}");

        let viewer = admin.get("/api/v1/viewer").await.ok(200);
        assert_eq!((&viewer["subject"], &viewer["role"], &viewer["orgId"]), (&json!("admin@acme"), &json!("admin"), &json!("acme")));
        let types = admin.get("/api/v1/connector-types").await.ok(200);
        assert!(types.as_array().expect("an array").iter().any(|t| t["name"] == "webhook" && t["configSchema"].is_object()));
        let sinks = admin.get("/api/v1/sink-types").await.ok(200);
        assert!(sinks.as_array().expect("an array").iter().any(|t| t["name"] == "jsonl"));

        let check = async |config: Value| {
            admin.post("/api/v1/connector-types/webhook/validate", json!({ "config": config })).await.ok(200)
        };
        assert_eq!(check(open_webhook(json!({ "a": "$.a" }))).await, json!({ "valid": true, "problems": [] }));
        let wrong = check(open_webhook(json!({ "a": "$.a[" }))).await;
        assert_eq!(wrong["valid"], false);
        assert_eq!(wrong["problems"][0]["pointer"], "/mapping/outputs/0/fields/a");

        let draft = json!({ "config": open_webhook(json!({ "a": "$.b", "c": "$.c" })), "summary": "more" });
        assert_eq!(admin.post(&at("/versions"), draft).await.ok(201)["summary"], "more");
        let diff = admin.get(&at("/versions/1/diff/2")).await.ok(200);
        let fields = "/mapping/outputs/0/fields";
        assert_eq!(diff["changes"], json!([
            { "op": "replace", "path": format!("{fields}/a"), "old": "$.a", "new": "$.b" },
            { "op": "add", "path": format!("{fields}/c"), "old": null, "new": "$.c" },
        ]));
        assert_eq!(admin.get(&at("/versions/2/diff/1")).await.ok(200)["changes"][1]["op"], "remove");
        assert_eq!(admin.get(&at("/versions/2/diff/2")).await.ok(200)["changes"], json!([]));
        admin.get(&at("/versions/1/diff/3")).await.refused(404, "NOT_FOUND");
        assert_eq!(admin.get(&at("/versions/2")).await.ok(200)["summary"], "more");

        let test = json!({ "payload": { "id": 7 }, "saveSampleAs": "seven" });
        admin.post(&at("/test"), test).await.ok(200);
        assert_eq!(admin.get(&at("/samples")).await.ok(200)[0]["payload"], "{\"id\":7}");
        assert_eq!(admin.post(&at("/test"), json!({ "sample": "seven" })).await.ok(200)["output"]["id"], "7");

        let copy = admin.post(&at("/clone"), json!({ "name": "copy", "version": 2 })).await;
        assert_eq!(copy.header("location"), format!("/api/v1/datasources/{}", copy.body["id"].as_str().expect("an id")));
        assert_eq!(copy.ok(201)["latestVersion"], 1);

        admin.post(&at("/publish"), json!({})).await.ok(200);
        let detail = admin.get(&at("")).await.ok(200);
        assert_eq!(detail["publishedVersion"]["config"]["mapping"]["outputs"][0]["fields"]["c"], "$.c");
        assert_eq!(detail["webhookPath"], format!("/hooks/{id}"));
        assert_eq!(admin.get(&at("/state")).await.ok(200)["desired"], "running");
        let metrics = admin.get(&at("/metrics?window=5m")).await.ok(200);
        assert!(metrics.as_array().expect("an array").iter().any(|m| m["name"] == "records_delivered" && m["window"] == "5m"));
        admin.post(&at("/repin-secrets"), json!({ "reason": "rotated" })).await.ok(200);

        admin.call(Method::DELETE, &at("?reason=obsolete")).send().await.ok(200);
        admin.post(&at("/restore"), json!({})).await.ok(200);
        let audit = admin.get(&format!("/api/v1/audit-log?datasourceId={id}&action=archive")).await.ok(200);
        assert_eq!((&audit[0]["reason"], audit.as_array().map(Vec::len)), (&json!("obsolete"), Some(1)));
        assert_eq!(audit[0]["hash"].as_str().map(str::len), Some(64));
    }

    /// An operator describes what is live; who answers for it is an admin's to say.
    async fn governance_metadata_of_what_is_live_is_for_admins(server: TestServer) {
        let (admin, operator) = (server.admin(), server.operator());
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let path = format!("/datasources/{id}");
        let metadata = format!("{path}/metadata");
        let put = |client: &Client, body: Value| client.call(Method::PUT, &path).json(&body).send();
        let patch = |client: &Client, body: Value| client.call(Method::PATCH, &metadata).json(&body).send();

        put(&operator, json!({ "team": "drafts", "tags": ["new"] })).await.ok(200);
        patch(&operator, json!({ "team": "mine" })).await.refused(403, "FORBIDDEN");
        admin.post(&format!("{path}/publish"), json!({})).await.ok(200);
        put(&operator, json!({ "description": "live", "team": "drafts" })).await.ok(200);
        let refusal = put(&operator, json!({ "description": "mine", "team": "mine" })).await.refused(403, "FORBIDDEN");
        assert!(refusal["detail"].as_str().is_some_and(|d| d.contains("datasource:admin")), "{refusal:#}");
        assert_eq!(operator.get(&path).await.ok(200)["description"], "live", "all or nothing");

        let change = json!({ "ownerId": "ada", "team": null, "category": "sensors", "reason": "reorganised" });
        let now = patch(&admin, change.clone()).await.ok(200);
        assert_eq!((&now["ownerId"], &now["team"], &now["category"], &now["tags"]),
            (&json!("ada"), &Value::Null, &json!("sensors"), &json!(["new"])));
        assert_eq!(operator.get(&metadata).await.ok(200), now);
        assert_eq!(patch(&admin, change).await.ok(200)["revision"], now["revision"], "nothing changed");

        operator.get(&format!("{metadata}/audit")).await.refused(403, "FORBIDDEN");
        let history = admin.get(&format!("{metadata}/audit?limit=3")).await;
        assert!(history.link("next").is_some(), "the fields of the draft follow");
        let fields = |page: &Value| -> Vec<String> {
            let entries = page.as_array().expect("an array").iter();
            entries.map(|e| format!("{}: {} -> {} ({})", e["field"], e["oldValue"], e["newValue"], e["reason"])).collect()
        };
        let next = admin.get(&history.link("next").expect("more")).await.ok(200);
        assert_eq!(fields(&history.ok(200)), [
            r#""category": null -> "sensors" ("reorganised")"#,
            r#""team": "drafts" -> null ("reorganised")"#,
            r#""owner": "admin@acme" -> "ada" ("reorganised")"#,
        ]);
        assert_eq!(fields(&next), [r#""tags": [] -> ["new"] (null)"#, r#""team": null -> "drafts" (null)"#]);
    }
}
