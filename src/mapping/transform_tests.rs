use super::*;
use crate::mapping::sandbox::take_logs;
use serde_json::json;

fn compile(source: &str) -> Result<Transform, Vec<Problem>> {
    let mut problems = Vec::new();
    let transform = Transform::compile(&TransformSpec { source: source.to_owned() }, &mut problems);
    transform.ok_or(problems)
}

fn run_on(source: &str, data: Value) -> Result<Option<Value>, Failure> {
    let transform = compile(source).unwrap_or_else(|problems| panic!("{source}: {problems:?}"));
    let Value::Object(data) = data else { panic!("an object") };
    let input = json!({"whole": [1, 2]});
    let subject = Subject { data: &data, input: &input, kind: "alert", id: "a1" };
    on_deep_stack(|| transform.run(&subject, None)).expect("a thread").map(|data| data.map(Value::Object))
}

fn run(source: &str) -> Result<Option<Value>, Failure> {
    run_on(source, json!({"severity": "HIGH", "tags": ["a", "b"], "n": 1, "big": u64::MAX}))
}

#[test]
fn a_program_changes_the_record() {
    let data = run("record.severity = record.severity.to_lower(); record").expect("runs").expect("kept");
    assert_eq!(data, json!({"severity": "high", "tags": ["a", "b"], "n": 1, "big": u64::MAX}));
}

#[test]
fn the_value_of_the_program_is_the_new_data() {
    assert_eq!(run("#{n: record.n + 1, kind: kind, id: id}"), Ok(Some(json!({"n": 2, "kind": "alert", "id": "a1"}))));
    assert_eq!(run("#{n: input.whole.len()}"), Ok(Some(json!({"n": 2}))));
    assert_eq!(run("if record.n == 1 { () } else { record }"), Ok(None));
    let failure = run("42").expect_err("no map");
    assert_eq!(failure.code, "transform_failed");
    assert!(failure.message.contains("object map") && failure.message.contains("i64"), "{}", failure.message);
}

#[test]
fn closures_functions_and_the_library_are_there() {
    let source = r#"
        fn up(text) { text.to_upper() }
        let tags = record.tags.map(|t| up(t)).filter(|t| t != "B");
        let numbered = ["x", "y"].map(|t, i| `${t}${i}`);
        let text = "a-b-c"; text.replace("-", "+");
        #{tags: tags, numbered: numbered, text: text, parsed: parse_json(`{"a": [1, 2.5, null]}`)}
    "#;
    let expected = json!({"tags": ["A"], "numbered": ["x0", "y1"], "text": "a+b+c", "parsed": {"a": [1, 2.5, null]}});
    assert_eq!(run(source), Ok(Some(expected)));
}

#[test]
fn numbers_keep_their_kind() {
    let data = run("#{i: 6 / 2, f: 6.0 / 2.0, big: record.big, text: record.big.to_string()}").expect("runs");
    assert_eq!(
        data.expect("kept").to_string(),
        r#"{"big":18446744073709551615,"f":3.0,"i":3,"text":"18446744073709551615"}"#
    );
    assert_eq!(run("record.big + 1").expect_err("mixed").code, "transform_failed");
    let failure = run("#{a: [1.0 / 0.0]}").expect_err("infinite");
    assert!(failure.message.contains("\"/a/0\" is not a finite number"), "{}", failure.message);
}

#[test]
fn compile_errors_have_a_line_and_a_column() {
    for (source, at, why) in [
        ("record.x = ;", "at line 1, column 12", "Unexpected"),
        ("let a = 1;\n  recrod", "at line 2, column 3", "recrod"),
        ("eval(\"1\")", "at line 1, column 1", "eval"),
        ("let f = || 1; f.curry(1)", "at line 1, column 17", "property"),
        ("fn f() { this }", "at line 1", "this"),
        ("import \"x\" as y;", "at line 1", "import"),
        ("let limit = 1; record.tags.filter(|t| t > limit)", "at line 1", "limit"),
    ] {
        let problems = compile(source).map(|_| ()).expect_err(source);
        assert_eq!((problems.len(), problems[0].pointer.as_str()), (1, SOURCE));
        let message = &problems[0].message;
        assert!(message.starts_with(at) && message.contains(why), "{source}: {message}");
    }
}

