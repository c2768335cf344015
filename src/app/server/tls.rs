//! TLS for installations without a load balancer that terminates it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config;

/// The ALPN protocol id of HTTP/2.
pub(super) const HTTP2: &[u8] = b"h2";

/// Creates the TLS acceptor; `None` when the settings have no certificate.
///
/// # Errors
///
/// When a file can't be read or is invalid; the text names the setting.
pub(super) fn acceptor(server: &config::ServerSettings) -> anyhow::Result<Option<TlsAcceptor>> {
    let (cert_file, key_file) = (&server.tls_cert_file, &server.tls_key_file);
    if cert_file.as_os_str().is_empty() {
        return Ok(None);
    }
    let certificates = certificates(cert_file)
        .with_context(|| format!("server.tls_cert_file {}", cert_file.display()))?;
    let key = PrivateKeyDer::from_pem_file(key_file)
        .with_context(|| format!("server.tls_key_file {}", key_file.display()))?;
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .context("server.tls_cert_file and server.tls_key_file")?;
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>()?;
    anyhow::ensure!(!all.is_empty(), "it holds no certificate");
    Ok(all)
}
