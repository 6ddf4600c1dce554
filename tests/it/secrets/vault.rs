//! Data keys wrapped by the Transit engine of a Vault.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datasource_studio::secrets::{Keyring, SecretAddress, SecretError, Vault, VaultTransit};
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use super::key_settings;
use super::vault_server::{Mood, ROLE_ID, SECRET_ID, TOKEN, VaultServer};
use crate::harness::{Kind, TestServer, eventually};

const ADDRESS: SecretAddress<'_> =
    SecretAddress { org: "acme", datasource_id: Uuid::nil(), key: "k", version: 1, reference: false };
const HOUR: Duration = Duration::from_secs(3_600);

fn transit(server: &VaultServer, flags: &[&str]) -> VaultTransit {
    let key: &[&str] = if flags.contains(&"--vault-transit-key") { &[] } else { &["--vault-transit-key", "studio"] };
    let settings = key_settings(&[&["--vault-addr", server.url.as_str()], key, flags].concat());
    let vault = Arc::new(Vault::from_settings(&settings).expect("settings that do"));
    VaultTransit::new(vault, &settings).expect("settings that do")
}

fn keyring(server: &VaultServer, flags: &[&str], outage: Duration) -> Keyring {
    Keyring::new(Box::new(transit(server, flags)), Vec::new(), outage)
}

fn by_token(server: &VaultServer, outage: Duration) -> Keyring {
    keyring(server, &["--vault-token", TOKEN], outage)
}

#[tokio::test]
async fn a_data_key_is_wrapped_and_unwrapped_as_the_api_says() {
    let server = VaultServer::start().await;
    let keys = keyring(&server, &["--vault-token", TOKEN, "--vault-namespace", "team/feeds"], Duration::ZERO);
    let stored = keys.generate_data_key("acme").await.expect("wraps");
    assert_eq!((stored.provider.as_str(), stored.master_key_id.as_str()), ("vault", "transit/studio"));
    assert_eq!(stored.master_key_version.as_deref(), Some("v1"));
    assert!(stored.wrapped.starts_with(b"vault:v1:"));
    let key = keys.unwrap_data_key("acme", &stored).await.expect("unwraps");
    let sealed = key.seal(&ADDRESS, &"hunter2".into()).expect("seals");
    let again = keys.unwrap_data_key("acme", &stored).await.expect("unwraps");
    assert_eq!(again.open(&ADDRESS, &sealed).expect("opens").expose_secret(), "hunter2");

    let asked = server.asked();
    let [encrypt, decrypt, _] = asked.as_slice() else { panic!("three requests: {asked:?}") };
    for (request, path) in [(encrypt, "/v1/transit/encrypt/studio"), (decrypt, "/v1/transit/decrypt/studio")] {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", path));
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        assert_eq!(header("x-vault-token"), Some(TOKEN));
        assert_eq!(header("x-vault-namespace"), Some("team/feeds"));
        assert_eq!(header("x-vault-request"), Some("true"));
        assert_eq!(header("content-type"), Some("application/json"));
    }
    let plaintext = encrypt.body["plaintext"].as_str().and_then(|text| STANDARD.decode(text).ok());
    assert_eq!(plaintext.map(|bytes| bytes.len()), Some(32), "a key of 32 bytes in base64");
    assert_eq!(encrypt.body["associated_data"], decrypt.body["associated_data"]);
    assert_eq!(decrypt.body["ciphertext"].as_str().map(str::as_bytes), Some(stored.wrapped.as_slice()));

    let moved = keys.unwrap_data_key("evil", &stored).await.expect_err("another organisation's");
    assert!(matches!(moved, SecretError::Refused { .. }), "{moved}");
}

#[tokio::test]
async fn a_key_that_was_rotated_in_the_vault_opens_old_and_wraps_with_the_new() {
    let server = VaultServer::start().await;
    let keys = by_token(&server, Duration::ZERO);
    let stored = keys.generate_data_key("acme").await.expect("wraps");
    server.rotate();
    keys.unwrap_data_key("acme", &stored).await.expect("the old version opens");
    let fresh = keys.rewrap("acme", &stored).await.expect("wraps anew");
    assert_eq!(fresh.master_key_version.as_deref(), Some("v2"));
    keys.unwrap_data_key("acme", &fresh).await.expect("opens");
}

