use super::*;
use crate::mapping::Document;
use crate::mapping::document::tests::any_json;
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

fn compile(mapping: Value) -> Result<Mapping, Vec<Problem>> {
    let document = Document::parse(&json!({"connector": {"type": "webhook"}, "mapping": mapping}))?;
    Mapping::compile(&document.mapping)
}

fn apply_with(mapping: &Mapping, document: &Value, limits: &Limits) -> (Vec<Result<Mapped, MappingError>>, Summary) {
    let mut out = Vec::new();
    let summary = mapping.apply(document, limits, &mut |result| out.push(result));
    (out, summary)
}

fn apply(mapping: Value, document: Value) -> (Vec<Result<Mapped, MappingError>>, Summary) {
    apply_with(&compile(mapping).expect("compiles"), &document, &Limits::default())
}

/// As (kind, id, data) and (code, path, record).
fn shown(results: &[Result<Mapped, MappingError>]) -> Vec<Value> {
    let show = |result: &Result<Mapped, MappingError>| match result {
        Ok(mapped) => json!([&*mapped.kind, mapped.id, mapped.data]),
        Err(error) => json!([error.code, error.path, error.record]),
    };
    results.iter().map(show).collect()
}

#[test]
fn each_match_of_input_becomes_each_output() {
    let mapping = json!({
        "input": "$.alerts[*]",
        "outputs": [
            {"kind": "alert", "id": "$.id", "fields": {"title": "$.t", "source": "pager"}},
            {"kind": "$.type", "id": "fixed", "fields": {}},
        ],
    });
    let document = json!({"alerts": [{"id": 7, "t": "a", "type": "x"}, {"id": "8", "t": "b", "type": "y"}]});
    let (results, summary) = apply(mapping, document);
    let expected = [
        json!(["alert", "7", {"title": "a", "source": "pager"}]),
        json!(["x", "fixed", {}]),
        json!(["alert", "8", {"title": "b", "source": "pager"}]),
        json!(["y", "fixed", {}]),
    ];
    assert_eq!(shown(&results), expected);
    assert_eq!(summary, Summary { inputs: 2, mapped: 4, ..Summary::default() });
}

#[test]
fn without_a_mapping_the_document_is_the_record() {
    let mapping = Mapping::compile(&MappingSpec::default()).expect("compiles");
    let document = json!({"a": {"b": 1}});
    let (results, _) = apply_with(&mapping, &document, &Limits::default());
    assert_eq!(shown(&results), [json!(["record", StableId::of(&document), document])]);
    let (results, _) = apply_with(&mapping, &json!([1, 2]), &Limits::default());
    assert_eq!(shown(&results)[0][2], json!({"value": [1, 2]}));
}

#[test]
fn an_id_that_is_not_found_is_a_stable_hash_of_the_input_record() {
    let mapping = json!({"input": "$[*]", "outputs": [{"kind": "a", "id": "$.id", "fields": {}}, {"kind": "b"}]});
    let document = json!([{"x": 1}, {"x": 1, "id": null}, {"x": 1, "id": ""}]);
    let (results, _) = apply(mapping, document.clone());
    let ids: Vec<_> = results.iter().map(|result| result.as_ref().expect("mapped").id.clone()).collect();
    let expected: Vec<_> =
        document.as_array().expect("array").iter().flat_map(|r| [StableId::of(r), StableId::of(r)]).collect();
    assert_eq!(ids, expected);
}

#[test]
fn a_record_that_fails_does_not_stop_the_others() {
    let mapping = json!({
        "input": "$[*]",
        "outputs": [{"kind": "$.kind", "id": "$.id", "fields": {"x": {"y": "$.x"}}}],
    });
    let document = json!([
        {"kind": "a", "id": 1}, {"id": 2}, {"kind": 5, "id": 3}, {"kind": "", "id": 4}, {"kind": "a", "id": {}},
        {"kind": "a", "id": [1]}, {"kind": "a", "id": "i".repeat(1_025)}, {"kind": "a", "id": true, "x": 1},
    ]);
    let (results, summary) = apply(mapping, document);
    let kind = |record| json!(["kind_invalid", "/mapping/outputs/0/kind", record]);
    let id = |record| json!(["id_invalid", "/mapping/outputs/0/id", record]);
    let first = json!(["a", "1", {"x": {"y": null}}]);
    let last = json!(["a", "true", {"x": {"y": 1}}]);
    assert_eq!(shown(&results), [first, kind(1), kind(2), kind(3), id(4), id(5), id(6), last]);
    assert_eq!((summary.mapped, summary.failed, summary.incomplete), (2, 6, false));
}

