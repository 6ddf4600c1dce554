//! YAML in, with the line of every value; YAML out, the same bytes for the same value.

use std::collections::BTreeMap;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

use crate::error::Error;

const DEPTH_MAX: usize = 96;
const NODES_MAX: usize = 250_000;
const REPLAYED_MAX: usize = 20_000;
const DOCUMENTS_MAX: usize = 1_000;
/// Reading goes as deep as the document, in frames that are large.
const STACK: usize = 32 * 1024 * 1024;

/// Where something stands in a file; both count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    positions: BTreeMap<String, Position>,
}

impl Document {
    /// Where the value at a JSON pointer is written: its key, or its item; else what holds it.
    pub(super) fn position(&self, pointer: &str) -> Position {
        let mut at = pointer;
        loop {
            if let Some(position) = self.positions.get(at) {
                return *position;
            }
            match at.rfind('/') {
                Some(end) => at = &at[..end],
                None => return self.positions.get("").copied().unwrap_or_default(),
            }
        }
    }

    #[cfg(test)]
    fn of(text: &str) -> Self {
        parse(text).expect("YAML").remove(0)
    }
}

/// What is wrong with a file, and where.
pub(super) type Refusal = (Option<Position>, String);

/// Reads every document of a file. Documents that are empty are left out.
///
/// A key that is written twice, an alias bomb and a document that nests too deep are refused.
pub(super) fn parse(text: &str) -> Result<Vec<Document>, Refusal> {
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || read(text));
        let done = reader.map_err(|e| (None, format!("cannot be read now: {e}")))?.join();
        done.unwrap_or_else(|_| Err((None, "cannot be read: it is not YAML that this reader takes".to_owned())))
    })
}

fn read(text: &str) -> Result<Vec<Document>, Refusal> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_documents: DOCUMENTS_MAX,
            simple_key_max_lookahead: 64 * 1024,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: REPLAYED_MAX,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
    };
    let nodes: Vec<Node> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        // The text of the error begins with what is wrong; the place is said apart from it.
        let position = error.location().filter(|l| *l != Location::UNKNOWN).map(position);
        let message = error.without_snippet().to_string();
        (position, message.lines().next().unwrap_or_default().to_owned())
    })?;
    Ok(nodes.into_iter().map(flatten).collect())
}

fn position(location: Location) -> Position {
    Position { line: location.line(), column: location.column() }
}

fn flatten(node: Node) -> Document {
    let mut positions = BTreeMap::new();
    positions.insert(String::new(), node.position);
    let value = walk(node.kind, String::new(), &mut positions);
    Document { value, positions }
}

fn walk(kind: Kind, at: String, positions: &mut BTreeMap<String, Position>) -> Value {
    match kind {
        Kind::Scalar(value) => value,
        Kind::List(items) => {
            let item = |(i, item): (usize, Node)| {
                let at = format!("{at}/{i}");
                positions.insert(at.clone(), item.position);
                walk(item.kind, at, positions)
            };
            Value::Array(items.into_iter().enumerate().map(item).collect())
        }
        Kind::Map(entries) => {
            let mut map = Map::new();
            for (key, key_position, node) in entries {
                let at = format!("{at}/{}", escape(&key));
                positions.insert(at.clone(), key_position);
                map.insert(key, walk(node.kind, at, positions));
            }
            Value::Object(map)
        }
    }
}

/// A key as a token of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A value with its place.
struct Node {
    position: Position,
    kind: Kind,
}

enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Position, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { position: position(spanned.referenced), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Kind, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("infinity and NaN are not numbers of JSON"))?;
        Ok(Kind::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push((key.value, position(key.referenced), map.next_value()?));
        }
        Ok(Kind::Map(entries))
    }
}

/// One document in block style, long texts as literals.
pub(super) fn print(value: &impl Serialize) -> crate::error::Result<String> {
    let options = serde_saphyr::ser_options! {
        compact_list_indent: false,
        folded_wrap_chars: usize::MAX,
    };
    serde_saphyr::to_string_with_options(value, options).map_err(Error::internal)
}