#[test]
fn constants_cannot_be_changed_and_errors_tell_where() {
    for (source, why) in [
        ("id = \"x\"; record", "constant"),
        ("throw \"no good\"", "no good"),
        ("record.missing.deeper", "line 1"),
        ("sleep(10)", "sleep"),
        ("timestamp()", "timestamp"),
    ] {
        let failure = run(source).expect_err(source);
        assert_eq!(failure.code, "transform_failed", "{source}: {failure:?}");
        assert!(failure.message.contains(why), "{source}: {failure:?}");
    }
}

#[test]
fn hostile_programs_are_stopped_in_time() {
    for (source, code) in [
        ("loop {}", "transform_limit"),
        ("let i = 0; while true { i += 1; }", "transform_limit"),
        ("for i in 0..9223372036854775807 {}", "transform_limit"),
        ("let s = \"x\"; loop { s += s; }", "transform_limit"),
        ("let s = \"x\"; loop { s = `${s}${s}`; }", "transform_limit"),
        ("let s = \"x\"; loop { s.pad(s.len() * 2, 'x'); }", "transform_limit"),
        ("let s = \"x\"; s.pad(200000, 'x'); let t = s + \"\"; s.replace(\"x\", t); record", "transform_limit"),
        ("let s = \"x\"; s.pad(200000, 'x'); s.replace(\"\", s); record", "transform_limit"),
        ("let a = [1]; loop { a += a; }", "transform_limit"),
        ("let a = [1]; loop { a.append(a); }", "transform_limit"),
        ("let a = [1]; loop { a.push(a); }", "transform_limit"),
        ("let a = [1]; loop { a = [a, a]; }", "transform_limit"),
        ("let a = []; a.pad(100000000, 1); record", "transform_limit"),
        ("let a = []; loop { a = [a]; }", "transform_limit"),
        ("let m = #{}; loop { m = #{a: m}; }", "transform_limit"),
        ("let m = #{}; let i = 0; loop { m[`k${i}`] = i; i += 1; }", "transform_limit"),
        ("let m = #{}; let i = 0; loop { record[`k${i}`] = record; i += 1; }", "transform_limit"),
        ("fn f(n) { f(n + 1) } f(0)", "transform_limit"),
        ("fn f(n) { f(n) + f(n) } f(0)", "transform_limit"),
        ("let f = |g| g.call(g); f.call(f)", "transform_limit"),
        (
            "let s = \"x\"; s.pad(200000, 'x'); let a = []; a.pad(9000, 1); a.map(|x| x.to_string()); let b = [s, s]; b",
            "transform_limit",
        ),
        (
            "fn big(n) { let s = n.to_string(); s.pad(200000, 'x'); s } let a = []; a.pad(9000, 1); a.map(|x| big(x))",
            "transform_limit",
        ),
        (
            "fn big(n) { let s = n.to_string(); s.pad(200000, 'x'); s } let a = []; for i in 0..9000 { a.push(big(i)); } a",
            "transform_limit",
        ),
        (
            "fn big(n) { let s = n.to_string(); s.pad(200000, 'x'); s } let a = []; a.pad(9000, 1); for i in 0..9000 { a[i] = big(i); } a",
            "transform_limit",
        ),
        (
            "fn big(n) { let s = n.to_string(); s.pad(200000, 'x'); s } for i in 0..900 { record[`k${i}`] = big(i); } record",
            "transform_limit",
        ),
    ] {
        let started = Instant::now();
        let failure = run(source).expect_err(source);
        let took = started.elapsed();
        assert!(took < Duration::from_millis(900), "{source}: {took:?}");
        let stopped = [code, "transform_timeout"].contains(&failure.code);
        assert!(stopped, "{source}: {failure:?}");
    }
}

