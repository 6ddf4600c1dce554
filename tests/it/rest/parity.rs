//! Each operation through GraphQL and through REST: the same results, and the same refusals.

mod access;
mod approvals;
mod exports;
mod governance;
mod metadata_items;
mod notifications;
mod pairs;
mod refusals;

use std::collections::BTreeSet;

use datasource_studio::domain::Role;
use serde_json::{Map, Value, json};

use self::pairs::{PAIRS, Pair};
use super::operations::all;
use crate::harness::Client;
use crate::harness::server::open_webhook;
use crate::on_both_databases;
use crate::sdl::Sdl;

/// What REST does not have, and why.
const EXCEPTIONS: [(&str, &str); 5] = [
    ("Subscription.datasourceEvents", "a stream: REST reads pages of …/events"),
    ("Subscription.datasourceJob", "a stream: REST reads …/jobs/{job}"),
    ("Subscription.datasourceRecords", "a live view, which has no past to be read"),
    ("Subscription.datasourceLogs", "a live view, which has no past to be read"),
    ("Subscription.datasourceStates", "a stream: REST reads …/state, and …/{id} with If-None-Match"),
];

/// What GraphQL does not have, and why.
const REST_ONLY: [(&str, &str); 1] = [("exportContent", "bytes: GraphQL tells their contentPath")];

/// Operations on what a datasource comes to have only as it runs; `rest::deliveries` compares them.
const ELSEWHERE: [(&str, &str); 4] = [
    ("Query.job", "job"),
    ("Mutation.cancelJob", "cancelJob"),
    ("Mutation.editDeadLetter", "editDeadLetter"),
    ("Mutation.replayDeadLetters", "replayDeadLetters"),
];

/// What differs between two datasources on which the same was done.
const OWN: [&str; 10] = [
    "id",
    "name",
    "createdAt",
    "updatedAt",
    "publishedAt",
    "archivedAt",
    "rotatedAt",
    "datasourceId",
    "durationMs",
    "webhookPath",
];

#[test]
fn every_operation_of_either_api_has_its_equal_in_the_other() {
    let sdl = Sdl::of_this_build();
    let fields = ["Query", "Mutation", "Subscription"].into_iter();
    let fields: BTreeSet<_> =
        fields.flat_map(|root| sdl.fields(root).into_iter().map(move |f| format!("{root}.{}", f.name.node))).collect();
    let excepted = EXCEPTIONS.iter().map(|(name, _)| *name);
    let elsewhere = ELSEWHERE.iter().map(|(name, _)| *name);
    let paired = pairs().chain(absent()).map(|p| p.graphql).chain(excepted).chain(elsewhere);
    let paired: BTreeSet<_> = paired.map(str::to_owned).collect();
    assert_eq!(fields, paired, "left: the schema; right: PAIRS, ELSEWHERE and EXCEPTIONS");

    let operations: BTreeSet<_> = all().into_iter().map(|o| o.id).collect();
    let elsewhere = ELSEWHERE.iter().map(|(_, id)| *id);
    let only = REST_ONLY.iter().map(|(id, _)| *id);
    let paired = pairs().chain(absent()).map(|p| p.rest).chain(elsewhere).chain(only);
    let paired: BTreeSet<_> = paired.map(str::to_owned).collect();
    assert_eq!(operations, paired, "left: the OpenAPI document; right: PAIRS and ELSEWHERE");
}

fn pairs() -> impl Iterator<Item = &'static Pair> {
    let first = [access::PAIRS, approvals::PAIRS, governance::PAIRS, exports::PAIRS];
    let features = first.into_iter().chain([metadata_items::PAIRS, notifications::PAIRS]);
    PAIRS.iter().chain(features.flatten())
}

fn absent() -> impl Iterator<Item = &'static Pair> {
    let all = access::ABSENT.iter().chain(approvals::ABSENT).chain(exports::ABSENT);
    all.chain(metadata_items::ABSENT).chain(notifications::ABSENT)
}

/// How one side went: the code of its refusal, or its result.
#[derive(Debug, PartialEq)]
enum Outcome {
    Refused(String),
    Done(Value),
}

async fn by_graphql(client: &Client, pair: &Pair, id: &str) -> Outcome {
    let request = client.http.post(format!("{}/graphql", client.url));
    let request = if client.token.is_empty() { request } else { request.bearer_auth(&client.token) };
    let body = json!({ "query": pair.query, "variables": (pair.variables)(id) });
    let answer: Value = request.json(&body).send().await.expect("an answer").json().await.expect("JSON");
    if let Some(code) = answer["errors"][0]["extensions"]["code"].as_str() {
        return Outcome::Refused(code.to_owned());
    }
    let result = answer["data"].pointer(pair.result).cloned().unwrap_or_default();
    // What GraphQL answers with null, REST does not find.
    if result.is_null() { Outcome::Refused("NOT_FOUND".to_owned()) } else { Outcome::Done(in_words(result)) }
}

async fn by_rest(client: &Client, pair: &Pair, id: &str) -> Outcome {
    let (method, path, body) = (pair.call)(id);
    let call = client.call(method, &path);
    let answer = if body.is_null() { call } else { call.json(&body) }.send().await;
    match answer.status {
        200 | 201 => Outcome::Done(answer.body.pointer(pair.found).cloned().unwrap_or_default()),
        _ => Outcome::Refused(answer.body["code"].as_str().expect("a code").to_owned()),
    }
}

