//! TLS to other systems: which certificates are trusted, and which one is shown.

use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::Problem;
use crate::fault::Fault;
use crate::mapping::SecretText;

/// How a connection is protected. The server's certificate is always verified.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Certificates (PEM) of authorities that are trusted besides those of the system.
    #[schemars(title = "Authorities", length(max = 65536))]
    pub ca: Option<String>,
    /// The certificate chain (PEM) that this client shows; it needs `key`.
    #[schemars(title = "Client certificate", length(max = 65536))]
    pub certificate: Option<String>,
    /// The private key (PEM) of the client certificate.
    #[schemars(title = "Client key")]
    pub key: Option<SecretText>,
}

impl Tls {
    /// What is wrong with it, offline; `at` is its place.
    pub fn problems(&self, at: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        for (field, pem) in [("ca", &self.ca), ("certificate", &self.certificate)] {
            // What names a secret is known only when it runs.
            if let Some(pem) = pem.as_deref().filter(|pem| !pem.contains("{{secret."))
                && certificates(pem).is_none()
            {
                found.push(Problem::new(format!("{at}/{field}"), "must hold certificates in PEM form"));
            }
        }
        if self.certificate.is_some() != self.key.is_some() {
            found.push(Problem::new(at, "must name both certificate and key, or none of them"));
        }
        found
    }

    pub fn client_config(&self) -> Result<ClientConfig, Fault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = self.ca.as_deref().map_or(Some(Vec::new()), certificates);
        let roots = roots.ok_or_else(|| invalid("tls.ca holds no certificates in PEM form"))?;
        let verifier = verifier(roots, &provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| invalid("TLS 1.2 and 1.3 are not available"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)
                    .ok_or_else(|| invalid("tls.certificate holds no certificates in PEM form"))?;
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                    .map_err(|_| invalid("the secret of tls.key is not a private key in PEM form"))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|_| invalid("tls.key does not belong to tls.certificate"))
            }
            _ => Ok(builder.with_no_client_auth()),
        }
    }
}

fn verifier(roots: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Result<Verifier, Fault> {
    let made = if roots.is_empty() {
        Verifier::new(Arc::clone(provider))
    } else {
        Verifier::new_with_extra_roots(roots, Arc::clone(provider))
    };
    made.map_err(|cause| {
        let message = format!("no certificate can be verified ({cause}); install the system's CA certificates");
        Fault::permanent("tls_unavailable", message)
    })
}

/// `None` when there is none, or one that is no certificate.
fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    found.ok().filter(|all| !all.is_empty())
}

fn invalid(message: &str) -> Fault {
    Fault::permanent("config_invalid", message)
}
