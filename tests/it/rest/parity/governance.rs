//! What is compared of governance metadata, beside owner, team, category and tags.

use reqwest::Method;
use serde_json::{Value, json};

use super::pairs::{BASE, Pair};

macro_rules! said {
    () => {
        "lifecycle visibility { communities groups } sla { availabilityPercent maxLagSeconds supportTier }
            rateLimit { recordsPerSecond } "
    };
}

fn said() -> Value {
    json!({ "lifecycle": null, "visibility": { "groups": ["b", "a"] }, "sla": { "supportTier": "gold", "maxLagSeconds": 60 },
        "rateLimit": { "recordsPerSecond": 500 } })
}

/// With the state in the words of one side.
fn with(mut more: Value, published: &str) -> Value {
    for (name, value) in said().as_object().expect("an object") {
        more[name] = value.clone();
    }
    more["lifecycle"] = json!(published);
    more
}

fn fresh() -> Value {
    json!({ "name": uuid::Uuid::now_v7(), "type": "webhook" })
}

fn at(id: &str, path: &str) -> String {
    format!("/api/v1/datasources/{id}/metadata{path}")
}

pub const PAIRS: &[Pair] = &[
    Pair {
        graphql: "Query.datasourceMetadata",
        rest: "datasourceMetadata",
        query: concat!("query($id: ID!) { datasourceMetadata(id: $id) { revision ", said!(), "} }"),
        result: "/datasourceMetadata",
        call: |id| (Method::GET, at(id, ""), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.createDatasource",
        rest: "createDatasource",
        query: concat!(
            "mutation($input: CreateDatasourceInput!) { createDatasource(input: $input) { datasource { ",
            said!(),
            "} } }"
        ),
        variables: |_| json!({ "input": with(fresh(), "PUBLISHED") }),
        result: "/createDatasource/datasource",
        call: |_| (Method::POST, "/api/v1/datasources".into(), with(fresh(), "published")),
        ..BASE
    },
    Pair {
        graphql: "Mutation.updateDatasourceMetadata",
        rest: "updateDatasourceMetadata",
        query: concat!(
            "mutation($input: UpdateDatasourceMetadataInput!) { updateDatasourceMetadata(input: $input) { datasource { ",
            said!(),
            "} } }"
        ),
        variables: |id| json!({ "input": with(json!({ "id": id, "reason": "parity" }), "PUBLISHED") }),
        result: "/updateDatasourceMetadata/datasource",
        call: |id| (Method::PATCH, at(id, ""), with(json!({ "reason": "parity" }), "published")),
        ..BASE
    },
    Pair {
        graphql: "Query.metadataHistory",
        rest: "metadataHistory",
        query: concat!(
            "query($id: ID!) { metadataHistory(id: $id, first: 3) { nodes { revision at by reason metadata { revision ",
            said!(),
            "} } } }"
        ),
        result: "/metadataHistory/nodes",
        call: |id| (Method::GET, at(id, "/history?limit=3"), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.rollbackDatasourceMetadata",
        rest: "rollbackDatasourceMetadata",
        query: "mutation($input: RollbackDatasourceMetadataInput!) { rollbackDatasourceMetadata(input: $input) {
            datasource { datasourceId: id ownerId: owner team lifecycle } } }",
        variables: |id| json!({ "input": { "id": id, "revision": 1, "reason": "parity" } }),
        result: "/rollbackDatasourceMetadata/datasource",
        call: |id| (Method::POST, at(id, "/rollback"), json!({ "revision": 1, "reason": "parity" })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.setGovernanceRules",
        rest: "setGovernanceRules",
        query: "mutation($input: SetGovernanceRulesInput!) { setGovernanceRules(input: $input) { rules {
            revision categories tags owners teams maxTags maxRecordsPerSecond updatedBy } } }",
        // Nothing that the other operations do is against it.
        variables: |_| json!({ "input": { "maxTags": 30, "reason": "parity" } }),
        result: "/setGovernanceRules/rules",
        call: |_| (Method::PUT, "/api/v1/governance/rules".into(), json!({ "maxTags": 30, "reason": "parity" })),
        ..BASE
    },
    Pair {
        graphql: "Query.governanceRules",
        rest: "governanceRules",
        query: "{ governanceRules { revision categories tags owners teams maxTags maxRecordsPerSecond updatedAt updatedBy } }",
        result: "/governanceRules",
        call: |_| (Method::GET, "/api/v1/governance/rules".into(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Query.governanceViolations",
        rest: "governanceViolations",
        query: "{ governanceViolations { nodes { datasourceId name projectId: project problems { pointer message } } } }",
        result: "/governanceViolations/nodes",
        call: |_| (Method::GET, "/api/v1/governance/violations".into(), Value::Null),
        ..BASE
    },
];
