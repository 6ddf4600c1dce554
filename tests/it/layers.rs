//! The floors of `src/lib.rs`, enforced: a file imports only floors below its own.
//!
//! Sources are read as tokens, not as items, so that a path counts wherever it stands:
//! in a `use`, an expression, a type, an attribute, a macro body or `#[cfg(test)]` code.

use std::fs;
use std::path::{Path, PathBuf};

mod paths;
mod rules;

use paths::{Found, find_paths};
use rules::{FOREIGN_DATABASES, MAX_LINES, PERSISTENCE, TRANSPORTS, edge_rule, floor, no_floor};

const ROOT_CRATE: &str = "datasource_studio";

#[test]
fn every_file_keeps_to_its_floor() {
    let files = sources("src");
    assert!(files.len() >= rules::FLOORS.len(), "src/ was not found; the test runs from the root of the package");
    let violations: Vec<_> = files.iter().flat_map(|(path, source)| check(path, source)).collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn migrations_stand_alone() {
    let violations: Vec<_> =
        sources("migration/src").iter().flat_map(|(path, source)| check_migration(path, source)).collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_floor_has_its_module() {
    for (name, _) in rules::FLOORS {
        let there = [format!("src/{name}.rs"), format!("src/{name}/mod.rs")].iter().any(|p| Path::new(p).exists());
        assert!(there, "FLOORS in tests/it/layers/rules.rs names {name:?}, which src/ does not have: remove it there");
    }
}

/// All that is wrong with one file of `src/`.
fn check(path: &str, source: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let lines = source.lines().count();
    if lines > MAX_LINES {
        violations.push(format!("{path}: {lines} lines; a file has at most {MAX_LINES}: split it by verb"));
    }
    let module = module_of(path);
    if let Some(name) = module.first().filter(|name| floor(name).is_none()) {
        violations.push(format!("{path}: {}", no_floor(name)));
        return violations;
    }
    match find_paths(source, &module) {
        Ok(found) => violations.extend(found.iter().filter_map(|f| judge(path, &module, f))),
        Err(error) => violations.push(format!("{path}: is not Rust: {error}")),
    }
    violations
}

fn check_migration(path: &str, source: &str) -> Vec<String> {
    let found = match find_paths(source, &module_of(path)) {
        Ok(found) => found,
        Err(error) => return vec![format!("{path}: is not Rust: {error}")],
    };
    let roots = found.iter().filter(|f| f.segments[0] == ROOT_CRATE);
    roots
        .map(|f| {
            format!("{path}:{}: migration -> {ROOT_CRATE}: a migration must not change when the code does", f.line)
        })
        .collect()
}

fn judge(path: &str, module: &[String], found: &Found) -> Option<String> {
    // The crate root only declares modules, and wires them in main.rs.
    let from = module.first().map_or("server", String::as_str);
    let (to, rule) = match resolve(found) {
        Target::Module(to) if module.is_empty() || to == from => return None,
        Target::Module(to) => {
            let rule = edge_rule(from, &to)?;
            (to, rule)
        }
        Target::Root => (
            "the crate root".to_owned(),
            "name the module (crate::domain::…), so that the edge can be seen; no glob or alias of the root".to_owned(),
        ),
        Target::Extern(name) => {
            let rule = extern_rule(from, found)?;
            (name, rule)
        }
    };
    Some(format!("{path}:{}: {from} -> {to} ({}): {rule}", found.line, found.segments.join("::")))
}

fn extern_rule(from: &str, found: &Found) -> Option<String> {
    let name = found.segments[0].as_str();
    // What speaks to databases of other people has nothing to do with ours.
    let foreign = FOREIGN_DATABASES.iter().any(|place| found.module.iter().map(String::as_str).take(2).eq(*place));
    if PERSISTENCE.contains(&name) && from != "store" && !foreign {
        return Some("only src/store and the migration crate know the database".to_owned());
    }
    let own = floor(from)?;
    // The header types of a push request are axum's.
    let headers = from == "connectors" && name == "axum" && found.segments.get(1).is_some_and(|s| s == "http");
    // What talks HTTP is tested against a server of its own.
    let test_server = (own == 2 || from == "egress") && found.module.iter().any(|m| m == "tests" || m == "testing");
    if TRANSPORTS.contains(&name) && own < 4 && !headers && !test_server {
        return Some("transports live on F4 and above; floors below speak of domain types".to_owned());
    }
    None
}

enum Target {
    /// A module directly below the crate root.
    Module(String),
    Root,
    /// Another crate, or a name that is in scope by a `use` that was judged itself.
    Extern(String),
}

fn resolve(found: &Found) -> Target {
    let mut at: Vec<&str> = found.module.iter().map(String::as_str).collect();
    let mut rest = found.segments.iter().map(String::as_str).peekable();
    match rest.next() {
        Some("crate" | ROOT_CRATE) => at.clear(),
        Some("self") => {}
        Some("super") => {
            at.pop();
            while rest.next_if_eq(&"super").is_some() {
                at.pop();
            }
        }
        first => return Target::Extern(first.unwrap_or_default().to_owned()),
    }
    at.extend(rest);
    match at.first() {
        None | Some(&"*" | &"self") => Target::Root,
        Some(name) => Target::Module((*name).to_owned()),
    }
}

/// `src/store/mod.rs` and `src/store.rs` are `[store]`, `src/store/events.rs` is `[store, events]`.
fn module_of(path: &str) -> Vec<String> {
    let inner = path.split_once("src/").map_or(path, |(_, inner)| inner).trim_end_matches(".rs");
    let mut module: Vec<_> = inner.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || module.len() == 1 && (last == "lib" || last == "main")) {
        module.pop();
    }
    module
}

/// Every `.rs` file under a folder of the package, by its path from there.
fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path: PathBuf = entry.expect("a folder entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
                files.push((name, fs::read_to_string(&path).expect("a readable source")));
            }
        }
    }
    files.sort();
    files
}

