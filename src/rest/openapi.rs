//! The OpenAPI 3.1 document: from the handlers, and then what all of them have in common.

use serde_json::{Map, Value, json};
use utoipa::ToSchema as _;
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, RefOr, Schema, Tag};
use utoipa_axum::router::OpenApiRouter;

use super::model::{Problem, ProblemDetail};
use super::{MOUNT, every_route};

const ABOUT: &str = "\
Create, version, test, publish, watch and roll back datasources. The rules are those of the GraphQL API at `/graphql`.

`/datasources` is also served at the root, without `/api/v1`.

Every answer is JSON. Every refusal is `application/problem+json` (RFC 9457) with a stable `code` and the `requestId` \
under which the logs have the request.";

/// Operations that compare `If-Match` with the revision of the datasource.
const CONDITIONAL: [&str; 17] = [
    "saveMetadataItem",
    "deleteMetadataItem",
    "restoreMetadataItem",
    "updateDatasource",
    "patchDatasource",
    "archiveDatasource",
    "createDatasourceVersion",
    "publishDatasource",
    "rollbackDatasource",
    "startDatasource",
    "stopDatasource",
    "restartDatasource",
    "restoreDatasource",
    "repinDatasourceSecrets",
    "updateDatasourceMetadata",
    "rollbackDatasourceMetadata",
    "setGovernanceRules",
];

/// Lists that do not say how many there are in all.
const UNCOUNTED: [&str; 8] = [
    "datasourceEvents",
    "datasourceJobs",
    "auditLog",
    "datasourceMetadataAudit",
    "metadataHistory",
    "governanceViolations",
    "approvals",
    "notificationDeliveries",
];

/// A POST that changes nothing.
const ONLY_ASKS: &str = "validateConfig";
/// Each a POST whose answer is kept nowhere, and so cannot be repeated.
const SHOWN_ONCE: [&str; 3] = ["createApiKey", "createNotificationEndpoint", "rotateNotificationSecret"];

/// What a path names that may not be there.
const OF_ONE: [&str; 9] = ["id", "account", "apiKey", "grant", "approval", "export", "name", "endpoint", "delivery"];

/// Every refusal; `complete` says which operation answers with it.
const REFUSALS: [(u16, &str, &str); 13] = [
    (400, "BadRequest", "What was sent breaks a rule; `problems` says which."),
    (401, "Unauthorized", "No token, or one that is not valid any more."),
    (403, "Forbidden", "The role or the projects of the token do not allow it, or a second person has to agree."),
    (404, "NotFound", "There is none, or not for this caller."),
    (406, "NotAcceptable", "The caller does not take JSON."),
    (409, "Conflict", "The state of the datasource does not allow it."),
    (412, "PreconditionFailed", "The datasource was edited since the caller read it."),
    (413, "ContentTooLarge", "The body is too long."),
    (415, "UnsupportedMediaType", "The body is not JSON."),
    (
        422,
        "UnprocessableContent",
        "The configuration is not valid, a secret is missing, or an Idempotency-Key was used before.",
    ),
    (429, "TooManyRequests", "Too much at once; `Retry-After` says when to come back."),
    (500, "InternalServerError", "A defect; the log has the request id."),
    (
        503,
        "ServiceUnavailable",
        "The database does not answer, or it took too long; `Retry-After` says when to come back.",
    ),
];

/// The document, as `GET /api/openapi.json` and `datasource-studio openapi` give it.
pub fn document() -> Value {
    let router = OpenApiRouter::with_openapi(frame()).nest(MOUNT, every_route());
    let mut document = serde_json::to_value(router.into_openapi()).unwrap_or_default();
    for path in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for (method, operation) in path.as_object_mut().into_iter().flatten() {
            complete(method, operation);
        }
    }
    for schema in document["components"]["schemas"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        always_there(schema);
    }
    for (status, name, about) in REFUSALS {
        document["components"]["responses"][name] = refusal(status, about);
    }
    document
}

fn frame() -> OpenApi {
    let mut info = Info::new("Datasource Studio", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    info.license = Some(utoipa::openapi::License::new("Apache-2.0"));
    let tags = [
        ("datasources", "Create, find, edit and archive."),
        ("versions", "Draft, compare and test configurations."),
        ("lifecycle", "Publish, roll back, start and stop."),
        ("delivery", "Jobs, dead letters, and what workers log."),
        ("secrets", "Values go in and never come out."),
        ("approvals", "A second person for what goes live."),
        ("notifications", "Who is told of changes, and what became of it."),
        ("metadata", "What people say of a datasource, and the rules for that."),
        ("metadata-items", "Templates and saved views."),
        ("history", "What happened, and how it goes."),
        ("keys", "What seals the secrets."),
        ("exports", "Datasources as files, to download."),
        ("registry", "The nodes, and what runs on them."),
        ("access", "Grants, service accounts, their keys, and tokens that end early."),
        ("catalog", "What this server has, and who is asking."),
    ];
    let tags = tags.map(|(name, description)| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    });
    let mut components = Components::new();
    let mut schema = |name: &str, schema: RefOr<Schema>| components.schemas.insert(name.to_owned(), schema);
    schema(&Problem::name(), <Problem as utoipa::PartialSchema>::schema());
    schema(&ProblemDetail::name(), <ProblemDetail as utoipa::PartialSchema>::schema());
    components.add_security_scheme("bearer", bearer());
    OpenApiBuilder::new().info(info).tags(Some(tags)).components(Some(components)).build()
}

