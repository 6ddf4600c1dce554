//! The keys of issuers: found, rotated, and lived without for a while.

use jsonwebtoken::Algorithm;
use serde_json::json;

use super::issuer::{Answer, Issuer, Key};
use super::{accepted, refused, viewer};
use crate::harness::{Kind, TestServer, eventually};

/// A server that believes `issuer`, with more flags.
async fn believing(issuer: &Issuer, flags: &[&str]) -> TestServer {
    let list = json!([{ "issuer": issuer.url(), "audience": "studio", "orgs": ["acme"] }]).to_string();
    let flags = [&["--oidc-issuers", &list], flags].concat();
    TestServer::start_with(Kind::Sqlite, &flags).await
}

const QUICK: [&str; 4] = ["--jwks-min-age", "50ms", "--jwks-max-age", "1h"];

#[tokio::test]
async fn keycloaks_tokens_work_as_they_come() {
    let keys = [
        Key::rsa("rs256", Algorithm::RS256),
        Key::rsa("rs384", Algorithm::RS384),
        Key::rsa("rs512", Algorithm::RS512),
        Key::rsa("ps256", Algorithm::PS256),
        Key::rsa("ps384", Algorithm::PS384),
        Key::rsa("ps512", Algorithm::PS512),
        Key::p256("es256"),
        Key::p384("es384"),
        Key::ed25519("eddsa"),
    ];
    let issuer = Issuer::start(&keys).await;
    let server = believing(&issuer, &[]).await;
    for key in &keys {
        let viewer = accepted(&server, &key.sign(&issuer.claims(json!({})))).await;
        assert_eq!(viewer["subject"], "1eeb1f0e-5b0e-4a43-9a39-7ee2e0c0f7a5", "{}", key.kid);
        // The role of the client is higher than that of the realm.
        assert_eq!((&viewer["role"], &viewer["org"]), (&json!("OPERATOR"), &json!("acme")), "{}", key.kid);
    }
    let realm_only = keys[0].sign(&issuer.claims(json!({ "resource_access": null, "aud": ["account", "studio"] })));
    assert_eq!(accepted(&server, &realm_only).await["role"], "VIEWER");
    // The server's own tokens go on beside those of the issuer.
    assert_eq!(accepted(&server, &server.admin().token).await["role"], "ADMIN");
}

#[tokio::test]
async fn a_key_set_works_by_its_url_alone() {
    let key = Key::p256("one");
    let issuer = Issuer::start(std::slice::from_ref(&key)).await;
    let server = TestServer::start_with(Kind::Sqlite, &["--jwks-url", &issuer.keys_url()]).await;
    let claims = issuer.claims(json!({ "org": "acme", "roles": ["datasource:admin"] }));
    assert_eq!(accepted(&server, &key.sign(&claims)).await["role"], "ADMIN");
    // The only key needs no name.
    let nameless = key.sign_with(&jsonwebtoken::Header::new(Algorithm::ES256), &claims);
    assert_eq!(accepted(&server, &nameless).await["role"], "ADMIN");
    let shared = jsonwebtoken::EncodingKey::from_secret(b"a secret that anybody might have chosen");
    let shared = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &shared).expect("it signs");
    let (code, message) = refused(&server, &shared).await;
    assert_eq!(code, "UNAUTHENTICATED");
    assert!(message.contains("shared secret"), "{message}");
}

#[tokio::test]
async fn a_new_key_is_found_and_a_withdrawn_one_is_forgotten() {
    let (old, new) = (Key::rsa("2025", Algorithm::RS256), Key::p256("2026"));
    let issuer = Issuer::start(std::slice::from_ref(&old)).await;
    issuer.cache("public, max-age=3600");
    let server = believing(&issuer, &QUICK).await;
    let (old_token, new_token) = (old.sign(&issuer.claims(json!({}))), new.sign(&issuer.claims(json!({}))));
    accepted(&server, &old_token).await;
    assert!(refused(&server, &new_token).await.1.contains("`kid`"));

    issuer.publish(vec![new.public()]);
    eventually("the new key is found", || async { (viewer(&server, &new_token).await.0 == 200).then_some(()) }).await;
    assert!(refused(&server, &old_token).await.1.contains("`kid`"));
}

#[tokio::test]
async fn keys_are_fetched_anew_before_they_end() {
    let (old, new) = (Key::rsa("2025", Algorithm::RS256), Key::p256("2026"));
    let issuer = Issuer::start(std::slice::from_ref(&old)).await;
    issuer.cache("max-age=0");
    let server = believing(&issuer, &["--jwks-min-age", "50ms", "--jwks-max-age", "50ms"]).await;
    let token = old.sign(&issuer.claims(json!({})));
    accepted(&server, &token).await;
    issuer.publish(vec![new.public()]);
    // Nobody asks for the new key: the withdrawn one is noticed all the same.
    eventually("the withdrawn key is forgotten", || async { (viewer(&server, &token).await.0 == 401).then_some(()) })
        .await;
}

#[tokio::test]
async fn unknown_key_names_do_not_make_an_issuer_busy() {
    let key = Key::rsa("one", Algorithm::RS256);
    let issuer = Issuer::start(std::slice::from_ref(&key)).await;
    let server = believing(&issuer, &["--jwks-min-age", "1h", "--jwks-max-age", "1h"]).await;
    accepted(&server, &key.sign(&issuer.claims(json!({})))).await;
    let forged = Key::p256("made-up").sign(&issuer.claims(json!({})));
    let attempts = (0..50).map(|_| refused(&server, &forged));
    for (code, message) in futures::future::join_all(attempts).await {
        assert_eq!(code, "UNAUTHENTICATED");
        assert!(message.contains("`kid`"), "{message}");
    }
    assert_eq!(issuer.fetches().0, 1);
}

