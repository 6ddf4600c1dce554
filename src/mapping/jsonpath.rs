//! JSONPath (RFC 9535), with a fast way for the paths that people write most.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::path_guard::{self, Shape};

/// About as many nodes as can be visited in a quarter of a second.
const COST_MAX: usize = 5_000_000;
/// In a microsecond.
const NODES_PER_MICROSECOND: usize = 20;

/// A compiled JSONPath.
#[derive(Clone, Debug)]
pub struct Path(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Gives one node or none: walked by reference, without allocation.
    Singular(Box<[Segment]>),
    Query(Box<JsonPath>, Shape),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Name(Box<str>),
    Index(i64),
}

/// The document is too large for what the path would do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooCostly;

impl std::fmt::Display for TooCostly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "would visit too many nodes of this document; name the way to the value instead of using .. or \
             unions, and in match and search write [0-9] for \\d and [A-Za-z0-9_] for \\w",
        )
    }
}

impl std::error::Error for TooCostly {}

impl Path {
    /// Parses; the error is a sentence without subject, for a [`Problem`](crate::error::Problem).
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = path_guard::inspect(text)?;
        let path = JsonPath::parse(text)
            .map_err(|e| format!("is not a JSONPath (RFC 9535): at position {}: {}", e.position(), e.message()))?;
        Ok(Self(match singular(text) {
            Some(segments) => Kind::Singular(segments.into()),
            None => Kind::Query(Box::new(path), shape),
        }))
    }

    /// Whether it gives at most one node, whatever the document.
    pub fn is_singular(&self) -> bool {
        matches!(self.0, Kind::Singular(_))
    }

    /// Whether it is `$`.
    pub fn is_root(&self) -> bool {
        matches!(&self.0, Kind::Singular(segments) if segments.is_empty())
    }

    /// The first node that it selects.
    pub fn first<'a>(&self, document: &'a Value) -> Result<Option<&'a Value>, TooCostly> {
        match &self.0 {
            Kind::Singular(segments) => Ok(walk(segments, document)),
            Kind::Query(..) => Ok(self.all(document)?.first().copied()),
        }
    }

    /// All nodes that it selects, in document order.
    pub fn all<'a>(&self, document: &'a Value) -> Result<Vec<&'a Value>, TooCostly> {
        match &self.0 {
            Kind::Singular(segments) => Ok(walk(segments, document).into_iter().collect()),
            Kind::Query(path, shape) => {
                check_cost(*shape, document)?;
                Ok(path.query(document).all())
            }
        }
    }

    /// Puts `with` in the place of every node that it selects.
    pub fn replace(&self, document: &mut Value, with: &Value) -> Result<(), TooCostly> {
        match &self.0 {
            Kind::Singular(segments) => {
                if let Some(node) = walk_mut(segments, document) {
                    *node = with.clone();
                }
            }
            Kind::Query(path, shape) => {
                check_cost(*shape, document)?;
                let places: Vec<_> = path.query_located(document).locations().map(|l| l.to_json_pointer()).collect();
                for place in places {
                    // A node within one that was replaced is gone already.
                    if let Some(node) = document.pointer_mut(&place) {
                        *node = with.clone();
                    }
                }
            }
        }
        Ok(())
    }
}

fn walk<'a>(segments: &[Segment], document: &'a Value) -> Option<&'a Value> {
    segments.iter().try_fold(document, |node, segment| match (segment, node) {
        (Segment::Name(name), Value::Object(map)) => map.get(&**name),
        (Segment::Index(index), Value::Array(items)) => {
            let index = if *index < 0 { items.len() as i64 + index } else { *index };
            items.get(usize::try_from(index).ok()?)
        }
        _ => None,
    })
}

fn walk_mut<'a>(segments: &[Segment], document: &'a mut Value) -> Option<&'a mut Value> {
    segments.iter().try_fold(document, |node, segment| match (segment, node) {
        (Segment::Name(name), Value::Object(map)) => map.get_mut(&**name),
        (Segment::Index(index), Value::Array(items)) => {
            let index = if *index < 0 { items.len() as i64 + index } else { *index };
            items.get_mut(usize::try_from(index).ok()?)
        }
        _ => None,
    })
}

