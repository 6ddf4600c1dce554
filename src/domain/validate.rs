//! Rules for the short texts that people type. Each answers with all that is wrong.

use crate::error::Problem;

const NAME_MAX: usize = 120;
const LABEL_MAX: usize = 120;
const DESCRIPTION_MAX: usize = 4_000;
const TAG_MAX: usize = 50;
const TAGS_MAX: usize = 32;

pub fn check_name(pointer: &str, name: &str, problems: &mut Vec<Problem>) {
    if name.trim().is_empty() {
        problems.push(Problem::new(pointer, "must not be empty"));
    } else if name.trim() != name {
        problems.push(Problem::new(pointer, "must not begin or end with white space"));
    }
    check_text(pointer, name, NAME_MAX, problems);
}

pub fn check_label(pointer: &str, label: &str, problems: &mut Vec<Problem>) {
    check_text(pointer, label, LABEL_MAX, problems);
}

pub fn check_description(pointer: &str, text: &str, problems: &mut Vec<Problem>) {
    if text.chars().count() > DESCRIPTION_MAX {
        problems.push(Problem::new(pointer, format!("must have at most {DESCRIPTION_MAX} characters")));
    }
    if text.contains('\0') {
        problems.push(Problem::new(pointer, "must not contain the NUL character"));
    }
}

pub fn check_tags(pointer: &str, tags: &[String], problems: &mut Vec<Problem>) {
    if tags.len() > TAGS_MAX {
        problems.push(Problem::new(pointer, format!("must have at most {TAGS_MAX} tags")));
    }
    for (i, tag) in tags.iter().enumerate() {
        let at = format!("{pointer}/{i}");
        if tag.trim().is_empty() {
            problems.push(Problem::new(&at, "must not be empty"));
        }
        check_text(&at, tag, TAG_MAX, problems);
    }
}

/// Sorted, trimmed, without repeats: the order of tags carries no meaning.
pub fn normalise_tags(tags: Vec<String>) -> Vec<String> {
    let mut tags: Vec<_> = tags.into_iter().map(|t| t.trim().to_owned()).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

pub fn check_secret_key(pointer: &str, key: &str, problems: &mut Vec<Problem>) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if key.is_empty() || key.len() > 128 || !key.chars().all(legal) {
        problems.push(Problem::new(pointer, "must be 1 to 128 letters, digits, '_', '-' or '.'"));
    }
}

fn check_text(pointer: &str, text: &str, max: usize, problems: &mut Vec<Problem>) {
    if text.chars().count() > max {
        problems.push(Problem::new(pointer, format!("must have at most {max} characters")));
    }
    if text.chars().any(char::is_control) {
        problems.push(Problem::new(pointer, "must not contain control characters"));
    }
}
