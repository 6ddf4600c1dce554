//! PostgreSQL behind TLS: the way a server is told to verify whom it talks to.

use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::tls::Authority;
use crate::harness::{Database, Kind, Process, TestServer};

/// Ends TLS in front of the PostgreSQL of the tests, as its own protocol begins it; takes nothing without.
async fn front(database: &Database, directory: &std::path::Path) -> u16 {
    let chain = CertificateDer::from_pem_file(directory.join("chain.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![chain], key).expect("a configuration")));
    let behind: url::Url = database.url.as_deref().expect("PostgreSQL").parse().expect("a URL");
    let behind = format!("{}:{}", behind.host_str().expect("a host"), behind.port().unwrap_or(5432));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let mut begin = [0; 8];
                client.read_exact(&mut begin).await?;
                // SSLRequest; anything else is somebody who would speak in the clear.
                if begin != [0, 0, 0, 8, 4, 210, 22, 47] {
                    return Ok(());
                }
                client.write_all(b"S").await?;
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(behind).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await.map(|_| ())
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_reached_over_tls_and_verified_by_its_authority() {
    let (directory, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    authority.issue(directory.path(), &["localhost"]);
    let root = directory.path().join("root.pem");
    std::fs::write(&root, authority.pem()).expect("written");
    let mut database = Database::create(Kind::Postgres).await;
    let port = front(&database, directory.path()).await;
    let url = |query: &str| {
        let mut url: url::Url = database.url.as_deref().expect("PostgreSQL").parse().expect("a URL");
        url.set_host(Some("localhost")).expect("a host");
        url.set_port(Some(port)).expect("a port");
        url.set_query(Some(query));
        url.to_string()
    };
    let verified = url(&format!("sslmode=verify-full&sslrootcert={}", root.display()));

    // Whoever does not know the authority must not talk to it, however right the rest is.
    let stranger = directory.path().join("stranger.pem");
    std::fs::write(&stranger, Authority::new().pem()).expect("written");
    let unverified = url(&format!("sslmode=verify-full&sslrootcert={}", stranger.display()));
    let error = Process::fails(&["--database-url", &unverified]);
    assert!(error.to_lowercase().contains("certificate"), "{error}");
    assert!(!error.contains("postgres://"), "the URL holds a password: {error}");

    database.url = Some(verified);
    let server = TestServer::on(database, &[]).await;
    assert_eq!(server.viewer().data("{ viewer { role } }", json!({})).await["viewer"]["role"], "VIEWER");
}