/// Without descents, unions and regular expressions a query visits a node once; all else is weighed first.
fn check_cost(shape: Shape, document: &Value) -> Result<(), TooCostly> {
    let each = shape.fan_out.saturating_mul((shape.regex * NODES_PER_MICROSECOND).max(1));
    if shape.descents == 0 && each == 1 {
        return Ok(());
    }
    let mut left = COST_MAX / each;
    if spend(document, 1, shape.descents > 1, &mut left) { Ok(()) } else { Err(TooCostly) }
}

/// Counts nodes; with two descents each node counts once for each of its ancestors.
fn spend(node: &Value, depth: usize, twice: bool, left: &mut usize) -> bool {
    let Some(rest) = left.checked_sub(if twice { depth } else { 1 }) else { return false };
    *left = rest;
    match node {
        Value::Array(items) => items.iter().all(|item| spend(item, depth + 1, twice, left)),
        Value::Object(map) => map.values().all(|item| spend(item, depth + 1, twice, left)),
        _ => true,
    }
}

/// The segments of a singular query (RFC 9535, section 2.3.5.1); `text` is known to be a JSONPath.
fn singular(text: &str) -> Option<Vec<Segment>> {
    let mut rest = text.strip_prefix('$')?;
    let mut segments = Vec::new();
    loop {
        rest = rest.trim_start_matches(BLANK);
        if rest.is_empty() {
            return Some(segments);
        }
        let (segment, after) = if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(|c| matches!(c, '.' | '[') || BLANK.contains(&c)).unwrap_or(name.len());
            if end == 0 || name.starts_with('*') {
                return None;
            }
            (Segment::Name(name[..end].into()), &name[end..])
        } else {
            let inner = rest.strip_prefix('[')?.trim_start_matches(BLANK);
            let (segment, after) = if inner.starts_with(['\'', '"']) {
                let (name, after) = quoted_name(inner)?;
                (Segment::Name(name.into()), after)
            } else {
                let end = inner.find(|c: char| c != '-' && !c.is_ascii_digit())?;
                (Segment::Index(inner[..end].parse().ok()?), &inner[end..])
            };
            (segment, after.trim_start_matches(BLANK).strip_prefix(']')?)
        };
        segments.push(segment);
        rest = after;
    }
}

const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// A name in quotes, its escapes read, and what follows it.
pub(super) fn quoted_name(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    let inner = &text[1..];
    let mut name = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((name, &inner[at + 1..]));
        }
        if c != '\\' {
            name.push(c);
            continue;
        }
        name.push(match chars.next()?.1 {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = hex4(&mut chars)?;
                if (0xD800..0xDC00).contains(&high) {
                    let escape = (chars.next()?.1, chars.next()?.1) == ('\\', 'u');
                    let low = hex4(&mut chars).filter(|low| escape && (0xDC00..0xE000).contains(low))?;
                    char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))?
                } else {
                    char::from_u32(high)?
                }
            }
            other => other,
        });
    }
    None
}

