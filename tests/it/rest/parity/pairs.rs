//! What is compared: an operation of GraphQL, with the names that REST has, and its equal in REST.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::server::open_webhook;

pub struct Pair {
    pub graphql: &'static str,
    /// The `operationId`.
    pub rest: &'static str,
    pub query: &'static str,
    pub variables: fn(&str) -> Value,
    /// Where in `data` the result is.
    pub result: &'static str,
    pub call: fn(&str) -> (Method, String, Value),
    /// Where in the answer the result is.
    pub found: &'static str,
    /// What is done to the datasource before.
    pub prepare: &'static [&'static str],
    /// Whether nothing changes by itself between the two questions.
    pub exact: bool,
}

pub const BASE: Pair = Pair {
    graphql: "",
    rest: "",
    query: "",
    variables: |id| json!({ "id": id }),
    result: "",
    call: |_| (Method::GET, String::new(), Value::Null),
    found: "",
    prepare: &[],
    exact: true,
};

/// The fields of a datasource, by REST's names. `current` and `published` hold what REST spells out otherwise.
macro_rules! datasource {
    () => {
        "id name type description ownerId: owner orgId: org projectId: project team category tags status revision managedBy \
         webhookPath createdAt createdBy updatedAt updatedBy archivedAt \
         publishedVersion: currentVersion { version state config checksum summary: comment createdBy approval publishedBy }"
    };
}

macro_rules! version {
    () => {
        "id version state config checksum connectorSchemaVersion summary: comment approval approvedBy approvedAt \
         createdAt createdBy publishedAt publishedBy"
    };
}

macro_rules! secret {
    () => {
        "key version createdAt createdBy rotatedAt rotatedBy reference usedBy { version state secretVersion }"
    };
}

macro_rules! audit {
    () => {
        "datasourceId action actor sourceAddress requestId reason outcome field oldValue newValue createdAt prevHash hash"
    };
}

/// `mutation { name(input: $input) { datasource { … } } }`.
macro_rules! change {
    ($name:literal, $input:literal) => {
        change!($name, $input, "datasource", datasource!())
    };
    ($name:literal, $input:literal, $field:literal, $($fields:tt)+) => {
        concat!("mutation($input: ", $input, "!) { ", $name, "(input: $input) { ", $field, " { ", $($fields)+, " } } }")
    };
}

fn get(id: &str, path: &str) -> (Method, String, Value) {
    (Method::GET, format!("/api/v1/datasources/{id}{path}"), Value::Null)
}

fn post(id: &str, path: &str, body: Value) -> (Method, String, Value) {
    (Method::POST, format!("/api/v1/datasources/{id}{path}"), body)
}

fn action(id: &str) -> Value {
    json!({ "input": { "id": id, "reason": "parity" } })
}

fn reason() -> Value {
    json!({ "reason": "parity" })
}

fn config() -> Value {
    open_webhook(json!({ "other": "$.other" }))
}

/// Names are unique in a project.
fn fresh() -> String {
    uuid::Uuid::now_v7().to_string()
}

