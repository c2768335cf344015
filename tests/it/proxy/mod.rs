//! Edge cases of the proxy: large bodies, odd paths, odd methods, keys restricted to some methods.

mod connections;
mod error_format;
mod escapes;
mod generated;
mod half_open;
mod method_restrictions;
mod pagination;
mod provider;
mod slack_morphism;
mod token_field;
mod traces;

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Method;
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use self::provider::{CHUNK, CHUNKS, Provider};
use crate::support::{Client, ClosedPort, TestApp};

/// Maximum bytes in flight between both ends: the buffers of six sockets, and ours.
const MAX_CHUNKS_IN_FLIGHT: usize = 48 * 1024 * 1024 / CHUNK;

/// Starts a gateway whose SCIM host is the test's server; returns a client of a linked account.
async fn with_provider(pool: PgPool) -> anyhow::Result<(TestApp, Client, Provider)> {
    let provider = Provider::start().await?;
    let url = provider.url.clone();
    let app = TestApp::with(pool, |setup| setup.config.slack_enterprise.api_url = url).await?;
    let client = app.linked_client().await?;
    Ok((app, client, provider))
}

/// Returns the progress at which it stalls.
async fn stalled(mut count: watch::Receiver<usize>) -> usize {
    while tokio::time::timeout(Duration::from_millis(300), count.changed()).await.is_ok() {}
    *count.borrow()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_large_response_streams_with_backpressure(pool: PgPool) -> anyhow::Result<()> {
    let (_app, client, provider) = with_provider(pool).await?;
    let response = client.open(Method::GET, "proxy/scim/v2/Large", None).await?;
    assert_eq!(response.status(), 200);
    let mut body = response.bytes_stream();
    let first = body.next().await.context("no body")??;
    let sent = stalled(provider.sent.clone()).await;
    assert!(
        sent < MAX_CHUNKS_IN_FLIGHT,
        "{sent} chunks of {CHUNKS} left the provider, one was read"
    );
    let mut length = first.len();
    while let Some(piece) = body.next().await {
        length += piece?.len();
    }
    assert_eq!(length, CHUNKS * CHUNK);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_large_request_streams_with_backpressure(pool: PgPool) -> anyhow::Result<()> {
    let (_app, client, provider) = with_provider(pool).await?;
    let (produced, count) = watch::channel(0);
    let pieces = stream::iter(0..CHUNKS).map(move |piece| {
        produced.send_replace(piece + 1);
        Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; CHUNK]))
    });
    let body = reqwest::Body::wrap_stream(pieces);
    let sending = client.open(Method::PUT, "proxy/scim/v2/Taken", Some(body));
    let watching = async {
        let produced = stalled(count).await;
        provider.go.notify_one();
        produced
    };
    let (response, produced) = tokio::join!(sending, watching);
    assert!(
        produced < MAX_CHUNKS_IN_FLIGHT,
        "{produced} chunks of {CHUNKS} left the caller, one was read"
    );
    assert_eq!(response?.text().await?, (CHUNKS * CHUNK).to_string());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn forwards_permitted_headers_and_adds_call_statistics(pool: PgPool) -> anyhow::Result<()> {
    let (app, client, provider) = with_provider(pool).await?;
    let client = client
        .with("cookie", "a=b")?
        .with("x-forwarded-for", "10.0.0.1")?
        .with("x-request-id", "mine-1")?
        .with("accept-encoding", "br, zstd")?;
    let unusual = client.get("proxy/scim/v2/Odd?x=%2F%20y").await?;
    assert_eq!(
        (unusual.status, unusual.text.as_str()),
        (418, "odd"),
        "status and body are the provider's"
    );
    assert_eq!(
        (unusual.header("x-kept"), unusual.header("x-hop"), unusual.header("set-cookie")),
        ("1", "", "")
    );
    assert_eq!(unusual.header("location"), "https://elsewhere.test/", "no redirect is followed");
    assert_eq!(unusual.header("switchboard-attempts"), "1", "ours, not the provider's");
    assert_eq!(unusual.header("switchboard-request-id"), "mine-1");
    assert_eq!(unusual.header("switchboard-provider-method"), "scim.odd.get");
    assert!(unusual.header("switchboard-account-id").starts_with("acc_"));
    for name in ["switchboard-waited-ms", "switchboard-upstream-ms"] {
        unusual.header(name).parse::<u64>().with_context(|| name.to_owned())?;
    }
    let (method, target, headers) = provider.seen.borrow().clone().context("no call was sent")?;
    assert_eq!((method, target.as_str()), (Method::GET, "/scim/v2/Odd?x=%2F%20y"));
    let authorization = headers.get("authorization").context("no token")?.to_str()?.to_owned();
    assert!(authorization.starts_with("Bearer xoxe"), "the provider's token, not our key");
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "authorization", "host", "user-agent"]);
    assert_eq!(headers.get("accept-encoding").context("none")?, "br, zstd");

    // Parameters with names of our own API belong to the provider here.
    let named = client.get("proxy/scim/v2/Users?provider=google&provider=x&tenant_id=1").await?;
    assert_eq!(named.status, 200, "{}", named.text);

    let coded = client.open(Method::GET, "proxy/scim/v2/Coded", None).await?;
    assert_eq!(coded.headers().get("content-encoding").context("none")?, "br");
    assert_eq!(&coded.bytes().await?[..], [0x1f, 0x8b, 1, 2, 3], "what is packed stays packed");
    drop(app);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn forwards_every_method_except_those_that_echo_the_token(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (_app, client, mut provider) = with_provider(pool).await?;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PURGE", "get"] {
        let method = Method::from_bytes(method.as_bytes())?;
        let response = client.open(method.clone(), "proxy/scim/v2/Users", None).await?;
        assert_eq!(response.status(), 200, "{method}");
        let length = response.headers().get("content-length").context("no length")?;
        assert_eq!(length, "4", "{method}");
        let body = response.text().await?;
        assert_eq!(body, if method == Method::HEAD { "" } else { "fine" }, "{method}");
        let (seen, _, _) = provider.seen.borrow_and_update().clone().context("no call was sent")?;
        assert_eq!(seen, method);
    }
    let trace = client.send(Method::TRACE, "proxy/scim/v2/Users", None).await?;
    trace.api_error(405, "method_not_allowed");
    assert!(!provider.seen.has_changed()?, "it was not sent");
    Ok(())
}