/// What a reader wants to see first; other keys follow in the order of the alphabet.
const FIRST: [&str; 12] = [
    "type",
    "connector",
    "secrets",
    "mapping",
    "delivery",
    "runtime",
    "input",
    "kind",
    "entity_type",
    "id",
    "when",
    "outputs",
];

/// A value whose keys come in an order that never changes.
pub(super) struct Ordered<'a>(pub(super) &'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(entries) => {
                let mut sorted: Vec<_> = entries.iter().collect();
                let rank = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
                sorted.sort_by_key(|(key, _)| (rank(key), key.as_str()));
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (key, item) in sorted {
                    map.serialize_entry(key, &Ordered(item))?;
                }
                map.end()
            }
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Ordered(item))?;
                }
                seq.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_has_its_place() {
        let text = "# feeds\na: 1\nb:\n  - c: x\n    d/e: [true, null]\n  - 2.5\n";
        let document = Document::of(text);
        assert_eq!(document.value, json!({"a": 1, "b": [{"c": "x", "d/e": [true, null]}, 2.5]}));
        let at = |pointer: &str| {
            let p = document.position(pointer);
            (p.line, p.column)
        };
        assert_eq!(at("/a"), (2, 1));
        assert_eq!(at("/b/0/c"), (4, 5));
        assert_eq!(at("/b/0/d~1e"), (5, 5));
        assert_eq!(at("/b/0/d~1e/1"), (5, 17));
        assert_eq!(at("/b/1"), (6, 5));
        assert_eq!(at("/b/1/missing"), (6, 5), "what is absent is looked for where it should stand");
    }

    #[test]
    fn hostile_files_are_refused_and_say_where() {
        let bomb: String = (0..12).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
            let next = i + 1;
            text + format!("a{next}: &a{next} [{}]\n", format!("*a{i},").repeat(9)).as_str()
        });
        let deep = format!("{}x{}", "[".repeat(200), "]".repeat(200));
        for (text, line) in
            [("a: 1\na: 2\n", Some(2)), ("a: [1\nb: 2", Some(2)), (&bomb, None), (&deep, None), ("a: .inf", None)]
        {
            let (position, message) = parse(text).expect_err("refused");
            assert!(!message.is_empty());
            if let Some(line) = line {
                assert_eq!(position.map(|p| p.line), Some(line), "{message}");
            }
        }
    }

    #[test]
    fn several_documents_are_read_and_empty_ones_are_not() {
        let all = parse("---\n# nothing\n---\na: 1\n---\nb: 2\n").expect("YAML");
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].position("/b").line, 6);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 512,
            rng_seed: proptest::test_runner::RngSeed::Fixed(7),
            ..Default::default()
        })]

        /// Whatever a configuration may hold comes back as it was.
        #[test]
        fn what_is_printed_reads_back(value in any_json()) {
            let text = print(&Ordered(&json!({ "value": value }))).expect("printable");
            let back = parse(&text).unwrap_or_else(|(_, e)| panic!("{e}\n{text}"));
            proptest::prop_assert_eq!(&back[0].value["value"], &value, "{}", text);
        }
    }

    fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let tricky = prop_oneof![
            Just("yes".to_owned()),
            Just("null".to_owned()),
            Just("1e3".to_owned()),
            Just("0x1F".to_owned()),
            Just("<<".to_owned()),
            Just("12:30:00".to_owned()),
            Just("2024-01-01".to_owned()),
            Just("- a".to_owned()),
            Just("a: b # c".to_owned()),
            Just(" lead\n  two\n".to_owned()),
            Just("\n\nx\n\n\n".to_owned()),
            Just("tab\there\r\nand\u{85}there\u{2028}".to_owned()),
            Just("---".to_owned()),
            Just("*a".to_owned()),
            Just("x".repeat(300)),
            Just("word ".repeat(60)),
            Just("line one\nline two \n\tthree".to_owned()),
        ];
        let text = prop_oneof![tricky, any::<String>(), "[ -~\\n]{0,40}"];
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(text.clone(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
