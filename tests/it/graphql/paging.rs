//! Lists whose rows are equal in what they are sorted by, and lists that change while they are read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::Client;
use crate::on_both_databases;

const PAGE: &str = "query($o: DatasourceOrderInput, $f: DatasourceFilterInput,
        $first: Int, $after: String, $last: Int, $before: String) {
    datasources(orderBy: $o, filter: $f, first: $first, after: $after, last: $last, before: $before) {
        nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn page(client: &Client, variables: Value) -> (Vec<String>, Value) {
    let mut data = client.data(PAGE, variables).await;
    let nodes = data["datasources"]["nodes"].as_array().expect("nodes");
    let names = nodes.iter().map(|n| n["name"].as_str().expect("a name").to_owned()).collect();
    (names, data["datasources"]["pageInfo"].take())
}

/// Every page from the first to the last, `size` rows each.
async fn forward(client: &Client, order: &Value, size: usize) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let (names, info) = page(client, json!({ "o": order, "first": size, "after": after })).await;
        assert_eq!(info["hasPreviousPage"], !after.is_null(), "{info}");
        all.extend(names);
        if info["hasNextPage"] == false {
            return all;
        }
        after = info["endCursor"].clone();
    }
}

/// Every page from the last to the first.
async fn backward(client: &Client, order: &Value, size: usize) -> Vec<String> {
    let (mut all, mut before) = (Vec::new(), Value::Null);
    loop {
        let (names, info) = page(client, json!({ "o": order, "last": size, "before": before })).await;
        assert_eq!(info["hasNextPage"], !before.is_null(), "{info}");
        all.splice(0..0, names);
        if info["hasPreviousPage"] == false {
            return all;
        }
        before = info["startCursor"].clone();
    }
}

async fn create(client: &Client, name: &str) {
    client.mutate("createDatasource", json!({ "name": name, "type": "webhook" }), "datasource { id }").await;
}

on_both_databases! {
    /// The id settles equal values, so that no row is on two pages and none on no page.
    async fn equal_rows_are_on_exactly_one_page(server: TestServer) {
        let admin = server.admin();
        for i in 0..11 {
            create(&admin, &format!("feed {i:02}")).await;
        }
        // All of one moment, and of two projects with one name each.
        let sql = server.database.sql().await;
        sql.run("UPDATE datasources SET created_at = (SELECT min(created_at) FROM datasources)").await;
        sql.run("UPDATE datasources SET updated_at = (SELECT min(updated_at) FROM datasources)").await;
        sql.close().await;
        for project in ["red", "blue"] {
            let input = json!({ "name": "feed 05", "type": "webhook", "project": project });
            admin.mutate("createDatasource", input, "datasource { id }").await;
        }
        for field in ["NAME", "CREATED_AT", "UPDATED_AT"] {
            for direction in ["ASC", "DESC"] {
                let order = json!({ "field": field, "direction": direction });
                let (whole, _) = page(&admin, json!({ "o": order, "first": 200 })).await;
                assert_eq!(whole.len(), 13);
                for size in [1, 2, 5, 13, 14] {
                    assert_eq!(forward(&admin, &order, size).await, whole, "{field} {direction} by {size}");
                    assert_eq!(backward(&admin, &order, size).await, whole, "{field} {direction} back by {size}");
                }
            }
        }
    }

    /// What was there when the reading began is read once, whatever is added meanwhile.
    async fn rows_that_are_added_meanwhile_disturb_no_reader(server: TestServer) {
        let admin = server.admin();
        let old: Vec<_> = (0..12).map(|i| format!("old {i:02}")).collect();
        for name in &old {
            create(&admin, name).await;
        }
        let writer = tokio::spawn({
            let operator = server.operator();
            async move {
                for i in 0..40 {
                    // Before, between and after the old ones in the order of names.
                    let place = ["a", "old 05", "z"][i % 3];
                    create(&operator, &format!("{place} new {i}")).await;
                }
            }
        });
        loop {
            let over = writer.is_finished();
            for field in ["NAME", "CREATED_AT", "UPDATED_AT"] {
                for direction in ["ASC", "DESC"] {
                    let order = json!({ "field": field, "direction": direction });
                    for all in [forward(&admin, &order, 3).await, backward(&admin, &order, 3).await] {
                        let distinct: BTreeSet<_> = all.iter().collect();
                        assert_eq!(distinct.len(), all.len(), "{field} {direction}: a row came twice: {all:?}");
                        assert!(old.iter().all(|n| distinct.contains(n)), "{field} {direction}: an old row is missing: {all:?}");
                    }
                }
            }
            if over {
                break;
            }
        }
        writer.await.expect("the writer ends well");
    }

    async fn a_cursor_of_another_order_is_refused(server: TestServer) {
        let admin = server.admin();
        for name in ["one", "two", "three"] {
            create(&admin, name).await;
        }
        let (_, info) = page(&admin, json!({ "o": { "field": "NAME", "direction": "ASC" }, "first": 1 })).await;
        for (field, direction) in [("NAME", "DESC"), ("CREATED_AT", "ASC")] {
            let order = json!({ "field": field, "direction": direction });
            for cursor in ["after", "before"] {
                let mut variables = json!({ "o": order });
                variables[cursor] = info["endCursor"].clone();
                let answer = admin.send(PAGE, variables).await;
                let error = &answer["errors"][0]["extensions"];
                assert_eq!(error["code"], "VALIDATION_FAILED", "{answer}");
                assert_eq!(error["problems"][0]["pointer"], format!("/{cursor}"), "{answer}");
            }
        }
    }

    async fn nothing_makes_an_empty_page(server: TestServer) {
        let admin = server.admin();
        let empty = json!({ "hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null });
        assert_eq!(page(&admin, json!({})).await, (vec![], empty.clone()));
        create(&admin, "only").await;
        let (names, info) = page(&admin, json!({ "first": 0 })).await;
        assert_eq!((names.len(), &info["hasNextPage"]), (0, &json!(true)));
        let nobody = json!({ "f": { "owner": "nobody" } });
        assert_eq!(page(&admin, nobody).await, (vec![], empty));
    }
}
