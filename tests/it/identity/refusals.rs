//! What is refused of an issuer's tokens, and in which words; and settings that would believe too much.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Parser;
use datasource_studio::auth::jwt::Verifier;
use datasource_studio::config::AuthSettings;
use datasource_studio::telemetry::Metrics;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::issuer::{Issuer, Key};
use super::{accepted, refused};
use crate::harness::server::JWT_SECRET;
use crate::harness::{Kind, TestServer};

fn unsigned(header: Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&header), part(claims))
}

#[tokio::test]
async fn each_refusal_says_why() {
    let key = Key::rsa("one", Algorithm::RS256);
    let issuer = Issuer::start(std::slice::from_ref(&key)).await;
    let other = Issuer::start(&[Key::p256("one")]).await;
    let list = json!([
        { "issuer": issuer.url(), "audience": ["studio"], "orgs": ["acme"] },
        { "issuer": other.url(), "audience": ["studio"], "orgs": ["globex"] },
    ]);
    let list = list.to_string();
    let server = TestServer::start_with(Kind::Sqlite, &["--oidc-issuers", &list]).await;
    let now = chrono::Utc::now().timestamp();
    let with = |changes: Value| key.sign(&issuer.claims(changes));
    let good = issuer.claims(json!({}));
    let header = |change: fn(&mut Header)| {
        let mut header = key.header();
        change(&mut header);
        key.sign_with(&header, &good)
    };
    accepted(&server, &key.sign(&good)).await;

    let public_pem = include_bytes!("../../fixtures/keys/rsa.pub.pem");
    let confused = |secret: &[u8]| {
        let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) };
        encode(&header, &good, &EncodingKey::from_secret(secret)).expect("it signs")
    };
    for (what, token, says) in [
        ("alg none", unsigned(json!({ "alg": "none", "kid": "one" }), &good), "no known signature algorithm"),
        ("no alg", unsigned(json!({ "kid": "one" }), &good), "no known signature algorithm"),
        ("the public key as a secret", confused(public_pem), "shared secret (HMAC)"),
        ("the server's own secret", confused(JWT_SECRET.as_bytes()), "shared secret (HMAC)"),
        ("another algorithm of the key", header(|h| h.alg = Algorithm::RS512), "algorithm that the issuer's key"),
        ("another issuer's key", Key::p256("one").sign(&good), "algorithm that the issuer's key"),
        ("audience", with(json!({ "azp": "billing" })), "neither the token's `aud` nor its `azp`"),
        ("no audience", with(json!({ "aud": null, "azp": null })), "neither the token's `aud` nor its `azp`"),
        ("issuer", with(json!({ "iss": format!("{}/", issuer.url()) })), "signed with an algorithm that this server"),
        ("no subject", with(json!({ "sub": null })), "`sub`"),
        ("no end", with(json!({ "exp": null })), "`exp`"),
        ("expired", with(json!({ "exp": now - 120 })), "has expired"),
        ("too early", with(json!({ "nbf": now + 120 })), "not valid yet"),
        ("organisation", with(json!({ "org": "globex" })), "organisation that its issuer may not speak for"),
        ("unknown key", header(|h| h.kid = Some("two".into())), "does not publish"),
        ("critical extension", header(|h| h.crit = Some(vec!["b64".into()])), "`crit`"),
        ("id token", with(json!({ "typ": "ID" })), "no access token"),
        ("oversized", with(json!({ "padding": "x".repeat(20_000) })), "longer than 16384 bytes"),
    ] {
        let (code, message) = refused(&server, &token).await;
        assert_eq!(code, "UNAUTHENTICATED", "{what}: {message}");
        assert!(message.contains(says), "{what}: {message}");
    }
    let role = with(json!({ "realm_access": { "roles": ["admin"] }, "resource_access": null }));
    assert_eq!(refused(&server, &role).await.0, "FORBIDDEN");
}

#[derive(Parser)]
struct Parsed {
    #[command(flatten)]
    auth: AuthSettings,
}

/// How a server with these settings refuses to start.
fn refusal(flags: &[&str]) -> String {
    let parsed = match Parsed::try_parse_from([&["test"], flags].concat()) {
        Ok(parsed) => parsed,
        Err(error) => return error.to_string(),
    };
    Verifier::new(&parsed.auth, None, &Metrics::new(1)).expect_err("must be refused")
}

#[test]
fn settings_that_would_believe_too_much_are_refused() {
    let issuer = |more: Value| {
        let mut issuer = json!({ "issuer": "https://id.example", "audience": "studio" });
        for (name, value) in more.as_object().expect("an object") {
            issuer[name] = value.clone();
        }
        json!([issuer]).to_string()
    };
    for (flags, says) in [
        (vec!["--oidc-issuers", "https://id.example"], "needs an audience"),
        (vec!["--oidc-issuers", "http://id.example", "--jwt-audience", "studio"], "must be https"),
        (vec!["--oidc-issuers", "https://a.example,https://a.example"], "twice"),
        (vec!["--oidc-issuers", &issuer(json!({ "algorithms": ["HS256"] }))], "not an algorithm of public keys"),
        (vec!["--oidc-issuers", &issuer(json!({ "jwks_url": "http://id.example/keys" }))], "must be https"),
        (vec!["--oidc-issuers", &issuer(json!({ "jwks_url": "https://a:b@id.example/keys" }))], "must not hold a user"),
        (vec!["--oidc-issuers", &issuer(json!({ "audiance": "studio" }))], "unknown field `audiance`"),
        (vec!["--jwks-url", "http://id.example/keys"], "must be https"),
        (vec!["--jwks-url", "https://id.example/keys", "--jwt-algorithms", "none"], "not an algorithm of public keys"),
        (vec!["--jwks-url", "https://id.example/keys", "--jwt-public-key", "x.pem"], "keep the one"),
        (vec!["--jwks-url", "https://id.example/keys", "--jwks-max-age", "1s"], "STUDIO_JWKS_MAX_AGE"),
    ] {
        let message = refusal(&flags);
        assert!(message.contains(says), "{flags:?}: {message}");
    }
}

#[test]
fn issuers_may_stand_in_the_settings_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("studio.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("it is written");
    let command = || {
        use clap::Args as _;
        datasource_studio::config::apply_file(AuthSettings::augment_args(clap::Command::new("test")), &file)
    };
    write(
        "[[auth.issuers]]\nissuer = \"https://id.example\"\naudience = \"studio\"\norgs = [\"acme\"]\n\n\
         [[auth.issuers]]\nissuer = \"https://login.example\"\naudience = [\"a\", \"b\"]\nalgorithms = [\"ES256\"]\n",
    );
    let matches = command().expect("a valid file").try_get_matches_from(["test"]).expect("valid settings");
    use clap::FromArgMatches as _;
    let issuers = AuthSettings::from_arg_matches(&matches).expect("settings").oidc_issuers.expect("issuers").0;
    assert_eq!(
        issuers.iter().map(|i| i.issuer.as_str()).collect::<Vec<_>>(),
        ["https://id.example", "https://login.example"]
    );
    assert_eq!(
        (&issuers[0].orgs[..], &issuers[1].audience[..]),
        (&["acme".to_owned()][..], &["a".to_owned(), "b".to_owned()][..])
    );

    write("[auth]\nissuer = \"https://id.example\"\n");
    assert!(command().expect_err("refused").contains("[[auth.issuers]]"));
}
