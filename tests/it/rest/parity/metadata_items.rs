//! What is compared of templates and saved views.

use reqwest::Method;
use serde_json::{Value, json};

use super::pairs::{BASE, Pair};

/// The fields of an item, by REST's names.
macro_rules! item {
    () => {
        "name type data version checksum source layer shadows active ownerId: owner visibility tags revision createdAt
         createdBy updatedAt updatedBy"
    };
}

fn view(name: &str) -> Value {
    json!({ "list": "datasources", "filter": { "tags": ["parity"] }, "title": name })
}

pub const PAIRS: &[Pair] = &[
    Pair {
        graphql: "Query.metadataItemTypes",
        rest: "metadataItemTypes",
        query: "query { metadataItemTypes { type title description schema } }",
        variables: |_| json!({}),
        result: "/metadataItemTypes",
        call: |_| (Method::GET, "/api/v1/metadata".to_owned(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Query.metadataItems",
        rest: "metadataItems",
        query: concat!(
            "query { metadataItems(type: SAVED_VIEW, filter: { search: \"attention fails\" }, first: 1) { nodes { ",
            item!(),
            " } } }"
        ),
        variables: |_| json!({}),
        result: "/metadataItems/nodes",
        call: |_| {
            let path = "/api/v1/metadata/saved_view?search=attention+fails&limit=1";
            (Method::GET, path.to_owned(), Value::Null)
        },
        ..BASE
    },
    Pair {
        graphql: "Query.metadataItem",
        rest: "metadataItem",
        query: concat!("query { metadataItem(type: CONNECTOR_TEMPLATE, name: \"generic-webhook\") { ", item!(), " } }"),
        variables: |_| json!({}),
        result: "/metadataItem",
        call: |_| (Method::GET, "/api/v1/metadata/connector_template/generic-webhook".to_owned(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.saveMetadataItem",
        rest: "saveMetadataItem",
        query: concat!(
            "mutation($input: SaveMetadataItemInput!) { saveMetadataItem(input: $input) { item { ",
            item!(),
            " } } }"
        ),
        variables: |id| {
            let input = json!({ "type": "SAVED_VIEW", "name": id, "data": view("mine"), "tags": ["b", "a"] });
            json!({ "input": input })
        },
        result: "/saveMetadataItem/item",
        call: |id| {
            let body = json!({ "data": view("mine"), "tags": ["b", "a"] });
            (Method::PUT, format!("/api/v1/metadata/saved_view/{id}"), body)
        },
        ..BASE
    },
];

/// `metadata_items::rest` compares what they do to an item that is there. Here, that none is not found.
pub const ABSENT: &[Pair] = &[
    Pair {
        graphql: "Query.metadataItemVersions",
        rest: "metadataItemVersions",
        query: "query { metadataItemVersions(type: SAVED_VIEW, name: \"none\") { nodes { version } } }",
        variables: |_| json!({}),
        call: |_| (Method::GET, "/api/v1/metadata/saved_view/none/versions".to_owned(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.deleteMetadataItem",
        rest: "deleteMetadataItem",
        query: "mutation($input: DeleteMetadataItemInput!) { deleteMetadataItem(input: $input) { item { name } } }",
        variables: |_| json!({ "input": { "type": "SAVED_VIEW", "name": "none" } }),
        call: |_| (Method::DELETE, "/api/v1/metadata/saved_view/none".to_owned(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.restoreMetadataItem",
        rest: "restoreMetadataItem",
        query: "mutation($input: RestoreMetadataItemInput!) { restoreMetadataItem(input: $input) { item { name } } }",
        variables: |_| json!({ "input": { "type": "SAVED_VIEW", "name": "none", "version": 1 } }),
        call: |_| (Method::POST, "/api/v1/metadata/saved_view/none/restore".to_owned(), json!({ "version": 1 })),
        ..BASE
    },
];