/// GraphQL's enum values as REST spells them.
fn in_words(value: Value) -> Value {
    const WORDS: [&str; 8] = ["status", "state", "approval", "role", "op", "outcome", "desired", "lifecycle"];
    // Keys that hold other texts as well.
    const SOMETIMES: [&str; 4] = ["type", "source", "layer", "visibility"];
    let is_word = |key: &str, text: &str| {
        let upper = text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        WORDS.contains(&key) || (SOMETIMES.contains(&key) && upper)
    };
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(word) if is_word(&key, &word) => (key, json!(word.to_lowercase())),
                other => (key, in_words(other)),
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(in_words).collect(),
        // The same moment, spelled otherwise.
        Value::String(text) if text.ends_with("+00:00") => json!(text.replace("+00:00", "Z")),
        other => other,
    }
}

/// Of `whole`, what `part` has; and of both, only what two datasources have in common.
fn alike(part: &Value, whole: &Value, same: bool) -> (Value, Value) {
    match (part, whole) {
        (Value::Object(few), Value::Object(many)) => {
            let keys = few.keys().filter(|key| same || !OWN.contains(&key.as_str()));
            let pairs = keys.map(|key| (key, alike(&few[key], many.get(key).unwrap_or(&Value::Null), same)));
            let (left, right): (Map<_, _>, Map<_, _>) =
                pairs.map(|(key, (a, b))| ((key.clone(), a), (key.clone(), b))).unzip();
            (left.into(), right.into())
        }
        (Value::Array(few), Value::Array(many)) if few.len() == many.len() => {
            let (left, right): (Vec<_>, Vec<_>) = few.iter().zip(many).map(|(a, b)| alike(a, b, same)).unzip();
            (left.into(), right.into())
        }
        _ => (part.clone(), whole.clone()),
    }
}

/// A datasource with a published version, a newer draft, a secret and a sample.
async fn subject(admin: &Client, name: &str, prepare: &[&str]) -> String {
    let config = open_webhook(json!({ "total": "$.amount" }));
    let id = admin.webhook(name, config.clone()).await;
    let path = format!("/datasources/{id}");
    let draft = |field: &str| json!({ "config": open_webhook(json!({ field: "$.amount" })), "comment": field });
    admin.post(&format!("{path}/secrets"), json!({ "key": "spare", "value": "of no use" })).await.ok(200);
    let test = json!({ "payload": { "id": "1", "amount": 2 }, "saveSampleAs": "one" });
    admin.post(&format!("{path}/test"), test).await.ok(200);
    for field in ["sum", "value"] {
        admin.post(&format!("{path}/publish"), json!({ "comment": "live" })).await.ok(200);
        admin.post(&format!("{path}/versions"), draft(field)).await.ok(201);
    }
    for verb in prepare {
        match *verb {
            "archive" => drop(admin.call(reqwest::Method::DELETE, &path).send().await.ok(200)),
            verb => drop(admin.post(&format!("{path}/{verb}"), json!({})).await.ok(200)),
        }
    }
    id
}

on_both_databases! {
    async fn each_operation_does_the_same_for_each_caller(server: TestServer) {
        let admin = server.admin();
        for (number, pair) in pairs().enumerate() {
            let callers = [
                ("viewer", server.viewer()),
                ("operator", server.operator()),
                ("admin", server.admin()),
                ("a stranger", server.client(Role::Admin, "other")),
                ("nobody", server.with_token(String::new())),
            ];
            // A question has one subject; what changes something has one for each side.
            let asks = pair.graphql.starts_with("Query");
            let mut done = 0;
            let mut ids: Option<(String, String)> = None;
            for (who, caller) in callers {
                if ids.is_none() {
                    let name = |side: &str| format!("{} {number} {side} {who}", pair.rest);
                    let one = subject(&admin, &name("graphql"), pair.prepare).await;
                    let two = if asks { one.clone() } else { subject(&admin, &name("rest"), pair.prepare).await };
                    ids = Some((one, two));
                }
                let (one, two) = ids.as_ref().expect("two datasources");
                let (left, right) = (by_graphql(&caller, pair, one).await, by_rest(&caller, pair, two).await);
                match (left, right) {
                    (Outcome::Done(few), Outcome::Done(many)) => {
                        let (left, right) = alike(&few, &many, asks && pair.exact);
                        assert_eq!(left, right, "{} as {who}: left GraphQL, right REST", pair.rest);
                        assert_ne!(left, json!({}), "{}: nothing was compared", pair.rest);
                        done += 1;
                        // What was refused left nothing; what was done needs two anew.
                        ids = ids.filter(|_| asks);
                    }
                    (left, right) => assert_eq!(left, right, "{} as {who}: left GraphQL, right REST", pair.rest),
                }
            }
            assert!(done > 0, "{}: no caller got through", pair.rest);
        }
    }

    async fn what_is_not_there_is_refused_alike(server: TestServer) {
        for pair in absent() {
            for caller in [server.viewer(), server.admin(), server.with_token(String::new())] {
                let (left, right) = (by_graphql(&caller, pair, "").await, by_rest(&caller, pair, "").await);
                assert!(matches!(left, Outcome::Refused(_)), "{}: {left:?}", pair.rest);
                assert_eq!(left, right, "{}: left GraphQL, right REST", pair.rest);
            }
        }
    }
}
