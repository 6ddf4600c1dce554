//! A datasource is shown to those that it is for, and to nobody else, wherever it could show.

use std::collections::BTreeSet;

use datasource_studio::domain::Role;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};

use super::{make, metadata, person, places, update};
use crate::graphql::tenancy::assert_hidden_as;
use crate::harness::server::open_webhook;
use crate::harness::{Client, Socket};
use crate::on_both_databases;

const CASES: usize = 4;
const CIRCLES: [&str; 2] = ["one", "two"];
const PEOPLE: [&str; 3] = ["ada", "bob", "eve"];
const PROJECTS: [&str; 2] = ["north", "south"];

/// The names of all that a caller sees, by pages of three; the count must agree.
async fn seen(client: &Client, filter: Value) -> BTreeSet<String> {
    let query = "query($filter: DatasourceFilterInput, $after: String) {
        datasources(filter: $filter, first: 3, after: $after) { totalCount nodes { name } pageInfo { hasNextPage endCursor } } }";
    let (mut names, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let mut page = client.data(query, json!({ "filter": filter, "after": after })).await["datasources"].take();
        let nodes = page["nodes"].as_array().expect("nodes");
        names.extend(nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()));
        if page["pageInfo"]["hasNextPage"] == false {
            assert_eq!(page["totalCount"], names.len(), "what is not seen is not counted");
            return names;
        }
        assert_eq!(nodes.len(), 3, "a page is full of what is seen");
        after = page["pageInfo"]["endCursor"].take();
    }
}

async fn finds(client: &Client, id: &str) -> bool {
    let query = "query($id: ID!) { datasource(id: $id) { id state { desired } } }";
    let found = !client.data(query, json!({ "id": id })).await["datasource"].is_null();
    let status = client.get(&format!("/api/v1/datasources/{id}")).await.status;
    assert_eq!(status, if found { 200 } else { 404 }, "GraphQL and REST agree");
    found
}

async fn grant(admin: &Client, input: Value) {
    admin.mutate("grantAccess", input, "grant { id }").await;
}