#[tokio::test]
async fn a_login_gives_a_token_that_is_used_until_it_is_taken_away() {
    let jwt = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(jwt.path(), "service.account.jwt\n").expect("writes");
    let jwt = jwt.path().to_str().expect("UTF-8").to_owned();
    let ways: [&[&str]; 2] = [
        &["--vault-auth", "approle", "--vault-role", ROLE_ID, "--vault-secret-id", SECRET_ID],
        &["--vault-auth", "kubernetes", "--vault-role", "studio", "--vault-jwt-file", &jwt],
    ];
    for flags in ways {
        let server = VaultServer::start().await;
        let keys = keyring(&server, flags, Duration::ZERO);
        let stored = keys.generate_data_key("acme").await.expect("wraps");
        keys.unwrap_data_key("acme", &stored).await.expect("unwraps");
        let logins = || server.asked().iter().filter(|request| request.path.ends_with("/login")).count();
        assert_eq!(logins(), 1, "{flags:?}");
        server.revoke();
        keys.unwrap_data_key("acme", &stored).await.expect("logs in again");
        assert_eq!(logins(), 2, "{flags:?}");
    }
    let server = VaultServer::start().await;
    let wrong = ["--vault-auth", "approle", "--vault-role", ROLE_ID, "--vault-secret-id", "guessed"];
    let error = keyring(&server, &wrong, HOUR).generate_data_key("acme").await.expect_err("refused").to_string();
    assert!(error.contains("400") && !error.contains("guessed"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_no_reason_to_log_in_again_and_again() {
    let flags = ["--vault-auth", "approle", "--vault-role", ROLE_ID, "--vault-secret-id", SECRET_ID];
    let server = VaultServer::start().await;
    let logins = || server.asked().iter().filter(|request| request.path.ends_with("/login")).count();
    let keys = keyring(&server, &flags, Duration::ZERO);
    let stored = keys.generate_data_key("acme").await.expect("wraps");
    // Many notice at once that the token was taken away; one of them replaces it for all.
    server.revoke();
    let all = (0..8).map(|_| keys.unwrap_data_key("acme", &stored));
    for opened in futures::future::join_all(all).await {
        opened.expect("unwraps by the new token");
    }
    assert_eq!(logins(), 2);

    let keys = keyring(&server, &flags, Duration::ZERO);
    server.feel(Mood::Forbidding);
    for _ in 0..5 {
        let error = keys.generate_data_key("acme").await.expect_err("the policy does not allow it");
        assert!(error.to_string().contains("policy"), "{error}");
    }
    assert_eq!(logins(), 4, "the first login of the new client, and one more in case that its token was at fault");
    server.feel(Mood::Well);
    keys.generate_data_key("acme").await.expect("the token that is held serves");
    assert_eq!(logins(), 4);
}

/// A way to the server under a certificate of its own; answers with the URL and the certificate in PEM form.
async fn behind_tls(server: &VaultServer) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let key =
        tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let tls = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let inner = server.url.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, inner) = (acceptor.clone(), inner.clone());
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = tokio::net::TcpStream::connect(inner).await.expect("the server");
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    (url, made.cert.pem())
}

#[tokio::test]
async fn a_vault_is_trusted_by_the_authority_that_is_named_and_by_no_other() {
    let server = VaultServer::start().await;
    let (url, pem) = behind_tls(&server).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), pem).expect("writes");
    let ca = file.path().to_str().expect("UTF-8");
    let keyring = |more: &[&str]| {
        let base = ["--vault-addr", url.as_str(), "--vault-transit-key", "studio", "--vault-token", TOKEN];
        let settings = key_settings(&[&base, more].concat());
        let vault = Arc::new(Vault::from_settings(&settings).expect("settings that do"));
        Keyring::new(Box::new(VaultTransit::new(vault, &settings).expect("does")), Vec::new(), HOUR)
    };
    keyring(&["--vault-ca-file", ca]).generate_data_key("acme").await.expect("trusted");
    let before = server.asked().len();
    assert!(keyring(&[]).generate_data_key("acme").await.expect_err("not trusted").is_outage());
    assert_eq!(server.asked().len(), before, "nothing was sent, and so no token");
}

#[tokio::test]
async fn a_token_file_is_read_anew() {
    let server = VaultServer::start().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "stale").expect("writes");
    let keys = keyring(&server, &["--vault-token-file", file.path().to_str().expect("UTF-8")], Duration::ZERO);
    assert!(keys.generate_data_key("acme").await.is_err());
    std::fs::write(file.path(), format!("{TOKEN}\n")).expect("writes");
    keys.generate_data_key("acme").await.expect("the new token counts");
}