#[test]
fn the_entity_form_has_pointers_of_its_own() {
    let mapping = json!({"entity_type": "$.kind", "id": "$.id", "attrs": {"a": "$.a"}, "input": "$[*]"});
    let (results, _) = apply(mapping, json!([{}, {"kind": "k", "id": []}]));
    assert_eq!(
        shown(&results),
        [json!(["kind_invalid", "/mapping/entity_type", 0]), json!(["id_invalid", "/mapping/id", 1])]
    );
    let problems = compile(json!({"entity_type": "x", "attrs": {"a/b": "$["}})).expect_err("no path");
    assert_eq!(problems[0].pointer, "/mapping/attrs/a~1b");
}

#[test]
fn when_chooses_the_outputs() {
    let mapping = json!({
        "input": "$[*]",
        "outputs": [{"kind": "one", "when": "$.on", "fields": {}}, {"kind": "any", "when": "$.list[?@ > 1]", "fields": {}}],
    });
    let document = json!([{"on": true}, {"on": false}, {"on": null}, {"on": 0, "list": [1]}, {"list": [2]}]);
    let (results, summary) = apply(mapping, document);
    let kinds: Vec<_> = shown(&results).iter().map(|shown| shown[0].clone()).collect();
    assert_eq!(kinds, ["one", "one", "any"]);
    assert_eq!((summary.mapped, summary.skipped), (3, 7));
}

#[test]
fn all_problems_of_a_mapping_are_found_at_once() {
    let mapping = json!({
        "input": "alerts",
        "outputs": [
            {"kind": "$[", "id": "$.", "when": "x", "fields": {"a": ["$..a..b..c"], "b": "$.ok"}},
            {"kind": "k".repeat(257), "id": "i".repeat(1_025)},
        ],
        "transform": {"language": "rhai", "source": "let = 1"},
    });
    let problems = compile(mapping).expect_err("wrong");
    let pointers: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
    let first = ["kind", "id", "when", "fields/a/0"].map(|key| format!("/mapping/outputs/0/{key}"));
    let second = ["kind", "id"].map(|key| format!("/mapping/outputs/1/{key}"));
    let mut expected = vec!["/mapping/input".to_owned()];
    expected.extend(first);
    expected.extend(second);
    expected.push("/mapping/transform/source".into());
    assert_eq!(pointers, expected);
}

#[test]
fn a_transform_changes_drops_and_fails_records() {
    let source = "if record.n == 1 { () } else if record.n == 2 { throw `n of ${id}` } else { print(kind); record.n += 1; record }";
    let mapping = json!({
        "input": "$[*]",
        "outputs": [{"kind": "a", "id": "$.n", "fields": {"n": "$.n"}}],
        "transform": {"language": "rhai", "source": source},
    });
    let (results, summary) = apply(mapping, json!([{"n": 0}, {"n": 1}, {"n": 2}, {"n": 3}]));
    let failed = json!(["transform_failed", "/mapping/transform/source", 2]);
    assert_eq!(shown(&results), [json!(["a", "0", {"n": 1}]), failed, json!(["a", "3", {"n": 4}])]);
    assert!(results[1].as_ref().expect_err("failed").message.contains("n of 2"));
    let logs = vec!["a".to_owned(), "a".to_owned()];
    assert_eq!(summary, Summary { inputs: 4, mapped: 2, failed: 1, dropped: 1, logs, ..Summary::default() });
}

#[test]
fn a_document_cannot_be_multiplied_without_bound() {
    let outputs = vec![json!({"kind": "a", "fields": {"all": "$", "again": ["$", "$", "$"]}}); 32];
    let mapping = compile(json!({"input": "$[*]", "outputs": outputs})).expect("compiles");
    let document = json!(vec![json!({"text": "x".repeat(1_000)}); 1_000]);
    let limits = Limits { max_total_bytes: 100_000, ..Limits::default() };
    let (results, summary) = apply_with(&mapping, &document, &limits);
    assert!(summary.incomplete && (10..50).contains(&summary.mapped), "{summary:?}");
    assert_eq!(results.last().expect("an error").as_ref().expect_err("stopped").code, "output_too_large");

    let limits = Limits { max_records: 999, ..Limits::default() };
    let (results, summary) = apply_with(&mapping, &document, &limits);
    assert_eq!(shown(&results), [json!(["too_many_records", "/mapping/input", 0])]);
    assert_eq!((summary.mapped, summary.incomplete), (0, true));

    let limits = Limits { max_record_bytes: 3_000, ..Limits::default() };
    let (results, _) = apply_with(&mapping, &json!([document[0]]), &limits);
    assert_eq!(shown(&results[..1]), [json!(["record_too_large", "/mapping/outputs/0/fields/again/2", 0])]);
}

