//! TLS where no load balancer does it: HTTP/2 for those that want it, HTTP/1.1 for the others, nothing for
//! those without. The certificate and its key are of these tests alone.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sqlx::PgPool;
use switchboard::config::Config;
use switchboard::http::AppState;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;
use url::Url;

use super::{connect, first, rest, send};
use crate::support::TestApp;

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/edge")).join(name)
}

/// A connection with TLS, for somebody who speaks these protocols.
pub(super) async fn secured(
    gateway: &Url,
    protocols: &[&[u8]],
) -> anyhow::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("certificate.pem"))?)?;
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost")?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, connect(gateway).await?).await?)
}

/// A gateway beside `app` with a certificate, whose settings `change` changed.
pub(super) async fn with_tls(
    app: &TestApp,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<(Url, AppState)> {
    let mut config = app.config.clone();
    config.server.tls_cert_file = file("certificate.pem");
    config.server.tls_key_file = file("key.pem");
    change(&mut config);
    app.beside(&config).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn callers_come_by_tls_when_there_is_a_certificate(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (gateway, _state) = with_tls(&app, |_| {}).await?;

    let mut simple = secured(&gateway, &[]).await?;
    simple.write_all(GET.as_bytes()).await?;
    assert!(first(&mut simple).await?.starts_with("HTTP/1.1 200 "));

    let stream = secured(&gateway, &[b"h2", b"http/1.1"]).await?;
    let (mut lanes, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    TaskTracker::new().spawn(connection);
    let request = Request::get("https://localhost/healthz").body(Empty::<Bytes>::new())?;
    let answer = lanes.send_request(request).await.context("HTTP/2")?;
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));

    let told = rest(send(&gateway, GET).await?).await.unwrap_or_default();
    assert!(!told.contains("HTTP/1.1"), "a caller without TLS was answered: {told}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_certificate_that_can_not_be_used_is_told_by_its_setting(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let mut config = app.config.clone();
    config.server.tls_cert_file = file("key.pem");
    config.server.tls_key_file = file("key.pem");
    let error = app.beside(&config).await.err().context("it was taken")?;
    assert!(format!("{error:#}").contains("server.tls_cert_file"), "{error:#}");
    Ok(())
}