on_both_databases! {
    async fn who_is_meant_sees_it_and_others_do_not(server: TestServer) {
        let admin = server.admin();
        let said = json!({ "owner": "ada", "visibility": { "communities": ["partners"], "groups": ["ops"] }, "project": "north" });
        let id = make(&admin, "doors", said).await;
        make(&admin, "open", json!({})).await;
        let both = BTreeSet::from(["doors".to_owned(), "open".to_owned()]);
        let viewer = |subject: &str, more: Value| person(&server, subject, "viewer", more);
        let meant = [
            viewer("ada", json!({})),
            viewer("bob", json!({ "communities": ["others", "partners"] })),
            viewer("bob", json!({ "groups": "ops" })),
            admin.clone(),
            server.limited_to(Role::Admin, &["north", "default"]),
        ];
        for client in meant {
            assert_eq!(seen(&client, json!({})).await, both);
            assert!(finds(&client, &id).await);
        }
        let not_meant = [
            viewer("bob", json!({})),
            // A community is no group, and the other way round.
            viewer("bob", json!({ "groups": ["partners"], "communities": ["ops"] })),
            person(&server, "bob", "operator", json!({ "groups": ["OPS"] })),
        ];
        for client in &not_meant {
            assert_eq!(seen(client, json!({})).await, BTreeSet::from(["open".to_owned()]));
            assert!(!finds(client, &id).await);
            assert!(seen(client, json!({ "search": "doors" })).await.is_empty());
        }
        // A grant on it lets in; one on its project does not, but for an admin's.
        let [bob, ..] = &not_meant;
        grant(&admin, json!({ "principalKind": "USER", "principal": "bob", "role": "VIEWER", "project": "north" })).await;
        assert!(!finds(bob, &id).await);
        grant(&admin, json!({ "principalKind": "USER", "principal": "bob", "role": "VIEWER", "datasourceId": id })).await;
        assert!(finds(bob, &id).await);
        assert_eq!(seen(bob, json!({})).await, both);
        let eve = viewer("eve", json!({}));
        grant(&admin, json!({ "principalKind": "USER", "principal": "eve", "role": "ADMIN", "project": "north" })).await;
        assert!(finds(&eve, &id).await);
        // And what is shown to all again is.
        let mal = viewer("mal", json!({}));
        assert!(!finds(&mal, &id).await);
        update(&admin, &id, json!({ "visibility": null })).await;
        assert!(finds(&mal, &id).await);
    }

    /// An answer is not repeated to whoever could not get it any more.
    async fn what_was_answered_before_it_was_hidden_is_not_repeated(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        admin.publish(&id).await;
        let bob = person(&server, "bob", "operator", json!({}));
        let ask = async |verb: &str, body: &Value| {
            let call = bob.call(Method::POST, &format!("/api/v1/datasources/{id}/{verb}"));
            call.header("idempotency-key", verb).json(body).send().await
        };
        let asked = [("stop", json!({})), ("test", json!({ "payload": { "a": 1 } }))];
        for (verb, body) in &asked {
            ask(verb, body).await.ok(200);
            assert_eq!(ask(verb, body).await.header("idempotent-replayed"), "true", "{verb}");
        }
        update(&admin, &id, json!({ "visibility": { "groups": ["ops"] } })).await;
        for (verb, body) in &asked {
            ask(verb, body).await.refused(404, "NOT_FOUND");
        }
    }

    /// As if it were not there: by every operation, whether it reads or writes.
    async fn what_is_hidden_is_not_found_by_any_operation(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let open = admin.webhook("open", open_webhook(json!({ "a": "$.a" }))).await;
        admin.publish(&id).await;
        admin.publish(&open).await;
        for each in [&id, &open] {
            admin.mutate("testDatasource", json!({ "id": each, "payload": {}, "saveSampleAs": "one" }), "run { success }").await;
        }
        update(&admin, &id, json!({ "visibility": { "groups": ["ops"] } })).await;
        let stranger = person(&server, "bob", "operator", json!({}));
        assert_hidden_as(&["viewer", "operator"], &stranger, &id).await;
        let body = json!({ "description": "mine" });
        stranger.call(Method::PATCH, &format!("/datasources/{id}")).json(&body).send().await.refused(404, "NOT_FOUND");
        for part in ["", "/state", "/events", "/versions", "/versions/1", "/metadata", "/metrics", "/secrets", "/samples", "/jobs", "/dead-letters"] {
            stranger.get(&format!("/api/v1/datasources/{id}{part}")).await.refused(404, "NOT_FOUND");
        }

        // Nor is it in any list.
        let registry = "{ registry { nodes { workers } workers { nodes { datasourceId } } } }";
        let told = stranger.data(registry, json!({})).await["registry"].take();
        assert_eq!(told["workers"]["nodes"], json!([{ "datasourceId": open }]));
        assert_eq!(told["nodes"][0]["workers"], 1);
        let mut states = Socket::subscribe(&stranger, "subscription($ids: [ID!]!) { datasourceStates(ids: $ids) { datasourceId desired } }",
            json!({ "ids": [id, open] })).await;
        assert_eq!(states.next().await["datasourceStates"], json!({ "datasourceId": open, "desired": "RUNNING" }));
        let all = "subscription($after: String) { datasourceEvents(after: $after) { datasourceId } }";
        let mut events = Socket::subscribe(&stranger, all, json!({ "after": "MA" })).await;
        for _ in 0..3 {
            assert_eq!(events.next().await["datasourceEvents"]["datasourceId"], open);
        }
        // Records still come in: who sends them needs no eyes.
        assert_eq!(server.post_hook(&id, &json!({ "id": 1, "a": 2 })).await.0, 202);
    }

    async fn a_request_for_approval_is_hidden_with_its_datasource(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({}))).await;
        admin.mutate("setApprovalPolicy", json!({ "publish": true }), "policy { updatedBy }").await;
        admin.mutate("requestApproval", json!({ "id": id }), "approval { id }").await;
        let stranger = person(&server, "bob", "operator", json!({}));
        let requests = "{ approvals { nodes { datasourceId } } }";
        let shown = stranger.data(requests, json!({})).await;
        assert_eq!(shown["approvals"]["nodes"], json!([{ "datasourceId": id }]));
        update(&admin, &id, json!({ "visibility": { "groups": ["ops"] } })).await;
        assert_eq!(stranger.data(requests, json!({})).await["approvals"]["nodes"], json!([]));
    }

    /// What was open when it was hidden goes quiet.
    async fn a_live_view_ends_when_its_datasource_is_hidden(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let open = admin.webhook("open", open_webhook(json!({}))).await;
        admin.publish(&id).await;
        let stranger = person(&server, "bob", "viewer", json!({}));
        let views = [
            "subscription($id: ID!) { datasourceRecords(id: $id) { id } }",
            "subscription($id: ID!) { datasourceLogs(id: $id, level: DEBUG) { message } }",
        ];
        let mut sockets = Vec::new();
        for view in views {
            sockets.push(Socket::subscribe(&stranger, view, json!({ "id": id })).await);
        }
        let mut events = Socket::subscribe(&stranger, "subscription { datasourceEvents { datasourceId eventType } }", json!({})).await;
        // The feed is open once something of it arrives.
        let begun = async {
            loop {
                admin.mutate("updateDatasource", json!({ "id": open, "description": uuid::Uuid::now_v7() }), "datasource { id }").await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        let first = tokio::select! { first = events.next() => first, () = begun => unreachable!("it goes on for ever") };
        assert_eq!(first["datasourceEvents"]["datasourceId"], open);

        update(&admin, &id, json!({ "visibility": { "groups": ["ops"] } })).await;
        for socket in &mut sockets {
            loop {
                let message = socket.message().await;
                // Refused, where it had not begun.
                if message["type"] == "complete" || message["type"] == "error" {
                    break;
                }
            }
        }
        admin.mutate("stopDatasource", json!({ "id": id }), "datasource { id }").await;
        admin.mutate("archiveDatasource", json!({ "id": open }), "datasource { id }").await;
        loop {
            let event = events.next().await["datasourceEvents"].take();
            assert_eq!(event["datasourceId"], open, "neither that it was hidden, nor what came then: {event}");
            if event["eventType"] == "ARCHIVED" {
                break;
            }
        }
    }

    async fn nobody_hides_a_datasource_from_themselves(server: TestServer) {
        let bob = person(&server, "bob", "operator", json!({ "groups": ["ops"] }));
        let input = json!({ "name": "doors", "type": "webhook", "owner": "ada", "visibility": { "groups": ["night"] } });
        assert_eq!(places(&bob, "createDatasource", input).await, ["/visibility"]);
        let id = make(&bob, "doors", json!({ "visibility": { "groups": ["night"] } })).await;
        assert_eq!(places(&bob, "updateDatasource", json!({ "id": id, "owner": "ada" })).await, ["/visibility"]);
        let kept = json!({ "id": id, "owner": "ada", "visibility": { "groups": ["night", "ops"] } });
        bob.mutate("updateDatasource", kept, "datasource { id }").await;
        assert_eq!(metadata(&bob, &id).await["owner"], "ada");
    }

    /// A program sees what is not for everybody by a grant on it, by owning it, or as an admin.
    async fn a_service_account_sees_what_it_is_granted(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", json!({ "visibility": { "groups": ["ops"] } })).await;
        let account = admin.mutate("createServiceAccount", json!({ "name": "ci", "role": "OPERATOR" }), "serviceAccount { id }").await;
        let key = json!({ "serviceAccountId": account["serviceAccount"]["id"], "name": "x" });
        let key = admin.mutate("createApiKey", key, "key").await["key"].as_str().expect("a key").to_owned();
        let program = server.with_token(key);
        assert!(!finds(&program, &id).await);
        grant(&admin, json!({ "principalKind": "SERVICE_ACCOUNT", "principal": "ci", "role": "OPERATOR", "datasourceId": id })).await;
        assert!(finds(&program, &id).await);
        assert_eq!(seen(&program, json!({})).await, BTreeSet::from(["doors".to_owned()]));
    }

    /// Lists, counts and look-ups say what a plain model says, whoever asks.
    async fn lists_and_look_ups_agree_with_a_plain_model(server: TestServer) {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let admin = server.admin();
        for case in 0..CASES {
            let (feeds, people) = (feeds(), people()).new_tree(&mut runner).expect("a case").current();
            let mut ids = Vec::new();
            for (n, feed) in feeds.iter().enumerate() {
                let input = json!({ "owner": feed.owner, "project": feed.project,
                    "visibility": { "communities": feed.communities, "groups": feed.groups } });
                ids.push(make(&admin, &format!("case{case}-{n}"), input).await);
            }
            for (n, who) in people.iter().enumerate() {
                // A name of their own, so that grants of one case say nothing in the next; owners keep theirs.
                let subject = who.subject.clone().unwrap_or_else(|| format!("guest{case}-{n}"));
                for on in who.granted.iter().filter(|_| who.subject.is_none()) {
                    let on = &ids[on.index(ids.len())];
                    grant(&admin, json!({ "principalKind": "USER", "principal": subject, "role": "VIEWER", "datasourceId": on })).await;
                }
                let mut claims = json!({ "communities": who.communities, "groups": who.groups });
                if let Some(projects) = &who.projects {
                    claims["projects"] = json!(projects);
                }
                let client = person(&server, &subject, who.role, claims);
                let expected: Vec<bool> = (0..feeds.len()).map(|i| who.sees(&subject, &feeds[i], i, feeds.len())).collect();
                let names = (0..feeds.len()).filter(|i| expected[*i]).map(|i| format!("case{case}-{i}")).collect();
                let search = json!({ "search": format!("case{case}-") });
                assert_eq!(seen(&client, search).await, names, "{who:#?}\n{feeds:#?}");
                for (id, expected) in ids.iter().zip(expected) {
                    assert_eq!(finds(&client, id).await, expected, "{who:#?}\n{feeds:#?}");
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Feed {
    owner: &'static str,
    project: &'static str,
    communities: Vec<&'static str>,
    groups: Vec<&'static str>,
}

#[derive(Clone, Debug)]
struct Who {
    /// One who may own something, or a guest.
    subject: Option<String>,
    role: &'static str,
    projects: Option<Vec<&'static str>>,
    communities: Vec<&'static str>,
    groups: Vec<&'static str>,
    granted: Vec<prop::sample::Index>,
}

impl Who {
    /// The rule in plain words.
    fn sees(&self, subject: &str, feed: &Feed, place: usize, count: usize) -> bool {
        let granted = self.subject.is_none() && self.granted.iter().any(|on| on.index(count) == place);
        let reached = self.projects.as_ref().is_none_or(|projects| projects.contains(&feed.project));
        let shares = |theirs: &[&str], its: &[&str]| its.iter().any(|name| theirs.iter().any(|own| own == name));
        let for_all = feed.communities.is_empty() && feed.groups.is_empty();
        let meant = for_all
            || self.role == "admin"
            || feed.owner == subject
            || shares(&self.communities, &feed.communities)
            || shares(&self.groups, &feed.groups);
        granted || (reached && meant)
    }
}

fn circles() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(CIRCLES.to_vec(), 0..=2)
}

fn feeds() -> impl Strategy<Value = Vec<Feed>> {
    let feed = (prop::sample::select(PEOPLE.to_vec()), prop::sample::select(PROJECTS.to_vec()), circles(), circles());
    let feed = feed.prop_map(|(owner, project, communities, groups)| Feed { owner, project, communities, groups });
    prop::collection::vec(feed, 8..12)
}

fn people() -> impl Strategy<Value = Vec<Who>> {
    let who = (
        prop::option::of(prop::sample::select(PEOPLE.to_vec())),
        prop::sample::select(vec!["viewer", "operator", "admin"]),
        prop::option::of(prop::sample::subsequence(PROJECTS.to_vec(), 1..=2)),
        circles(),
        circles(),
        prop::collection::vec(any::<prop::sample::Index>(), 0..2),
    );
    let who = who.prop_map(|(subject, role, projects, communities, groups, granted)| Who {
        subject: subject.map(str::to_owned),
        role,
        projects,
        communities,
        groups,
        granted,
    });
    prop::collection::vec(who, 6)
}