#[tokio::test]
async fn requests_that_wait_for_a_new_key_share_one_fetch() {
    let (old, new) = (Key::rsa("2025", Algorithm::RS256), Key::p256("2026"));
    let issuer = Issuer::start(std::slice::from_ref(&old)).await;
    issuer.cache("max-age=3600");
    let server = believing(&issuer, &["--jwks-min-age", "1ms", "--jwks-max-age", "1h"]).await;
    let known = old.sign(&issuer.claims(json!({})));
    accepted(&server, &known).await;
    issuer.publish(vec![old.public(), new.public()]);
    let held = issuer.hold().await;
    let token = new.sign(&issuer.claims(json!({})));
    let waiting = futures::future::join_all((0..20).map(|_| viewer(&server, &token)));
    let release = async {
        eventually("one of them asks the issuer", || async { (issuer.fetches().0 == 2).then_some(()) }).await;
        // What is known is not held up by what is not.
        accepted(&server, &known).await;
        drop(held);
    };
    let (answers, ()) = tokio::join!(waiting, release);
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!(issuer.fetches().1, 1, "one at a time");
}

#[tokio::test]
async fn known_keys_outlive_an_issuer_that_is_away_or_talks_nonsense() {
    let key = Key::ed25519("one");
    let issuer = Issuer::start(std::slice::from_ref(&key)).await;
    issuer.cache("max-age=0");
    let flags = ["--jwks-min-age", "20ms", "--jwks-max-age", "20ms", "--jwks-outage", "1h", "--jwks-timeout", "500ms"];
    let server = believing(&issuer, &flags).await;
    let token = key.sign(&issuer.claims(json!({})));
    accepted(&server, &token).await;
    let failed = format!("auth_key_fetches_total{{issuer=\"{}\",outcome=\"error\"}}", issuer.url());
    let outdated = format!("auth_keys_outdated{{issuer=\"{}\"}}", issuer.url());
    for trouble in [Answer::Down, Answer::Garbage, Answer::Endless, Answer::Elsewhere, Answer::Impostor] {
        let before = server.metric(&failed).await.unwrap_or_default();
        issuer.answer(trouble);
        eventually("the failure is counted and the keys are outdated", || async {
            let counted = server.metric(&failed).await? > before;
            (counted && server.metric(&outdated).await? == 1.0).then_some(())
        })
        .await;
        accepted(&server, &token).await;
        issuer.answer(Answer::Well);
        eventually("the keys are fresh again", || async { (server.metric(&outdated).await? == 0.0).then_some(()) })
            .await;
    }
    issuer.publish(Vec::new());
    eventually("a set without keys is a failure, too", || async {
        (server.metric(&outdated).await? == 1.0).then_some(())
    })
    .await;
    accepted(&server, &token).await;
}

#[tokio::test]
async fn an_outage_is_borne_for_a_time_and_over_when_the_issuer_is_back() {
    let key = Key::p384("one");
    let issuer = Issuer::start(std::slice::from_ref(&key)).await;
    issuer.cache("max-age=0");
    issuer.answer(Answer::Down);
    let flags = ["--jwks-min-age", "20ms", "--jwks-max-age", "20ms", "--jwks-outage", "0s"];
    let server = believing(&issuer, &flags).await;
    let token = key.sign(&issuer.claims(json!({})));
    let (code, message) = refused(&server, &token).await;
    assert_eq!(code, "UNAVAILABLE", "that the keys are not known is no fault of the token: {message}");
    issuer.answer(Answer::Well);
    eventually("the issuer is back", || async { (viewer(&server, &token).await.0 == 200).then_some(()) }).await;
    issuer.answer(Answer::Down);
    eventually("the keys end", || async { (viewer(&server, &token).await.0 == 503).then_some(()) }).await;
}

#[tokio::test]
async fn keys_that_are_not_for_signatures_or_too_weak_are_ignored() {
    let good = Key::rsa("good", Algorithm::RS256);
    let issuer = Issuer::start(std::slice::from_ref(&good)).await;
    let with = |kid: &'static str, changes: serde_json::Value| {
        let mut key = Key::rsa(kid, Algorithm::RS256).public();
        for (name, value) in changes.as_object().expect("an object") {
            key[name] = value.clone();
        }
        key
    };
    let short = "q".repeat(171);
    issuer.publish(vec![
        with("encrypts", json!({ "use": "enc" })),
        with("signs-only", json!({ "use": null, "key_ops": ["sign"] })),
        with("other-alg", json!({ "alg": "RSA-OAEP" })),
        with("hmac-alg", json!({ "alg": "HS256" })),
        with("private", json!({ "d": "AQAB" })),
        with("short", json!({ "n": short })),
        json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256", "kid": "shared" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "p521" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AA", "kid": "x25519" }),
        json!("no key at all"),
        good.public(),
    ]);
    let server = believing(&issuer, &[]).await;
    for kid in ["encrypts", "signs-only", "other-alg", "hmac-alg", "private", "short", "shared", "p521", "x25519"] {
        let token = Key::rsa(kid, Algorithm::RS256).sign(&issuer.claims(json!({})));
        let (_, message) = refused(&server, &token).await;
        assert!(message.contains("does not publish"), "{kid}: {message}");
    }
    accepted(&server, &good.sign(&issuer.claims(json!({})))).await;
}
