//! Which edge is allowed, as data.

/// Module below the crate root -> its floor.
pub(super) const FLOORS: &[(&str, u8)] = &[
    ("domain", 0),
    ("mapping", 0),
    ("config", 0),
    ("error", 0),
    ("fault", 0),
    ("store", 1),
    ("auth", 1),
    ("secrets", 1),
    ("telemetry", 1),
    ("egress", 1),
    ("blobs", 1),
    ("rate_limit", 1),
    ("connectors", 2),
    ("sinks", 2),
    ("registry", 2),
    ("app", 3),
    ("graphql", 4),
    ("rest", 4),
    ("console", 4),
    ("server", 5),
    ("cli", 5),
];

/// Edges within a floor; F0 imports itself freely.
const SIDEWAYS: &[(&str, &str)] = &[
    // A write takes a proof that only the policy can make.
    ("store", "auth"),
    ("store", "telemetry"),
    ("auth", "telemetry"),
    ("secrets", "telemetry"),
    // A bucket is of a principal.
    ("rate_limit", "auth"),
    ("rate_limit", "telemetry"),
    // A store of objects is reached like every other system.
    ("blobs", "egress"),
    ("registry", "connectors"),
    ("registry", "sinks"),
    ("cli", "server"),
    // The console hands the same token to its page as GraphiQL does.
    ("console", "graphql"),
];

/// Edges that point down and are refused all the same.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("connectors", "store", "connectors reach checkpoints through their context only"),
    ("connectors", "secrets", "connectors get resolved secrets with their configuration"),
    ("sinks", "store", "sinks reach nothing but their context"),
    ("sinks", "secrets", "sinks get resolved secrets with their configuration"),
    ("graphql", "store", "a transport never touches the database: call a use-case of app"),
    ("rest", "store", "a transport never touches the database: call a use-case of app"),
];

/// Crates that only `src/store` may name.
pub(super) const PERSISTENCE: &[&str] = &["sea_orm", "sea_orm_migration", "sqlx"];

/// Modules that speak SQL to databases other than ours.
pub(super) const FOREIGN_DATABASES: &[[&str; 2]] =
    &[["connectors", "sql"], ["sinks", "postgres"], ["egress", "database"]];

/// Crates that only F4 and above may name.
pub(super) const TRANSPORTS: &[&str] =
    &["async_graphql", "async_graphql_axum", "async_graphql_parser", "axum", "tower_http"];

/// One idea a file; what is longer is two.
pub(super) const MAX_LINES: usize = 500;

pub(super) fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

pub(super) fn no_floor(module: &str) -> String {
    format!("{module} is on no floor: name it in FLOORS of tests/it/layers/rules.rs")
}

/// Why `from` may not import `to`, if it may not.
pub(super) fn edge_rule(from: &str, to: &str) -> Option<String> {
    let own = floor(from)?;
    let Some(other) = floor(to) else { return Some(no_floor(to)) };
    if other > own {
        return Some(format!("{to} is on F{other}, {from} on F{own}; a file imports only floors below its own"));
    }
    if other == own && own > 0 && !SIDEWAYS.contains(&(from, to)) {
        return Some(format!("{from} and {to} are neighbours on F{own}, and no edge between them is agreed"));
    }
    FORBIDDEN.iter().find(|(a, b, _)| (*a, *b) == (from, to)).map(|(_, _, why)| (*why).to_owned())
}
