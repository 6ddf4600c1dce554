use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{MAX_TOKEN_BYTES, Minter, TokenRequest, Verifier};
use crate::auth::{Actor, ActorKind};
use crate::config::AuthSettings;
use crate::domain::{HumanDuration, Role, Tenant, now};
use crate::error::{Error, ErrorCode};
use crate::telemetry::Metrics;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/keys/", $name, ".pem"))
    };
}

fn settings() -> AuthSettings {
    let list = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    AuthSettings {
        master_key: None,
        jwt_secret: None,
        jwt_public_key: None,
        jwks_url: None,
        oidc_issuers: None,
        jwks_min_age: HumanDuration(Duration::from_secs(10)),
        jwks_max_age: HumanDuration(Duration::from_secs(3_600)),
        jwks_outage: HumanDuration(Duration::from_secs(3_600)),
        jwks_timeout: HumanDuration(Duration::from_secs(5)),
        jwt_default_org: None,
        jwt_group_claims: list(&["groups"]),
        jwt_community_claims: list(&["communities"]),
        jwt_algorithms: Vec::new(),
        jwt_issuer: None,
        jwt_audience: None,
        jwt_leeway: HumanDuration(Duration::from_secs(5)),
        jwt_role_claims: list(&["roles", "realm_access.roles", "scope"]),
        jwt_org_claims: list(&["org", "org_id", "tenant"]),
        jwt_project_claims: list(&["projects", "project"]),
    }
}

/// A verifier of a key that is there from the start: it never waits.
#[derive(Debug)]
struct Fixed(Verifier);

impl Fixed {
    fn new(settings: &AuthSettings, secret: Option<&SecretString>) -> Result<Self, String> {
        Verifier::new(settings, secret, &Metrics::new(1)).map(Self)
    }

    fn verify(&self, token: &str) -> Result<Actor, Error> {
        futures::executor::block_on(self.0.verify(token))
    }
}

fn verifier(settings: &AuthSettings) -> Fixed {
    Fixed::new(settings, Some(&SECRET.into())).expect("valid settings")
}

/// Settings with a public key in place of the secret, and their verifier or refusal.
fn with_public_key(key: &str, algorithms: &[&str]) -> Result<Fixed, String> {
    let jwt_algorithms = algorithms.iter().map(|s| (*s).to_owned()).collect();
    Fixed::new(&AuthSettings { jwt_public_key: Some(key.into()), jwt_algorithms, ..settings() }, None)
}