#[tokio::test]
async fn what_the_vault_says_no_with_is_told_apart() {
    let server = VaultServer::start().await;
    let keys = by_token(&server, Duration::ZERO);
    let stored = keys.generate_data_key("acme").await.expect("wraps");
    let cases = [
        (Mood::Sealed, true, "sealed"),
        (Mood::Busy, true, "too often"),
        (Mood::Broken, true, "fails (500)"),
        (Mood::Babbling, true, "is it a Vault?"),
        (Mood::Denying, false, "policy"),
    ];
    for (mood, passes, says) in cases {
        server.feel(mood);
        let error = keys.unwrap_data_key("acme", &stored).await.expect_err("must fail");
        assert!(error.to_string().contains(says), "{mood:?}: {error}");
        assert_eq!(error.is_outage(), passes, "{mood:?}: {error}");
        assert!(!error.to_string().contains(TOKEN), "{error}");
    }
    server.feel(Mood::Well);
    let elsewhere = keyring(&server, &["--vault-token", TOKEN, "--vault-transit-key", "other"], Duration::ZERO);
    let error = elsewhere.generate_data_key("acme").await.expect_err("no such key").to_string();
    assert!(error.contains("transit/encrypt/other (404)"), "{error}");
    // Nobody listens there.
    let gone = key_settings(&["--vault-addr", "http://127.0.0.1:1", "--vault-token", TOKEN]);
    let vault = Arc::new(Vault::from_settings(&gone).expect("settings that do"));
    let keys = Keyring::new(Box::new(VaultTransit::new(vault, &gone).expect("does")), Vec::new(), HOUR);
    let error = keys.generate_data_key("acme").await.expect_err("must fail");
    assert!(error.is_outage() && error.to_string().contains("cannot be connected to"), "{error}");
    assert!(keys.trouble().is_some_and(|trouble| !trouble.passing), "it never answered");
}

#[tokio::test]
async fn an_opened_key_serves_through_an_outage_for_a_bounded_time() {
    let server = VaultServer::start().await;
    let (keeps, forgets) = (by_token(&server, HOUR), by_token(&server, Duration::ZERO));
    let stored = keeps.generate_data_key("acme").await.expect("wraps");
    for keys in [&keeps, &forgets] {
        keys.unwrap_data_key("acme", &stored).await.expect("unwraps");
    }
    server.feel(Mood::Sealed);
    keeps.unwrap_data_key("acme", &stored).await.expect("from memory");
    assert!(forgets.unwrap_data_key("acme", &stored).await.is_err(), "nothing is kept without a time");
    assert!(keeps.unwrap_data_key("evil", &stored).await.is_err(), "memory knows whose key it is");
    let mut changed = stored.clone();
    changed.wrapped.push(b'x');
    assert!(keeps.unwrap_data_key("acme", &changed).await.is_err(), "what was changed has to prove itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_restart_through_an_outage_and_readiness_tells() {
    let vault = VaultServer::start().await;
    let flags = [
        "--key-provider",
        "vault",
        "--vault-addr",
        &vault.url,
        "--vault-transit-key",
        "studio",
        "--vault-token",
        TOKEN,
    ];
    let server = TestServer::start_with(Kind::Sqlite, &flags).await;
    let admin = server.admin();
    let config = json!({
        "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "token" } } },
        "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": { "a": "$.a" } }] },
    });
    let id = admin.webhook("guarded", config).await;
    admin.mutate("setDatasourceSecret", json!({ "id": id, "key": "token", "value": "one" }), "secret { key }").await;
    let version = admin.publish(&id).await;
    admin.running(&id, version).await;
    let health = || async {
        let answer = server.http.get(format!("{}/health/ready", server.url)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.expect("JSON"))
    };
    assert_eq!(health().await.1["checks"]["keys"], json!({ "ok": true }));

    vault.feel(Mood::Sealed);
    admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
    eventually("the worker started again, by a key from memory", || async {
        let events = admin
            .data("query($id: ID!) { datasourceEvents(id: $id) { nodes { eventType } } }", json!({ "id": id }))
            .await;
        events.to_string().contains("\"RELOADED\"").then_some(())
    })
    .await;
    let told = eventually("readiness tells", || async {
        let (status, body) = health().await;
        (body["checks"]["keys"]["ok"] == false).then_some((status, body))
    })
    .await;
    assert_eq!(told.0, 200, "the node does its part: {}", told.1);
    assert!(told.1["checks"]["keys"]["reason"].as_str().is_some_and(|why| why.contains("sealed")), "{}", told.1);

    vault.feel(Mood::Well);
    eventually("it is over", || async { (health().await.1["checks"]["keys"]["ok"] == true).then_some(()) }).await;
}
