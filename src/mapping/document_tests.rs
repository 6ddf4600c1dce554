use super::*;
use proptest::prelude::*;
use serde_json::json;

fn problems(config: &Value) -> Vec<(String, String)> {
    let problems = Document::parse(config).expect_err("has problems");
    problems.into_iter().map(|p| (p.pointer, p.message)).collect()
}

fn pointers(config: &Value) -> Vec<String> {
    problems(config).into_iter().map(|(pointer, _)| pointer).collect()
}

/// The example of the contract, with everything in it.
fn full() -> Value {
    json!({
        "connector": {
            "type": "http_poller",
            "url": "https://api.example.com/alerts",
            "schedule": "every 60s",
            "auth": {"type": "bearer", "token": {"$secret": "api_token"}},
        },
        "secrets": {"api_token": "provider_api_token"},
        "mapping": {
            "input": "$.alerts[*]",
            "outputs": [{
                "kind": "alert", "id": "$.id", "when": "$.title",
                "fields": {"title": "$.title", "severity": "$.severity", "host": "$.device.hostname"},
            }],
            "transform": {"language": "rhai", "source": "record.severity = record.severity.to_lower(); record"},
        },
        "delivery": {
            "sink": {"type": "http", "url": "https://in.example.com", "key": "{{secret.in}}"},
            "on_error": "skip",
            "batch": {"max_records": 10, "max_wait": "2s"},
        },
        "runtime": {
            "retry": {"initial": "2s", "max": "1m", "multiplier": 3},
            "rate_limit": {"records_per_second": 500},
            "parallelism": 2,
        },
    })
}

#[test]
fn the_contract_s_example_is_read() {
    let document = Document::parse(&full()).expect("valid");
    assert_eq!(document.connector_type, "http_poller");
    assert_eq!(document.connector["auth"]["token"], "{{secret.api_token}}");
    assert_eq!(document.connector.get("type"), None);
    assert_eq!(document.mapping.input, "$.alerts[*]");
    assert_eq!(document.mapping.outputs[0].kind, "alert");
    let sink = document.delivery.sink.as_ref().expect("named");
    assert_eq!((sink.sink_type.as_str(), sink.config.get("type")), ("http", None));
    assert_eq!(document.delivery.on_error, OnError::Skip);
    assert_eq!(document.delivery.batch, Batch { max_records: 10, max_wait: millis(2_000) });
    assert_eq!(document.runtime.retry, Retry { initial: millis(2_000), max: millis(60_000), multiplier: 3.0 });
    assert_eq!(document.runtime.rate_limit, Some(RateLimit { records_per_second: 500 }));
    assert_eq!(document.runtime.parallelism, 2);
    assert_eq!(Vec::from_iter(document.secret_keys()), ["in", "provider_api_token"]);
}

#[test]
fn all_but_the_connector_has_defaults() {
    let document = Document::parse(&json!({"connector": {"type": "webhook"}})).expect("valid");
    assert_eq!(document.connector, json!({}));
    assert_eq!(document.mapping, MappingSpec::default());
    assert_eq!(document.delivery, Delivery::default());
    assert_eq!(document.runtime, Runtime::default());
    assert_eq!(document.delivery.on_error, OnError::DeadLetter);
    assert_eq!(document.delivery.batch, Batch { max_records: 500, max_wait: millis(0) });
    assert_eq!(document.runtime.retry, Retry { initial: millis(1_000), max: millis(300_000), multiplier: 2.0 });
}

#[test]
fn the_older_entity_form_is_one_output() {
    let mapping = json!({"entity_type": "Event", "id": "$.id", "attrs": {"message": "$.msg"}, "input": "$.events[*]"});
    let document = Document::parse(&json!({"connector": {"type": "webhook"}, "mapping": mapping})).expect("valid");
    let output = &document.mapping.outputs[0];
    assert_eq!(document.mapping.input, "$.events[*]");
    assert_eq!((output.kind.as_str(), output.id.as_ref()), ("Event", Some(&json!("$.id"))));
    assert_eq!(Value::Object(output.fields.clone().expect("given")), json!({"message": "$.msg"}));
}

#[test]
fn secrets_may_be_a_list_and_a_sink_a_name() {
    let config = json!({"connector": {"type": "webhook"}, "secrets": ["a", "b"], "delivery": {"sink": "console"}});
    let document = Document::parse(&config).expect("valid");
    assert_eq!(document.secret_key("a"), "a");
    assert_eq!(Vec::from_iter(document.secret_keys()), ["a", "b"]);
    assert_eq!(document.delivery.sink.map(|sink| sink.sink_type), Some("console".into()));
}

#[test]
fn every_problem_is_named_at_once() {
    let config = json!({
        "connector": {"url": 5, "token": {"$secret": 5}},
        "secrets": {"a": 1, "b b": "x y"},
        "mapping": {"outputs": [{"kind": "", "fields": [], "colour": 1}, {}], "id": "$.x", "transform": {"language": "lua"}},
        "delivery": {
            "sink": {"kind": "x"}, "on_error": "explode",
            "batch": {"max_records": 0, "max_wait": "61s", "size": 1},
        },
        "runtime": {
            "retry": {"initial": "2m", "max": "1m", "multiplier": 0.5},
            "rate_limit": {}, "parallelism": 65,
        },
        "extra": true,
    });
    let mut found = pointers(&config);
    found.sort();
    assert_eq!(
        found,
        [
            "/connector/token/$secret",
            "/connector/type",
            "/delivery/batch/max_records",
            "/delivery/batch/max_wait",
            "/delivery/batch/size",
            "/delivery/on_error",
            "/delivery/sink/type",
            "/extra",
            "/mapping/id",
            "/mapping/outputs/0/colour",
            "/mapping/outputs/0/fields",
            "/mapping/outputs/0/kind",
            "/mapping/outputs/1/kind",
            "/mapping/transform/language",
            "/mapping/transform/source",
            "/runtime/parallelism",
            "/runtime/rate_limit/records_per_second",
            "/runtime/retry/max",
            "/runtime/retry/multiplier",
            "/secrets/a",
            "/secrets/b b",
            "/secrets/b b",
        ]
    );
}

