use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ConfigCheck, MOST_PROBLEMS, schema_of};
use crate::domain::HumanDuration;
use crate::mapping::SecretText;

/// Settings
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Settings {
    /// Auth
    auth: Auth,
    /// Format
    #[serde(default)]
    format: Format,
    /// Wait
    wait: Option<HumanDuration>,
    /// Nested
    nested: Option<Nested>,
    /// Size
    #[schemars(range(min = 1, max = 10))]
    #[serde(default)]
    size: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
enum Auth {
    /// Open
    None {},
    /// Token
    Bearer {
        /// The token
        token: SecretText,
    },
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// One document
    #[default]
    Json,
    /// One document a line
    JsonLines,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Nested {
    /// Name
    name: String,
}

fn problems(config: Value) -> Vec<(String, String)> {
    let check = ConfigCheck::new(&schema_of::<Settings>());
    let mut found: Vec<_> = check.problems(&config).into_iter().map(|p| (p.pointer, p.message)).collect();
    found.sort();
    found
}

fn only(config: Value) -> (String, String) {
    let found = problems(config);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("one")
}

fn pair(pointer: &str, message: &str) -> (String, String) {
    (pointer.into(), message.into())
}

#[test]
fn a_good_object_has_no_problems() {
    assert_eq!(problems(json!({"auth": {"type": "none"}, "format": "json_lines", "wait": "5s", "size": 3})), []);
    assert_eq!(problems(json!({"auth": {"type": "bearer", "token": "{{secret.t}}"}, "nested": null})), []);
}

#[test]
fn all_problems_are_told_at_once_each_at_its_place() {
    let found = problems(json!({"formt": "json", "wait": 5, "size": 11}));
    let pointers: Vec<_> = found.iter().map(|(p, _)| p.as_str()).collect();
    assert_eq!(pointers, ["/auth", "/formt", "/size", "/wait"]);
    assert_eq!(found[1].1, "is not a known field; known: auth, format, nested, size, wait");
    assert_eq!(found[2].1, "must be at most 10");
}

#[test]
fn a_choice_is_explained_by_the_branch_that_was_meant() {
    assert_eq!(only(json!({"auth": {"type": "bearer"}})), pair("/auth/token", "is required"));
    assert_eq!(
        only(json!({"auth": {"type": "bearer", "token": "{{secret.t}}", "user": "x"}})),
        pair("/auth/user", "is not a known field; known: token, type"),
    );
    assert_eq!(only(json!({"auth": {"type": "digest"}})), pair("/auth/type", "must be one of: none, bearer"));
    assert_eq!(only(json!({"auth": {}})), pair("/auth/type", "is required; one of: none, bearer"));
    assert_eq!(only(json!({"auth": "none"})), pair("/auth", "must be an object with a type of: none, bearer"));
    let ok = json!({"type": "none"});
    assert_eq!(only(json!({"auth": ok, "format": "xml"})), pair("/format", "must be one of: json, json_lines"));
    assert_eq!(only(json!({"auth": ok, "nested": {}})), pair("/nested/name", "is required"));
}

#[test]
fn no_message_repeats_a_value() {
    for config in [
        json!({"auth": {"type": "none"}, "wait": "hunter2"}),
        json!({"auth": {"type": "hunter2"}}),
        json!({"auth": {"type": "bearer", "token": "hunter2"}}),
        json!({"auth": {"type": "bearer", "token": ["hunter2"]}}),
        json!({"auth": "hunter2", "format": "hunter2", "nested": "hunter2", "size": "hunter2"}),
    ] {
        let found = problems(config);
        assert!(!found.is_empty());
        assert!(found.iter().all(|(_, message)| !message.contains("hunter2")), "{found:?}");
    }
}

#[test]
fn a_literal_secret_is_refused_with_the_remedy() {
    let (pointer, message) = only(json!({"auth": {"type": "bearer", "token": "abc"}}));
    assert_eq!(pointer, "/auth/token");
    assert!(message.contains("$secret"), "{message}");
    // The other branch of the choice does not make it one.
    assert_eq!(only(json!({"auth": {"type": "none", "token": "abc"}})).0, "/auth/token");
}

#[test]
fn the_name_of_a_secret_stands_for_any_text() {
    assert_eq!(problems(json!({"auth": {"type": "none"}, "wait": "{{secret.wait}}"})), []);
    assert!(only(json!({"auth": {"type": "none"}, "wait": "{{secret.}"})).1.starts_with("must match"));
}

#[test]
fn a_hostile_object_gets_a_short_answer() {
    let mut config = json!({"auth": {"type": "none"}});
    for i in 0..10_000 {
        config[format!("{}{i}", "x".repeat(1_000))] = json!(i);
    }
    let found = problems(config);
    assert_eq!(found.len(), MOST_PROBLEMS);
    assert!(found.iter().all(|(pointer, message)| pointer.len() + message.len() < 500));
}
