//! The documentation says what the program does: tables are printed from the code,
//! configurations on the pages are valid, links lead somewhere, and examples run.
//!
//! `UPDATE_DOCS=1 cargo test --test it docs` writes the printed tables anew.

mod examples;
mod first_run;
mod links;
mod promises;
mod rest_page;
mod schema_table;

use std::path::Path;
use std::process::Command;

use datasource_studio::auth::Permission;
use datasource_studio::connectors::Catalog;
use datasource_studio::domain::{EventType, Role};
use datasource_studio::error::ErrorCode;
use datasource_studio::mapping::Document;
use datasource_studio::registry::Plan;
use datasource_studio::sinks::SinkCatalog;
use datasource_studio::telemetry::Metrics;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The printed part of a page, between `<!-- begin NAME -->` and `<!-- end NAME -->`.
#[track_caller]
fn assert_printed(file: &str, name: &str, expected: &str) {
    let text = page(file);
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let Some((before, rest)) = text.split_once(&begin) else { panic!("{file} has no line {begin}") };
    let Some((found, after)) = rest.split_once(&end) else { panic!("{file} has no line {end}") };
    let expected = format!("\n{}\n\n", expected.trim());
    if found == expected {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(file), format!("{before}{begin}{expected}{end}{after}"))
            .expect("the page is written");
        return;
    }
    panic!("{file}: {name} is not what the code says; UPDATE_DOCS=1 cargo test --test it docs\nexpected:\n{expected}");
}

#[test]
fn every_setting_of_every_connector_and_sink_is_on_the_page() {
    const PAGE: &str = "docs/connectors.md";
    for connector in Catalog::standard().iter() {
        let spec = connector.spec();
        assert_printed(PAGE, &format!("connector {}", spec.name), &schema_table::of(&spec.config_schema));
    }
    for sink in SinkCatalog::standard().iter() {
        let spec = sink.spec();
        assert_printed(PAGE, &format!("sink {}", spec.name), &schema_table::of(&spec.config_schema));
    }
}

#[test]
fn every_key_of_the_document_is_on_the_page() {
    let text = page("docs/connectors.md");
    let schema = Document::schema();
    let definitions = schema["$defs"].as_object().into_iter().flatten().map(|(_, definition)| definition);
    let properties = std::iter::once(&schema).chain(definitions).flat_map(|part| part["properties"].as_object());
    for key in properties.flat_map(serde_json::Map::keys) {
        let named = [format!("`{key}`"), format!(".{key}`"), format!("{key}:")].iter().any(|form| text.contains(form));
        assert!(named, "docs/connectors.md does not mention {key}");
    }
}

#[test]
fn every_configuration_on_the_pages_is_valid() {
    let (connectors, sinks) = (Catalog::standard(), SinkCatalog::standard());
    let mut checked = 0;
    for file in ["docs/connectors.md", "docs/security.md"] {
        for block in page(file).split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let config: Value = serde_saphyr::from_str(block).unwrap_or_else(|e| panic!("{file}: {e}\n{block}"));
            if let Err(problems) = Plan::compile(&connectors, &sinks, &config) {
                panic!("{file}: {problems:#?}\n{block}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 6, "only {checked} configurations were found");
}

#[test]
fn every_metric_is_on_the_page() {
    let row = |family: &datasource_studio::telemetry::Family| {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} | {} |", family.name, family.kind, labels.join(", "), family.help.replace('|', "\\|"))
    };
    let mut rows = vec!["| family | type | labels | meaning |".to_owned(), "| --- | --- | --- | --- |".to_owned()];
    rows.extend(Metrics::describe().iter().map(row));
    assert_printed("docs/operations.md", "metrics", &rows.join("\n"));
}

#[test]
fn every_permission_is_on_the_page() {
    let mut rows =
        vec!["| permission | viewer | operator | admin |".to_owned(), "| --- | --- | --- | --- |".to_owned()];
    for permission in Permission::ALL {
        let may = |role| if role >= permission.role() { "yes" } else { "" };
        let cells = [Role::Viewer, Role::Operator, Role::Admin].map(may);
        rows.push(format!("| `{}` | {} |", permission.as_str(), cells.join(" | ")));
    }
    assert_printed("docs/security.md", "permissions", &rows.join("\n"));
}

#[test]
fn every_error_code_and_event_type_is_on_the_page() {
    let text = page("docs/graphql.md");
    for code in ErrorCode::ALL {
        assert!(text.contains(&format!("| `{code}` |")), "docs/graphql.md has no row for {code}");
    }
    let words = |name: &str| format!("`{}`", name.to_uppercase());
    let sdl = run("print-schema");
    let listed = sdl.split("enum EventType {").nth(1).and_then(|rest| rest.split('}').next()).expect("an enum");
    let names: Vec<_> =
        listed.lines().map(str::trim).filter(|l| l.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')).collect();
    let names: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(names.len(), EventType::ALL.len());
    for name in names {
        assert!(text.contains(&words(name)), "docs/graphql.md does not mention the event {name}");
    }
}

fn run(command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_datasource-studio")).arg(command).output().expect("the program runs");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