mod the_checker {
    use super::*;

    /// The one violation of a source, without its place.
    #[track_caller]
    fn refused(path: &str, source: &str, edge: &str) {
        let found = check(path, source);
        assert!(found.len() == 1 && found[0].contains(edge), "{path}: {source:?} should give {edge:?}: {found:?}");
    }

    #[track_caller]
    fn accepted(path: &str, source: &str) {
        assert_eq!(check(path, source), Vec::<String>::new(), "{path}: {source:?}");
    }

    #[test]
    fn refuses_an_upward_edge_wherever_it_stands() {
        for source in [
            "use crate::app::App;",
            "pub use crate::app as a;",
            "use crate::{domain::{Role, Scope}, app::{version::Draft}};",
            "use {crate::app::App, std::fmt};",
            "fn f() { crate::app::run(); }",
            "fn f(app: &crate::app::App) {}",
            "impl From<crate::app::App> for u8 {}",
            "fn f() -> Vec<u8> { vec![crate::app::one()] }",
            "macro_rules! m { () => { $crate::app::one() } }",
            "#[derive(crate::app::Derive)] struct S;",
            "use super::app::App;",
            "mod inner { use super::super::app::App; }",
            "#[cfg(test)] mod tests { use crate::app::App; }",
            "fn f() { datasource_studio::app::run() }",
        ] {
            refused("src/store/mod.rs", source, "store -> app");
        }
    }

    #[test]
    fn names_file_line_edge_and_rule() {
        let found = check("src/domain/x.rs", "//! A\n\nuse crate::{\n    error::Error,\n    store::Db,\n};\n");
        assert_eq!(
            found,
            ["src/domain/x.rs:5: domain -> store (crate::store::Db): \
              store is on F1, domain on F0; a file imports only floors below its own"]
        );
    }

    #[test]
    fn accepts_the_way_down_and_the_own_module() {
        accepted("src/app/version.rs", "use crate::{auth::Actor, domain::Role, registry::Registry, store::Db};");
        accepted("src/app/version.rs", "use super::App; use crate::app::App; use self::inner::X; mod inner {}");
        accepted("src/app/mod.rs", "mod tests { use super::*; }");
        accepted("src/mapping/mod.rs", "use crate::{config::NodeRole, domain::Role, error::Result};");
        accepted("src/main.rs", "fn main() { datasource_studio::cli::main() }");
    }