#[test]
fn a_problem_says_what_to_write() {
    let config = json!({"connector": {"type": "webhook"}, "runtime": {"retry": {"max": "soon"}, "paralelism": 1}});
    assert_eq!(
        problems(&config),
        [
            (
                "/runtime/paralelism".into(),
                "is not a key that is known here; known are retry, rate_limit, circuit_breaker, parallelism".into()
            ),
            ("/runtime/retry/max".into(), "must be a number and a unit, like 500ms, 30s, 5m, 1h or 7d".into()),
        ]
    );
}

#[test]
fn size_is_bounded() {
    let with = |mapping: Value| json!({"connector": {"type": "webhook"}, "mapping": mapping});
    let deep = (0..70).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(pointers(&json!({"connector": {"type": "webhook", "x": deep}})), [""]);
    let outputs = vec![json!({"kind": "a"}); 33];
    assert_eq!(pointers(&with(json!({"outputs": outputs}))), ["/mapping/outputs"]);
    let fields: Map<_, _> = (0..257).map(|i| (i.to_string(), json!(1))).collect();
    assert_eq!(pointers(&with(json!({"outputs": [{"kind": "a", "fields": fields}]}))), ["/mapping/outputs/0/fields"]);
    let nested = json!({"all": vec![json!({"a": 1}); 128]});
    assert_eq!(pointers(&with(json!({"entity_type": "a", "attrs": nested}))), ["/mapping/attrs"]);
    let source = "x".repeat(65_537);
    let transform = json!({"language": "rhai", "source": source});
    assert_eq!(pointers(&with(json!({"transform": transform}))), ["/mapping/transform/source"]);
}

#[test]
fn the_list_of_problems_is_bounded() {
    let hostile: Map<_, _> = (0..10_000).map(|i| (i.to_string(), json!(1))).collect();
    let problems = problems(&Value::Object(hostile));
    assert_eq!(problems.len(), 201);
    assert_eq!(problems[200].1, "has 9801 more problems; correct those that are listed first");
}

#[test]
fn a_secret_cannot_enter_a_record() {
    let mapping = json!({"outputs": [{"kind": "a", "fields": {"x": {"$secret": "token"}}}], "transform":
        {"language": "rhai", "source": "record.t = \"{{secret.token}}\"; record"}});
    let config = json!({"connector": {"type": "webhook"}, "mapping": mapping});
    assert_eq!(pointers(&config), ["/mapping/outputs/0/fields/x/$secret", "/mapping/transform/source"]);
}

#[test]
fn the_schema_accepts_what_the_parser_accepts() {
    let schema = Document::schema();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for config in [
        full(),
        json!({"connector": {"type": "webhook"}}),
        json!({"connector": {"type": "webhook"}, "mapping": {"entity_type": "a", "attrs": {}}, "secrets": ["a"]}),
        json!({"connector": {"type": "webhook"}, "delivery": {"sink": "console"}, "runtime": {"rate_limit": null}}),
    ] {
        assert!(Document::parse(&config).is_ok());
        let errors: Vec<_> = validator.iter_errors(&config).map(|e| e.to_string()).collect();
        assert_eq!(errors, [""; 0], "{config}");
    }
    for config in [
        json!({}),
        json!({"connector": {}}),
        json!({"connector": {"type": "webhook"}, "runtime": {"paralelism": 1}}),
        json!({"connector": {"type": "webhook"}, "runtime": {"parallelism": 65}}),
        json!({"connector": {"type": "webhook"}, "mapping": {"outputs": [{}]}}),
        json!({"connector": {"type": "webhook"}, "delivery": {"on_error": "explode"}}),
    ] {
        assert!(Document::parse(&config).is_err());
        assert!(!validator.is_valid(&config), "{config}");
    }
}

#[test]
fn the_schema_tells_the_defaults() {
    let schema = Document::schema();
    assert_eq!(schema["$defs"]["Batch"]["properties"]["max_records"]["default"], 500);
    assert_eq!(schema["$defs"]["Retry"]["properties"]["max"]["default"], "5m");
    assert_eq!(schema["required"], json!(["connector"]));
}

/// Any JSON, with the keys of the document in it more often than chance would put them there.
pub(in crate::mapping) fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "connector",
            "type",
            "secrets",
            "mapping",
            "outputs",
            "kind",
            "id",
            "fields",
            "input",
            "when",
            "entity_type",
            "attrs",
            "transform",
            "delivery",
            "sink",
            "batch",
            "runtime",
            "retry",
            "max",
            "$secret",
        ])
        .prop_map(str::to_owned),
        "[a-z~/$]{0,3}",
    ];
    let text = prop_oneof!["[a-z$.\\[\\]*{}@?']{0,12}", Just("{{secret.a}}".to_owned()), Just("$.a".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_the_parser_panic(config in any_json()) {
        let _ = Document::parse(&config);
        let _ = Document::parse(&json!({"connector": {"type": "a", "x": config}, "mapping": config, "delivery": config}));
    }
}
