//! How many tokens a document has, by one look at its bytes: a parser takes a thousand times as long.

/// Stops counting beyond `most`. What is no token counts as one, for the parser to refuse.
pub(super) fn exceed(document: &str, most: usize) -> bool {
    let mut rest = document.as_bytes();
    let mut count = 0;
    let mut blocks_end = true;
    while let Some((&first, after)) = rest.split_first() {
        let length = match first {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = after;
                continue;
            }
            b'#' => {
                rest = &rest[until(rest, |b| matches!(b, b'\n' | b'\r'))..];
                continue;
            }
            // What begins like a block and does not end is two strings, of which the first is empty. If one has no
            // end, none after it has; to look again each time would take the square of the length.
            b'"' if blocks_end && rest.starts_with(b"\"\"\"") => block_string(rest).unwrap_or_else(|| {
                blocks_end = false;
                2
            }),
            b'"' => string(rest),
            b'.' if rest.starts_with(b"...") => 3,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => name(rest),
            b'-' | b'0'..=b'9' => number(rest),
            _ => 1,
        };
        rest = &rest[length..];
        count += 1;
        if count > most {
            return true;
        }
    }
    false
}

fn until(bytes: &[u8], end: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| end(*b)).unwrap_or(bytes.len())
}

/// The parser takes `true0` for two values.
fn name(bytes: &[u8]) -> usize {
    let value = ["true", "false", "null"].iter().find(|value| bytes.starts_with(value.as_bytes()));
    value.map_or_else(|| until(bytes, |b| !(b == b'_' || b.is_ascii_alphanumeric())), |value| value.len())
}

/// As the grammar has it: `007` is three numbers, and `1-1` is two.
fn number(bytes: &[u8]) -> usize {
    let digits = |from: usize| until(&bytes[from..], |b| !b.is_ascii_digit());
    let sign = usize::from(bytes.starts_with(b"-"));
    let mut end = sign + if bytes[sign..].starts_with(b"0") { 1 } else { digits(sign) };
    if bytes[end..].starts_with(b".") && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if digits(end + 1 + sign) > 0 {
            end += 1 + sign + digits(end + 1 + sign);
        }
    }
    end.max(1)
}

fn string(bytes: &[u8]) -> usize {
    let mut escaped = false;
    let end = bytes.iter().skip(1).position(|b| {
        let ends = *b == b'"' && !escaped || *b == b'\n';
        escaped = *b == b'\\' && !escaped;
        ends
    });
    end.map_or(bytes.len(), |end| end + 2)
}

/// `None` where it does not end.
fn block_string(bytes: &[u8]) -> Option<usize> {
    let mut at = 3;
    while let Some(found) = bytes[at..].windows(3).position(|w| w == b"\"\"\"") {
        at += found + 3;
        if bytes[at - 4] != b'\\' {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use async_graphql::Value;
    use async_graphql::parser::types::Selection;

    use super::*;

    fn count(document: &str) -> usize {
        (0..).find(|most| !exceed(document, *most)).expect("a number")
    }

    #[test]
    fn tokens_are_those_of_the_specification() {
        for (document, tokens) in [
            ("", 0),
            (" \t\r\n,,# a comment { a b c", 0),
            ("{ a }", 3),
            ("query Q($id: ID! = \"x y\") @a { b: c(d: -1.5e+3) { ...F ... on T { e } } }", 33),
            (r#"{ a(b: "c \" d { e", f: 1) }"#, 11),
            (r#"{ a(b: """c " d \""" { e""") }"#, 8),
            ("# one\n{ a }\r# two", 3),
            ("\"not closed { a b", 1),
            ("\"\"\"not closed { a b", 2),
            ("\"\"\"", 2),
            ("\"\\", 1),
            ("é", 2),
            ("[0007]", 6),
            ("[1-1-1]", 5),
            ("[-0.5E-7 10 -]", 5),
            ("1.", 2),
            ("1e", 2),
            ("[truenull0]", 5),
        ] {
            assert_eq!(count(document), tokens, "{document}");
        }
    }

    /// What the parser takes for one thing more is one token more, or the limit could be passed.
    #[test]
    fn the_parser_finds_no_more_values_than_tokens() {
        let pieces = ["0", "1", "-", ".", "e", "\"", "\\", "a", " ", "$", "\"\"\"", "+", "true", "null"];
        for n in 0..pieces.len().pow(4) {
            let text: String = (0..4).map(|place| pieces[n / pieces.len().pow(place) % pieces.len()]).collect();
            let document = format!("{{ a(b: [{text}]) }}");
            let Ok(parsed) = async_graphql::parser::parse_query(&document) else { continue };
            let (_, operation) = parsed.operations.iter().next().expect("an operation");
            let Selection::Field(field) = &operation.node.selection_set.node.items[0].node else {
                panic!("{document}")
            };
            let Some(Value::List(values)) = field.node.arguments[0].1.node.clone().into_const() else { continue };
            // Nine around them.
            assert!(count(&document) >= values.len() + 9, "{document}: {values:?}");
        }
    }

    #[test]
    fn each_byte_is_looked_at_a_bounded_number_of_times() {
        assert!(!exceed(&"\\\"\"\"\n".repeat(1_000_000), usize::MAX));
    }

    #[test]
    fn the_limit_itself_is_let_through() {
        assert!(!exceed("{ a }", 3));
        assert!(exceed("{ a }", 2));
    }
}