pub const PAIRS: &[Pair] = &[
    Pair {
        graphql: "Query.datasource",
        rest: "datasource",
        query: concat!("query($id: ID!) { datasource(id: $id) { ", datasource!(), " } }"),
        result: "/datasource",
        call: |id| get(id, ""),
        // The registry may report the worker in between, which shows as a status.
        exact: false,
        ..BASE
    },
    Pair {
        graphql: "Query.datasource",
        rest: "datasourceState",
        query: "query($id: ID!) { datasource(id: $id) { state { desired checkpoint } } }",
        result: "/datasource/state",
        call: |id| get(id, "/state"),
        ..BASE
    },
    Pair {
        graphql: "Query.datasource",
        rest: "datasourceSecrets",
        query: concat!("query($id: ID!) { datasource(id: $id) { secrets { ", secret!(), " } } }"),
        result: "/datasource/secrets",
        call: |id| get(id, "/secrets"),
        ..BASE
    },
    Pair {
        graphql: "Query.datasource",
        rest: "datasourceVersions",
        query: concat!("query($id: ID!) { datasource(id: $id) { versions(first: 2) { nodes { ", version!(), " } } } }"),
        result: "/datasource/versions/nodes",
        call: |id| get(id, "/versions?limit=2"),
        ..BASE
    },
    Pair {
        graphql: "Query.datasources",
        rest: "datasources",
        query: "query($search: String) { datasources(filter: { search: $search }, orderBy: { field: NAME }, first: 5) {
            nodes { id name type description tags ownerId: owner revision createdAt } } }",
        variables: |_| json!({ "search": "datasources graphql" }),
        result: "/datasources/nodes",
        call: |_| (Method::GET, "/api/v1/datasources?search=datasources+graphql&sort=name&limit=5".into(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Query.datasourceVersion",
        rest: "datasourceVersion",
        query: concat!("query($id: ID!) { datasourceVersion(id: $id, version: 2) { ", version!(), " } }"),
        result: "/datasourceVersion",
        call: |id| get(id, "/versions/2"),
        ..BASE
    },
    Pair {
        graphql: "Query.datasourceVersionDiff",
        rest: "datasourceVersionDiff",
        query: "query($id: ID!) { datasourceVersionDiff(id: $id, from: 1, to: 3) { from to changes { op path old new } } }",
        result: "/datasourceVersionDiff",
        call: |id| get(id, "/versions/1/diff/3"),
        ..BASE
    },
    Pair {
        graphql: "Query.datasourceEvents",
        rest: "datasourceEvents",
        query: "query($id: ID!) { datasourceEvents(id: $id, types: [PUBLISHED, VERSION_CREATED], first: 3) {
            nodes { datasourceId version actor payload createdAt } } }",
        result: "/datasourceEvents/nodes",
        call: |id| get(id, "/events?type=publish&type=version_created&limit=3"),
        ..BASE
    },
    Pair {
        graphql: "Query.datasourceMetrics",
        rest: "datasourceMetrics",
        query: "query($id: ID!) { datasourceMetrics(id: $id, window: \"1h\") { name unit value window } }",
        result: "/datasourceMetrics",
        call: |id| get(id, "/metrics?window=1h"),
        ..BASE
    },
    Pair {
        graphql: "Query.datasourceSamples",
        rest: "datasourceSamples",
        query: "query($id: ID!) { datasourceSamples(id: $id) { name payload createdAt createdBy } }",
        result: "/datasourceSamples",
        call: |id| get(id, "/samples"),
        ..BASE
    },
    Pair {
        graphql: "Query.datasourceMetadata",
        rest: "datasourceMetadata",
        query: "query($id: ID!) { datasourceMetadata(id: $id) { datasourceId ownerId: owner team category tags revision } }",
        result: "/datasourceMetadata",
        call: |id| get(id, "/metadata"),
        ..BASE
    },
    Pair {
        graphql: "Query.datasourceMetadataAudit",
        rest: "datasourceMetadataAudit",
        query: concat!("query($id: ID!) { datasourceMetadataAudit(id: $id, first: 3) { nodes { ", audit!(), " } } }"),
        result: "/datasourceMetadataAudit/nodes",
        call: |id| get(id, "/metadata/audit?limit=3"),
        ..BASE
    },
    Pair {
        graphql: "Query.auditLog",
        rest: "auditLog",
        query: concat!(
            "query($id: ID!) { auditLog(filter: { datasourceId: $id, action: \"publish\" }, first: 3) { nodes { ",
            audit!(),
            " } } }"
        ),
        result: "/auditLog/nodes",
        call: |id| (Method::GET, format!("/api/v1/audit-log?datasourceId={id}&action=publish&limit=3"), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Query.connectorTypes",
        rest: "connectorTypes",
        query: "{ connectorTypes { name title description schemaVersion configSchema sample } }",
        result: "/connectorTypes",
        call: |_| (Method::GET, "/api/v1/connector-types".into(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Query.sinkTypes",
        rest: "sinkTypes",
        query: "{ sinkTypes { name title description configSchema } }",
        result: "/sinkTypes",
        call: |_| (Method::GET, "/api/v1/sink-types".into(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Query.validateConfig",
        rest: "validateConfig",
        query: "query($config: JSON!) { validateConfig(type: \"webhook\", config: $config) { pointer message } }",
        variables: |_| json!({ "config": { "connector": { "type": "webhook" }, "colour": "red" } }),
        result: "/validateConfig",
        call: |_| {
            let body = json!({ "config": { "connector": { "type": "webhook" }, "colour": "red" } });
            (Method::POST, "/api/v1/connector-types/webhook/validate".into(), body)
        },
        found: "/problems",
        ..BASE
    },
    Pair {
        graphql: "Query.viewer",
        rest: "viewer",
        query: "{ viewer { subject role orgId: org projects expiresAt permissions quotas { name limit used } } }",
        result: "/viewer",
        call: |_| (Method::GET, "/api/v1/viewer".into(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.createDatasource",
        rest: "createDatasource",
        query: change!("createDatasource", "CreateDatasourceInput"),
        variables: |_| {
            let input = json!({ "name": fresh(), "type": "webhook", "owner": "ada", "project": "sensors", "team": "t",
                "category": "c", "tags": ["b", "a"], "description": "d", "config": config(), "comment": "first" });
            json!({ "input": input })
        },
        result: "/createDatasource/datasource",
        call: |_| {
            let body = json!({ "name": fresh(), "type": "webhook", "ownerId": "ada", "projectId": "sensors", "team": "t",
                "category": "c", "tags": ["b", "a"], "description": "d", "config": config(), "comment": "first" });
            (Method::POST, "/api/v1/datasources".into(), body)
        },
        ..BASE
    },
    Pair {
        graphql: "Mutation.updateDatasource",
        rest: "updateDatasource",
        query: change!("updateDatasource", "UpdateDatasourceInput"),
        variables: |id| json!({ "input": { "id": id, "description": "d", "reason": "parity" } }),
        result: "/updateDatasource/datasource",
        call: |id| {
            let body = json!({ "description": "d", "reason": "parity" });
            (Method::PUT, format!("/api/v1/datasources/{id}"), body)
        },
        ..BASE
    },
    Pair {
        graphql: "Mutation.updateDatasource",
        rest: "patchDatasource",
        query: change!("updateDatasource", "UpdateDatasourceInput"),
        // Of a live datasource this is an admin's.
        variables: |id| json!({ "input": { "id": id, "description": "d", "team": "t", "tags": ["b", "a"], "category": null } }),
        result: "/updateDatasource/datasource",
        call: |id| {
            let body = json!({ "description": "d", "team": "t", "tags": ["b", "a"], "category": null });
            (Method::PATCH, format!("/api/v1/datasources/{id}"), body)
        },
        ..BASE
    },
    Pair {
        graphql: "Mutation.updateDatasourceMetadata",
        rest: "updateDatasourceMetadata",
        query: change!(
            "updateDatasourceMetadata",
            "UpdateDatasourceMetadataInput",
            "datasource",
            "ownerId: owner team category tags revision"
        ),
        variables: |id| json!({ "input": { "id": id, "owner": "ada", "team": "t", "tags": ["b", "a"], "reason": "parity" } }),
        result: "/updateDatasourceMetadata/datasource",
        call: |id| {
            let body = json!({ "ownerId": "ada", "team": "t", "tags": ["b", "a"], "reason": "parity" });
            (Method::PATCH, format!("/api/v1/datasources/{id}/metadata"), body)
        },
        ..BASE
    },
    Pair {
        graphql: "Mutation.archiveDatasource",
        rest: "archiveDatasource",
        query: change!("archiveDatasource", "ArchiveDatasourceInput"),
        variables: action,
        result: "/archiveDatasource/datasource",
        call: |id| (Method::DELETE, format!("/api/v1/datasources/{id}?reason=parity"), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.restoreDatasource",
        rest: "restoreDatasource",
        query: change!("restoreDatasource", "DatasourceActionInput"),
        variables: action,
        result: "/restoreDatasource/datasource",
        call: |id| post(id, "/restore", reason()),
        prepare: &["archive"],
        ..BASE
    },
    Pair {
        graphql: "Mutation.cloneDatasource",
        rest: "cloneDatasource",
        query: change!(
            "cloneDatasource",
            "CloneDatasourceInput",
            "datasource",
            "type description ownerId: owner projectId: project team tags status revision createdBy"
        ),
        variables: |id| json!({ "input": { "id": id, "name": fresh(), "project": "copies", "version": 1 } }),
        result: "/cloneDatasource/datasource",
        call: |id| post(id, "/clone", json!({ "name": fresh(), "projectId": "copies", "version": 1 })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.createDatasourceVersion",
        rest: "createDatasourceVersion",
        query: change!("createDatasourceVersion", "CreateDatasourceVersionInput", "version", version!()),
        variables: |id| json!({ "input": { "id": id, "config": config(), "comment": "next" } }),
        result: "/createDatasourceVersion/version",
        call: |id| post(id, "/versions", json!({ "config": config(), "comment": "next" })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.publishDatasource",
        rest: "publishDatasource",
        query: change!("publishDatasource", "PublishDatasourceInput"),
        variables: |id| json!({ "input": { "id": id, "version": 3, "comment": "parity" } }),
        result: "/publishDatasource/datasource",
        call: |id| post(id, "/publish", json!({ "version": 3, "comment": "parity" })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.rollbackDatasource",
        rest: "rollbackDatasource",
        query: change!("rollbackDatasource", "RollbackDatasourceInput"),
        variables: |id| json!({ "input": { "id": id, "targetVersion": 1, "comment": "parity", "repinSecrets": true } }),
        result: "/rollbackDatasource/datasource",
        call: |id| post(id, "/rollback", json!({ "targetVersion": 1, "comment": "parity", "repinSecrets": true })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.testDatasource",
        rest: "testDatasource",
        query: "mutation($input: TestDatasourceInput!) { testDatasource(input: $input) { run { success version payload
            outputs { id kind data } errors { record code path message } warnings logs diff { op path old new } } } }",
        variables: |id| json!({ "input": { "id": id, "version": 3, "sample": "one" } }),
        result: "/testDatasource/run",
        call: |id| post(id, "/test", json!({ "version": 3, "sample": "one" })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.startDatasource",
        rest: "startDatasource",
        query: change!("startDatasource", "DatasourceActionInput"),
        variables: action,
        result: "/startDatasource/datasource",
        call: |id| post(id, "/start", reason()),
        prepare: &["stop"],
        ..BASE
    },
    Pair {
        graphql: "Mutation.stopDatasource",
        rest: "stopDatasource",
        query: change!("stopDatasource", "DatasourceActionInput"),
        variables: action,
        result: "/stopDatasource/datasource",
        call: |id| post(id, "/stop", reason()),
        ..BASE
    },
    Pair {
        graphql: "Mutation.restartDatasource",
        rest: "restartDatasource",
        query: change!("restartDatasource", "DatasourceActionInput"),
        variables: action,
        result: "/restartDatasource/datasource",
        call: |id| post(id, "/restart", reason()),
        ..BASE
    },
    Pair {
        graphql: "Mutation.setDatasourceSecret",
        rest: "setDatasourceSecret",
        query: change!("setDatasourceSecret", "SetDatasourceSecretInput", "secret", secret!()),
        variables: |id| json!({ "input": { "id": id, "key": "spare", "value": "another", "reason": "parity" } }),
        result: "/setDatasourceSecret/secret",
        call: |id| post(id, "/secrets", json!({ "key": "spare", "value": "another", "reason": "parity" })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.deleteDatasourceSecret",
        rest: "deleteDatasourceSecret",
        query: change!("deleteDatasourceSecret", "DeleteDatasourceSecretInput", "secret", secret!()),
        variables: |id| json!({ "input": { "id": id, "key": "spare", "force": true, "reason": "parity" } }),
        result: "/deleteDatasourceSecret/secret",
        call: |id| {
            (Method::DELETE, format!("/api/v1/datasources/{id}/secrets/spare?force=true&reason=parity"), Value::Null)
        },
        ..BASE
    },
    Pair {
        graphql: "Mutation.repinDatasourceSecrets",
        rest: "repinDatasourceSecrets",
        query: change!("repinDatasourceSecrets", "DatasourceActionInput"),
        variables: action,
        result: "/repinDatasourceSecrets/datasource",
        call: |id| post(id, "/repin-secrets", reason()),
        ..BASE
    },
    Pair {
        graphql: "Query.registry",
        rest: "registry",
        query: "query { registry { nodes { name role version alive } } }",
        variables: |_| json!({}),
        result: "/registry/nodes",
        call: |_| (Method::GET, "/api/v1/registry".to_owned(), Value::Null),
        found: "/nodes",
        ..BASE
    },
    Pair {
        graphql: "Query.deadLetters",
        rest: "deadLetters",
        query: "query($id: ID!) { deadLetters(id: $id, filter: { version: 1 }) { nodes { id payload } } }",
        result: "/deadLetters/nodes",
        call: |id| get(id, "/dead-letters?version=1"),
        ..BASE
    },
    Pair {
        graphql: "Mutation.discardDeadLetters",
        rest: "discardDeadLetters",
        query: "mutation($input: DiscardDeadLettersInput!) { discardDeadLetters(input: $input) { discarded } }",
        variables: action,
        result: "/discardDeadLetters",
        call: |id| post(id, "/dead-letters/discard", reason()),
        ..BASE
    },
    Pair {
        graphql: "Query.datasourceJobs",
        rest: "datasourceJobs",
        query: "query($id: ID!) { datasourceJobs(id: $id, first: 2) { nodes { id status } } }",
        result: "/datasourceJobs/nodes",
        call: |id| get(id, "/jobs?limit=2"),
        ..BASE
    },
    Pair {
        graphql: "Mutation.backfillDatasource",
        rest: "backfillDatasource",
        query: "mutation($input: BackfillDatasourceInput!) { backfillDatasource(input: $input) {
            job { input version createdBy cancelRequested } } }",
        variables: |id| json!({ "input": { "id": id, "range": { "file": "none.jsonl" }, "reason": "parity" } }),
        result: "/backfillDatasource/job",
        call: |id| post(id, "/backfill", json!({ "range": { "file": "none.jsonl" }, "reason": "parity" })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.checkDatasource",
        rest: "checkDatasource",
        query: "mutation($input: CheckDatasourceInput!) { checkDatasource(input: $input) {
            success version steps { name success code message } } }",
        variables: |id| json!({ "input": { "id": id, "version": 1 } }),
        result: "/checkDatasource",
        call: |id| post(id, "/check", json!({ "version": 1 })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.setDatasourceLogLevel",
        rest: "setDatasourceLogLevel",
        query: change!("setDatasourceLogLevel", "SetDatasourceLogLevelInput"),
        variables: |id| json!({ "input": { "id": id, "level": "DEBUG", "duration": "1m", "reason": "parity" } }),
        result: "/setDatasourceLogLevel/datasource",
        call: |id| post(id, "/log-level", json!({ "level": "debug", "duration": "1m", "reason": "parity" })),
        ..BASE
    },
    Pair {
        graphql: "Query.encryptionKeys",
        rest: "encryptionKeys",
        query: "query { encryptionKeys { provider masterKey } }",
        variables: |_| json!({}),
        result: "/encryptionKeys",
        call: |_| (Method::GET, "/api/v1/keys".to_owned(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.retireKeys",
        rest: "retireKeys",
        query: "mutation($input: RetireKeysInput!) { retireKeys(input: $input) { retired } }",
        variables: |_| json!({ "input": reason() }),
        result: "/retireKeys",
        call: |_| (Method::POST, "/api/v1/keys/retire".to_owned(), reason()),
        ..BASE
    },
    // The last one: a rotation goes on for a moment, and who retires keys has to wait for its end.
    Pair {
        graphql: "Mutation.rotateKeys",
        rest: "rotateKeys",
        query: "mutation($input: RotateKeysInput!) { rotateKeys(input: $input) { rotation { reason createdBy } } }",
        variables: |_| json!({ "input": { "kind": "MASTER_KEY", "reason": "parity" } }),
        result: "/rotateKeys/rotation",
        call: |_| (Method::POST, "/api/v1/keys/rotate".to_owned(), json!({ "kind": "master_key", "reason": "parity" })),
        ..BASE
    },
];
