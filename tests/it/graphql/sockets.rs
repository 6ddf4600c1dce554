//! The protocols that carry subscriptions: `graphql-transport-ws` and server-sent events.

use std::collections::BTreeSet;

use datasource_studio::domain::paging::encode_cursor;
use serde_json::json;

use crate::harness::server::open_webhook;
use crate::harness::{Kind, Socket, TestServer, eventually};
use crate::on_both_databases;

const ALL: &str = "subscription($after: String) { datasourceEvents(after: $after) { id eventType } }";

on_both_databases! {
    async fn a_filter_narrows_the_feed(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("watched", open_webhook(json!({}))).await;
        admin.webhook("other", open_webhook(json!({}))).await;
        admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
        let query = "subscription($id: ID, $types: [EventType!], $after: String) {
            datasourceEvents(id: $id, types: $types, after: $after) { eventType datasourceId } }";
        let variables = json!({ "id": id, "types": ["CREATED", "PUBLISHED"], "after": encode_cursor(&0) });
        let mut socket = Socket::subscribe(&server.viewer(), query, variables).await;
        for kind in ["CREATED", "PUBLISHED"] {
            assert_eq!(socket.next().await["datasourceEvents"], json!({ "eventType": kind, "datasourceId": id }));
        }
    }

    async fn cursors_that_the_feed_never_gave_out_are_refused(server: TestServer) {
        server.operator().webhook("orders", open_webhook(json!({}))).await;
        // 99 and -1, well encoded; then nonsense.
        for cursor in ["OTk", "LTE", "nonsense!", ""] {
            let mut socket = Socket::subscribe(&server.viewer(), ALL, json!({ "after": cursor })).await;
            assert_eq!(socket.error_code().await, "VALIDATION_FAILED", "{cursor:?}");
        }
    }

    async fn a_client_of_another_protocol_is_turned_away(server: TestServer) {
        let mut socket = Socket::open(&server.url, None).await;
        assert_eq!(socket.closed().await.0, 4406);
        for first in [json!({ "type": "ping" }), json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ viewer { role } }" } }), json!("x")] {
            let mut socket = Socket::open(&server.url, Some("graphql-transport-ws")).await;
            socket.send(first.clone()).await;
            let code = socket.closed().await.0;
            assert!((4400..=4401).contains(&code), "{first}: {code}");
        }
    }

    /// Any operation may travel over the socket, and several at once.
    async fn one_socket_carries_many_operations(server: TestServer) {
        let operator = server.operator();
        let mut socket = Socket::subscribe(&operator, ALL, json!({ "after": encode_cursor(&0) })).await;
        let create = r#"mutation { createDatasource(input: { name: "a", type: "webhook" }) { datasource { name } } }"#;
        for (id, query) in [("2", "{ viewer { role } }"), ("3", create), ("4", "{ auditLog { nodes { id } } }"), ("5", "{ nothing }")] {
            socket.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } })).await;
        }
        let mut done = BTreeSet::new();
        while done.len() < 5 {
            let message = socket.message().await;
            let text = message.to_string();
            let expected = match message["id"].as_str().expect("an id") {
                _ if message["type"] == "complete" => continue,
                "1" => "CREATED",
                "2" => "OPERATOR",
                "3" => r#""name":"a""#,
                "4" => "FORBIDDEN",
                _ => "VALIDATION_FAILED",
            };
            assert!(text.contains(expected), "{expected}: {text}");
            done.insert(message["id"].to_string());
        }
    }

    /// One answer, and then the end is said.
    async fn a_query_may_be_answered_as_server_sent_events(server: TestServer) {
        let viewer = server.viewer();
        let request = viewer.http.post(format!("{}/graphql", viewer.url)).bearer_auth(&viewer.token);
        let request = request.header("accept", "text/event-stream").json(&json!({ "query": "{ viewer { role } }" }));
        let text = request.send().await.expect("an answer").text().await.expect("text");
        assert!(text.contains(r#"data: {"data":{"viewer":{"role":"VIEWER"}}}"#) && text.contains("event: complete"), "{text}");
    }

    async fn too_many_states_at_once_are_refused(server: TestServer) {
        let query = "subscription($ids: [ID!]!) { datasourceStates(ids: $ids) { datasourceId } }";
        let ids: Vec<_> = (0..201).map(|_| uuid::Uuid::now_v7()).collect();
        let mut socket = Socket::subscribe(&server.viewer(), query, json!({ "ids": ids })).await;
        assert_eq!(socket.error_code().await, "VALIDATION_FAILED");
    }

    /// A reader that was far away catches up in chunks, and filters do not lose its place.
    async fn a_long_absence_is_caught_up_with(server: TestServer) {
        let id = server.operator().webhook("orders", open_webhook(json!({}))).await;
        let sql = server.database.sql().await;
        let payload = if server.database.url.is_some() { "'{}'::jsonb" } else { "'{}'" };
        let copies = format!(
            "WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 1203)
             INSERT INTO datasource_events (org_id, seq, project_id, datasource_id, event_type, actor, payload, created_at)
             SELECT e.org_id, n.i, e.project_id, e.datasource_id,
                 CASE WHEN n.i % 400 = 3 THEN 'restart' ELSE 'test_run' END, e.actor, {payload}, e.created_at
             FROM n, datasource_events e WHERE e.seq = 1"
        );
        sql.run(&copies).await;
        sql.run("UPDATE orgs SET event_seq = 1203 WHERE org_id = 'acme'").await;

        let mut all = Socket::subscribe(&server.viewer(), ALL, json!({ "after": encode_cursor(&0) })).await;
        for expected in 1..=1203 {
            assert_eq!(all.next().await["datasourceEvents"]["id"], expected.to_string());
        }
        let query = "subscription($id: ID) { datasourceEvents(id: $id, types: [RESTARTED], after: \"MA\") { id } }";
        let mut few = Socket::subscribe(&server.viewer(), query, json!({ "id": id })).await;
        for expected in [3, 403, 803, 1203] {
            assert_eq!(few.next().await["datasourceEvents"]["id"], expected.to_string());
        }
    }
}

/// One socket is one client: it gets its share and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_takes_so_many_operations_at_a_time() {
    let server = TestServer::start(Kind::Sqlite).await;
    let mut socket = Socket::connect(&server.viewer()).await;
    let subscribe = |id: usize| json!({ "id": id.to_string(), "type": "subscribe", "payload": { "query": ALL } });
    for id in 0..=100 {
        socket.send(subscribe(id)).await;
    }
    let refusal = socket.message().await;
    assert_eq!((&refusal["id"], refusal["type"].as_str()), (&json!("100"), Some("next")), "{refusal}");
    assert!(refusal.to_string().contains("RATE_LIMITED"), "{refusal}");
    assert_eq!(socket.message().await, json!({ "type": "complete", "id": "100" }));
    socket.send(json!({ "id": "7", "type": "complete" })).await;
    assert_eq!(socket.message().await, json!({ "type": "complete", "id": "7" }));
    socket.send(json!({ "id": "200", "type": "subscribe", "payload": { "query": "{ viewer { role } }" } })).await;
    assert_eq!(socket.message().await["payload"]["data"]["viewer"]["role"], "VIEWER");
}

