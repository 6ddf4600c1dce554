//! Files obey the policy.

use serde_json::json;

use super::{approve, ask, person, policy};
use crate::gitops::{import, put, webhook};
use crate::on_both_databases;

on_both_databases! {
    async fn an_import_publishes_what_was_agreed_to_or_what_the_policy_excepts(server: TestServer) {
        let eve = person(&server, "eve", "admin");
        policy(&server, json!({ "publish": true })).await;
        let tree = tempfile::tempdir().expect("a directory");
        // Nobody could have agreed to the first content.
        put(tree.path(), "first.yaml", webhook("first", "of all"));
        let bootstrap = import(&server.database, tree.path(), &[]).await;
        assert_eq!((bootstrap.code, bootstrap.actions()), (Some(0), json!({ "first": "create" })), "{}", bootstrap.err);
        let live = "{ datasources(orderBy: { field: NAME }) { nodes { name currentVersion { version } } } }";
        let first = json!({ "name": "first", "currentVersion": { "version": 1 } });
        assert_eq!(eve.data(live, json!({})).await["datasources"]["nodes"], json!([first]));

        put(tree.path(), "second.yaml", webhook("second", "refused"));
        for mode in ["bootstrap", "sync"] {
            let refused = import(&server.database, tree.path(), &["--mode", mode]).await;
            assert_eq!(refused.actions()["second"], "failed", "{}", refused.out);
            let why = refused.report()["items"].to_string();
            assert!(why.contains("publish: false") && why.contains("approval"), "{why}");
        }
        assert_eq!(eve.data(live, json!({})).await["datasources"]["nodes"], json!([first]), "nothing of it is left");

        // As a draft, to which somebody agrees, and which the tree may then publish.
        put(tree.path(), "second.yaml", webhook("second", "refused").replace("publish: true", "publish: false"));
        let drafted = import(&server.database, tree.path(), &["--mode", "sync"]).await;
        assert_eq!(drafted.actions()["second"], "create", "{}", drafted.out);
        let items = drafted.report()["items"].as_array().expect("items").clone();
        let id = items.iter().find(|item| item["name"] == "second").expect("it")["id"].as_str().expect("an id").to_owned();
        let request = ask(&person(&server, "bob", "operator"), &id).await;
        approve(&eve, &request).await;
        put(tree.path(), "second.yaml", webhook("second", "refused"));
        let published = import(&server.database, tree.path(), &["--mode", "sync"]).await;
        assert_eq!(published.actions()["second"], "update", "{}", published.out);

        policy(&server, json!({ "publish": true, "importsExempt": true })).await;
        put(tree.path(), "third.yaml", webhook("third", "excepted"));
        let excepted = import(&server.database, tree.path(), &["--mode", "sync"]).await;
        assert_eq!(excepted.actions()["third"], "create", "{}", excepted.out);
        let names = ["first", "second", "third"].map(|name| json!({ "name": name, "currentVersion": { "version": 1 } }));
        assert_eq!(eve.data(live, json!({})).await["datasources"]["nodes"], json!(names));
    }
}
