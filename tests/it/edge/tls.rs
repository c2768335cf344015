//! TLS without a load balancer: HTTP/2 for clients that offer it, HTTP/1.1 for others, nothing for
//! clients without TLS. The certificate and its key are for these tests only.

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

/// Connects with TLS and offers these protocols.
pub(super) async fn connect_tls(
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

/// Starts a gateway beside `app` with a certificate and settings changed by `change`.
pub(super) async fn with_tls(
    app: &TestApp,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<(Url, AppState)> {
    let mut config = app.config.clone();
    config.server.tls_cert_file = file("certificate.pem");
    config.server.tls_key_file = file("key.pem");
    change(&mut config);
    app.second_gateway(&config).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn serves_tls_when_a_certificate_is_configured(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (gateway, _state) = with_tls(&app, |_| {}).await?;

    let mut simple = connect_tls(&gateway, &[]).await?;
    simple.write_all(GET.as_bytes()).await?;
    assert!(first(&mut simple).await?.starts_with("HTTP/1.1 200 "));

    let stream = connect_tls(&gateway, &[b"h2", b"http/1.1"]).await?;
    let (mut http2_sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    TaskTracker::new().spawn(connection);
    let request = Request::get("https://localhost/healthz").body(Empty::<Bytes>::new())?;
    let response = http2_sender.send_request(request).await.context("HTTP/2")?;
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));

    let reported = rest(send(&gateway, GET).await?).await.unwrap_or_default();
    assert!(!reported.contains("HTTP/1.1"), "a caller without TLS got a response: {reported}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn names_the_setting_of_an_invalid_certificate(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let mut config = app.config.clone();
    config.server.tls_cert_file = file("key.pem");
    config.server.tls_key_file = file("key.pem");
    let error = app.second_gateway(&config).await.err().context("it was taken")?;
    assert!(format!("{error:#}").contains("server.tls_cert_file"), "{error:#}");
    Ok(())
}