/// Claims that are accepted, with `changes` merged in; a null removes a claim.
fn claims(changes: Value) -> Value {
    let mut claims =
        json!({ "sub": "ada", "org": "acme", "roles": ["datasource:viewer"], "exp": now().timestamp() + 600 });
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn sign(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("signs")
}

fn verify(changes: Value) -> Result<Actor, Error> {
    verifier(&settings()).verify(&sign(&claims(changes)))
}

/// The message of a refusal, which must be "who are you" and quote none of the token.
#[track_caller]
fn unauthenticated(outcome: Result<Actor, Error>) -> String {
    let error = outcome.expect_err("must be refused");
    assert_eq!(error.code(), ErrorCode::Unauthenticated, "{error}");
    error.message().to_owned()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn a_good_token_becomes_an_actor() {
    let exp = now().timestamp() + 600;
    let actor = verify(json!({ "exp": exp })).expect("accepted");
    assert_eq!((&*actor.subject, actor.role, actor.kind), ("ada", Role::Viewer, ActorKind::User));
    assert_eq!((&**actor.scope.org_id(), actor.scope.project_ids()), ("acme", None));
    assert_eq!(&*actor.default_project, "default");
    assert_eq!(actor.expires_at.map(|t| t.timestamp()), Some(exp));
}

#[test]
fn unsigned_and_badly_signed_tokens_are_refused() {
    let good = sign(&claims(json!({})));
    let mut parts: Vec<_> = good.split('.').map(str::to_owned).collect();
    let check = |token: &str| unauthenticated(verifier(&settings()).verify(token));

    for header in [json!({ "alg": "none" }), json!({ "alg": "NONE" }), json!({ "typ": "JWT" })] {
        for signature in ["", &parts[2]] {
            assert!(check(&format!("{}.{}.{signature}", part(&header), parts[1])).contains("accepts HS256"));
        }
    }
    assert!(check(&format!("{}.{}.", parts[0], parts[1])).contains("signature"));

    let admin = claims(json!({ "roles": ["datasource:admin"] }));
    parts[1] = part(&admin);
    assert!(check(&parts.join(".")).contains("signature"));

    let other = EncodingKey::from_secret(b"another secret of thirty-two bytes");
    assert!(check(&encode(&Header::default(), &admin, &other).expect("signs")).contains("signature"));

    let hs512 = encode(&Header::new(Algorithm::HS512), &admin, &EncodingKey::from_secret(SECRET.as_bytes()));
    assert!(check(&hs512.expect("signs")).contains("does not accept; it accepts HS256"));
}

#[test]
fn what_is_no_token_is_refused_in_words() {
    let check = |token: &str| unauthenticated(verifier(&settings()).verify(token));
    for text in ["", "x", "a.b", "a.b.c", "a.b.c.d", "é.è.à", "Bearer a.b.c", "....", "\0"] {
        assert!(check(text).starts_with("the token"), "{text}");
    }
    assert!(check(&"a".repeat(MAX_TOKEN_BYTES + 1)).contains("longer than 16384 bytes"));
    let array = encode(&Header::default(), &json!(["datasource:admin"]), &EncodingKey::from_secret(SECRET.as_bytes()));
    assert!(check(&array.expect("signs")).contains("JSON object"));
    let crit = Header { crit: Some(vec!["b64".into()]), ..Header::default() };
    let crit = encode(&crit, &claims(json!({})), &EncodingKey::from_secret(SECRET.as_bytes()));
    assert!(check(&crit.expect("signs")).contains("`crit`"));
}

#[test]
fn times_are_checked_with_leeway() {
    let at = |offset: i64| now().timestamp() + offset;
    assert!(unauthenticated(verify(json!({ "exp": null }))).contains("`exp`"));
    assert!(unauthenticated(verify(json!({ "exp": "tomorrow" }))).contains("`exp`"));
    assert!(unauthenticated(verify(json!({ "exp": -1 }))).contains("`exp`"));
    assert!(unauthenticated(verify(json!({ "exp": 1e18 }))).contains("`exp`"));
    assert!(unauthenticated(verify(json!({ "exp": at(-60) }))).contains("expired"));
    assert!(verify(json!({ "exp": at(-2) })).is_ok(), "within the leeway of 5 s");
    assert!(unauthenticated(verify(json!({ "nbf": at(60) }))).contains("not valid yet"));
    assert!(unauthenticated(verify(json!({ "nbf": "soon" }))).contains("`nbf`"));
    assert!(verify(json!({ "nbf": at(2) })).is_ok(), "within the leeway of 5 s");
}

#[test]
fn issuer_and_audience_are_required_once_configured() {
    let strict = verifier(&AuthSettings {
        jwt_issuer: Some("https://id.acme.example".into()),
        jwt_audience: Some("studio".into()),
        ..settings()
    });
    let check = |changes: Value| strict.verify(&sign(&claims(changes)));
    let good = json!({ "iss": "https://id.acme.example", "aud": "studio" });
    assert!(check(good.clone()).is_ok());
    let with = |name: &str, value: Value| {
        let mut changes = good.clone();
        changes[name] = value;
        check(changes)
    };
    assert!(with("aud", json!(["other", "studio"])).is_ok());
    assert!(unauthenticated(with("aud", json!("other"))).contains("`aud`"));
    assert!(unauthenticated(with("aud", json!(["other"]))).contains("`aud`"));
    assert!(unauthenticated(with("aud", json!([]))).contains("`aud`"));
    assert!(unauthenticated(with("aud", Value::Null)).contains("`aud`"));
    assert!(unauthenticated(with("iss", json!("https://id.acme.example/"))).contains("`iss`"));
    assert!(unauthenticated(with("iss", Value::Null)).contains("`iss`"));

    assert!(verify(json!({ "aud": ["other"], "iss": "anybody" })).is_ok(), "nothing was asked for");
    let empty = AuthSettings { jwt_audience: Some(" ".into()), ..settings() };
    assert!(Fixed::new(&empty, Some(&SECRET.into())).expect_err("refused").contains("STUDIO_JWT_AUDIENCE is empty"));
}

#[test]
fn subject_and_organisation_are_required() {
    assert!(unauthenticated(verify(json!({ "sub": null }))).contains("`sub`"));
    assert!(unauthenticated(verify(json!({ "sub": "" }))).contains("`sub` must not be empty"));
    assert!(unauthenticated(verify(json!({ "sub": "a\nb" }))).contains("control characters"));
    for taken in ["service:deployer", "system:registry", " system:registry"] {
        assert!(unauthenticated(verify(json!({ "sub": taken }))).contains("stands for no person"), "{taken}");
    }
    assert!(verify(json!({ "sub": "service-account-deployer" })).is_ok());
    assert!(unauthenticated(verify(json!({ "org": null }))).contains("`org` or `org_id` or `tenant`"));
    for org in [json!(""), json!("  "), json!("a\u{0}"), json!("x".repeat(129)), json!(7), json!(["acme"])] {
        assert!(unauthenticated(verify(json!({ "org": org, "tenant": "acme" }))).contains("`org`"), "{org}");
    }
    let actor = verify(json!({ "org": null, "org_id": "by-id", "tenant": "last" })).expect("accepted");
    assert_eq!(&**actor.scope.org_id(), "by-id");
}

#[test]
fn roles_are_found_where_providers_put_them() {
    let role = |changes: Value| verify(changes).map(|actor| actor.role).map_err(|e| e.code());
    let none = |name: &str, value: Value| json!({ "roles": null, name: value });
    assert_eq!(role(none("realm_access", json!({ "roles": ["offline", "datasource:operator"] }))), Ok(Role::Operator));
    assert_eq!(role(none("realm_access.roles", json!(["datasource:admin"]))), Ok(Role::Admin));
    assert_eq!(role(none("scope", json!("openid datasource:viewer datasource:admin email"))), Ok(Role::Admin));
    assert_eq!(role(json!({ "roles": ["datasource:viewer", "datasource:operator", 7] })), Ok(Role::Operator));
    assert_eq!(role(json!({ "roles": "datasource:operator" })), Ok(Role::Operator));

    let mut null = claims(json!({ "org": null, "tenant": "acme", "scope": "datasource:operator" }));
    (null["roles"], null["org"]) = (Value::Null, Value::Null);
    let actor = verifier(&settings()).verify(&sign(&null)).expect("a null role or organisation is as none");
    assert_eq!((actor.role, &**actor.scope.org_id()), (Role::Operator, "acme"));

    let first_counts = json!({ "roles": ["datasource:viewer"], "scope": "datasource:admin" });
    assert_eq!(role(first_counts), Ok(Role::Viewer));
    for nothing in [json!([]), json!("admin"), json!("datasource:root"), json!("DATASOURCE:ADMIN"), json!(1), json!({})]
    {
        assert_eq!(role(json!({ "roles": nothing })), Err(ErrorCode::Forbidden), "{nothing}");
    }
    let error = verify(json!({ "roles": [] })).expect_err("refused");
    assert!(error.message().contains("token grants no datasource role"), "{error}");
}

#[test]
fn a_path_may_hold_dots_of_a_name_and_of_nesting() {
    let settings = AuthSettings { jwt_role_claims: vec!["https://acme.example/claims.roles".into()], ..settings() };
    let nested = json!({ "roles": null, "https://acme.example/claims": { "roles": "datasource:admin" } });
    let actor = verifier(&settings).verify(&sign(&claims(nested))).expect("accepted");
    assert_eq!(actor.role, Role::Admin);
}

#[test]
fn projects_limit_and_never_widen() {
    let actor = verify(json!({ "projects": ["north", "south"] })).expect("accepted");
    let tenant = |project: &str| Tenant { org: "acme".into(), project: project.into() };
    assert!(actor.scope.covers(&tenant("south")) && !actor.scope.covers(&tenant("west")));
    assert_eq!(&*actor.default_project, "north");

    let one = verify(json!({ "project": "north" })).expect("accepted");
    assert_eq!(one.scope.project_ids(), Some(&["north".to_owned()][..]));
    let empty = verify(json!({ "projects": [] })).expect("accepted");
    assert!(!empty.scope.covers(&tenant("default")), "an empty list covers nothing");

    for wrong in [json!(true), json!([""]), json!(["a", 1]), json!({ "a": 1 }), json!([null])] {
        assert!(unauthenticated(verify(json!({ "projects": wrong }))).contains("`projects`"), "{wrong}");
    }
    let mut explicit_null = claims(json!({}));
    explicit_null["projects"] = Value::Null;
    assert!(unauthenticated(verifier(&settings()).verify(&sign(&explicit_null))).contains("`projects`"));
}

#[test]
fn public_keys_verify_what_their_private_keys_sign() {
    let rsa = EncodingKey::from_rsa_pem(pem!("rsa").as_bytes()).expect("key");
    let p256 = EncodingKey::from_ec_pem(pem!("p256").as_bytes()).expect("key");
    let p384 = EncodingKey::from_ec_pem(pem!("p384").as_bytes()).expect("key");
    let ed = EncodingKey::from_ed_pem(pem!("ed25519").as_bytes()).expect("key");
    use Algorithm::*;
    for (public, private, algorithm) in [
        (pem!("rsa.pub"), &rsa, RS256),
        (pem!("rsa.pub"), &rsa, RS384),
        (pem!("rsa.pub"), &rsa, RS512),
        (pem!("rsa-pkcs1.pub"), &rsa, PS256),
        (pem!("rsa.pub"), &rsa, PS384),
        (pem!("rsa.pub"), &rsa, PS512),
        (pem!("p256.pub"), &p256, ES256),
        (pem!("p384.pub"), &p384, ES384),
        (pem!("ed25519.pub"), &ed, EdDSA),
    ] {
        let verifier = with_public_key(public, &[]).expect("a usable key");
        let token = encode(&Header::new(algorithm), &claims(json!({})), private).expect("signs");
        assert!(verifier.verify(&token).is_ok(), "{algorithm:?}");
        assert!(unauthenticated(verifier.verify(&sign(&claims(json!({}))))).contains("does not accept"));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keys/p256.pub.pem");
    assert!(with_public_key(path, &["ES256"]).is_ok(), "a path works as the text does");
    assert!(with_public_key(&pem!("p256.pub").replace('\n', "\\n"), &[]).is_ok(), "as one line of an env file");
}

#[test]
fn key_confusion_fails_at_start_and_at_the_token() {
    let public = pem!("rsa.pub");
    for algorithm in ["HS256", "HS384", "HS512", "ES256"] {
        let error = with_public_key(public, &[algorithm]).expect_err("refused");
        assert!(error.contains("STUDIO_JWT_ALGORITHMS") && error.contains("does not fit"), "{error}");
    }
    let error = Fixed::new(&settings(), Some(&public.into())).expect_err("refused");
    assert!(error.contains("STUDIO_JWT_PUBLIC_KEY"), "{error}");

    let forged = encode(&Header::default(), &claims(json!({})), &EncodingKey::from_secret(public.as_bytes()));
    let verifier = with_public_key(public, &[]).expect("a usable key");
    assert!(unauthenticated(verifier.verify(&forged.expect("signs"))).contains("does not accept"));
}

#[test]
fn bad_settings_are_refused_by_name() {
    let refusal = |settings: &AuthSettings, secret: Option<&str>| {
        Fixed::new(settings, secret.map(SecretString::from).as_ref()).expect_err("must be refused")
    };
    let algorithms = |name: &str| AuthSettings { jwt_algorithms: vec![name.into()], ..settings() };
    assert!(refusal(&settings(), Some("too short")).contains("STUDIO_JWT_SECRET must have at least 32 bytes"));
    assert!(refusal(&settings(), None).contains("STUDIO_JWT_SECRET"));
    assert!(refusal(&algorithms("none"), Some(SECRET)).contains("never accepted"));
    assert!(refusal(&algorithms("HS257"), Some(SECRET)).contains("HS256, HS384, HS512"));
    assert!(refusal(&algorithms("RS256"), Some(SECRET)).contains("does not fit"));
    let both = AuthSettings { jwt_public_key: Some(pem!("rsa.pub").into()), ..settings() };
    assert!(refusal(&both, Some(SECRET)).contains("both set"));
    let no_paths = AuthSettings { jwt_org_claims: vec![String::new()], ..settings() };
    assert!(refusal(&no_paths, Some(SECRET)).contains("STUDIO_JWT_ORG_CLAIMS"));

    for (key, says) in [
        (pem!("rsa"), "private key"),
        (pem!("rsa-1024.pub"), "RSA of 2048"),
        (pem!("secp256k1.pub"), "P-256 or P-384"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate"),
        ("-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----", "not a PEM key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "none of them"),
        ("-----BEGIN PUBLIC KEY-----", "not a PEM key"),
        ("/no/such/file.pem", "/no/such/file.pem"),
        ("/dev/zero", "longer than 65536 bytes"),
        ("", "empty"),
    ] {
        let error = with_public_key(key, &[]).expect_err("must be refused");
        assert!(error.starts_with("STUDIO_JWT_PUBLIC_KEY ") && error.contains(says), "{error}");
    }
}

#[test]
fn a_minted_token_is_what_the_verifier_expects() {
    let settings = AuthSettings {
        jwt_algorithms: vec!["HS512".into()],
        jwt_issuer: Some("studio".into()),
        jwt_audience: Some("studio-api".into()),
        jwt_role_claims: vec!["realm_access.roles".into()],
        ..settings()
    };
    let request = TokenRequest {
        subject: "ci".into(),
        role: Role::Operator,
        org: "acme".into(),
        projects: vec!["north".into()],
        ttl: Duration::from_secs(3_600),
    };
    let secret = SecretString::from(SECRET);
    let minter = Minter::new(&settings, Some(&secret)).expect("valid settings");
    let actor = verifier(&settings).verify(&minter.mint(&request).expect("mints")).expect("accepted");
    assert_eq!((&*actor.subject, actor.role, &**actor.scope.org_id()), ("ci", Role::Operator, "acme"));
    assert_eq!(actor.scope.project_ids(), Some(&["north".to_owned()][..]));

    let refused = |request: TokenRequest| minter.mint(&request).expect_err("must be refused").message().to_owned();
    for ttl in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(365 * 86_400 + 1)] {
        assert!(refused(TokenRequest { ttl, ..request.clone() }).contains("/ttl must be between 1s and 365d"));
    }
    assert!(refused(TokenRequest { org: String::new(), ..request.clone() }).contains("/org must not be empty"));
    assert!(refused(TokenRequest { projects: vec!["a\tb".into()], ..request.clone() }).contains("/projects/0"));
    let many = (0..2_000).map(|i| format!("project-{i}")).collect();
    assert!(refused(TokenRequest { projects: many, ..request }).contains("longer than 16384 bytes"));

    let public = AuthSettings { jwt_public_key: Some(pem!("rsa.pub").into()), ..settings };
    assert!(Minter::new(&public, None).expect_err("refused").contains("only their issuer"));
}