/// Sends a request line verbatim, and returns the status line.
async fn raw(app: &TestApp, key: &str, line: &str) -> anyhow::Result<String> {
    let at = (app.base_url.host_str().unwrap_or_default(), app.base_url.port().unwrap_or_default());
    let mut stream = TcpStream::connect(at).await?;
    let head =
        format!("{line}\r\nhost: {}\r\nauthorization: {key}\r\nconnection: close\r\n\r\n", at.0);
    stream.write_all(head.as_bytes()).await?;
    let mut response = Vec::new();
    // A server that rejects early may reset the connection: bytes read so far count.
    let _ = stream.read_to_end(&mut response).await;
    let text = String::from_utf8_lossy(&response);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_request_line_escapes_the_provider(pool: PgPool) -> anyhow::Result<()> {
    let (app, _, mut provider) = with_provider(pool).await?;
    let token = method_restrictions::token(&app, &serde_json::json!({"scopes": ["proxy"]})).await?;
    let key = format!("Bearer {token}");
    let fine = raw(&app, &key, "GET /proxy/scim/v2/Users HTTP/1.1").await?;
    assert_eq!(fine, "HTTP/1.1 200 OK", "a call leaves its path in the provider's log");
    // The absolute form is another way to write the path, whatever its host is.
    let whole = raw(&app, &key, "GET http://evil.test/proxy/scim/v2/Users HTTP/1.1").await?;
    assert_eq!(whole, "HTTP/1.1 200 OK");
    provider.seen.mark_unchanged();
    for target in [
        "/proxy/scim/v2/../../admin",
        "/proxy/scim/v2/./Users",
        "/proxy/scim/v2/%2e%2e/Users",
        "/proxy/scim/v2/Users%2f..%2f..%2fx",
        "/proxy/scim/v2/..%5cx",
        "/proxy/scim/v2\\..\\x",
        "/proxy/scim//v2/Users",
        "/proxy//evil.test/scim/v2/Users",
        "/proxy/http://evil.test/scim/v2/Users",
        "/proxy/https:/evil.test",
        "/proxy/@evil.test/scim/v2/Users",
        "/proxy/user:secret@evil.test/scim/v2/Users",
        "/proxy/scim/v2/Users%0d%0aHost:%20evil.test",
        "/proxy/scim/v2/Users%00",
        "/proxy/scim/v2/..;x=1",
        "/proxy/scim/v2/%252e%252e/Users",
        "/proxy/scim/v2/Users%252f..%252fx",
        "/proxy/scim/v2/Users%5c..",
        "/proxy/scim/v2/Users%0a",
        "/proxy/scim/v2/Users%zz",
        "/proxy/scim/v2/Users%c0%ae",
        "/proxy/scim/v2/Us\u{e9}rs",
        "/proxy/scim/v3/Users",
        "/proxy/scim/v2/",
        "/proxy/oauth/v2/authorize",
        "http://evil.test/scim/v2/Users",
        "evil.test:443",
        "*",
        "/proxy/scim/v2/Users HTTP/1.1\r\nx: y\r\n\r\nGET /proxy/scim/v2/Users",
    ] {
        let status = raw(&app, &key, &format!("GET {target} HTTP/1.1")).await?;
        let code = status.split(' ').nth(1).unwrap_or_default();
        let is_smuggled = target.contains("\r\n");
        // A second request in the same bytes is a second request of the same caller.
        assert!(is_smuggled || code.starts_with('4'), "{target:?}: {status:?}");
        if !is_smuggled {
            assert!(!provider.seen.has_changed()?, "{target:?} reached the provider");
        }
    }
    for line in ["CONNECT evil.test:443 HTTP/1.1", "TRACE /proxy/scim/v2/Users HTTP/1.1"] {
        provider.seen.mark_unchanged();
        let status = raw(&app, &key, line).await?;
        assert!(status.split(' ').nth(1).is_some_and(|code| code.starts_with('4')), "{status:?}");
        assert!(!provider.seen.has_changed()?, "{line:?} reached the provider");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn opens_the_circuit_of_an_unreachable_provider(pool: PgPool) -> anyhow::Result<()> {
    let closed = ClosedPort::reserve()?;
    let url = format!("http://{}", closed.address()?);
    let app = TestApp::with(pool, |setup| setup.config.slack_enterprise.api_url = url).await?;
    let account = app.link("acme").await?;
    let key = app.client(app.home.environment_id, &[Scope::Proxy]).await?;
    let client = key.with("x-integrated-account-id", &account)?;
    let mut last = None;
    for _ in 0..4 {
        let response = client.get("proxy/scim/v2/Users").await?;
        response.api_error(502, "provider_error");
        last = Some(response);
    }
    let last = last.context("no call was sent")?;
    assert_ne!(last.header("retry-after"), "", "{}", last.text);
    let began = std::time::Instant::now();
    client.get("proxy/scim/v2/Users").await?.api_error(502, "provider_error");
    assert!(began.elapsed() < Duration::from_millis(200), "it fails immediately");
    client
        .get("proxy/api/auth.test")
        .await?
        .success()
        .context("the other host is not concerned")?;
    Ok(())
}
