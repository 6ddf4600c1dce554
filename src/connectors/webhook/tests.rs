use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;
use crate::connectors::testing::context;
use crate::domain::Timestamp;

const NOW: i64 = 1_614_265_330;

async fn receiver(config: Value) -> Result<Arc<dyn PushSource>, ConnectorError> {
    let webhook = Webhook::new();
    match webhook.start(&config, context()).await? {
        Source::Push(source) => Ok(source),
        Source::Pull(_) => unreachable!("a webhook is pushed to"),
    }
}

fn request(headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> PushRequest {
    let headers: HeaderMap =
        headers.iter().map(|(n, v)| (n.parse().expect("a name"), HeaderValue::from_str(v).expect("a value"))).collect();
    PushRequest { headers, body: body.into(), received_at: at(NOW) }
}

fn at(seconds: i64) -> Timestamp {
    chrono::DateTime::from_timestamp(seconds, 0).expect("a time")
}

fn refused(result: Result<Vec<Value>, PushRefusal>) -> bool {
    result == Err(PushRefusal::Unauthenticated(auth::REFUSAL))
}

/// GitHub's documented test value.
#[tokio::test]
async fn github_signatures() {
    let hook = receiver(json!({
        "auth": {"type": "github", "secret": "It's a Secret to Everybody"}, "format": "text",
    }));
    let hook = hook.await.expect("starts");
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    let accepted = hook.accept(&request(&[("x-hub-signature-256", signature)], "Hello, World!"));
    assert_eq!(accepted, Ok(vec![json!("Hello, World!")]));

    assert!(refused(hook.accept(&request(&[("x-hub-signature-256", signature)], "Hello, World?"))));
    assert!(refused(hook.accept(&request(&[("x-hub-signature-256", &signature[7..])], "Hello, World!"))));
    assert!(refused(hook.accept(&request(&[("x-hub-signature-256", "sha256=")], "Hello, World!"))));
    assert!(refused(hook.accept(&request(&[("x-hub-signature-256", "sha256=7571")], "Hello, World!"))));
    assert!(refused(hook.accept(&request(&[("x-hub-signature", signature)], "Hello, World!"))));
    assert!(refused(hook.accept(&request(&[], "Hello, World!"))));
}

fn hmac_hex(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn github_form_posts_are_read_when_the_signature_fits() {
    let hook = receiver(json!({"auth": {"type": "github", "secret": "s"}})).await.expect("starts");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D";
    let signature = format!("sha256={}", hmac_hex("s", body.as_bytes()));

    let accepted = hook.accept(&request(&[form, ("x-hub-signature-256", &signature)], body));
    assert_eq!(accepted, Ok(vec![json!({"ref": "refs/heads/main"})]));
    assert!(refused(hook.accept(&request(&[form], body))));

    let signature = format!("sha256={}", hmac_hex("s", b"data=1"));
    let wrong = hook.accept(&request(&[form, ("x-hub-signature-256", &signature)], "data=1"));
    assert!(matches!(wrong, Err(PushRefusal::Malformed(_))), "{wrong:?}");
}

/// The documented example of the Standard Webhooks specification.
#[tokio::test]
async fn standard_webhooks_signatures() {
    let hook = receiver(json!({
        "auth": {"type": "standard_webhooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    }));
    let hook = hook.await.expect("starts");
    let body = r#"{"test": 2432232314}"#;
    let id = ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
    let time = ("webhook-timestamp", "1614265330");
    let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let signature = ("webhook-signature", good);

    let accepted = hook.accept(&request(&[id, time, signature], body));
    assert_eq!(accepted, Ok(vec![json!({"test": 2_432_232_314_u32})]));

    let list = format!("v1a,AAAA v1,bm9uZQ== {good}");
    assert!(hook.accept(&request(&[id, time, ("webhook-signature", &list)], body)).is_ok());

    for headers in [
        vec![time, signature],
        vec![id, signature],
        vec![id, time],
        vec![("webhook-id", "msg_other"), time, signature],
        vec![id, ("webhook-timestamp", "1614265331"), signature],
        vec![id, ("webhook-timestamp", "soon"), signature],
        vec![id, time, ("webhook-signature", &good[3..])],
    ] {
        assert!(refused(hook.accept(&request(&headers, body))), "{headers:?}");
    }
    for (seconds, fresh) in [(NOW + 300, true), (NOW - 300, true), (NOW + 301, false), (NOW - 301, false)] {
        let mut request = request(&[id, time, signature], body);
        request.received_at = at(seconds);
        assert_eq!(hook.accept(&request).is_ok(), fresh, "{seconds}");
    }
}

#[tokio::test]
async fn hmac_in_a_header_of_ones_own() {
    let hex = receiver(json!({
        "auth": {"type": "hmac_sha256", "secret": "k", "header": "X-Sign", "prefix": "sha256="},
    }));
    let hex = hex.await.expect("starts");
    let signature = hmac_hex("k", b"[1]");
    assert!(hex.accept(&request(&[("x-sign", &format!("sha256={signature}"))], "[1]")).is_ok());
    assert!(refused(hex.accept(&request(&[("x-sign", &signature)], "[1]"))));

    let base64 = receiver(json!({
        "auth": {"type": "hmac_sha256", "secret": "k", "header": "X-Sign", "encoding": "base64"},
    }));
    let base64 = base64.await.expect("starts");
    let encoded = BASE64.encode(hex::decode(&signature).expect("hex"));
    assert!(base64.accept(&request(&[("x-sign", &encoded)], "[1]")).is_ok());
    assert!(refused(base64.accept(&request(&[("x-sign", &signature)], "[1]"))));
}

#[tokio::test]
async fn secrets_that_are_sent_as_they_are() {
    let basic = format!("Basic {}", BASE64.encode("mona:pass:word"));
    let cases = [
        (json!({"type": "shared_secret", "secret": "s3"}), "x-webhook-secret", "s3"),
        (json!({"type": "shared_secret", "secret": "s3", "header": "X-Token"}), "x-token", "s3"),
        (json!({"type": "bearer", "token": "t0k"}), "authorization", "bearer t0k"),
        (json!({"type": "basic", "username": "mona", "password": "pass:word"}), "authorization", basic.as_str()),
    ];
    for (auth, header, value) in cases {
        let hook = receiver(json!({"auth": auth})).await.expect("starts");
        assert!(hook.accept(&request(&[(header, value)], "{}")).is_ok(), "{auth}");
        assert!(refused(hook.accept(&request(&[], "{}"))), "{auth}");
        assert!(refused(hook.accept(&request(&[(header, "")], "{}"))), "{auth}");
        assert!(refused(hook.accept(&request(&[(header, &format!("{value}x"))], "{}"))), "{auth}");
    }
}

#[tokio::test]
async fn an_empty_or_malformed_secret_does_not_start() {
    for auth in [
        json!({"type": "github", "secret": ""}),
        json!({"type": "bearer", "token": ""}),
        json!({"type": "basic", "username": "u", "password": ""}),
        json!({"type": "standard_webhooks", "secret": "whsec_"}),
        json!({"type": "standard_webhooks", "secret": "whsec_not*base64"}),
    ] {
        let error = receiver(json!({"auth": auth})).await.err().expect("refused");
        assert_eq!((error.code, error.is_permanent()), ("config_invalid", true), "{auth}");
        assert!(!error.message.contains("not*base64"));
    }
}

#[tokio::test]
async fn the_body_is_bounded_and_must_be_what_was_configured() {
    let hook = receiver(json!({"auth": {"type": "none"}, "max_body": 10})).await.expect("starts");
    assert_eq!(hook.accept(&request(&[], "[1,2,3,4,5]")), Err(PushRefusal::TooLarge(10)));
    assert!(matches!(hook.accept(&request(&[], "{")), Err(PushRefusal::Malformed(_))));

    for kind in ["application/json; charset=utf-8", "application/cloudevents+json", "text/json"] {
        assert!(hook.accept(&request(&[("content-type", kind)], "{}")).is_ok(), "{kind}");
    }
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/xml", "image/png"] {
        let refusal = hook.accept(&request(&[("content-type", kind)], "{}"));
        assert!(matches!(refusal, Err(PushRefusal::UnsupportedMediaType(_))), "{kind}");
    }

    let hook = receiver(json!({"auth": {"type": "none"}, "format": "json_lines"})).await.expect("starts");
    let accepted = hook.accept(&request(&[("content-type", "application/x-ndjson")], "1\n2\n"));
    assert_eq!(accepted, Ok(vec![json!(1), json!(2)]));

    let bomb = "[".repeat(1_000_000);
    assert!(matches!(hook.accept(&request(&[], bomb)), Err(PushRefusal::Malformed(_))));
}

#[test]
fn names_that_http_cannot_carry_are_refused() {
    let problems = |auth: Value| Webhook::new().validate(&json!({"auth": auth}));
    let found = problems(json!({"type": "hmac_sha256", "secret": "{{secret.a}}", "header": "X Sign"}));
    assert_eq!(found[0].pointer, "/auth/header");
    let found = problems(json!({"type": "basic", "username": "a:b", "password": "{{secret.a}}"}));
    assert_eq!(found[0].pointer, "/auth/username");
}

#[test]
fn decoding_obeys_the_size_limit() {
    let config = json!({"auth": {"type": "none"}, "max_body": 3});
    let error = Webhook::new().decode(&config, b"[1, 2]").expect_err("too long");
    assert_eq!(error.code, "payload_too_large");
}

fn every_auth() -> Vec<Value> {
    vec![
        json!({"type": "github", "secret": "s"}),
        json!({"type": "standard_webhooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
        json!({"type": "hmac_sha256", "secret": "s", "header": "X-Sign", "encoding": "base64", "prefix": "v1="}),
        json!({"type": "hmac_sha256", "secret": "s", "header": "X-Sign"}),
        json!({"type": "shared_secret", "secret": "grüezi"}),
        json!({"type": "bearer", "token": "t"}),
        json!({"type": "basic", "username": "u", "password": "p:w"}),
        json!({"type": "none"}),
    ]
}

async fn checked(config: Value) -> Vec<String> {
    let steps = Webhook::new().check(&config, context()).await;
    steps
        .into_iter()
        .map(|s| s.outcome.map_or_else(|e| format!("{}!{}", s.name, e.code), |_| s.name.to_owned()))
        .collect()
}

/// A request that is signed with the configured secret is accepted, one with another secret is not.
#[tokio::test]
async fn a_check_signs_a_request_and_takes_it_in() {
    for auth in every_auth() {
        for format in ["json", "json_lines", "text"] {
            assert_eq!(checked(json!({"auth": auth, "format": format})).await, ["secret", "accept"], "{auth}");
        }
        let config = parse(&json!({"auth": auth})).expect("settings");
        let (body, received_at) = (Bytes::from_static(b"{}"), at(NOW));
        let headers = Verifier::sign(&config.auth, &body, received_at).expect("a signature");
        let mut other = auth.clone();
        for key in ["secret", "token", "password"] {
            if other.get(key).is_some() {
                other[key] = json!("another");
            }
        }
        let hook = receiver(json!({"auth": other})).await.expect("starts");
        let taken = hook.accept(&PushRequest { headers, body, received_at });
        assert_eq!(refused(taken), auth["type"] != "none", "{auth}");
    }
}

#[tokio::test]
async fn a_check_finds_a_secret_that_no_sender_could_use() {
    let standard = |secret: &str| json!({"auth": {"type": "standard_webhooks", "secret": secret}});
    assert_eq!(checked(standard("whsec_not*base64")).await, ["secret!config_invalid"]);
    assert_eq!(checked(standard("")).await, ["secret!config_invalid"]);
    let shared = |secret: &str| json!({"auth": {"type": "shared_secret", "secret": secret}});
    for unusable in ["two\nlines", " blank", "bell\u{7}"] {
        assert_eq!(checked(shared(unusable)).await, ["secret", "accept!config_invalid"], "{unusable:?}");
    }
    assert_eq!(checked(json!({"auth": {"type": "none"}, "max_body": 1})).await, ["secret", "accept!refused"]);
}

#[tokio::test]
async fn an_envelope_has_the_headers_that_were_chosen_and_no_secret() {
    let config = json!({
        "auth": {"type": "shared_secret", "secret": "s", "header": "X-Shared"},
        "envelope": true, "envelope_headers": ["X-GitHub-Event", "x-trace"],
    });
    let hook = receiver(config.clone()).await.expect("starts");
    let headers = [("x-shared", "s"), ("x-github-event", "push"), ("x-trace", "a"), ("x-trace", "b"), ("cookie", "c")];
    let mut request = request(&headers[..3], "{\"n\":1}");
    request.headers.append("x-trace", HeaderValue::from_static("b"));
    let found = hook.accept(&request).expect("accepted");
    let expected = json!({
        "value": {"n": 1}, "received_at": "2021-02-25T15:02:10Z",
        "headers": {"x-github-event": "push", "x-trace": ["a", "b"]},
    });
    assert_eq!(found, std::slice::from_ref(&expected));
    assert_eq!(Webhook::new().decode(&config, expected.to_string().as_bytes()), Ok(vec![expected]));

    let problems = |names: Value, envelope: bool| {
        let auth = json!({"type": "shared_secret", "secret": "{{secret.s}}", "header": "X-Shared"});
        let found = Webhook::new().validate(&json!({"auth": auth, "envelope": envelope, "envelope_headers": names}));
        found.into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
    };
    assert_eq!(
        problems(json!(["x-shared", "X-Ok", "Authorization", "X-Hub-Signature-256", "Cookie"]), true),
        ["/envelope_headers/0", "/envelope_headers/2", "/envelope_headers/3", "/envelope_headers/4",]
    );
    assert_eq!(problems(json!(["X-Ok"]), false), ["/envelope_headers"]);
}
