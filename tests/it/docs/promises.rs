//! A promise names a test, and the test is there.

use std::path::Path;

use super::{page, root};

#[test]
fn every_promise_of_the_threat_model_has_its_test() {
    let text = page("docs/security.md");
    let model = text.split_once("## Threat model").expect("a threat model").1;
    let tests = proven(model.split("\n## ").next().expect("a section"));
    assert!(tests > 40, "only {tests} tests are named");
}

#[test]
fn every_promise_of_governance_has_its_test() {
    proven(&page("docs/governance.md"));
}

/// How many tests the last column of the tables names; each of them is there.
fn proven(text: &str) -> usize {
    let sources = sources();
    let rows = text.lines().filter(|l| l.starts_with('|') && !l.starts_with("| ---") && !l.ends_with("| test |"));
    let mut tests = 0;
    for row in rows {
        let cell = row.trim_end_matches('|').rsplit('|').next().expect("a cell");
        let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test proves: {row}");
        for name in names {
            assert!(is_there(name, &sources), "{name} is not there: {row}");
            tests += 1;
        }
    }
    tests
}

/// A test by its path, or a module of tests by a path that ends in `::`.
fn is_there(name: &str, sources: &[(String, String)]) -> bool {
    let path: Vec<_> = name.trim_end_matches("::").split("::").collect();
    let (last, modules) = path.split_last().expect("a name");
    let lies_in = |file: &str| modules.iter().filter(|m| **m != "tests").all(|module| file.contains(*module));
    sources.iter().any(|(file, text)| match name.ends_with("::") {
        true => file.contains(last),
        // Some tests are made from a list of names.
        false => {
            lies_in(file) && (text.contains(&format!("fn {last}(")) || text.lines().any(|line| line.trim() == *last))
        }
    })
}

fn sources() -> Vec<(String, String)> {
    fn walk(directory: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|e| e == "rs") {
                found.push((entry.display().to_string(), std::fs::read_to_string(&entry).expect("text")));
            }
        }
    }
    let mut found = Vec::new();
    for directory in ["src", "tests/it", "migration/src"] {
        walk(&root().join(directory), &mut found);
    }
    found
}