/// What waits for its reader holds nothing that others need, and is not waited for without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_keeps_nobody_from_the_database() {
    let server = TestServer::start_with(Kind::Sqlite, &["--request-timeout", "3s"]).await;
    server.operator().webhook("orders", open_webhook(json!({}))).await;
    let sql = server.database.sql().await;
    sql.run(
        "WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 1003)
         INSERT INTO datasource_events (org_id, seq, project_id, datasource_id, event_type, actor, payload, created_at)
         SELECT e.org_id, n.i, e.project_id, e.datasource_id, 'test_run', e.actor, '{}', e.created_at
         FROM n, datasource_events e WHERE e.seq = 1",
    )
    .await;
    sql.run("UPDATE orgs SET event_seq = 1003 WHERE org_id = 'acme'").await;
    let wide: String = (0..25).map(|i| format!("a{i}: createdAt ")).collect();
    let query = format!("subscription {{ datasourceEvents(after: \"MA\") {{ {wide} }} }}");
    let mut socket = Socket::connect(&server.viewer()).await;
    for id in 0..100 {
        socket.send(json!({ "id": id.to_string(), "type": "subscribe", "payload": { "query": query } })).await;
    }
    for _ in 0..20 {
        assert_eq!(
            server.viewer().data("{ datasources { totalCount } }", json!({})).await["datasources"]["totalCount"],
            1
        );
        let ready = server.http.get(format!("{}/health/ready", server.url)).send().await.expect("an answer");
        assert_eq!(ready.status(), 200);
    }
    eventually("the socket of who does not read is closed", || async {
        let open = server.metric("graphql_streams_open").await.expect("a gauge");
        (open == 0.0).then_some(())
    })
    .await;
}
