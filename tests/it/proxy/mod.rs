//! The proxy at its edges: large bodies, odd paths, odd methods, keys that are bound to some methods.

mod connections;
mod drawn;
mod escapes;
mod half_open;
mod pages;
mod permits;
mod provider;
mod refusals;
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

use self::provider::{PIECE, PIECES, Provider};
use crate::support::{Client, ClosedPort, TestApp};

/// What may be on its way between both ends: the buffers of six sockets, and ours.
const ON_ITS_WAY: usize = 48 * 1024 * 1024 / PIECE;

/// A gateway whose SCIM host is the test's own, and a client of a linked account.
async fn with_provider(pool: PgPool) -> anyhow::Result<(TestApp, Client, Provider)> {
    let provider = Provider::start().await?;
    let url = provider.url.clone();
    let app = TestApp::with(pool, |setup| setup.config.slack_enterprise.api_url = url).await?;
    let client = app.linked().await?;
    Ok((app, client, provider))
}

/// How far it has come when it goes no further.
async fn stalled(mut count: watch::Receiver<usize>) -> usize {
    while tokio::time::timeout(Duration::from_millis(300), count.changed()).await.is_ok() {}
    *count.borrow()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_hundred_megabytes_come_through_no_faster_than_they_are_read(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (_app, client, provider) = with_provider(pool).await?;
    let response = client.open(Method::GET, "proxy/scim/v2/Large", None).await?;
    assert_eq!(response.status(), 200);
    let mut body = response.bytes_stream();
    let first = body.next().await.context("no body")??;
    let sent = stalled(provider.sent.clone()).await;
    assert!(sent < ON_ITS_WAY, "{sent} pieces of {PIECES} left the provider, one was read");
    let mut length = first.len();
    while let Some(piece) = body.next().await {
        length += piece?.len();
    }
    assert_eq!(length, PIECES * PIECE);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_hundred_megabytes_go_through_no_faster_than_they_are_taken(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (_app, client, provider) = with_provider(pool).await?;
    let (made, count) = watch::channel(0);
    let pieces = stream::iter(0..PIECES).map(move |piece| {
        made.send_replace(piece + 1);
        Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; PIECE]))
    });
    let body = reqwest::Body::wrap_stream(pieces);
    let sending = client.open(Method::PUT, "proxy/scim/v2/Taken", Some(body));
    let watching = async {
        let made = stalled(count).await;
        provider.go.notify_one();
        made
    };
    let (response, made) = tokio::join!(sending, watching);
    assert!(made < ON_ITS_WAY, "{made} pieces of {PIECES} left the caller, one was taken");
    assert_eq!(response?.text().await?, (PIECES * PIECE).to_string());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn headers_cross_as_they_should_and_ours_tell_what_it_took(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (app, client, provider) = with_provider(pool).await?;
    let client = client
        .with("cookie", "a=b")?
        .with("x-forwarded-for", "10.0.0.1")?
        .with("x-request-id", "mine-1")?
        .with("accept-encoding", "br, zstd")?;
    let odd = client.get("proxy/scim/v2/Odd?x=%2F%20y").await?;
    assert_eq!((odd.status, odd.text.as_str()), (418, "odd"), "status and body are the provider's");
    assert_eq!(
        (odd.header("x-kept"), odd.header("x-hop"), odd.header("set-cookie")),
        ("1", "", "")
    );
    assert_eq!(odd.header("location"), "https://elsewhere.test/", "no redirect is followed");
    assert_eq!(odd.header("switchboard-attempts"), "1", "ours, not the provider's");
    assert_eq!(odd.header("switchboard-request-id"), "mine-1");
    assert_eq!(odd.header("switchboard-provider-method"), "scim.odd.get");
    assert!(odd.header("switchboard-account-id").starts_with("acc_"));
    for name in ["switchboard-waited-ms", "switchboard-upstream-ms"] {
        odd.header(name).parse::<u64>().with_context(|| name.to_owned())?;
    }
    let (method, target, headers) = provider.seen.borrow().clone().context("nothing was sent")?;
    assert_eq!((method, target.as_str()), (Method::GET, "/scim/v2/Odd?x=%2F%20y"));
    let authorization = headers.get("authorization").context("no token")?.to_str()?.to_owned();
    assert!(authorization.starts_with("Bearer xoxe"), "the provider's token, not our key");
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "authorization", "host", "user-agent"]);
    assert_eq!(headers.get("accept-encoding").context("none")?, "br, zstd");

    // Parameters that our own API has, too, are the provider's here.
    let named = client.get("proxy/scim/v2/Users?provider=google&provider=x&tenant_id=1").await?;
    assert_eq!(named.status, 200, "{}", named.text);

    let coded = client.open(Method::GET, "proxy/scim/v2/Coded", None).await?;
    assert_eq!(coded.headers().get("content-encoding").context("none")?, "br");
    assert_eq!(&coded.bytes().await?[..], [0x1f, 0x8b, 1, 2, 3], "what is packed stays packed");
    drop(app);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_method_passes_but_those_that_would_show_the_token(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (_app, client, mut provider) = with_provider(pool).await?;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PURGE", "get"] {
        let method = Method::from_bytes(method.as_bytes())?;
        let answer = client.open(method.clone(), "proxy/scim/v2/Users", None).await?;
        assert_eq!(answer.status(), 200, "{method}");
        let length = answer.headers().get("content-length").context("no length")?;
        assert_eq!(length, "4", "{method}");
        let body = answer.text().await?;
        assert_eq!(body, if method == Method::HEAD { "" } else { "fine" }, "{method}");
        let (seen, _, _) = provider.seen.borrow_and_update().clone().context("nothing was sent")?;
        assert_eq!(seen, method);
    }
    let trace = client.send(Method::TRACE, "proxy/scim/v2/Users", None).await?;
    trace.refused(405, "method_not_allowed");
    assert!(!provider.seen.has_changed()?, "it was not sent");
    Ok(())
}