fn bearer() -> utoipa::openapi::security::SecurityScheme {
    use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
    let about = "A JSON Web Token with the role that an operation lists, or a higher one: viewer, operator, admin.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(about));
    SecurityScheme::Http(scheme.build())
}

/// Headers and refusals that follow from what an operation is.
fn complete(method: &str, operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let of_one = parameters.iter().any(|p| p["in"] == "path" && OF_ONE.iter().any(|n| p["name"] == *n));
    let listed = parameters.iter().any(|p| p["name"] == "cursor");
    let tagged = operation["responses"].get("304").is_some();
    let (once, conditional) =
        (method == "post" && id != ONLY_ASKS && !SHOWN_ONCE.contains(&id.as_str()), CONDITIONAL.contains(&id.as_str()));
    let has_body = operation.get("requestBody").is_some();
    let detailed = operation["responses"].to_string().contains("DatasourceDetail")
        || ["DatasourceMetadata", "overnanceRules"].iter().any(|name| id.contains(name))
        || operation["responses"].to_string().contains("schemas/MetadataItem\"");

    let mut headers = Vec::new();
    if once {
        headers.push(header(
            "Idempotency-Key",
            "Does the request once, however often it is sent with this key: 1 to 255 visible ASCII characters, kept for a day.",
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]{1,255}$" }),
        ));
    }
    if conditional {
        let about = "The ETag that the caller last saw, or `*`: refused with 412 when somebody changed it meanwhile.";
        let pattern = "^(\\*|\"[0-9]{1,18}-[0-9a-f]{12}\")$";
        headers.push(header("If-Match", about, json!({ "type": "string", "pattern": pattern })));
    }
    if tagged {
        let about = "The ETag that the caller has: answered with 304 when the body is still the same.";
        headers.push(header("If-None-Match", about, json!({ "type": "string" })));
    }
    for content in operation
        .pointer_mut("/requestBody/content")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(Map::values_mut)
    {
        content["example"] = example(&id);
    }
    let all: Vec<_> = parameters.into_iter().chain(headers).collect();
    if !all.is_empty() {
        operation["parameters"] = Value::Array(all);
    }

    let answers = |status: u16| match status {
        404 => of_one,
        409 => once || conditional || method == "delete" || id == "exportContent",
        412 => conditional,
        413 | 415 => has_body,
        422 => once || has_body,
        429 => ["testDatasource", "checkDatasource"].contains(&id.as_str()),
        _ => true,
    };
    for (status, name, _) in REFUSALS.iter().filter(|(status, ..)| answers(*status)) {
        operation["responses"][status.to_string()] = json!({ "$ref": format!("#/components/responses/{name}") });
    }
    let success = ["200", "201"].into_iter().find(|s| operation["responses"].get(s).is_some()).unwrap_or("200");
    let mut replies = Vec::new();
    if success == "201" {
        replies.push(("Location", "Where it is.", json!({ "type": "string" })));
    }
    if detailed && !listed {
        replies.push(("ETag", "The revision and a hash of the body.", json!({ "type": "string" })));
    }
    if listed {
        replies.push(("Link", "The first, the previous and the next page (RFC 8288).", json!({ "type": "string" })));
    }
    if operation["responses"][success].to_string().contains("\"array\"") && !UNCOUNTED.contains(&id.as_str()) {
        replies.push(("X-Total-Count", "How many there are in all.", json!({ "type": "integer", "minimum": 0 })));
    }
    if once {
        replies.push(("Idempotent-Replayed", "`true` when this was done before.", json!({ "type": "string" })));
    }
    for (name, about, schema) in replies {
        operation["responses"][success]["headers"][name] = json!({ "description": about, "schema": schema });
    }
}