fn hex4(chars: &mut std::str::CharIndices<'_>) -> Option<u32> {
    (0..4).try_fold(0, |number, _| Some(number * 16 + chars.next()?.1.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn one(path: &str, document: &Value) -> Option<Value> {
        Path::parse(path).expect(path).first(document).expect("cheap").cloned()
    }

    #[test]
    fn singular_paths_take_the_fast_way() {
        let document = json!({"a": {"b": [1, {"c d": "x"}], "ünï_1": 2, "q'\"\n😀": 3}});
        for (path, expected) in [
            ("$.a.b[0]", json!(1)),
            ("$.a.b[-1]['c d']", json!("x")),
            ("$ .a [ 'b' ]\n[ 0 ]", json!(1)),
            ("$.a.ünï_1", json!(2)),
            (r#"$['a']["q'\"\n\uD83D\uDE00"]"#, json!(3)),
            (r"$['a']['q\'\u0022\n😀']", json!(3)),
        ] {
            assert!(Path::parse(path).expect(path).is_singular(), "{path}");
            assert_eq!(one(path, &document), Some(expected), "{path}");
        }
        for missing in ["$.b", "$.a.b[2]", "$.a.b[-3]", "$.a[0]", "$.a.b.c", "$.a.b[-9007199254740991]"] {
            assert_eq!(one(missing, &document), None, "{missing}");
        }
    }

    #[test]
    fn other_queries_are_rfc_9535() {
        let document = json!({"items": [{"n": 1, "k": "x"}, {"n": 2}, {"n": 3, "k": "y"}]});
        let all = |path: &str| -> Vec<Value> {
            let path = Path::parse(path).expect(path);
            assert!(!path.is_singular());
            path.all(&document).expect("cheap").into_iter().cloned().collect()
        };
        assert_eq!(all("$.items[*].n"), [json!(1), json!(2), json!(3)]);
        assert_eq!(all("$.items[?@.k].n"), [json!(1), json!(3)]);
        assert_eq!(all("$.items[?match(@.k, 'x|z')]['n']"), [json!(1)]);
        assert_eq!(all("$..k"), [json!("x"), json!("y")]);
        assert_eq!(all("$.items[0:2].n"), [json!(1), json!(2)]);
    }

    #[test]
    fn what_is_no_path_is_refused_with_its_position() {
        for wrong in ["", "a", "$.", "$[", "$.a-b", "$['\\u']", "$[01]", "$.a b", "$[99999999999999999999]", "$.5"] {
            let message = Path::parse(wrong).expect_err(wrong);
            assert!(message.contains("at position"), "{wrong}: {message}");
        }
    }

    #[test]
    fn documents_that_a_path_would_multiply_are_refused_in_time() {
        let deep = (0..100).fold(json!(vec![0; 60_000]), |inner, _| json!([inner]));
        let wide = json!(vec![json!({"a": "x"}); 100_000]);
        assert_eq!(Path::parse("$..*..*").expect("path").all(&deep), Err(TooCostly));
        assert_eq!(Path::parse("$[?search(@.a, 'x')]").expect("path").all(&wide), Err(TooCostly));
        let costly = Path::parse(r"$[?search(@.a, '\\w{30}')]").expect("path");
        assert_eq!(costly.all(&json!(vec![json!({"a": "x"}); 100])), Err(TooCostly));
        assert_eq!(Path::parse("$..a").expect("path").all(&wide).map(|nodes| nodes.len()), Ok(100_000));
    }

    /// They end at all: unguarded, each would outlast the test run.
    #[test]
    fn the_worst_paths_that_are_accepted_parse() {
        for worst in [
            "$[?@[?@[?@[?((((@.a)>1))]]]]",
            "$[?@[?@[?@[?!(!(!(@.a>1 || @.b)))]]]]",
            "$[?count(@[?count(@[?count(@[?count(@.a)>1])>1])>1])>1]",
            "$[?length(value(@[?length(value(@[?length(value(@.a))>1]))>1]))>1]",
            "$[?value(value(value(value(value(value(value(value(@.a))))))))]",
            "$[?length(length(length(length(length(length(length(length(length(@.a",
        ] {
            let _ = Path::parse(worst);
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_agrees_with_the_query_engine(
            steps in prop::collection::vec(
                prop_oneof![
                    Just(".a"), Just(".b_1"), Just("['a']"), Just("[\"b_1\"]"), Just("[0]"), Just("[-1]"),
                    Just("[ 1 ]"), Just("['\\u0061']"), Just(" .a"), Just("[*]"), Just("..a"), Just("['a','b_1']"),
                ],
                0..4,
            ),
        ) {
            let leaf = json!([{"a": 1, "b_1": [2]}, [3, {"a": 4}]]);
            let document = json!({"a": {"a": leaf, "b_1": {"a": leaf}}, "b_1": [leaf, {"a": leaf}]});
            // A third one is refused as too costly.
            prop_assume!(steps.iter().filter(|step| **step == "..a").count() <= 2);
            let text = format!("${}", steps.concat());
            let path = Path::parse(&text).expect("generated");
            let engine = JsonPath::parse(&text).expect("generated");
            prop_assert_eq!(path.all(&document).expect("cheap"), engine.query(&document).all());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\$[-.*\\[\\]()?@'\"a0,:=!&|<\\\\ u{}$]{0,60}|\\$\\['\\\\?u?[dD]?[0-9a-f]{0,4}'?\\]?|\\PC{0,60}") {
            let _ = Path::parse(&text);
        }
    }
}
