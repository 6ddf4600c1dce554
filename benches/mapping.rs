//! Records per second and core through a compiled mapping, beside parsing the same JSON.

use datasource_studio::mapping::{Document, Limits, Mapping};
use serde_json::{Value, json};

use super::support::{count, pair, table};

const PUSH: &str = include_str!("../tests/fixtures/github-push.json");

const BATCH: usize = 100;

pub async fn run() {
    let mut rows = Vec::new();
    for (name, config) in cases() {
        let config = json!({ "connector": { "type": "webhook" }, "mapping": config });
        let spec = Document::parse(&config).expect("a document").mapping;
        let mapping = Mapping::compile(&spec).expect("a mapping");
        let documents = vec![serde_json::from_str::<Value>(PUSH).expect("JSON"); BATCH];
        let (parse, map) = pair(
            || drop(std::hint::black_box(serde_json::from_str::<Value>(PUSH))),
            || {
                mapping.apply_all(std::hint::black_box(&documents), &Limits::default(), &mut |_, mapped| {
                    drop(std::hint::black_box(mapped.expect("a record")));
                });
            },
        );
        let map = map / BATCH as f64;
        rows.push(vec![
            name.to_owned(),
            format!("{} ns", count(map)),
            count(1e9 / map),
            format!("{} ns", count(parse)),
            format!("{:.1}", parse / map),
        ]);
    }
    println!("A GitHub push of {} bytes, {BATCH} in a batch, one thread.\n", PUSH.len());
    table(&["mapping", "map", "payloads/s", "parse (serde_json)", "parsing takes so many times as long"], &rows);
}

fn cases() -> [(&'static str, Value); 3] {
    let outputs = json!([
        { "kind": "push", "id": "$.after", "fields": {
            "repository": "$.repository.full_name", "ref": "$.ref", "pusher": "$.pusher.name" } },
    ]);
    let commits = json!([{ "kind": "commit", "id": "$.id", "fields": {
        "message": "$.message", "author": "$.author.name", "added": "$.added[*]" } }]);
    [
        ("three JSONPath fields", json!({ "outputs": outputs })),
        ("a record for every commit", json!({ "input": "$.commits[*]", "outputs": commits })),
        (
            "three fields and a transform",
            json!({ "outputs": outputs, "transform": {
                "language": "rhai", "source": "record.ref = record.ref.to_lower(); record" } }),
        ),
    ]
}
