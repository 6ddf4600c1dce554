//! Links between pages and to files lead somewhere.

use std::path::{Path, PathBuf};

use super::root;

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() >= 7, "only {} pages were found", pages.len());
    let mut broken = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).expect("a readable page");
        for target in targets(&text).filter(|t| !t.contains("://") && !t.starts_with("mailto:")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().expect("a folder").join(file) };
            let found = path.exists() && (anchor.is_empty() || has_heading(&path, anchor));
            if !found {
                broken.push(format!("{}: {target}", page.strip_prefix(root()).unwrap_or(page).display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn pages() -> Vec<PathBuf> {
    let folders = ["", "docs", "examples", "assets/graphiql", "tests/fixtures/keys"];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).into_iter().flatten());
    let mut pages: Vec<_> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    pages.retain(|path| path.extension().is_some_and(|e| e == "md"));
    pages.sort();
    pages
}

/// What stands in `](…)` and in `src="…"`, outside of code blocks.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    const FORMS: [(&str, &str); 3] = [("](", ")"), ("src=\"", "\""), ("srcset=\"", "\"")];
    let links = |prose| FORMS.iter().flat_map(move |(open, close)| links(prose, open, close));
    text.split("```").step_by(2).flat_map(links)
}

fn links<'a>(prose: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    prose.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

fn has_heading(page: &Path, anchor: &str) -> bool {
    let text = std::fs::read_to_string(page).expect("a readable page");
    text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor)
}

/// The anchor that a heading gets.
fn slug(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    title
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
