//! TLS, and mutual TLS.

use std::sync::Arc;

use anyhow::Context;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, and whom to trust (all PEM).
pub struct Tls {
    /// The partner's certificate and key.
    pub identity: String,
    /// The authority of its callers' certificates; none: they need none.
    pub callers: Option<String>,
}

impl Tls {
    pub(crate) fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let pem = self.identity.as_bytes();
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(pem).context("the identity has no key")?;
        let builder = ServerConfig::builder();
        let builder = match &self.callers {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
                    roots.add(certificate?)?;
                }
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(chain, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