/// Sends a request line as it stands, and gives the status line.
async fn raw(app: &TestApp, key: &str, line: &str) -> anyhow::Result<String> {
    let at = (app.base_url.host_str().unwrap_or_default(), app.base_url.port().unwrap_or_default());
    let mut stream = TcpStream::connect(at).await?;
    let head =
        format!("{line}\r\nhost: {}\r\nauthorization: {key}\r\nconnection: close\r\n\r\n", at.0);
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    // A server that refuses at once may reset the connection: what came counts.
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_request_line_leads_out_of_the_provider(pool: PgPool) -> anyhow::Result<()> {
    let (app, _, mut provider) = with_provider(pool).await?;
    let token = permits::token(&app, &serde_json::json!({"scopes": ["proxy"]})).await?;
    let key = format!("Bearer {token}");
    let fine = raw(&app, &key, "GET /proxy/scim/v2/Users HTTP/1.1").await?;
    assert_eq!(fine, "HTTP/1.1 200 OK", "the table below can tell a difference");
    // A whole address is another way to write the path, whatever host it names.
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
        // A second request in the same bytes is the caller's own second request: it answers for itself.
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
async fn a_provider_that_can_not_be_reached_is_left_alone_for_a_while(
    pool: PgPool,
) -> anyhow::Result<()> {
    let closed = ClosedPort::take()?;
    let url = format!("http://{}", closed.address()?);
    let app = TestApp::with(pool, |setup| setup.config.slack_enterprise.api_url = url).await?;
    let account = app.link("acme").await?;
    let key = app.client(app.home.environment_id, &[Scope::Proxy]).await?;
    let client = key.with("x-integrated-account-id", &account)?;
    let mut last = None;
    for _ in 0..4 {
        let answer = client.get("proxy/scim/v2/Users").await?;
        answer.refused(502, "provider_error");
        last = Some(answer);
    }
    let last = last.context("nothing was asked")?;
    assert_ne!(last.header("retry-after"), "", "{}", last.text);
    let began = std::time::Instant::now();
    client.get("proxy/scim/v2/Users").await?.refused(502, "provider_error");
    assert!(began.elapsed() < Duration::from_millis(200), "it fails at once");
    client.get("proxy/api/auth.test").await?.okay().context("the other host is not concerned")?;
    Ok(())
}
