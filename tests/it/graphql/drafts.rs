//! Drafts, names, revisions and lists.

use std::collections::BTreeSet;

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use crate::harness::server::{mutation, open_webhook};
use crate::on_both_databases;

on_both_databases! {
    async fn a_configuration_is_judged_as_a_whole(server: TestServer) {
        let config = json!({
            "connector": { "type": "webhook", "auth": { "type": "github", "secret": "hunter2-literal" }, "colour": "red" },
            "mapping": { "outputs": [{ "kind": "a", "id": "$.[", "fields": { "x": "$..a..b..c" } }],
                         "transform": { "language": "rhai", "source": "let x = ;" } },
            "delivery": { "on_error": "explode", "sink": { "type": "void" } },
            "bogus": 1,
        });
        let input = json!({ "name": "broken", "type": "webhook", "config": config });
        let answer = server.admin().send(&mutation("createDatasource", "datasource { id }"), json!({ "input": input })).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "CONFIG_INVALID");
        let problems = error["extensions"]["problems"].as_array().expect("problems");
        let pointers: BTreeSet<_> = problems.iter().filter_map(|p| p["pointer"].as_str()).collect();
        for pointer in [
            "/bogus", "/connector/colour", "/connector/auth/secret", "/delivery/on_error", "/delivery/sink/type",
            "/mapping/outputs/0/id", "/mapping/outputs/0/fields/x", "/mapping/transform/source",
        ] {
            assert!(pointers.contains(pointer), "{pointer} is missing in {pointers:?}");
        }
        assert!(!answer.to_string().contains("hunter2"), "a literal secret is refused without repeating it");
        let data = server.viewer().data("{ datasources { totalCount } }", json!({})).await;
        assert_eq!(data["datasources"]["totalCount"], 0, "nothing of it was stored");
    }

    async fn a_name_is_taken_until_it_is_archived(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let create = mutation("createDatasource", "datasource { id }");
        let again = json!({ "input": { "name": "orders", "type": "webhook" } });
        assert_eq!(admin.code(&create, again.clone()).await, "CONFLICT");
        server.client(Role::Admin, "globex").data(&create, again.clone()).await;
        admin.mutate("archiveDatasource", json!({ "id": id }), "datasource { archivedAt }").await;
        admin.data(&create, again).await;
        let restore = mutation("restoreDatasource", "datasource { id }");
        assert_eq!(admin.code(&restore, json!({ "input": { "id": id } })).await, "CONFLICT");
    }

    async fn of_many_updates_at_one_revision_one_wins(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let update = mutation("updateDatasource", "datasource { revision }");
        let tries = (0..8).map(|i| {
            let (admin, update, id) = (&admin, &update, &id);
            async move {
                let input = json!({ "id": id, "expectedRevision": 1, "description": format!("by {i}") });
                admin.send(update, json!({ "input": input })).await
            }
        });
        let answers = futures::future::join_all(tries).await;
        let won = answers.iter().filter(|a| a.get("errors").is_none()).count();
        let lost = answers.iter().filter(|a| a["errors"][0]["extensions"]["code"] == "CONFLICT").count();
        assert_eq!((won, lost), (1, 7));
        assert_eq!(admin.state(&id).await["revision"], 2);
    }

    async fn concurrent_drafts_get_consecutive_numbers(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let drafts = (0..10).map(|i| {
            let (admin, id) = (&admin, &id);
            async move {
                let input = json!({ "id": id, "config": open_webhook(json!({ "i": i })) });
                let made = admin.mutate("createDatasourceVersion", input, "version { version }").await;
                made["version"]["version"].as_i64().expect("a number")
            }
        });
        let mut numbers = futures::future::join_all(drafts).await;
        numbers.sort_unstable();
        assert_eq!(numbers, (2..=11).collect::<Vec<_>>());
    }

    async fn at_most_one_version_is_published(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        for i in 0..3 {
            let input = json!({ "id": id, "config": open_webhook(json!({ "i": i })) });
            admin.mutate("createDatasourceVersion", input, "version { version }").await;
        }
        let publish = mutation("publishDatasource", "version { version }");
        let all = (1..=4).map(|version| {
            let (admin, publish, id) = (&admin, &publish, &id);
            async move { admin.send(publish, json!({ "input": { "id": id, "version": version } })).await }
        });
        for answer in futures::future::join_all(all).await {
            assert!(answer.get("errors").is_none(), "each is a draft, so each may go live: {answer}");
        }
        let sql = server.database.sql().await;
        assert_eq!(sql.number("SELECT count(*) FROM datasource_versions WHERE state = 'published'").await, 1);
        // The database itself would refuse a second one.
        let refusal = sql.refusal("UPDATE datasource_versions SET state = 'published'").await;
        assert!(refusal.to_lowercase().contains("unique"), "{refusal}");
        sql.close().await;
    }

    async fn a_clone_starts_as_a_draft_of_its_own(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({ "a": "$.a" }))).await;
        admin.publish(&id).await;
        let selection = "datasource { id name status currentVersion { version } latestVersion { version state checksum } }";
        let copy = admin.mutate("cloneDatasource", json!({ "id": id, "name": "orders 2" }), selection).await;
        let copy = &copy["datasource"];
        assert_eq!((&copy["status"], &copy["currentVersion"]), (&json!("DRAFT"), &Value::Null));
        let query = "query($id: ID!) { datasource(id: $id) { currentVersion { checksum } } }";
        let original = admin.data(query, json!({ "id": id })).await;
        assert_eq!(copy["latestVersion"]["checksum"], original["datasource"]["currentVersion"]["checksum"]);
    }

    /// Pages put together are the whole list, in either direction and in every order.
    async fn pages_make_up_the_list(server: TestServer) {
        let admin = server.admin();
        for i in 0..23 {
            let input = json!({ "name": format!("feed {:02}", (i * 7) % 23), "type": "webhook", "tags": [if i % 2 == 0 { "even" } else { "odd" }] });
            admin.mutate("createDatasource", input, "datasource { id }").await;
        }
        for field in ["NAME", "CREATED_AT", "UPDATED_AT"] {
            for direction in ["ASC", "DESC"] {
                let order = json!({ "field": field, "direction": direction });
                const PAGE: &str = "totalCount edges { node { name } }
                    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";
                let forwards = format!(
                    "query($o: DatasourceOrderInput, $first: Int, $after: String) {{
                        datasources(orderBy: $o, first: $first, after: $after) {{ {PAGE} }} }}"
                );
                let backwards = format!(
                    "query($o: DatasourceOrderInput, $last: Int, $before: String) {{
                        datasources(orderBy: $o, last: $last, before: $before) {{ {PAGE} }} }}"
                );
                let names = |page: &Value| -> Vec<String> {
                    let edges = page["datasources"]["edges"].as_array().expect("edges");
                    edges.iter().map(|e| e["node"]["name"].as_str().expect("a name").to_owned()).collect()
                };
                let whole = names(&admin.data(&forwards, json!({ "o": order, "first": 200 })).await);
                assert_eq!(whole.len(), 23);
                let (mut forward, mut after) = (Vec::new(), Value::Null);
                loop {
                    let page = admin.data(&forwards, json!({ "o": order, "first": 5, "after": after })).await;
                    forward.extend(names(&page));
                    after = page["datasources"]["pageInfo"]["endCursor"].clone();
                    if page["datasources"]["pageInfo"]["hasNextPage"] == false {
                        break;
                    }
                }
                assert_eq!(forward, whole, "{field} {direction}");
                let (mut backward, mut before) = (Vec::new(), Value::Null);
                loop {
                    let page = admin.data(&backwards, json!({ "o": order, "last": 5, "before": before })).await;
                    backward.splice(0..0, names(&page));
                    before = page["datasources"]["pageInfo"]["startCursor"].clone();
                    if page["datasources"]["pageInfo"]["hasPreviousPage"] == false {
                        break;
                    }
                }
                assert_eq!(backward, whole, "{field} {direction}, backwards");
            }
        }
        for (arguments, pointer) in [("first: 201", "/first"), ("first: -1", "/first"), ("first: 1, last: 1", "/last"), ("after: \"x\"", "/after")] {
            let answer = admin.send(&format!("{{ datasources({arguments}) {{ totalCount }} }}"), json!({})).await;
            assert_eq!(answer["errors"][0]["extensions"]["problems"][0]["pointer"], pointer, "{arguments}: {answer}");
        }
    }

    async fn filters_narrow_the_list(server: TestServer) {
        let admin = server.admin();
        for (name, owner, tags) in [("Orders 100%", "ops", json!(["prod", "eu"])), ("orders_eu", "ops", json!(["eu"])), ("Weather \\ wind", "sam", json!([]))] {
            admin.mutate("createDatasource", json!({ "name": name, "type": "webhook", "owner": owner, "tags": tags }), "datasource { id }").await;
        }
        admin.mutate("createDatasource", json!({ "name": "poll", "type": "http_poller", "owner": "sam" }), "datasource { id }").await;
        let found = |filter: Value| {
            let admin = &admin;
            async move {
                let query = "query($f: DatasourceFilterInput) { datasources(filter: $f, orderBy: { field: NAME }) { totalCount nodes { name } } }";
                let data = admin.data(query, json!({ "f": filter })).await;
                let nodes = data["datasources"]["nodes"].as_array().expect("nodes").clone();
                assert_eq!(data["datasources"]["totalCount"], nodes.len());
                nodes.into_iter().map(|n| n["name"].as_str().expect("a name").to_owned()).collect::<BTreeSet<_>>()
            }
        };
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(found(json!({ "search": "ORDERS" })).await, set(&["Orders 100%", "orders_eu"]));
        assert_eq!(found(json!({ "search": "100%" })).await, set(&["Orders 100%"]));
        assert_eq!(found(json!({ "search": "s_e" })).await, set(&["orders_eu"]), "wildcards of the database mean themselves");
        assert_eq!(found(json!({ "search": "\\" })).await, set(&["Weather \\ wind"]));
        assert_eq!(found(json!({ "search": "eu ops" })).await, set(&["Orders 100%", "orders_eu"]), "every word, anywhere");
        assert_eq!(found(json!({ "tag": "eu" })).await, set(&["Orders 100%", "orders_eu"]));
        assert_eq!(found(json!({ "tags": ["eu", "prod"] })).await, set(&["Orders 100%"]));
        assert_eq!(found(json!({ "owner": "sam" })).await, set(&["Weather \\ wind", "poll"]));
        assert_eq!(found(json!({ "type": ["http_poller"] })).await, set(&["poll"]));
        assert_eq!(found(json!({ "status": ["ACTIVE", "ERROR"] })).await, set(&[]));
        assert_eq!(found(json!({ "archived": true })).await, set(&[]));
    }

    async fn another_organisation_does_not_exist(server: TestServer) {
        let id = server.admin().webhook("orders", open_webhook(json!({}))).await;
        server.admin().publish(&id).await;
        let stranger = server.client(Role::Admin, "globex");
        let look = "query($id: ID!) { datasource(id: $id) { name } datasourceVersion(id: $id, version: 1) { version } datasources { totalCount } }";
        let seen = stranger.data(look, json!({ "id": id })).await;
        assert_eq!(seen, json!({ "datasource": null, "datasourceVersion": null, "datasources": { "totalCount": 0 } }));
        for (name, more) in [
            ("updateDatasource", json!({ "name": "mine" })),
            ("archiveDatasource", json!({})),
            ("publishDatasource", json!({})),
            ("rollbackDatasource", json!({})),
            ("stopDatasource", json!({})),
            ("restartDatasource", json!({})),
            ("setDatasourceSecret", json!({ "key": "k", "value": "v" })),
            ("createDatasourceVersion", json!({ "config": open_webhook(json!({})) })),
            ("testDatasource", json!({})),
            ("cloneDatasource", json!({ "name": "copy" })),
        ] {
            let mut input = json!({ "id": id });
            input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            let selection = if name == "testDatasource" { "run { success }" } else { "datasource { id }" };
            assert_eq!(stranger.code(&mutation(name, selection), json!({ "input": input })).await, "NOT_FOUND", "{name}");
        }
        for query in ["query($id: ID!) { datasourceEvents(id: $id) { nodes { id } } }", "query($id: ID!) { datasourceMetrics(id: $id) { name } }"] {
            assert_eq!(stranger.code(query, json!({ "id": id })).await, "NOT_FOUND", "{query}");
        }
    }

    async fn a_token_for_one_project_sees_only_that(server: TestServer) {
        let admin = server.admin();
        for (name, project) in [("a", "red"), ("b", "blue")] {
            admin.mutate("createDatasource", json!({ "name": name, "type": "webhook", "project": project }), "datasource { id }").await;
        }
        let red = server.limited_to(Role::Admin, &["red"]);
        let data = red.data("{ datasources { totalCount nodes { name project } } auditLog(filter: { outcome: SUCCESS }) { nodes { action } } }", json!({})).await;
        assert_eq!(data["datasources"], json!({ "totalCount": 1, "nodes": [{ "name": "a", "project": "red" }] }));
        assert_eq!(data["auditLog"]["nodes"].as_array().map(Vec::len), Some(1));
        let create = mutation("createDatasource", "datasource { project }");
        let outside = json!({ "input": { "name": "c", "type": "webhook", "project": "blue" } });
        assert_eq!(red.code(&create, outside).await, "FORBIDDEN");
        let inside = red.data(&create, json!({ "input": { "name": "c", "type": "webhook" } })).await;
        assert_eq!(inside["createDatasource"]["datasource"]["project"], "red");
    }
}