#[test]
fn a_transform_cannot_enlarge_a_record_beyond_its_limit() {
    let transform = json!({"language": "rhai", "source": "record.t.pad(100000, 'x'); record"});
    let mapping = compile(json!({"entity_type": "a", "attrs": {"t": "x"}, "transform": transform})).expect("compiles");
    let limits = Limits { max_record_bytes: 50_000, ..Limits::default() };
    let (results, _) = apply_with(&mapping, &json!({}), &limits);
    assert_eq!(shown(&results), [json!(["record_too_large", "/mapping/transform/source", 0])]);
}

#[test]
fn a_deadline_ends_the_document() {
    let transform = json!({"language": "rhai", "source": "loop {}"});
    let mapping = json!({"input": "$[*]", "outputs": [{"kind": "a"}], "transform": transform});
    let mapping = compile(mapping).expect("compiles");
    let limits = Limits { deadline: Some(Instant::now() + Duration::from_millis(50)), ..Limits::default() };
    let (results, summary) = apply_with(&mapping, &json!(vec![1; 1_000]), &limits);
    assert!(summary.incomplete);
    assert_eq!(results.last().expect("an error").as_ref().expect_err("stopped").code, "deadline_exceeded");
}

#[test]
fn documents_of_a_batch_are_told_apart() {
    let transform = json!({"language": "rhai", "source": "print(record.n); record"});
    let mapping = json!({"entity_type": "a", "id": "$.n", "attrs": {"n": "$.n"}, "transform": transform});
    let mapping = compile(mapping).expect("compiles");
    let mut out = Vec::new();
    let documents = [json!({"n": 1}), json!({"n": 2})];
    let summaries = mapping.apply_all(&documents, &Limits::default(), &mut |i, result| {
        out.push((i, result.expect("mapped").id));
    });
    assert_eq!(out, [(0, "1".to_owned()), (1, "2".to_owned())]);
    let logs: Vec<_> = summaries.into_iter().map(|summary| summary.logs).collect();
    assert_eq!(logs, [["1"], ["2"]]);
}

#[test]
fn a_mapping_is_shared_by_threads() {
    let transform = json!({"language": "rhai", "source": "print(record.n); record"});
    let mapping = json!({"input": "$[*]", "outputs": [{"kind": "a", "fields": {"n": "$"}}], "transform": transform});
    let mapping = compile(mapping).expect("compiles");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let mapping = &mapping;
            scope.spawn(move || {
                let (results, summary) = apply_with(mapping, &json!(vec![n; 20]), &Limits::default());
                assert_eq!(results.len(), 20);
                assert_eq!(summary.logs, vec![n.to_string(); 20]);
            });
        }
    });
}

proptest! {
    #[test]
    fn no_mapping_and_no_document_make_it_panic(mapping in any_json(), document in any_json()) {
        let with_outputs = json!({"outputs": [{"kind": "$.kind", "id": "$.id", "when": "$..*", "fields": {"a": mapping, "b": "$..id"}}]});
        for mapping in [mapping, with_outputs] {
            if let Ok(mapping) = compile(mapping) {
                let (results, summary) = apply_with(&mapping, &document, &Limits::default());
                prop_assert_eq!(results.len(), summary.mapped + summary.failed);
            }
        }
    }

    #[test]
    fn no_text_makes_compiling_panic(text in "\\$?[-.*\\[\\]()?@'\"a0,:=!&|<\\\\ u{}$]{0,40}|\\PC{0,40}") {
        let transform = json!({"language": "rhai", "source": text});
        let _ = compile(json!({"input": text, "outputs": [{"kind": text, "id": text, "when": text, "fields": {"a": text}}], "transform": transform}));
    }
}
