//! What an organisation allows, as data that its admins edit.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::{make, metadata, outcome, places, set_rules, update};
use crate::gitops::{import, put, webhook};
use crate::on_both_databases;

const RULES: &str = "{ governanceRules { revision categories tags owners teams maxTags maxRecordsPerSecond
    transitions { from to } required { lifecycle fields } updatedBy } }";

on_both_databases! {
    async fn rules_are_data_with_a_revision_and_a_history(server: TestServer) {
        let (admin, viewer) = (server.admin(), server.viewer());
        let none = viewer.data(RULES, json!({})).await["governanceRules"].take();
        assert_eq!((&none["revision"], &none["categories"], &none["updatedBy"]), (&json!(0), &Value::Null, &Value::Null));
        let steps = json!([
            { "from": "DRAFT", "to": ["PUBLISHED"] },
            { "from": "PUBLISHED", "to": ["DRAFT", "DEPRECATED"] },
            { "from": "DEPRECATED", "to": ["PUBLISHED", "RETIRED"] },
            { "from": "RETIRED", "to": ["DEPRECATED"] },
        ]);
        assert_eq!(none["transitions"], steps);

        let input = json!({
            "categories": ["sensors", "billing", "sensors"], "tags": ["team:*"], "maxTags": 3, "reason": "agreed",
            "required": [{ "lifecycle": "PUBLISHED", "fields": ["TEAM", "CATEGORY"] }], "expectedRevision": 0,
        });
        let set = set_rules(&admin, input.clone()).await;
        assert_eq!(set, json!({ "revision": 1, "categories": ["billing", "sensors"], "maxTags": 3, "updatedBy": "admin@acme" }));
        let (code, _) = outcome(&admin, "setGovernanceRules", input.clone()).await;
        assert_eq!(code, "CONFLICT", "somebody set them since revision 0");
        let mut same = input;
        same.as_object_mut().expect("an object").remove("expectedRevision");
        assert_eq!(set_rules(&admin, same).await["revision"], 1, "nothing changed");
        assert_eq!(set_rules(&admin, json!({ "maxTags": 3 })).await["categories"], Value::Null, "what is left out is no rule");

        let audit = "{ auditLog(filter: { action: \"governance_rules_set\" }) { nodes { field oldValue newValue reason } } }";
        let audit = admin.data(audit, json!({})).await["auditLog"]["nodes"].take();
        let entry = json!({ "field": "governanceRules.maxTags", "oldValue": null, "newValue": 3, "reason": "agreed" });
        assert!(audit.as_array().expect("nodes").contains(&entry), "{audit:#}");

        // For the whole organisation, by an admin of the whole of it; and of no other.
        let other = server.client(Role::Admin, "globex").data(RULES, json!({})).await;
        assert_eq!(other["governanceRules"]["revision"], 0);
        for client in [server.operator(), server.limited_to(Role::Admin, &["default"])] {
            assert_eq!(outcome(&client, "setGovernanceRules", json!({})).await.0, "FORBIDDEN");
        }
        let wrong = json!({
            "categories": [" "], "tags": [""], "maxTags": 33, "maxRecordsPerSecond": 0,
            "transitions": [{ "from": "DRAFT", "to": [] }, { "from": "DRAFT", "to": ["RETIRED"] }],
        });
        let expected = ["/categories/0", "/tags/0", "/maxTags", "/maxRecordsPerSecond", "/transitions/1"];
        assert_eq!(places(&admin, "setGovernanceRules", wrong).await, expected);
    }

    /// Whoever is second is told so, and nothing of the first is lost.
    async fn of_two_who_set_rules_at_once_one_does(server: TestServer) {
        let (one, two) = (server.admin(), server.admin());
        let set = |most: i64| json!({ "maxTags": most, "expectedRevision": 0 });
        let (first, second) = tokio::join!(
            outcome(&one, "setGovernanceRules", set(1)),
            outcome(&two, "setGovernanceRules", set(2)),
        );
        let mut codes = [first.0, second.0];
        codes.sort();
        assert_eq!(codes, ["", "CONFLICT"]);
        assert_eq!(one.data(RULES, json!({})).await["governanceRules"]["revision"], 1);
    }

    async fn every_way_in_is_held_to_the_rules(server: TestServer) {
        let admin = server.admin();
        let old = make(&admin, "old", json!({ "category": "fun" })).await;
        let rules = json!({
            "categories": ["sensors", "billing"], "tags": ["team:*", "eu"], "owners": ["ada", "bob"], "teams": ["doors"],
            "maxTags": 2, "maxRecordsPerSecond": 100, "required": [{ "lifecycle": "PUBLISHED", "fields": ["SLA", "TEAM"] }],
        });
        set_rules(&admin, rules).await;
        let wrong = json!({
            "owner": "eve", "team": "lifts", "category": "games", "tags": ["eu", "team:a", "us"], "lifecycle": "PUBLISHED",
            "rateLimit": { "recordsPerSecond": 101 },
        });
        let expected = ["/owner", "/team", "/category", "/tags/2", "/tags", "/rateLimit/recordsPerSecond", "/sla"];
        for (name, base) in [
            ("createDatasource", json!({ "name": "new", "type": "webhook" })),
            ("updateDatasource", json!({ "id": old })),
            ("updateDatasourceMetadata", json!({ "id": old })),
        ] {
            let mut input = base;
            for (field, value) in wrong.as_object().expect("an object") {
                input[field] = value.clone();
            }
            let (code, problems) = outcome(&admin, name, input).await;
            let found: Vec<_> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
            assert_eq!((code.as_str(), found), ("VALIDATION_FAILED", expected.to_vec()), "{name}");
            let category = &problems[2].1;
            assert!(category.contains("billing, sensors"), "it says what is allowed: {category}");
        }
        // A copy is made anew, by somebody who is no owner, of what is against the rules already.
        assert_eq!(places(&admin, "cloneDatasource", json!({ "id": old, "name": "copy" })).await, ["/owner", "/category"]);
        let good = json!({ "owner": "ada", "team": "doors", "category": "sensors", "tags": ["team:a", "eu"],
            "lifecycle": "PUBLISHED", "sla": { "supportTier": "gold" }, "rateLimit": { "recordsPerSecond": 100 } });
        make(&admin, "good", good).await;

        // A file is told the place, and what is not written does not come to be.
        let tree = tempfile::tempdir().expect("a directory");
        put(tree.path(), "new.yaml", webhook("new", "from a file").replace("spec:", "  owner: eve\n  category: games\nspec:"));
        for mode in ["check", "sync", "bootstrap"] {
            let refused = import(&server.database, tree.path(), &["--mode", mode]).await;
            assert_eq!(refused.actions(), json!({ "new": "refused" }), "{mode}: {}", refused.out);
            let findings = refused.report()["items"][0]["findings"].as_array().expect("findings").clone();
            let places: Vec<_> = findings.iter().map(|f| (&f["pointer"], &f["line"])).collect();
            assert_eq!(places, [(&json!("/metadata/owner"), &json!(6)), (&json!("/metadata/category"), &json!(7))], "{mode}");
        }
        put(tree.path(), "new.yaml", webhook("new", "from a file").replace("spec:", "  owner: ada\n  category: billing\nspec:"));
        let done = import(&server.database, tree.path(), &["--mode", "sync"]).await;
        assert_eq!(done.actions(), json!({ "new": "create" }), "{}", done.out);
    }

    async fn the_lifecycle_goes_by_the_table(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", json!({})).await;
        let to = |state: &str| json!({ "id": id, "lifecycle": state });
        let (code, problems) = outcome(&admin, "updateDatasourceMetadata", to("RETIRED")).await;
        assert_eq!(code, "VALIDATION_FAILED");
        assert_eq!(problems, [("/lifecycle".to_owned(), "cannot be retired after draft; allowed: published".to_owned())]);
        for state in ["PUBLISHED", "DEPRECATED", "PUBLISHED", "DEPRECATED", "RETIRED", "DEPRECATED"] {
            assert_eq!(outcome(&admin, "updateDatasourceMetadata", to(state)).await.0, "", "{state}");
        }
        let own = json!([{ "from": "DEPRECATED", "to": ["DRAFT"] }]);
        set_rules(&admin, json!({ "transitions": own })).await;
        assert_eq!(places(&admin, "updateDatasourceMetadata", to("PUBLISHED")).await, ["/lifecycle"]);
        assert_eq!(outcome(&admin, "updateDatasourceMetadata", to("DRAFT")).await.0, "");
        let (_, problems) = outcome(&admin, "updateDatasourceMetadata", to("PUBLISHED")).await;
        assert!(problems[0].1.contains("nothing follows draft"), "{problems:?}");
    }

    async fn what_breaks_newer_rules_stays_and_is_listed(server: TestServer) {
        let admin = server.admin();
        let mut ids = Vec::new();
        for name in ["a", "b", "c", "d", "e"] {
            ids.push(make(&admin, name, json!({ "category": "fun", "tags": ["x", "y"], "project": "north" })).await);
        }
        make(&admin, "good", json!({ "category": "sensors" })).await;
        let gone = make(&admin, "gone", json!({ "category": "fun" })).await;
        admin.mutate("archiveDatasource", json!({ "id": gone }), "datasource { id }").await;
        set_rules(&admin, json!({ "categories": ["sensors"], "maxTags": 1 })).await;
        // Mended one thing at a time; not made worse.
        assert_eq!(metadata(&admin, &ids[0]).await["category"], "fun");
        update(&admin, &ids[0], json!({ "team": "doors" })).await;
        update(&admin, &ids[0], json!({ "tags": ["y"] })).await;
        assert_eq!(places(&admin, "updateDatasourceMetadata", json!({ "id": ids[1], "tags": ["x", "y", "z"] })).await, ["/tags"]);
        assert_eq!(places(&admin, "updateDatasourceMetadata", json!({ "id": ids[1], "category": "games" })).await, ["/category"]);

        let query = "query($first: Int, $after: String) { governanceViolations(first: $first, after: $after) {
            nodes { datasourceId name project problems { pointer } } pageInfo { hasNextPage endCursor } } }";
        let (mut found, mut after) = (Vec::new(), Value::Null);
        loop {
            let mut page = admin.data(query, json!({ "first": 2, "after": after })).await["governanceViolations"].take();
            found.append(page["nodes"].as_array_mut().expect("nodes"));
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = page["pageInfo"]["endCursor"].take();
        }
        let listed: Vec<_> = found.iter().map(|node| node["datasourceId"].as_str().expect("an id")).collect();
        let mut expected: Vec<_> = ids.iter().map(String::as_str).collect();
        expected.sort_unstable();
        assert_eq!(listed, expected);
        let places = |id: &str| found.iter().find(|node| node["datasourceId"] == id).expect("it")["problems"].clone();
        assert_eq!(places(&ids[0]), json!([{ "pointer": "/category" }]));
        assert_eq!(places(&ids[1]), json!([{ "pointer": "/category" }, { "pointer": "/tags" }]));
        let south = server.limited_to(Role::Admin, &["south"]);
        let none = south.data(query, json!({ "first": 5 })).await;
        assert_eq!(none["governanceViolations"]["nodes"], json!([]), "an admin sees those that they can mend");
        update(&admin, &ids[1], json!({ "category": "sensors", "tags": [] })).await;
        let left = admin.data(query, json!({ "first": 50 })).await;
        assert_eq!(left["governanceViolations"]["nodes"].as_array().map(Vec::len), Some(4));
    }
}
