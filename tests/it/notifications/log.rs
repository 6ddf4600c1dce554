//! What became of messages: tried again, given up, sent again, forgotten; and endpoints that are switched off.

use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{QUICK, audited, becomes, change, messages, settled, shown, test, told, with};
use crate::harness::eventually;
use crate::harness::server::mutation;
use crate::on_both_databases;

/// Two attempts, and then it is given up.
const TWICE: [&str; 2] = ["--notification-retry", "10ms"];

fn days_ago(days: i64) -> String {
    (chrono::Utc::now() - chrono::Duration::days(days)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

on_both_databases! {
    async fn a_failure_is_tried_again_under_the_same_id_until_it_is_given_up(server: TestServer) {
        let server = with(server, &TWICE).await;
        let admin = server.admin();
        let receiver = Receiver::start().await;
        receiver.answers(503);
        let (hook, secret) = told(&admin, &receiver).await;
        let id = test(&admin, &hook).await;
        let failed = becomes(&admin, &hook, "FAILED").await;
        let attempts = failed["attempts"].as_array().expect("attempts");
        assert_eq!(attempts.len(), 2, "{failed}");
        for attempt in attempts {
            assert_eq!(attempt["status"], 503);
            assert_eq!(attempt["response"], "this is 503 Service Unavailable");
            assert!(attempt["error"].as_str().expect("a reason").contains("503"), "{attempt}");
            assert!(attempt["node"].is_string(), "{attempt}");
        }
        assert!(failed["finishedAt"].is_string() && failed["nextAttemptAt"].is_null(), "{failed}");
        let visits = receiver.visits();
        assert_eq!(visits.iter().map(|visit| visit.id()).collect::<Vec<_>>(), [id.clone(), id.clone()]);
        assert!(visits.iter().all(|visit| visit.is_signed_by(&secret)));
        assert_eq!(visits[0].body, visits[1].body, "the same bytes");
        for outcome in ["retried", "given_up"] {
            let series = format!("notifications_total{{outcome=\"{outcome}\"}}");
            eventually("it is counted", || async { (server.metric(&series).await == Some(1.0)).then_some(()) }).await;
        }

        receiver.answers(200);
        let again = json!({ "id": id, "reason": "it is back" });
        let again = admin.mutate("redeliverNotification", again, "delivery { id status }").await;
        assert_eq!(again["delivery"], json!({ "id": id, "status": "PENDING" }));
        let delivered = becomes(&admin, &hook, "DELIVERED").await;
        assert_eq!(delivered["attempts"].as_array().map(Vec::len), Some(3), "the log goes on: {delivered}");
        assert_eq!(receiver.visits().last().expect("a visit").id(), id);
        let entry = &audited(&admin, "notification_redelivered").await[0];
        assert_eq!((&entry["reason"], &entry["newValue"]), (&json!("it is back"), &json!({ "delivery": id })));
    }

    async fn what_was_given_up_since_a_time_is_sent_again(server: TestServer) {
        let server = with(server, &TWICE).await;
        let admin = server.admin();
        let receiver = Receiver::start().await;
        receiver.answers(500);
        let (hook, _) = told(&admin, &receiver).await;
        change(&admin, "orders").await;
        let failed = settled(&server, "acme", &admin, &hook).await;
        assert!(!failed.is_empty() && failed.iter().all(|message| message["status"] == "FAILED"), "{failed:?}");
        receiver.answers(204);
        let recover = |since: String| {
            let (admin, input) = (&admin, json!({ "endpointId": hook, "since": since }));
            async move { admin.mutate("recoverNotifications", input, "recovered").await["recovered"].take() }
        };
        let tomorrow = (chrono::Utc::now() + chrono::Duration::days(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        assert_eq!(recover(tomorrow).await, 0);
        assert_eq!(recover(days_ago(1)).await, failed.len());
        eventually("all are delivered", || async {
            messages(&admin, &hook).await.iter().all(|message| message["status"] == "DELIVERED").then_some(())
        })
        .await;
        assert_eq!(recover(days_ago(1)).await, 0, "what was delivered is not sent again");
    }

    async fn who_is_gone_is_told_nothing_more(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        receiver.answers(410);
        let (hook, _) = told(&admin, &receiver).await;
        test(&admin, &hook).await;
        let failed = becomes(&admin, &hook, "FAILED").await;
        assert_eq!(failed["attempts"].as_array().map(Vec::len), Some(1), "it is not tried again: {failed}");
        let off = eventually("the endpoint is off", || async {
            let endpoint = shown(&admin, &hook).await;
            (endpoint["active"] == false).then_some(endpoint)
        })
        .await;
        assert!(off["disabledReason"].as_str().expect("a reason").contains("410"), "{off}");
        let entry = &audited(&admin, "notification_endpoint_disabled").await[0];
        assert_eq!(entry["actor"], "system:notifications");
        assert_eq!((&entry["oldValue"], &entry["newValue"]), (&json!(true), &json!(false)));
        assert!(entry["field"].as_str().expect("a field").contains(&hook), "{entry}");

        change(&admin, "orders").await;
        let refused = admin.code(&mutation("sendTestNotification", "delivery { id }"), json!({ "input": { "id": hook } })).await;
        assert_eq!(refused, "CONFLICT");
        let on = json!({ "id": hook, "active": true });
        receiver.answers(200);
        let on = admin.mutate("updateNotificationEndpoint", on, "endpoint { active disabledReason failingSince }").await;
        assert_eq!(on["endpoint"], json!({ "active": true, "disabledReason": null, "failingSince": null }));
        eventually("what was missed is told", || async {
            let all = messages(&admin, &hook).await;
            (all.len() >= 2 && all[1..].iter().all(|message| message["status"] == "DELIVERED")).then_some(())
        })
        .await;
        assert!(receiver.visits().len() >= 2);
    }

    async fn an_endpoint_that_fails_for_days_is_switched_off(server: TestServer) {
        let server = with(server, &QUICK).await;
        let admin = server.admin();
        let receiver = Receiver::down();
        let (hook, _) = told(&admin, &receiver).await;
        let fail_since = |days: i64| {
            let (server, at) = (&server, days_ago(days));
            async move {
                let sql = server.database.sql().await;
                sql.run(&format!("UPDATE notification_endpoints SET failing_since = '{at}'")).await;
                sql.close().await;
            }
        };
        fail_since(4).await;
        test(&admin, &hook).await;
        eventually("it was tried", || async { messages(&admin, &hook).await[0]["attempts"][0].is_object().then_some(()) }).await;
        assert_eq!(shown(&admin, &hook).await["active"], true, "four days are no five");
        fail_since(6).await;
        let off = eventually("the endpoint is off", || async {
            let endpoint = shown(&admin, &hook).await;
            (endpoint["active"] == false).then_some(endpoint)
        })
        .await;
        assert!(off["disabledReason"].as_str().expect("a reason").contains("5d"), "{off}");
        assert_eq!(audited(&admin, "notification_endpoint_disabled").await.len(), 1);
    }

    async fn old_messages_are_forgotten(server: TestServer) {
        let server = with(server, &["--housekeeping-interval", "100ms"]).await;
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, _) = told(&admin, &receiver).await;
        test(&admin, &hook).await;
        let new = test(&admin, &hook).await;
        eventually("both are delivered", || async {
            messages(&admin, &hook).await.iter().all(|message| message["status"] == "DELIVERED").then_some(())
        })
        .await;
        let sql = server.database.sql().await;
        // The newer one first: the older one may be gone before the second statement.
        for (order, days) in [("DESC", 29), ("ASC", 31)] {
            let (at, one) = (days_ago(days), format!("SELECT id FROM notification_deliveries ORDER BY id {order} LIMIT 1"));
            sql.run(&format!("UPDATE notification_deliveries SET finished_at = '{at}' WHERE id = ({one})")).await;
        }
        eventually("the old one is gone", || async {
            let ids: Vec<Value> = messages(&admin, &hook).await.into_iter().map(|mut message| message["id"].take()).collect();
            (ids == [json!(new)]).then_some(())
        })
        .await;
        assert_eq!(sql.number("SELECT count(*) FROM notification_attempts").await, 1, "its attempts went with it");
        sql.close().await;
    }

    async fn an_endpoint_goes_with_all_that_is_its_own(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, _) = told(&admin, &receiver).await;
        test(&admin, &hook).await;
        becomes(&admin, &hook, "DELIVERED").await;
        admin.mutate("deleteNotificationEndpoint", json!({ "id": hook, "reason": "over" }), "endpoint { id }").await;
        let sql = server.database.sql().await;
        for table in ["endpoints", "secrets", "deliveries", "attempts"] {
            let left = sql.number(&format!("SELECT count(*) FROM notification_{table}")).await;
            assert_eq!(left, 0, "{table}");
        }
        sql.close().await;
        assert_eq!(audited(&admin, "notification_endpoint_deleted").await[0]["reason"], "over");
    }
}
