//! The listener with a certificate.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;

use crate::harness::{Process, TestServer, eventually};

/// An authority, and the files of a server's certificate.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes `chain.pem` and `key.pem` for these names.
    pub fn issue(&self, directory: &Path, names: &[&str]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(names).expect("names").signed_by(&key, &self.0).expect("signed");
        std::fs::write(directory.join("chain.pem"), certificate.pem()).expect("written");
        std::fs::write(directory.join("key.pem"), key.serialize_pem()).expect("written");
    }

    fn client(&self) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.pem().as_bytes()).expect("a certificate");
        // A connection that was kept would go on with the certificate that it began with.
        reqwest::Client::builder().tls_certs_only([root]).pool_max_idle_per_host(0).build().expect("a client")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_served_over_tls_and_nothing_without() {
    let (directory, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    authority.issue(directory.path(), &["localhost", "127.0.0.1"]);
    let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    let flags = ["--tls-cert", &path("chain.pem"), "--tls-key", &path("key.pem")];
    let server = TestServer::start_tls(&flags, authority.client()).await;

    let answer = server.http.get(format!("{}/health/live", server.url)).send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
    assert!(answer.headers()["strict-transport-security"].to_str().expect("text").starts_with("max-age="));
    assert_eq!(server.admin().data("{ viewer { role } }", json!({})).await["viewer"]["role"], "ADMIN");
    let stranger = reqwest::Client::new().get(format!("{}/health/live", server.url)).send().await;
    assert!(stranger.is_err(), "whoever does not know the authority does not connect");
    let plain = server.url.replace("https", "http");
    assert!(reqwest::get(format!("{plain}/health/live")).await.is_err(), "there is no way around TLS");

    // Another authority: its certificate is taken over without a restart, and a broken one is not.
    let next = Authority::new();
    next.issue(directory.path(), &["localhost", "127.0.0.1"]);
    let client = next.client();
    eventually("the new certificate", || async { client.get(format!("{}/health/live", server.url)).send().await.ok() })
        .await;
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    let fails = || Process::fails(&["--tls-cert", &chain, "--tls-key", &key]);
    assert!(fails().contains("cannot read"), "{}", fails());
    Authority::new().issue(directory.path(), &["localhost"]);
    std::fs::write(&key, KeyPair::generate().expect("a key").serialize_pem()).expect("written");
    assert!(fails().contains("do not go together"), "{}", fails());
    std::fs::write(&chain, "nonsense").expect("written");
    assert!(fails().contains("holds no certificate"), "{}", fails());
    assert!(Process::fails(&["--tls-cert", &chain]).contains("--tls-key"));
}
