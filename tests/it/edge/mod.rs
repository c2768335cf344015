//! Slow callers, too many callers, and callers with TLS, at a real server.

mod bodies;
mod failed_authentication;
mod headers;
mod quotas;
mod slow_readers;
mod tls;

use std::time::Duration;

use anyhow::Context as _;
use sqlx::PgPool;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::support::TestApp;

/// Longer than any of these tests takes.
const LONG_TIMEOUT: Duration = Duration::from_secs(20);

/// Connects to a gateway.
async fn connect(gateway: &Url) -> anyhow::Result<TcpStream> {
    let address = gateway.socket_addrs(|| None)?.first().copied().context("no address")?;
    Ok(TcpStream::connect(address).await?)
}

/// Connects and sends bytes.
pub(crate) async fn send(gateway: &Url, text: &str) -> anyhow::Result<TcpStream> {
    let mut stream = connect(gateway).await?;
    stream.write_all(text.as_bytes()).await?;
    Ok(stream)
}

/// Reads until the gateway closes the connection.
async fn rest(mut stream: TcpStream) -> anyhow::Result<String> {
    let mut text = String::new();
    tokio::time::timeout(LONG_TIMEOUT, stream.read_to_string(&mut text))
        .await
        .context("not closed")??;
    Ok(text)
}

/// Reads the first bytes.
pub(crate) async fn first(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<String> {
    let mut bytes = vec![0; 4096];
    let length =
        tokio::time::timeout(LONG_TIMEOUT, stream.read(&mut bytes)).await.context("nothing")??;
    bytes.truncate(length);
    Ok(String::from_utf8(bytes)?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn closes_a_connection_whose_head_never_ends(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.header_timeout_s = 0.2).await?;
    let slow = send(&app.base_url, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ").await?;
    let idle = send(&app.base_url, "").await?;
    let mut served = send(&app.base_url, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await?;
    assert!(first(&mut served).await?.starts_with("HTTP/1.1 200 "));
    let reported = rest(slow).await?;
    assert!(reported.is_empty() || reported.starts_with("HTTP/1.1 408 "), "{reported}");
    assert_eq!(rest(idle).await?, "");
    assert_eq!(rest(served).await?, "", "it may stay no longer without a request either");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_a_body_that_never_ends(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.body_timeout_s = 0.2).await?;
    let mut slow = send(
        &app.base_url,
        "POST /events/slack HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{",
    )
    .await?;
    let response = first(&mut slow).await?;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!(response.contains("/problems/request_timeout"), "{response}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn sheds_requests_beyond_the_maximum_except_health_checks(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.max_requests = 1).await?;
    // It is in flight: its body has not arrived.
    let inside =
        send(&app.base_url, "POST /events/slack HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{")
            .await?;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let sent_away = async {
        loop {
            let response = rest(send(&app.base_url, &get("/problems")).await?).await?;
            if response.starts_with("HTTP/1.1 503 ") {
                return anyhow::Ok(response);
            }
        }
    };
    let response =
        tokio::time::timeout(LONG_TIMEOUT, sent_away).await.context("no load was shed")??;
    assert!(response.contains("/problems/overloaded"), "{response}");
    assert!(response.to_ascii_lowercase().contains("retry-after: 1"), "{response}");
    assert!(rest(send(&app.base_url, &get("/healthz")).await?).await?.starts_with("HTTP/1.1 200 "));
    drop(inside);
    let let_in = async {
        while !rest(send(&app.base_url, &get("/problems")).await?)
            .await?
            .starts_with("HTTP/1.1 200 ")
        {}
        anyhow::Ok(())
    };
    tokio::time::timeout(LONG_TIMEOUT, let_in).await.context("no connection was accepted")?
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn connections_beyond_the_maximum_wait_until_one_closes(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let mut config = app.config.clone();
    config.server.max_connections = 2;
    // A listener of its own, to which nothing else is connected.
    let (gateway, _state) = app.second_gateway(&config).await?;
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut one = send(&gateway, get).await?;
        assert!(first(&mut one).await?.starts_with("HTTP/1.1 200 "));
        held.push(one);
    }
    let mut waiting = send(&gateway, get).await?;
    let early = tokio::time::timeout(Duration::from_millis(300), first(&mut waiting)).await;
    assert!(early.is_err(), "served beyond the most");
    held.pop();
    assert!(first(&mut waiting).await?.starts_with("HTTP/1.1 200 "));
    Ok(())
}
