//! From a draft to delivered records, and back.

use serde_json::json;

use crate::harness::eventually;
use crate::harness::server::open_webhook;
use crate::on_both_databases;

on_both_databases! {
    /// The main job: create, publish, deliver, change without a restart, roll back.
    async fn a_webhook_goes_from_draft_to_delivered_records(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({ "total": "$.amount" }))).await;
        let (status, _) = server.post_hook(&id, &json!({ "id": 1 })).await;
        assert_eq!(status, 404, "a draft takes nothing");

        assert_eq!(admin.publish(&id).await, 1);
        let (status, receipt) = server.post_hook(&id, &json!({ "id": 1, "amount": 5 })).await;
        assert_eq!((status, &receipt["records"]), (202, &json!(1)));

        let config = open_webhook(json!({ "total": "$.amount", "currency": "CHF" }));
        admin.mutate("createDatasourceVersion", json!({ "id": id, "config": config }), "version { version state }").await;
        assert_eq!(admin.publish(&id).await, 2);
        server.post_hook(&id, &json!({ "id": 2, "amount": 6 })).await;

        admin.mutate("rollbackDatasource", json!({ "id": id, "comment": "currency is wrong" }), "version { version }").await;
        admin.running(&id, 1).await;
        server.post_hook(&id, &json!({ "id": 3, "amount": 7 })).await;

        let records = server.delivered("acme", &id);
        let data: Vec<_> = records.iter().map(|r| (r["id"].as_str(), r["version"].as_i64(), r["data"].clone())).collect();
        assert_eq!(data, [
            (Some("1"), Some(1), json!({ "total": 5 })),
            (Some("2"), Some(2), json!({ "total": 6, "currency": "CHF" })),
            (Some("3"), Some(1), json!({ "total": 7 })),
        ]);
        eventually("the counters are reported", || async {
            (admin.state(&id).await["metrics"]["delivered"] == 3).then_some(())
        }).await;
    }

    /// Each rollback goes one version further back; it never returns to what was just left.
    async fn rollbacks_go_back_one_by_one(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({ "v": 1 }))).await;
        admin.publish(&id).await;
        for v in [2, 3] {
            let input = json!({ "id": id, "config": open_webhook(json!({ "v": v })) });
            admin.mutate("createDatasourceVersion", input, "version { version }").await;
            admin.publish(&id).await;
        }
        for expected in [2, 1] {
            let done = admin.mutate("rollbackDatasource", json!({ "id": id }), "version { version }").await;
            assert_eq!(done["version"]["version"], expected);
        }
        let rollback = crate::harness::server::mutation("rollbackDatasource", "version { version }");
        assert_eq!(admin.code(&rollback, json!({ "input": { "id": id } })).await, "CONFLICT");
    }

    /// What gave up on a bad record runs again when somebody starts it.
    async fn a_start_brings_back_what_gave_up(server: TestServer) {
        let admin = server.admin();
        let mut config = open_webhook(json!({ "a": "$.a" }));
        config["delivery"] = json!({ "on_error": "stop" });
        let id = admin.webhook("strict", config).await;
        admin.publish(&id).await;
        let (status, _) = server.post_hook(&id, &json!({ "id": {} })).await;
        assert_eq!(status, 422);
        eventually("it gave up", || async {
            let state = admin.state(&id).await;
            (state["status"] == "ERROR" && state["workerStatus"] == "ERROR").then_some(())
        }).await;
        server.operator().mutate("startDatasource", json!({ "id": id }), "datasource { status }").await;
        admin.running(&id, 1).await;
        assert_eq!(server.post_hook(&id, &json!({ "id": 1, "a": 2 })).await.0, 202);
    }
}