/// A body as a client would send it; the lifecycle verbs take a reason, or nothing at all.
fn example(id: &str) -> Value {
    let config = json!({
        "connector": { "type": "webhook", "auth": { "type": "none" } },
        "mapping": { "outputs": [{ "kind": "order", "id": "$.id", "fields": { "total": "$.amount" } }] },
    });
    match id {
        "createDatasource" => json!({ "name": "orders", "type": "webhook", "tags": ["billing"], "config": config }),
        "updateDatasource" => json!({ "description": "All orders", "reason": "It said nothing" }),
        "patchDatasource" => json!({ "description": "All orders", "team": null }),
        "cloneDatasource" => json!({ "name": "orders copy" }),
        "createDatasourceVersion" => json!({ "config": config, "summary": "Reads the amount" }),
        "publishDatasource" => json!({ "version": 1, "comment": "Go live" }),
        "rollbackDatasource" => json!({ "targetVersion": 1, "comment": "Not yet" }),
        "testDatasource" => json!({ "payload": { "id": "A-1", "amount": 12.5 } }),
        "setDatasourceSecret" => json!({ "key": "signing_key", "value": "correct horse", "reason": "It was leaked" }),
        "updateDatasourceMetadata" => json!({ "ownerId": "ada", "tags": ["billing"], "reason": "Moved to billing" }),
        "rollbackDatasourceMetadata" => json!({ "revision": 1, "reason": "The wrong team" }),
        "setGovernanceRules" => json!({ "categories": ["billing", "sensors"], "tags": ["team:*"], "maxTags": 8 }),
        "validateConfig" => json!({ "config": config }),
        "backfillDatasource" => json!({ "range": { "file": "missed.jsonl" }, "reason": "A gap on Monday" }),
        "replayDeadLetters" | "discardDeadLetters" => json!({ "filter": { "errorCodes": ["id_invalid"] } }),
        "editDeadLetter" => json!({ "payload": { "id": "A-1", "amount": 12.5 }, "reason": "The id was missing" }),
        "rotateKeys" => json!({ "kind": "data_key", "reason": "Yearly" }),
        "checkDatasource" => json!({ "version": 1 }),
        "setDatasourceLogLevel" => json!({ "level": "debug", "duration": "10m" }),
        "revokeToken" => json!({ "expiresAt": "2099-01-01T00:00:00Z", "reason": "A laptop was stolen" }),
        "createServiceAccount" => json!({ "name": "ci", "description": "Deploys feeds", "role": "operator" }),
        "setServiceAccountDisabled" => json!({ "disabled": true, "reason": "It is not used any more" }),
        "grantAccess" => {
            json!({ "principalKind": "group", "principal": "billing", "role": "operator", "projectId": "billing" })
        }
        "requestApproval" => json!({ "version": 2, "comment": "Reads the new field" }),
        "approveVersion" => json!({ "comment": "Looks right" }),
        "rejectVersion" => json!({ "comment": "The id is missing" }),
        "withdrawApproval" => json!({ "comment": "Not yet" }),
        "setApprovalPolicy" => json!({ "publish": true, "rollback": true, "approvers": 1, "expiresAfter": "72h" }),
        "createExport" => json!({ "projectId": "billing", "reason": "Before the move" }),
        "saveMetadataItem" => json!({
            "data": { "list": "datasources", "filter": { "tags": ["billing"] } },
            "visibility": "private", "comment": "What billing looks at",
        }),
        "restoreMetadataItem" => json!({ "version": 1, "comment": "The new one shows too much" }),
        "createNotificationEndpoint" => {
            let filter = json!({ "eventTypes": ["publish", "rollback"], "team": "billing" });
            json!({ "url": "https://hooks.example.com/studio", "description": "Team billing", "filter": filter })
        }
        "updateNotificationEndpoint" => json!({ "active": true, "reason": "The receiver is back" }),
        "rotateNotificationSecret" => json!({ "overlap": "24h", "reason": "Yearly" }),
        "recoverNotifications" => json!({ "since": "2026-01-01T00:00:00Z", "reason": "The receiver was down" }),
        "createApiKey" => json!({ "name": "2026", "expiresAt": "2099-01-01T00:00:00Z" }),
        _ => json!({ "reason": "Maintenance" }),
    }
}

fn header(name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema })
}

fn refusal(status: u16, description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let mut refusal =
        json!({ "description": description, "content": { "application/problem+json": { "schema": schema } } });
    let header = match status {
        401 => ("WWW-Authenticate", "How to authenticate: `Bearer`.", json!({ "type": "string" })),
        429 | 503 => ("Retry-After", "In how many seconds to come back.", json!({ "type": "integer", "minimum": 0 })),
        _ => return refusal,
    };
    refusal["headers"][header.0] = json!({ "description": header.1, "schema": header.2 });
    refusal
}

/// What this server sends is whole: a field that may be null is there all the same.
fn always_there(schema: &mut Value) {
    // A body that a client sends names what it takes; that one tells by itself what must be there.
    if schema.get("additionalProperties") == Some(&json!(false)) {
        return;
    }
    for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        always_there(part);
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let names: Vec<_> =
            properties.keys().filter(|name| *name != "problems" || properties.len() == 2).cloned().collect();
        schema["required"] = json!(names);
    }
}
