//! What is told, to whom, and how.

use std::collections::BTreeSet;

use datasource_studio::domain::Role;
use serde_json::json;

use super::receiver::Receiver;
use super::{QUICK, becomes, change, endpoint, messages, settled, shown, test, timeline, told, with};
use crate::harness::eventually;
use crate::harness::server::open_webhook;
use crate::on_both_databases;

on_both_databases! {
    async fn a_receiver_that_was_down_is_told_once_when_it_is_up(server: TestServer) {
        let server = with(server, &QUICK).await;
        let admin = server.admin();
        let mut receiver = Receiver::down();
        let (hook, secret) = told(&admin, &receiver).await;
        let id = change(&admin, "orders").await;
        let waiting = eventually("it was tried", || async {
            messages(&admin, &hook).await.into_iter().find(|message| message["attempts"][0]["error"].is_string())
        })
        .await;
        assert_eq!(waiting["attempts"][0]["status"], json!(null), "nobody answered: {waiting}");
        assert!(shown(&admin, &hook).await["failingSince"].is_string());

        receiver.up();
        let delivered = settled(&server, "acme", &admin, &hook).await;
        for message in &delivered {
            assert_eq!(message["status"], "DELIVERED", "{message}");
            let last = message["attempts"].as_array().and_then(|all| all.last()).expect("an attempt").clone();
            assert_eq!((&last["status"], &last["error"]), (&json!(200), &json!(null)));
            assert_eq!(last["response"], "this is 200 OK");
        }
        assert_eq!(shown(&admin, &hook).await["failingSince"], json!(null));

        let visits = receiver.visits();
        let ids: BTreeSet<_> = visits.iter().map(|visit| visit.id()).collect();
        assert_eq!(ids.len(), visits.len(), "each message once");
        assert_eq!(ids, delivered.iter().map(|message| message["id"].as_str().expect("an id").to_owned()).collect());
        let mut told: Vec<_> = visits.iter().map(|visit| visit.json()["data"]["seq"].as_i64().expect("a number")).collect();
        told.sort_unstable();
        let happened: Vec<_> = timeline(&admin, &[&id]).await.into_iter().map(|(number, _)| number).collect();
        assert_eq!(told, happened, "all that happened, and nothing else");
        for visit in &visits {
            assert!(visit.is_signed_by(&secret), "{visit:?}");
            assert!(!visit.is_signed_by("whsec_bm90IHRoZSBzZWNyZXQ="), "the check can fail");
            let sent: i64 = visit.header("webhook-timestamp").parse().expect("seconds");
            assert!((chrono::Utc::now().timestamp() - sent).abs() < 600, "the time of the attempt");
            assert_eq!(visit.header("content-type"), "application/json");
        }
        eventually("they are counted", || async {
            let counted = server.metric("notifications_total{outcome=\"delivered\"}").await;
            (counted == Some(delivered.len() as f64)).then_some(())
        })
        .await;
        eventually("none waits", || async {
            (server.metric("notifications_pending").await == Some(0.0)).then_some(())
        })
        .await;
    }

    async fn a_message_tells_what_the_timeline_has_and_no_secret(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, secret) = told(&admin, &receiver).await;
        let id = change(&admin, "orders").await;
        let value = json!({ "id": id, "key": "token", "value": "hidden-5f1c", "reason": "first" });
        admin.mutate("setDatasourceSecret", value, "secret { key }").await;
        admin.mutate("publishDatasource", json!({ "id": id, "comment": "live" }), "version { version }").await;
        let all = settled(&server, "acme", &admin, &hook).await;
        let published = all.iter().find(|message| message["type"] == "datasource.publish").expect("it is told");
        let body: serde_json::Value = serde_json::from_str(published["body"].as_str().expect("text")).expect("JSON");
        let query = "query($id: ID!) { datasourceEvents(id: $id, types: [PUBLISHED]) {
            nodes { id version actor payload createdAt } } }";
        let event = admin.data(query, json!({ "id": id })).await["datasourceEvents"]["nodes"][0].take();
        assert_eq!(body["type"], "datasource.publish");
        assert_eq!(body["data"]["seq"].to_string(), event["id"].as_str().expect("a number"));
        assert_eq!(body["data"]["datasource"], json!({ "id": id, "name": "orders", "project": "default" }));
        for field in ["version", "actor", "payload"] {
            assert_eq!(body["data"][field], event[field], "{field}");
        }
        let time = |text: &serde_json::Value| {
            chrono::DateTime::parse_from_rfc3339(text.as_str().expect("a text")).expect("a time")
        };
        assert_eq!(time(&body["timestamp"]), time(&event["createdAt"]));
        assert_eq!((&published["datasourceId"], &published["eventId"]), (&json!(id), &event["id"]));

        let visits = receiver.visits();
        assert!(visits.iter().any(|visit| visit.json()["type"] == "datasource.secret_set"));
        for visit in visits {
            let text = format!("{:?} {}", visit.headers, visit.body);
            assert!(!text.contains("hidden-5f1c") && !text.contains(&secret), "{text}");
        }
    }

    async fn an_endpoint_is_told_only_of_what_its_filter_takes(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let one = change(&admin, "before").await;
        let filters = [
            ("/published", json!({ "eventTypes": ["PUBLISHED"] })),
            ("/one", json!({ "datasourceIds": [one] })),
            ("/elsewhere", json!({ "projects": ["elsewhere"] })),
            ("/ada", json!({ "owner": "ada" })),
            ("/feeds", json!({ "team": "feeds", "eventTypes": ["CREATED"] })),
            ("/nothing", json!({ "category": "nothing", "owner": "ada" })),
        ];
        let mut hooks = Vec::new();
        for (path, filter) in filters {
            hooks.push(endpoint(&admin, &receiver.url(path), filter).await.0);
        }
        let input = json!({ "name": "of ada", "type": "webhook", "owner": "ada", "team": "feeds",
            "config": open_webhook(json!({ "total": "$.amount" })) });
        let made = admin.mutate("createDatasource", input, "datasource { id }").await;
        let two = made["datasource"]["id"].as_str().expect("an id");
        admin.mutate("publishDatasource", json!({ "id": two }), "version { version }").await;
        admin.mutate("updateDatasource", json!({ "id": one, "description": "new" }), "datasource { id }").await;
        for hook in &hooks {
            settled(&server, "acme", &admin, hook).await;
        }
        let types = |path: &str| -> BTreeSet<String> {
            let visits = receiver.visits_of(path);
            visits.iter().map(|visit| visit.json()["type"].as_str().expect("a type").to_owned()).collect()
        };
        let named = |names: &[&str]| names.iter().map(|name| format!("datasource.{name}")).collect::<BTreeSet<_>>();
        assert_eq!(types("/published"), named(&["publish"]));
        assert_eq!(types("/one"), named(&["update"]), "what happened before is not told");
        assert_eq!(types("/feeds"), named(&["create"]));
        assert!(types("/ada").is_superset(&named(&["create", "publish"])), "{:?}", types("/ada"));
        assert!(receiver.visits_of("/ada").iter().all(|visit| visit.json()["data"]["datasource"]["id"] == two));
        for path in ["/elsewhere", "/nothing"] {
            assert_eq!(types(path), BTreeSet::new(), "{path}");
        }
    }

    async fn who_loses_a_datasource_is_told_so(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let id = change(&admin, "doors").await;
        admin.mutate("updateDatasourceMetadata", json!({ "id": id, "owner": "ada" }), "datasource { id }").await;
        let (hook, _) = endpoint(&admin, &receiver.url("/ada"), json!({ "owner": "ada" })).await;
        admin.mutate("updateDatasourceMetadata", json!({ "id": id, "owner": "carl" }), "datasource { id }").await;
        settled(&server, "acme", &admin, &hook).await;
        let visits = receiver.visits_of("/ada");
        assert_eq!(visits.len(), 1);
        assert_eq!(visits[0].json()["data"]["payload"]["changes"][0]["new"], "carl");
    }

    async fn what_another_organisation_does_never_arrives(server: TestServer) {
        let receiver = Receiver::start().await;
        let orgs = ["acme", "globex"].map(|org| (org, server.client(Role::Admin, org)));
        let mut hooks = Vec::new();
        for (org, admin) in &orgs {
            hooks.push(endpoint(admin, &receiver.url(&format!("/{org}")), json!({})).await);
        }
        for round in 0..3 {
            for (org, admin) in &orgs {
                change(admin, &format!("{org} {round}")).await;
            }
        }
        for ((org, admin), (hook, secret)) in orgs.iter().zip(&hooks) {
            settled(&server, org, admin, hook).await;
            let visits = receiver.visits_of(&format!("/{org}"));
            assert!(visits.len() >= 3);
            for visit in visits {
                let name = visit.json()["data"]["datasource"]["name"].as_str().expect("a name").to_owned();
                assert!(name.starts_with(org), "{name} is told to {org}");
                assert!(visit.is_signed_by(secret));
            }
        }
        let query = "query($id: ID!) { notificationDeliveries(filter: { endpointId: $id }) { nodes { id } } }";
        let theirs = orgs[1].1.data(query, json!({ "id": hooks[0].0 })).await;
        assert_eq!(theirs["notificationDeliveries"]["nodes"], json!([]), "nor is its log shown");
    }

    async fn a_test_shows_whether_messages_arrive(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, secret) = endpoint(&admin, &receiver.url("/hook"), json!({ "eventTypes": ["PUBLISHED"] })).await;
        let id = test(&admin, &hook).await;
        let message = becomes(&admin, &hook, "DELIVERED").await;
        assert_eq!((&message["id"], &message["type"], &message["eventId"]), (&json!(id), &json!("notification.test"), &json!(null)));
        let visits = receiver.visits();
        assert_eq!(visits.len(), 1);
        assert!(visits[0].is_signed_by(&secret));
        assert_eq!(visits[0].id(), id);
        assert_eq!(visits[0].json()["data"], json!({ "endpointId": hook, "actor": "admin@acme" }));
    }

    /// What happened while nobody was to be told is told when it is switched on again, unless it is to be skipped.
    async fn an_endpoint_that_was_off_is_told_what_it_missed(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, _) = endpoint(&admin, &receiver.url("/hook"), json!({ "eventTypes": ["CREATED"] })).await;
        let switch = |active: bool, skip: bool| {
            let (admin, hook) = (&admin, &hook);
            async move {
                let input = json!({ "id": hook, "active": active, "skipMissed": skip, "reason": "a test" });
                admin.mutate("updateNotificationEndpoint", input, "endpoint { active }").await
            }
        };
        let names = || -> Vec<String> {
            let visits = receiver.visits();
            visits.iter().map(|visit| visit.json()["data"]["datasource"]["name"].as_str().expect("a name").to_owned()).collect()
        };
        switch(false, false).await;
        change(&admin, "one").await;
        switch(true, false).await;
        settled(&server, "acme", &admin, &hook).await;
        assert_eq!(names(), ["one"]);
        switch(false, false).await;
        change(&admin, "two").await;
        switch(true, true).await;
        change(&admin, "three").await;
        settled(&server, "acme", &admin, &hook).await;
        assert_eq!(names(), ["one", "three"]);
    }
}
