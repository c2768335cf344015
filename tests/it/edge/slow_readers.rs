//! Callers that read the response slowly or not at all.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_util::task::TaskTracker;
use url::Url;

use super::LONG_TIMEOUT;
use super::tls::{connect_tls, with_tls};
use crate::support::TestApp;

/// Opens an HTTP/2 connection whose streams have a window of `window` bytes.
async fn http2_sender(
    gateway: &Url,
    window: Option<u32>,
) -> anyhow::Result<http2::SendRequest<Empty<Bytes>>> {
    let stream = connect_tls(gateway, &[b"h2"]).await?;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (http2_sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    TaskTracker::new().spawn(connection);
    Ok(http2_sender)
}

fn get(path: &str) -> anyhow::Result<Request<Empty<Bytes>>> {
    Ok(Request::get(format!("https://localhost{path}")).body(Empty::new())?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn resets_a_stream_whose_caller_reads_nothing(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (gateway, _state) = with_tls(&app, |config| config.server.write_timeout_s = 0.3).await?;
    let mut http2_sender = http2_sender(&gateway, Some(0)).await?;
    for path in ["/openapi.json", "/problems"] {
        let response = http2_sender.send_request(get(path)?).await?;
        assert_eq!(response.status(), StatusCode::OK);
        let received = tokio::time::timeout(LONG_TIMEOUT, response.into_body().collect()).await;
        let received = received.context("the stream was not reset")?;
        assert!(received.is_err(), "{path}: {:?}", received.map(|body| body.to_bytes().len()));
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_caller_that_reads_gets_every_byte_by_http2(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (gateway, _state) = with_tls(&app, |config| config.server.write_timeout_s = 5.0).await?;
    let plain = app.anonymous()?.get("openapi.json").await?;
    for window in [None, Some(1_000), Some(100_000)] {
        let mut http2_sender = http2_sender(&gateway, window).await?;
        for path in ["/openapi.json", "/healthz", "/problems"] {
            let response = http2_sender.send_request(get(path)?).await?;
            let length = response.headers().get("content-length").cloned();
            let body = response.into_body().collect().await?.to_bytes();
            if let Some(length) = length {
                assert_eq!(length.to_str()?.parse::<usize>()?, body.len(), "{path}");
            }
            if path == "/openapi.json" {
                assert_eq!(body, plain.text.as_bytes());
            }
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn closes_a_connection_whose_caller_reads_a_few_bytes_at_a_time(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.write_timeout_s = 0.3).await?;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let address = app.base_url.socket_addrs(|| None)?.first().copied().context("no address")?;
    let mut stream = socket.connect(address).await?;
    // Many responses on one connection: more than all buffers in between hold.
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(64);
    stream.write_all(requests.as_bytes()).await?;
    let mut bytes = [0; 64];
    let ended = async {
        loop {
            match stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            // Bytes from before the reset may stay in the local buffer: a write detects it.
            if stream
                .try_write(b"G")
                .is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
            {
                return;
            }
        }
    };
    tokio::time::timeout(LONG_TIMEOUT, ended).await.context("the connection was not ended")?;
    Ok(())
}
