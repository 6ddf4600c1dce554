//! What is wrong with a Kafka cluster is told apart: its name, its certificate, its topic, its permissions.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaRespErr;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::kafka::{cluster, orders};
use super::{check, datasource, numbered};
use crate::harness::{Kind, TestServer};

/// What a client asked for in its handshake: the name, or why it gave up.
type Heard = mpsc::UnboundedReceiver<Result<Option<String>, String>>;

/// A listener with a certificate for `localhost` that speaks TLS and nothing more; its port, and what it hears.
async fn listener() -> (u16, String, Heard) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(made.cert.der().to_vec())], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let shaken = acceptor.accept(stream).await;
            let said = shaken.map(|tls| tls.get_ref().1.server_name().map(str::to_owned)).map_err(|e| e.to_string());
            if tell.send(said).is_err() {
                break;
            }
        }
    });
    (port, made.cert.pem(), heard)
}

fn with_tls(port: u16, tls: Value) -> Value {
    numbered(json!({ "type": "kafka", "brokers": [format!("localhost:{port}")], "topics": ["orders"], "tls": tls }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_an_unknown_authority_is_refused_and_a_named_one_is_trusted() {
    let server = TestServer::start(Kind::Sqlite).await;
    let admin = server.admin();
    let (port, certificate, mut heard) = listener().await;

    let distrustful = datasource(&admin, with_tls(port, json!({}))).await;
    let (steps, run) = check(&admin, &distrustful).await;
    assert_eq!(steps, ["connect!tls_failed"], "{run}");
    assert!(run.to_string().contains("certificate"), "{run}");
    let refusal = heard.recv().await.expect("it was connected to");
    assert!(refusal.is_err(), "nothing was said to a stranger: {refusal:?}");

    let trusting = datasource(&admin, with_tls(port, json!({ "ca": certificate }))).await;
    let checking = check(&admin, &trusting);
    let hearing = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if let Ok(name) = heard.recv().await.expect("it was connected to") {
                return name;
            }
        }
    });
    let ((steps, run), name) = tokio::join!(checking, hearing);
    assert_eq!(name.expect("a handshake"), Some("localhost".to_owned()), "the client named whom it wants");
    assert!(steps[0].starts_with("connect!") && steps[0] != "connect!tls_failed", "this is no broker: {run}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_name_a_missing_topic_and_a_forbidden_one_are_told_apart() {
    let server = TestServer::start(Kind::Sqlite).await;
    let admin = server.admin();
    let cluster = cluster();
    let mut elsewhere = orders(&cluster);
    elsewhere["connector"]["brokers"] = json!(["no-such-broker.invalid:9092"]);
    let id = datasource(&admin, elsewhere).await;
    let (steps, run) = check(&admin, &id).await;
    assert_eq!(steps, ["connect!resolve_failed"], "{run}");
    assert!(run.to_string().contains("no-such-broker.invalid"), "{run}");

    let id = datasource(&admin, orders(&cluster)).await;
    for (error, step) in [
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topics!topic_missing"),
        (RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "topics!unauthorized"),
    ] {
        cluster.topic_error("orders", error).expect("set");
        let (steps, run) = check(&admin, &id).await;
        assert_eq!(steps, ["connect", step], "{run}");
        assert!(run.to_string().contains("orders"), "{run}");
    }
    cluster.topic_error("orders", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).expect("set");
    assert_eq!(check(&admin, &id).await.0, ["connect", "topics"]);
}
