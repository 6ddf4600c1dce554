//! Refuses JSONPaths whose parsing or evaluation could cost far more than they are worth.
//!
//! The parser tries alternatives, so nesting costs exponentially and deep nesting
//! takes stack; a regular expression is compiled again for each node that it
//! tests; and selectors that overlap multiply the nodes they select.

use super::jsonpath::quoted_name;
use super::pattern_cost;

const LENGTH_MAX: usize = 1_024;
const FILTER_DEPTH_MAX: usize = 4;
const DEPTH_MAX: usize = 10;
const DESCENTS_MAX: usize = 2;
const FAN_OUT_MAX: usize = 64;
const PATTERN_MAX: usize = 128;
/// Ten milliseconds.
const PATTERN_COST_MAX: usize = 10_000;

/// What evaluating a path costs, as far as its text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// How many `..` segments it has.
    pub(super) descents: usize,
    /// How often one node can be selected, because of unions like `[0,0]` or `[*,*]`.
    pub(super) fan_out: usize,
    /// Microseconds that compiling the patterns of `match` and `search` takes, for each node.
    pub(super) regex: usize,
}

pub(super) fn inspect(path: &str) -> Result<Shape, String> {
    if path.chars().nth(LENGTH_MAX).is_some() {
        return Err(format!("is longer than {LENGTH_MAX} characters; shorten the path"));
    }
    let mut guard = Guard { path, brackets: Vec::new(), filters: 0, filter_at: Vec::new(), shape: PLAIN };
    guard.run()?;
    if guard.shape.descents > DESCENTS_MAX {
        return Err(format!("has more than {DESCENTS_MAX} descendant segments (..); name the way to the value"));
    }
    Ok(guard.shape)
}

const PLAIN: Shape = Shape { descents: 0, fan_out: 1, regex: 0 };

struct Guard<'a> {
    path: &'a str,
    /// The brackets that are open, each with the number of commas directly in it.
    brackets: Vec<(u8, usize)>,
    filters: usize,
    /// At which bracket depths a filter began.
    filter_at: Vec<usize>,
    shape: Shape,
}

impl Guard<'_> {
    fn run(&mut self) -> Result<(), String> {
        let bytes = self.path.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\'' | b'"' => at = string_end(bytes, at).ok_or("has a string without its closing quote")?,
                b'[' | b'(' => self.open(byte, at)?,
                b']' | b')' => self.close(byte)?,
                b',' => {
                    if let Some((_, commas)) = self.brackets.last_mut() {
                        *commas += 1;
                    }
                }
                b'?' => {
                    self.filter_at.push(self.brackets.len());
                    self.filters = self.filters.max(self.filter_at.len());
                    if self.filters > FILTER_DEPTH_MAX {
                        return Err(format!("nests more than {FILTER_DEPTH_MAX} filters; simplify it"));
                    }
                }
                b'$' if at > 0 => {
                    return Err("has a $ within a filter, which would read the whole record for each node; \
                                use @, the node that is tested (a name with a $ stands in quotes)"
                        .into());
                }
                b'.' if bytes.get(at + 1) == Some(&b'.') => {
                    self.shape.descents += 1;
                    at += 1;
                }
                _ => {}
            }
            at += 1;
        }
        Ok(())
    }

    fn open(&mut self, bracket: u8, at: usize) -> Result<(), String> {
        if self.brackets.len() == DEPTH_MAX {
            return Err(format!("nests more than {DEPTH_MAX} brackets; simplify it"));
        }
        self.brackets.push((bracket, 0));
        let before = &self.path[..at];
        if bracket == b'(' && (ends_with_call(before, "match") || ends_with_call(before, "search")) {
            self.shape.regex += check_pattern(&self.path[at + 1..])?;
        }
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> Result<(), String> {
        self.filter_at.retain(|depth| *depth < self.brackets.len());
        // The parser refuses what does not pair; here it must only not confuse the count.
        if let Some((b'[', commas)) = self.brackets.pop()
            && bracket == b']'
        {
            self.shape.fan_out = self.shape.fan_out.saturating_mul(commas + 1);
            if self.shape.fan_out > FAN_OUT_MAX {
                return Err(format!(
                    "combines more than {FAN_OUT_MAX} selections of several selectors; split it into several fields"
                ));
            }
        }
        Ok(())
    }
}

