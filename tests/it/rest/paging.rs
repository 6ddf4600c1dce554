//! Pages: by offset and by cursor, and the links that lead on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::Client;
use crate::harness::server::open_webhook;
use crate::on_both_databases;

fn names(page: &Value) -> Vec<&str> {
    page.as_array().expect("an array").iter().filter_map(|d| d["name"].as_str()).collect()
}

async fn fill(client: &Client, count: usize) {
    for i in 0..count {
        let tags = if i % 2 == 0 { json!(["even", "a&b=c"]) } else { json!(["odd"]) };
        let input = json!({ "name": format!("feed {i:02}"), "type": "webhook", "tags": tags });
        client.post("/datasources", input).await.ok(201);
    }
}

on_both_databases! {
    async fn the_links_lead_through_all_pages_there_and_back(server: TestServer) {
        let admin = server.admin();
        fill(&admin, 7).await;
        for start in ["/datasources?sort=name&limit=3", "/api/v1/datasources?offset=0&sort=name&limit=3"] {
            let mut seen = Vec::new();
            let mut at = Some(start.to_owned());
            let mut last = String::new();
            while let Some(path) = at {
                let page = admin.get(&path).await;
                assert_eq!(page.header("x-total-count"), "7");
                assert!(page.link("first").is_some_and(|l| !l.contains("cursor") && !l.contains("offset")), "{page:?}");
                seen.extend(names(&page.body).into_iter().map(str::to_owned));
                at = page.link("next");
                last = path;
            }
            let all: Vec<_> = (0..7).map(|i| format!("feed {i:02}")).collect();
            assert_eq!(seen, all, "{start}");

            let mut back = Vec::new();
            let mut at = admin.get(&last).await.link("prev");
            while let Some(path) = at {
                let page = admin.get(&path).await;
                back.insert(0, names(&page.body).into_iter().map(str::to_owned).collect::<Vec<_>>());
                at = page.link("prev");
            }
            assert_eq!(back.concat(), all[..6], "{start}");
        }
    }

    /// A cursor names the last row seen, so that nothing is missed or repeated when rows come and go.
    async fn a_cursor_holds_while_others_create(server: TestServer) {
        let admin = server.admin();
        fill(&admin, 4).await;
        let first = admin.get("/datasources?sort=name&limit=2").await;
        admin.post("/datasources", json!({ "name": "feed 00a", "type": "webhook" })).await.ok(201);
        let next = admin.get(&first.link("next").expect("more")).await.ok(200);
        assert_eq!(names(&next), ["feed 02", "feed 03"]);
    }

    async fn filters_narrow_the_list_and_stay_in_the_links(server: TestServer) {
        let admin = server.admin();
        fill(&admin, 6).await;
        let page = admin.get("/datasources?tag=even&tag=a%26b%3Dc&type=webhook&status=draft&status=active&limit=1").await;
        assert_eq!(page.header("x-total-count"), "3");
        let next = page.link("next").expect("more");
        let kept: BTreeSet<_> = url::form_urlencoded::parse(next.split_once('?').expect("a query").1.as_bytes())
            .filter(|(name, _)| name != "cursor")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let expected = ["limit=1", "status=active", "status=draft", "tag=a&b=c", "tag=even", "type=webhook"];
        assert!(kept.iter().eq(expected), "{kept:?}");
        assert_eq!(admin.get(&next).await.ok(200).as_array().map(Vec::len), Some(1));
        for (query, count) in [("search=FEED+03", 1), ("owner=admin%40acme", 6), ("owner=nobody", 0), ("project=other", 0), ("archived=true", 0)] {
            let page = admin.get(&format!("/datasources?{query}")).await;
            assert_eq!(page.header("x-total-count"), count.to_string(), "{query}");
            assert_eq!(names(&page.body).len(), count, "{query}");
        }
    }

    async fn the_link_back_repeats_no_row_and_leads_to_no_empty_page(server: TestServer) {
        let admin = server.admin();
        fill(&admin, 5).await;
        for (query, expected) in [
            ("offset=1&limit=2", vec!["feed 00"]),
            ("offset=3&limit=2", vec!["feed 01", "feed 02"]),
            ("offset=10000&limit=2", vec!["feed 03", "feed 04"]),
            ("offset=10000&limit=9", vec!["feed 00", "feed 01", "feed 02", "feed 03", "feed 04"]),
        ] {
            let page = admin.get(&format!("/datasources?sort=name&{query}")).await;
            let back = admin.get(&page.link("prev").expect("a page before")).await.ok(200);
            assert_eq!(names(&back), expected, "{query}");
        }
        let nothing = admin.get("/datasources?search=nothing&offset=5").await;
        assert_eq!((nothing.link("prev"), nothing.ok(200)), (None, json!([])));
    }

    async fn versions_and_events_page_too(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        for i in 0..3 {
            let draft = json!({ "config": open_webhook(json!({ "a": format!("$.a{i}") })) });
            admin.post(&format!("/datasources/{id}/versions"), draft).await.ok(201);
        }
        let numbers = |page: &Value| -> Vec<i64> {
            page.as_array().expect("an array").iter().filter_map(|v| v["version"].as_i64()).collect()
        };
        let first = admin.get(&format!("/datasources/{id}/versions?limit=3")).await;
        assert_eq!((numbers(&first.body), first.header("x-total-count")), (vec![4, 3, 2], "4"));
        let second = admin.get(&first.link("next").expect("more")).await;
        assert_eq!((numbers(&second.body), second.link("next")), (vec![1], None));
        assert_eq!(numbers(&admin.get(&second.link("prev").expect("some")).await.ok(200)), [4, 3, 2]);
        assert_eq!(numbers(&admin.get(&format!("/datasources/{id}/versions?offset=1&limit=2")).await.ok(200)), [3, 2]);

        let events = admin.get(&format!("/datasources/{id}/events?limit=3&type=version_created")).await;
        assert_eq!(numbers(&events.body), [4, 3, 2]);
        assert_eq!(events.header("x-total-count"), "", "a timeline is not counted");
        assert_eq!(numbers(&admin.get(&events.link("next").expect("more")).await.ok(200)), [1]);
    }

    async fn a_page_that_cannot_be_is_refused_by_the_parameter(server: TestServer) {
        let admin = server.admin();
        fill(&admin, 2).await;
        let cursor = admin.get("/datasources?limit=1").await.link("next").expect("more");
        let cursor = cursor.split_once("cursor=").expect("a cursor").1.to_owned();
        for (query, pointer, says) in [
            ("limit=0", "/limit", "between 1 and 200"),
            ("limit=201", "/limit", "between 1 and 200"),
            ("limit=-1", "/limit", "between 1 and 200"),
            ("limit=", "/limit", "between 1 and 200"),
            ("offset=x", "/offset", "whole number"),
            ("limit=1&limit=2", "/limit", "once"),
            ("offset=10001", "/offset", "cursor"),
            (&format!("offset=1&cursor={cursor}"), "/offset", "combined"),
            (&format!("cursor={cursor}&sort=name"), "/cursor", "another order"),
            (&format!("cursor=~{cursor}&sort=createdAt"), "/cursor", "another order"),
            ("cursor=nonsense", "/cursor", "gave out"),
            ("cursor=~", "/cursor", "gave out"),
            ("cursor=", "/cursor", "gave out"),
            ("sort=size", "/sort", "-createdAt"),
            ("status=lost", "/status/0", "draft"),
            ("archived=on", "/archived", "true or false"),
            ("colour=red", "/colour", "colour"),
        ] {
            let refusal = admin.get(&format!("/datasources?{query}")).await.refused(400, "VALIDATION_FAILED");
            let problem = &refusal["problems"][0];
            assert!(problem["message"].as_str().is_some_and(|m| m.contains(says)), "{query}: {refusal:#}");
            assert_eq!(problem["pointer"], pointer, "{query}");
        }
        admin.get("/datasources?offset=10000").await.ok(200);
        // Also where there are no parameters at all.
        for path in ["/api/v1/viewer?colour=red".to_owned(), format!("/datasources/{}?colour=red", uuid::Uuid::nil())] {
            let refusal = admin.get(&path).await.refused(400, "VALIDATION_FAILED");
            assert_eq!(refusal["problems"][0]["pointer"], "/colour", "{path}");
        }
    }
}
