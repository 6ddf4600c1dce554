//! What verification finds, and what signs a chain.

use serde_json::json;

use super::{audit, broken, public_key, report, signed_twice, verify};
use crate::harness::server::open_webhook;
use crate::harness::{Kind, TestServer, eventually};
use crate::on_both_databases;

on_both_databases! {
    async fn what_is_new_is_signed_when_the_server_stops(server: TestServer) {
        let database = signed_twice(server).await;
        let whole = verify(&database);
        assert_eq!((&whole["ok"], &whole["checkpoints"]), (&json!(true), &json!(2)), "{whole}");
        assert_eq!((&whole["from"], &whole["signedTo"]), (&json!(1), &whole["to"]), "{whole}");
        // Nothing new: nothing to sign.
        let database = TestServer::on(database, &[]).await.stop().await;
        assert_eq!(verify(&database), whole);
        let said = audit(&database, &["verify", "--org", "acme"]);
        assert!(String::from_utf8_lossy(&said.stdout).contains("intact: entries 1 to"), "{said:?}");
        let nobody = audit(&database, &["verify", "--org", "nobody", "--json"]);
        assert_eq!((nobody.status.success(), nobody.stdout.len()), (false, 0), "{nobody:?}");
        let said = String::from_utf8_lossy(&nobody.stderr);
        assert!(said.contains("nobody") && said.contains("not found"), "{said}");
    }

    async fn a_log_that_nobody_signed_is_not_called_intact(server: TestServer) {
        let database = signed_twice(server).await;
        let signed = audit(&database, &["verify", "--org", "acme", "--require-signed"]);
        assert!(signed.status.success(), "{signed:?}");
        let sql = database.sql().await;
        sql.disarm().await;
        sql.run("DELETE FROM audit_checkpoints").await;
        for (more, succeeds) in [(None, true), (Some("--require-signed"), false)] {
            let args: Vec<_> = ["verify", "--org", "acme"].into_iter().chain(more).collect();
            let output = audit(&database, &args);
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.starts_with("NOT SIGNED") && !said.contains("intact"), "{said}");
            assert_eq!(output.status.success(), succeeds, "{said}");
        }
        // Where not even entries are left, the head of the chain still tells of them.
        sql.run("DELETE FROM audit_entries").await;
        assert_eq!(broken(&verify(&database)).0, "truncated");
        sql.close().await;
    }

    async fn each_way_to_spoil_the_log_is_told_with_its_place(server: TestServer) {
        let database = signed_twice(server).await;
        let sql = database.sql().await;
        sql.disarm().await;
        let last = sql.number("SELECT max(seq) FROM audit_entries WHERE org_id = 'acme'").await;
        let first_signed = sql.number("SELECT min(seq) FROM audit_checkpoints").await;
        let whole = verify(&database);
        for (spoil, mend, kind, at) in [
            (
                "UPDATE audit_entries SET actor = 'nobody' WHERE seq = 3",
                "UPDATE audit_entries SET actor = 'admin@acme' WHERE seq = 3",
                "changed", 3,
            ),
            (
                "UPDATE audit_entries SET new_value = 'null ' WHERE seq = 3",
                "UPDATE audit_entries SET new_value = 'null' WHERE seq = 3",
                "changed", 3,
            ),
            (
                "UPDATE audit_entries SET seq = 100 WHERE seq = 4",
                "UPDATE audit_entries SET seq = 4 WHERE seq = 100",
                "missing", 4,
            ),
            (
                "UPDATE audit_entries SET seq = CASE seq WHEN 2 THEN -3 WHEN 3 THEN -2 END WHERE seq IN (2, 3);
                 UPDATE audit_entries SET seq = -seq WHERE seq < 0",
                "UPDATE audit_entries SET seq = CASE seq WHEN 2 THEN -3 WHEN 3 THEN -2 END WHERE seq IN (2, 3);
                 UPDATE audit_entries SET seq = -seq WHERE seq < 0",
                "reordered", 2,
            ),
            (
                "UPDATE audit_checkpoints SET previous = 1 WHERE previous = 0",
                "UPDATE audit_checkpoints SET previous = 0 WHERE previous = 1",
                "checkpoint", first_signed,
            ),
            (
                "UPDATE orgs SET audit_seq = audit_seq + 1",
                "UPDATE orgs SET audit_seq = audit_seq - 1",
                "truncated", last + 1,
            ),
        ] {
            sql.run(spoil).await;
            let found = verify(&database);
            assert_eq!(broken(&found), (kind, at), "{spoil}: {found}");
            sql.run(mend).await;
            assert_eq!(verify(&database), whole, "{mend}");
        }
        // The end is cut off, and the head is made to fit: the last checkpoint remembers.
        let (cut, seq) = (format!("DELETE FROM audit_entries WHERE seq = {last}"), last - 1);
        sql.run(&cut).await;
        sql.run(&format!(
            "UPDATE orgs SET audit_seq = {seq}, audit_head = (SELECT hash FROM audit_entries WHERE seq = {seq})"
        )).await;
        assert_eq!(broken(&verify(&database)), ("truncated", last));
        sql.run(&format!("DELETE FROM audit_entries WHERE seq = {first_signed}")).await;
        assert_eq!(broken(&verify(&database)), ("missing", first_signed));
        sql.close().await;
    }

    async fn a_checkpoint_that_was_taken_out_leaves_a_gap(server: TestServer) {
        let database = signed_twice(server).await;
        let sql = database.sql().await;
        sql.disarm().await;
        let second = sql.number("SELECT max(seq) FROM audit_checkpoints").await;
        sql.run("DELETE FROM audit_checkpoints WHERE previous = 0").await;
        sql.close().await;
        assert_eq!(broken(&verify(&database)), ("checkpoint", second));
    }

    /// Who holds another key signs for another server: that the log brings its key along helps nothing.
    async fn a_signature_counts_only_by_a_key_that_is_known(server: TestServer) {
        let database = signed_twice(server).await;
        let sql = database.sql().await;
        let signed = sql.number("SELECT min(seq) FROM audit_checkpoints").await;
        sql.close().await;
        let other = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";
        let args = ["--audit-signing-key", other, "verify", "--org", "acme", "--json"];
        let verified = report(&audit(&database, &args));
        assert_eq!(broken(&verified), ("unknown_key", signed));
        let key = public_key(&database);
        assert!(verified["break"]["message"].as_str().is_some_and(|m| m.contains(&key)), "it says which: {verified}");
        let trusting = [args.as_slice(), &["--trusted-key", &key]].concat();
        assert_eq!(report(&audit(&database, &trusting))["ok"], true);
    }

    async fn a_log_is_signed_while_the_server_runs(server: TestServer) {
        let server = TestServer::on(server.stop().await, &["--audit-checkpoint-interval", "100ms"]).await;
        server.admin().webhook("orders", open_webhook(json!({}))).await;
        eventually("the log is signed", || async {
            let report = verify(&server.database);
            (report["ok"] == true && report["signedTo"] == report["to"] && report["checkpoints"] != 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_sign_one_chain_without_a_fork() {
    let first = TestServer::start_with(Kind::Postgres, &["--audit-checkpoint-interval", "20ms"]).await;
    let url = first.database.url.clone().expect("a URL");
    let mut beside = crate::harness::Database::create(Kind::Sqlite).await;
    beside.url = Some(url);
    let second = TestServer::on(beside, &["--audit-checkpoint-interval", "20ms"]).await;
    for n in 0..20 {
        let node = if n % 2 == 0 { &first } else { &second };
        node.admin().webhook(&format!("feed {n}"), open_webhook(json!({}))).await;
    }
    second.stop().await;
    let database = first.stop().await;
    let report = verify(&database);
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["signedTo"], report["to"]);
    assert!(report["checkpoints"].as_i64().is_some_and(|n| n > 2), "{report}");
}
