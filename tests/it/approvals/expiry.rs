//! A request that nobody acted on in time.

use serde_json::json;

use super::{approve, ask, ask_for_secret, code, events, guarded, let_expire, open, person, policy, shown, status};
use crate::harness::{Kind, TestServer, eventually};
use crate::on_both_databases;

on_both_databases! {
    /// The moment counts, not when somebody looks: housekeeping comes by once in a while only.
    async fn what_is_over_is_over_at_once(server: TestServer) {
        let (bob, eve) = (person(&server, "bob", "operator"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        let (agreed, open) = (open(&bob, "doors").await, open(&bob, "lifts").await);
        let (one, two) = (ask(&bob, &agreed).await, ask(&bob, &open).await);
        approve(&eve, &one).await;
        let_expire(&server).await;
        assert_eq!(code(&eve, "publishDatasource", json!({ "id": agreed })).await, "APPROVAL_REQUIRED");
        assert_eq!(code(&eve, "approveVersion", json!({ "id": two })).await, "CONFLICT");
        assert_eq!((status(&bob, &agreed, &one).await, status(&bob, &open, &two).await), ("EXPIRED".into(), "EXPIRED".into()));
        assert_eq!(shown(&bob, &agreed, 1).await, json!({ "approval": "NOT_REQUIRED", "approvedBy": null }));
        let inbox = "query($in: [ApprovalStatus!]) { approvals(filter: { status: $in }) { nodes { id } } }";
        let found = eve.data(inbox, json!({ "in": ["PENDING", "APPROVED"] })).await;
        assert_eq!(found["approvals"]["nodes"], json!([]));
        let found = eve.data(inbox, json!({ "in": ["EXPIRED"] })).await;
        assert_eq!(found["approvals"]["nodes"], json!([{ "id": two }, { "id": one }]), "newest first");
        // It makes room for the next.
        let again = ask(&bob, &open).await;
        approve(&eve, &again).await;
        assert_eq!(code(&eve, "publishDatasource", json!({ "id": open })).await, "");
    }
}

async fn housekeeping_forgets(kind: Kind) {
    let server = TestServer::start_with(kind, &["--housekeeping-interval", "100ms"]).await;
    let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
    policy(&server, json!({ "publish": true, "secretChange": true })).await;
    let (id, other) = (guarded(&ada, "guarded").await, open(&ada, "doors").await);
    let secret = ask_for_secret(&ada, &id, "hook_token", "never").await;
    ask(&ada, &other).await;
    assert_eq!(shown(&ada, &other, 1).await["approval"], "PENDING");
    let_expire(&server).await;
    let sql = server.database.sql().await;
    eventually("the value is gone", || async {
        let kept = "SELECT count(*) FROM datasource_secrets WHERE ciphertext IS NOT NULL";
        (sql.number(kept).await == 0).then_some(())
    })
    .await;
    sql.close().await;
    eventually("both are told", || async {
        let told = [events(&ada, &id).await, events(&ada, &other).await];
        let expired = |told: &Vec<String>| told.iter().filter(|event| *event == "APPROVAL_EXPIRED").count();
        (told.iter().map(expired).collect::<Vec<_>>() == [1, 1]).then_some(())
    })
    .await;
    assert_eq!(shown(&ada, &other, 1).await["approval"], "NOT_REQUIRED");
    assert_eq!(code(&eve, "approveVersion", json!({ "id": secret })).await, "CONFLICT");
    let audit = "{ auditLog(filter: { action: \"approval_expired\" }) { nodes { actor } } }";
    let audit = eve.data(audit, json!({})).await["auditLog"]["nodes"].take();
    assert_eq!(audit, json!([{ "actor": "system:housekeeping" }, { "actor": "system:housekeeping" }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_waited_in_vain_is_gone_on_sqlite() {
    housekeeping_forgets(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_waited_in_vain_is_gone_on_postgres() {
    housekeeping_forgets(Kind::Postgres).await;
}