/// The index of the closing quote. (The parser panics on a string that ends within `\u`.)
fn string_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b if b == bytes[open] => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn ends_with_call(before: &str, name: &str) -> bool {
    let rest = before.strip_suffix(name);
    rest.is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
}

/// The second argument of `match` and `search` must be a short literal; gives what compiling it costs.
fn check_pattern(arguments: &str) -> Result<usize, String> {
    let bytes = arguments.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => at = string_end(bytes, at).unwrap_or(bytes.len()),
            b'[' | b'(' => depth += 1,
            b']' | b')' if depth == 0 => return Ok(0),
            b']' | b')' => depth -= 1,
            b',' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    let pattern = arguments.get(at + 1..).unwrap_or_default().trim_start();
    if !pattern.starts_with(['\'', '"']) {
        return Err("must give match and search their pattern as a literal in quotes".into());
    }
    // What is no string is for the parser to refuse.
    let Some((pattern, _)) = quoted_name(pattern) else { return Ok(0) };
    if pattern.len() > PATTERN_MAX {
        return Err(format!("has a pattern of more than {PATTERN_MAX} bytes; shorten it"));
    }
    let cost = pattern_cost::estimate(&pattern);
    if cost > PATTERN_COST_MAX {
        return Err(
            "has a pattern that repeats a large class too often; use [0-9] for \\d and [A-Za-z0-9_] for \\w".into()
        );
    }
    Ok(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_counted_outside_of_quotes_only() {
        let shape = |path| inspect(path).expect("harmless");
        assert_eq!(shape("$.a[0]['b']"), PLAIN);
        assert_eq!(shape("$['..$[?(,']"), PLAIN);
        assert_eq!(shape(r#"$["a\"..$",'b']"#), Shape { fan_out: 2, ..PLAIN });
        assert_eq!(shape("$..a[*]..b"), Shape { descents: 2, ..PLAIN });
        assert_eq!(shape("$[?match(@.a, 'abc')]"), Shape { regex: 11, ..PLAIN });
    }

    #[test]
    fn costly_paths_are_refused_before_they_are_parsed() {
        for (path, why) in [
            (format!("${}", ".a".repeat(512)), "longer"),
            ("$[?@[?@[?@[?@[?@.a]]]]]".into(), "filters"),
            ("$[?@[?(@.a && @[?@[?(@[?@.x])]])]]".into(), "filters"),
            (format!("$[?{}@.a{}]", "(".repeat(200), ")".repeat(200)), "brackets"),
            ("$..a..b..c".into(), "descendant"),
            ("$..a[?@..b..c]".into(), "descendant"),
            ("$.a[?@.b == $.c]".into(), "$ within a filter"),
            (format!("${}", "[*,*]".repeat(7)), "selectors"),
            ("$[?match(@.a, @.b)]".into(), "literal"),
            (r"$['\u".into(), "closing quote"),
            (r"$[?search(@[0,1], '\\w{64}')]".into(), "repeats"),
            (r"$[?search(@.a, '(\\d{20}){20}')]".into(), "repeats"),
            (format!("$[?search(@.a, '{}')]", "x".repeat(129)), "128"),
        ] {
            let message = inspect(&path).expect_err(&path);
            assert!(message.contains(why), "{path}: {message}");
        }
    }

    #[test]
    fn filters_side_by_side_are_not_nested() {
        assert!(inspect("$[?@.a][?@.b][?@.c][?@.d][?@.e]").is_ok());
    }

    #[test]
    fn everyday_patterns_are_accepted() {
        assert!(inspect(r#"$[?match(@.day, "2026-\\d{2}-\\d{2}") || search(@.name, "(a|b)+")]"#).is_ok());
    }
}