    #[test]
    fn knows_the_edges_between_neighbours() {
        accepted(
            "src/registry/pipeline.rs",
            "use crate::{connectors::Source, sinks::Sink, store::Db, secrets::Cipher};",
        );
        accepted("src/store/mod.rs", "use crate::{auth::Authorized, telemetry::Metrics};");
        refused("src/auth/jwt.rs", "use crate::store::Db;", "auth -> store");
        refused("src/connectors/webhook.rs", "use crate::registry::Pipeline;", "connectors -> registry");
        refused("src/connectors/webhook.rs", "use crate::sinks::Sink;", "connectors -> sinks");
        refused("src/sinks/jsonl.rs", "use crate::store::Db;", "sinks -> store");
        refused("src/connectors/egress.rs", "use crate::secrets::Cipher;", "connectors -> secrets");
        refused("src/graphql/mod.rs", "use crate::rest::Router;", "graphql -> rest");
        refused("src/rest/hooks.rs", "use crate::store::Db;", "rest -> store");
    }

    #[test]
    fn keeps_the_database_in_the_store() {
        accepted("src/store/entity/version.rs", "use sea_orm::entity::prelude::*;");
        refused("src/app/mod.rs", "use sea_orm::DbErr;", "app -> sea_orm");
        refused("src/server.rs", "async fn f() { sqlx::query(\"select 1\"); }", "server -> sqlx");
        refused("src/main.rs", "use sqlx;", "server -> sqlx");
        refused("src/rest/mod.rs", "#[derive(sea_orm::FromQueryResult)] struct Row;", "rest -> sea_orm");
    }

    #[test]
    fn keeps_transports_above() {
        accepted("src/rest/mod.rs", "use axum::Router;");
        accepted("src/connectors/mod.rs", "use axum::http::HeaderMap;");
        accepted("src/connectors/egress/tests.rs", "use axum::Router;");
        accepted("src/connectors/egress.rs", "#[cfg(test)] mod tests { use axum::Router; }");
        refused("src/app/tests.rs", "use axum::Router;", "app -> axum");
        refused("src/connectors/mod.rs", "use axum::Router;", "connectors -> axum");
        refused("src/registry/mod.rs", "use axum::http::HeaderMap;", "registry -> axum");
        refused("src/domain/enums.rs", "#[derive(async_graphql::Enum)] enum E { A }", "domain -> async_graphql");
    }

    #[test]
    fn refuses_what_would_hide_an_edge() {
        refused("src/store/mod.rs", "use crate::*;", "store -> the crate root");
        refused("src/store/mod.rs", "use crate as root;", "store -> the crate root");
        refused("src/store/mod.rs", "use super::*;", "store -> the crate root");
        refused("src/store/mod.rs", "use crate::{self as root};", "store -> the crate root");
        refused("src/store/mod.rs", "use crate::helpers::x;", "helpers is on no floor");
        refused("src/helpers/mod.rs", "fn f() {}", "helpers is on no floor");
    }

    #[test]
    fn is_not_misled_by_names_and_text() {
        accepted("src/domain/x.rs", "//! See crate::app.\nconst T: &str = \"crate::app::x sqlx::y\";");
        accepted("src/domain/x.rs", "fn f(axum: u8) -> u8 { let sqlx = axum; sqlx }");
        accepted("src/domain/x.rs", "struct App { store: u8 } impl App { fn f(&self) -> u8 { self.store } }");
        accepted(
            "src/domain/x.rs",
            "fn f<'a>(x: &'a [u8]) -> impl Iterator<Item = u8> + use<'a> { x.iter().copied() }",
        );
    }

    #[test]
    fn refuses_long_files_and_broken_ones() {
        refused("src/domain/x.rs", &"\n".repeat(MAX_LINES + 1), "501 lines");
        accepted("src/domain/x.rs", &"\n".repeat(MAX_LINES));
        refused("src/domain/x.rs", "fn f( {", "is not Rust");
    }

    #[test]
    fn keeps_migrations_alone() {
        assert_eq!(
            check_migration("migration/src/lib.rs", "use sea_orm_migration::prelude::*; use crate::m1;"),
            [""; 0]
        );
        let found = check_migration("migration/src/lib.rs", "use datasource_studio::domain::Role;");
        assert!(found[0].starts_with("migration/src/lib.rs:1: migration -> datasource_studio"), "{found:?}");
    }
}
