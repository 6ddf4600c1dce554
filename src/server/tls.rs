//! The certificate of the listener.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

use crate::config::HttpSettings;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Certificate {
    files: Files,
    read: Pem,
    config: RustlsConfig,
}

struct Files {
    chain: PathBuf,
    key: PathBuf,
}

#[derive(PartialEq, Eq)]
struct Pem {
    chain: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
}

impl Certificate {
    pub(super) fn from_settings(settings: &HttpSettings) -> Result<Option<Self>, String> {
        let (chain, key) = match (settings.tls_cert.clone(), settings.tls_key.clone()) {
            (Some(chain), Some(key)) => (chain, key),
            (None, None) => return Ok(None),
            // In a settings file one may stand without the other.
            _ => return Err("--tls-cert and --tls-key go together: set both, or none".to_owned()),
        };
        let files = Files { chain, key };
        let read = files.read()?;
        let config = RustlsConfig::from_config(files.config(&read)?);
        Ok(Some(Self { files, read, config }))
    }

    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Takes over a new certificate; one that cannot be used changes nothing.
    pub(super) async fn watch(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let now = match self.files.read() {
                Ok(now) if now == self.read => continue,
                Ok(now) => now,
                Err(error) => {
                    tracing::warn!(%error, "the certificate of the listener cannot be read; the old one stays");
                    continue;
                }
            };
            match self.files.config(&now) {
                Ok(config) => {
                    self.config.reload_from_config(config);
                    tracing::info!("the listener has a new certificate");
                }
                Err(error) => tracing::warn!(%error, "the listener keeps its old certificate"),
            }
            self.read = now;
        }
    }
}

impl Files {
    fn read(&self) -> Result<Pem, String> {
        let chain = std::fs::read(&self.chain)
            .map_err(|e| format!("cannot read {} (--tls-cert, STUDIO_TLS_CERT): {e}", self.chain.display()))?;
        let key = std::fs::read(&self.key)
            .map_err(|e| format!("cannot read {} (--tls-key, STUDIO_TLS_KEY): {e}", self.key.display()))?;
        Ok(Pem { chain, key: key.into() })
    }

    fn config(&self, pem: &Pem) -> Result<Arc<ServerConfig>, String> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.chain)
            .collect::<Result<_, _>>()
            .map_err(|e| format!("{} (--tls-cert) is not PEM: {e}", self.chain.display()))?;
        if chain.is_empty() {
            return Err(format!("{} (--tls-cert) holds no certificate", self.chain.display()));
        }
        let key = PrivateKeyDer::from_pem_slice(&pem.key)
            .map_err(|e| format!("{} (--tls-key) holds no private key in PEM: {e}", self.key.display()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|e| format!("--tls-cert and --tls-key do not go together: {e}"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