#[test]
fn deep_values_do_not_overflow_the_stack() {
    for source in [
        "let a = []; for i in 0..9000 { a = [a]; } a == a",
        "let a = []; for i in 0..900 { a = [a]; } let b = a; #{a: a.to_string(), b: b == a}",
        "let a = []; for i in 0..900 { a = [a]; } #{a: a}",
        "let a = []; for i in 0..900 { a = [#{a: a}]; } print(a); #{a: a.contains(a), b: [a].index_of(a)}",
        "let m = #{}; for i in 0..900 { m = #{m: m}; } #{a: m.to_json(), b: m == m}",
    ] {
        let _ = run(source);
    }
}

#[test]
fn hostile_sources_are_compiled_or_refused_in_time() {
    let many = |part: &str, times: usize| part.repeat(times);
    for source in [
        many("(", 60_000),
        many("[", 60_000),
        many("{", 60_000),
        many("!", 60_000),
        many("-", 60_000),
        many("#{a:", 15_000),
        format!("1{}", many("+1", 30_000)),
        format!("record{}", many(".a", 30_000)),
        format!("record{}", many("[0]", 20_000)),
        format!("record{}", many("?.a", 20_000)),
        format!("record{}", many(".a()", 15_000)),
        format!("if true {{}} {}", many("else if true {}", 4_000)),
        many("if true {", 7_000),
        many("`${", 20_000),
        many("|x|", 20_000),
        many("fn f() {", 8_000),
        many("switch 1 { 1 => ", 4_000),
        many("let a = ", 8_000),
        many("a = ", 15_000),
        many("record.a = ", 5_000),
        many("/*", 30_000),
        many("1 ?? ", 12_000),
        many("try {", 12_000),
        format!("[{}]", many("1,", 30_000)),
    ] {
        let started = Instant::now();
        let _ = compile(&source).map(|transform| {
            let data = Map::new();
            let subject = Subject { data: &data, input: &Value::Null, kind: "", id: "" };
            let _ = on_deep_stack(|| transform.run(&subject, None));
        });
        let took = started.elapsed();
        assert!(took < Duration::from_secs(2), "{}…: {took:?}", &source[..20]);
    }
}

#[test]
fn a_comparison_that_contradicts_itself_fails_only_the_record() {
    let source = "let a = []; for i in 0..200 { a.push(i * 7919 % 211); } a.sort(|x, y| if (x + y) % 3 == 0 { 1 } else { -1 }); record";
    if let Err(failure) = run(source) {
        assert_eq!(failure.code, "transform_failed");
    }
}

#[test]
fn logs_are_bounded() {
    let logs = on_deep_stack(|| {
        let transform =
            compile("let s = \"ä\"; s.pad(5000, 'ä'); print(s); debug(1); for i in 0..1000 { print(i); } record")
                .expect("compiles");
        let data = Map::new();
        let subject = Subject { data: &data, input: &Value::Null, kind: "", id: "" };
        transform.run(&subject, None).expect("runs");
        take_logs()
    })
    .expect("a thread");
    assert_eq!((logs.len(), logs[0].len()), (101, 1_024));
    assert!(logs[1].ends_with(" 1") && logs[2] == "0", "{:?}", &logs[1..3]);
}

#[test]
fn a_deadline_stops_a_program() {
    let transform = compile("loop {}").expect("compiles");
    let data = Map::new();
    let subject = Subject { data: &data, input: &Value::Null, kind: "", id: "" };
    let failure = on_deep_stack(|| transform.run(&subject, Some(Instant::now()))).expect("a thread");
    assert_eq!(failure.expect_err("stopped").code, "transform_timeout");
}
