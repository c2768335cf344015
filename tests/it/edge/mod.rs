//! Callers that are too slow or too many, and those that come by TLS, at the door of the real server.

mod bodies;
mod headers;
mod quotas;
mod slow_readers;
mod tls;
mod wrong_keys;

use std::time::Duration;

use anyhow::Context as _;
use sqlx::PgPool;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::support::TestApp;

/// More than any of these tests needs.
const LONG: Duration = Duration::from_secs(20);

/// A connection to a gateway.
async fn connect(gateway: &Url) -> anyhow::Result<TcpStream> {
    let address = gateway.socket_addrs(|| None)?.first().copied().context("no address")?;
    Ok(TcpStream::connect(address).await?)
}

/// A connection, and what was sent on it.
async fn send(gateway: &Url, text: &str) -> anyhow::Result<TcpStream> {
    let mut stream = connect(gateway).await?;
    stream.write_all(text.as_bytes()).await?;
    Ok(stream)
}

/// Everything that comes until the gateway closes the connection.
async fn rest(mut stream: TcpStream) -> anyhow::Result<String> {
    let mut text = String::new();
    tokio::time::timeout(LONG, stream.read_to_string(&mut text)).await.context("not closed")??;
    Ok(text)
}

/// What comes first.
async fn first(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<String> {
    let mut bytes = vec![0; 4096];
    let length = tokio::time::timeout(LONG, stream.read(&mut bytes)).await.context("nothing")??;
    bytes.truncate(length);
    Ok(String::from_utf8(bytes)?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_head_that_never_ends_holds_no_connection(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.header_timeout_s = 0.2).await?;
    let slow = send(&app.base_url, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ").await?;
    let idle = send(&app.base_url, "").await?;
    let mut served = send(&app.base_url, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await?;
    assert!(first(&mut served).await?.starts_with("HTTP/1.1 200 "));
    let told = rest(slow).await?;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408 "), "{told}");
    assert_eq!(rest(idle).await?, "");
    assert_eq!(rest(served).await?, "", "it may stay no longer without a request either");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_body_that_never_ends_is_a_problem(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.body_timeout_s = 0.2).await?;
    let mut slow = send(
        &app.base_url,
        "POST /events/slack HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{",
    )
    .await?;
    let answer = first(&mut slow).await?;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("/problems/request_timeout"), "{answer}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn requests_beyond_the_most_are_sent_away_and_health_is_still_told(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.max_requests = 1).await?;
    // Its body is awaited: it is inside.
    let inside =
        send(&app.base_url, "POST /events/slack HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{")
            .await?;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let sent_away = async {
        loop {
            let answer = rest(send(&app.base_url, &get("/problems")).await?).await?;
            if answer.starts_with("HTTP/1.1 503 ") {
                return anyhow::Ok(answer);
            }
        }
    };
    let answer = tokio::time::timeout(LONG, sent_away).await.context("nobody sent away")??;
    assert!(answer.contains("/problems/overloaded"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1"), "{answer}");
    assert!(rest(send(&app.base_url, &get("/healthz")).await?).await?.starts_with("HTTP/1.1 200 "));
    drop(inside);
    let let_in = async {
        while !rest(send(&app.base_url, &get("/problems")).await?)
            .await?
            .starts_with("HTTP/1.1 200 ")
        {}
        anyhow::Ok(())
    };
    tokio::time::timeout(LONG, let_in).await.context("nobody let in")?
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn connections_beyond_the_most_wait_until_one_ends(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let mut config = app.config.clone();
    config.server.max_connections = 2;
    // One of its own, that nobody else has connections to.
    let (gateway, _state) = app.beside(&config).await?;
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
