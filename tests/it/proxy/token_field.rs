//! The account token in the body, where Slack's SDKs may send it; no token of a caller reaches the provider.

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::stream;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::method_restrictions;
use super::provider::Provider;
use crate::support::{Client, TestApp, bearer};

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b0";
const JSON: &str = "application/json";
/// More than the gateway buffers.
const LARGE: usize = 3 * 1024 * 1024;

/// A gateway with the test's own Slack, an account token, and a client without a key.
async fn fixture(pool: PgPool) -> anyhow::Result<(TestApp, Provider, Client, String)> {
    let app = TestApp::new(pool).await?;
    let token = method_restrictions::token(&app, &json!({"scopes": ["proxy"]})).await?;
    let provider = Provider::start().await?;
    let mut config = app.config.clone();
    config.slack_enterprise.web_url.clone_from(&provider.url);
    let (url, _) = app.second_gateway(&config).await?;
    let anonymous = app.anonymous()?.at(url);
    Ok((app, provider, anonymous, token))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_stalled_body_before_and_after_authentication(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (app, provider, _, token) = fixture(pool).await?;
    let mut hasty = app.config.clone();
    hasty.server.body_timeout_s = 0.2;
    let (url, _) = app.second_gateway(&hasty).await?;
    let at = (url.host_str().context("no host")?, url.port().context("no port")?);
    let key = format!("authorization: {}\r\n", bearer(&token));
    for (path, key) in [("api/auth.test", ""), ("api/auth.test", &*key), ("scim/v2/Users", &*key)] {
        // It declares its length, and most of it never arrives.
        let head = format!(
            "POST /proxy/{path} HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ncontent-length: 90\r\n{key}\r\ntoken="
        );
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(head.as_bytes()).await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        assert_eq!(&status, b"HTTP/1.1 408", "{path} {key}");
    }
    assert!(!provider.seen.has_changed()?, "no call was sent");
    Ok(())
}

/// Builds a part of a form.
fn part(name: &str, value: &str) -> String {
    format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_in_the_body_authenticates_and_is_not_forwarded(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (_app, provider, anonymous, token) = fixture(pool).await?;
    let named = anonymous.clone().with("authorization", &bearer(&token))?;
    let end = "--b0--\r\n";
    let (text, file) = (part("text", "a token"), part("file\"; filename=\"token", "b"));
    let large = "x".repeat(900 * 1024);
    let rows = [
        (&anonymous, FORM, format!("token={token}"), String::new()),
        (&anonymous, FORM, format!("a=%20b&token={token}&c=d+e"), "a=%20b&c=d+e".to_owned()),
        (&anonymous, FORM, format!("text={large}&%74oken={token}"), format!("text={large}")),
        (
            &anonymous,
            MULTIPART,
            format!("{}{text}{end}", part("token", &token)),
            format!("{text}{end}"),
        ),
        (
            &anonymous,
            MULTIPART,
            format!("{file}{}{text}{end}", part("token", &token)),
            format!("{file}{text}{end}"),
        ),
        (&named, FORM, format!("token={token}&a=1"), "a=1".to_owned()),
        (&named, FORM, "a=1&tokens=2".to_owned(), "a=1&tokens=2".to_owned()),
        (
            &named,
            MULTIPART,
            format!("{text}{}{end}", part("token", &token)),
            format!("{text}{end}"),
        ),
        (&named, JSON, format!("{{\"a\": [1], \"token\": \"{token}\"}}"), "{\"a\":[1]}".to_owned()),
        (
            &named,
            JSON,
            "{\"a\": {\"token\": 1} }".to_owned(),
            "{\"a\": {\"token\": 1} }".to_owned(),
        ),
        (&named, "text/plain", format!("token={token}x"), format!("token={token}x")),
    ];
    for (client, content_type, body, expected) in rows {
        let start = &body[..body.len().min(80)];
        let response = client
            .send(Method::POST, "proxy/api/chat.postMessage", Some((content_type, &body)))
            .await?;
        assert_eq!(response.success()?, json!({"ok": true}), "{start}");
        let (_, _, headers) = provider.seen.borrow().clone().context("no call was sent")?;
        let authorization = headers.get("authorization").context("no token")?.to_str()?;
        assert!(authorization.starts_with("Bearer xoxe"), "{start}");
        let sent = provider.body.borrow().clone().context("no body")?;
        assert_eq!(sent, expected.as_bytes(), "{start}");
    }
    let query = named.get("proxy/api/auth.test?a=%20&token=xoxb-1&%74oken%5B%5D=xoxb-2&b").await?;
    query.success()?;
    let (_, target, _) = provider.seen.borrow().clone().context("no call was sent")?;
    assert_eq!(target, "/api/auth.test?a=%20&b");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_foreign_token_in_the_body_is_not_forwarded(pool: PgPool) -> anyhow::Result<()> {
    let (app, mut provider, anonymous, token) = fixture(pool).await?;
    let named = anonymous.clone().with("authorization", &bearer(&token))?;
    let packed = anonymous.clone().with("content-encoding", "gzip")?;
    let key = app.client(app.home.environment_id, switchboard::domain::access::Scope::ALL).await?;
    let accounts = key.get("integrated-accounts").await?.success()?;
    let account = accounts.pointer("/result/0/id").and_then(Value::as_str).context("no account")?;
    let key = key.with("x-integrated-account-id", account)?.at(anonymous.base_url().clone());
    let (theirs, ours) = ("token=xoxb-theirs", format!("token={token}"));
    let both = part("token", &token);
    let rows = [
        (&anonymous, FORM, theirs.to_owned(), 401, "invalid_auth"),
        (&anonymous, FORM, "token=".to_owned(), 401, "invalid_auth"),
        (&anonymous, FORM, "token=sb_live_x".to_owned(), 401, "invalid_auth"),
        (&anonymous, FORM, "token=sb_acct_x".to_owned(), 401, "invalid_auth"),
        (&anonymous, FORM, format!("{ours}&{theirs}"), 401, "invalid_auth"),
        (&anonymous, FORM, "a=1".to_owned(), 401, "not_authed"),
        (&anonymous, JSON, format!("{{\"token\":\"{token}\"}}"), 401, "not_authed"),
        (
            &anonymous,
            MULTIPART,
            format!("{}--b0--", part("token", "xoxb-theirs")),
            401,
            "invalid_auth",
        ),
        (&anonymous, "multipart/form-data", both.clone(), 415, "invalid_post_type"),
        (
            &anonymous,
            "multipart/form-data; boundary=a; boundary=b0",
            both.clone(),
            415,
            "invalid_post_type",
        ),
        (&packed, FORM, ours.clone(), 415, "invalid_post_type"),
        (&named, FORM, theirs.to_owned(), 401, "invalid_auth"),
        (&named, FORM, format!("a=1&+token[]={token}x"), 401, "invalid_auth"),
        (&named, JSON, "{\"\\u0074oken\":\"xoxb-theirs\"}".to_owned(), 401, "invalid_auth"),
        (&named, JSON, "{\"token\":\"xoxb-theirs\"".to_owned(), 422, "invalid_form_data"),
        (&named, MULTIPART, format!("{both}{}--b0--", part("token", "x")), 401, "invalid_auth"),
        (&key, FORM, ours.clone(), 401, "invalid_auth"),
    ];
    for (client, content_type, body, status, code) in rows {
        let response =
            client.send(Method::POST, "proxy/api/auth.test", Some((content_type, &body))).await?;
        assert_eq!(
            (response.status, &response.body["error"]),
            (status, &json!(code)),
            "{body}: {}",
            response.text
        );
        assert!(response.header("link").contains("/problems/"), "{body}");
    }
    let query = anonymous.get(&format!("proxy/api/auth.test?{ours}")).await?;
    assert_eq!((query.status, &query.body["error"]), (401, &json!("not_authed")));
    let elsewhere =
        anonymous.send(Method::POST, "proxy/scim/v2/Users", Some((FORM, &ours))).await?;
    elsewhere.api_error(401, "unauthorized");
    assert!(!provider.seen.has_changed()?, "no call was sent");
    provider.seen.mark_unchanged();
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_large_form_streams_only_if_its_token_comes_first(pool: PgPool) -> anyhow::Result<()> {
    let (_app, provider, anonymous, token) = fixture(pool).await?;
    let large = |pieces: Vec<String>| {
        reqwest::Body::wrap_stream(stream::iter(
            pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))),
        ))
    };
    let (own, end) = (part("token", &token), "--b0--\r\n".to_owned());
    let file = part("file", &"x".repeat(LARGE));
    let first = large(vec![own.clone(), file.clone(), end.clone()]);
    let send = async |client: &Client, body| {
        client.open(Method::POST, "proxy/api/files.upload", Some(body)).await
    };
    let typed = anonymous.clone().with("content-type", MULTIPART)?;
    assert_eq!(send(&typed, first).await?.status(), 200);
    let sent = provider.body.borrow().clone().context("no body")?;
    assert!(sent == format!("{file}{end}").as_bytes(), "{} bytes", sent.len());

    // Without the header no call is sent; with it, the call is aborted before the field.
    let late = || large(vec![file.clone(), own.clone(), end.clone()]);
    let unproven = send(&typed, late()).await?;
    assert_eq!(unproven.status(), 401);
    let named = typed.with("authorization", &bearer(&token))?;
    let broken = send(&named, late()).await?;
    assert_eq!(broken.status(), 422);
    assert!(broken.text().await?.contains("mebibyte"));
    let mut body = provider.body.clone();
    body.wait_for(Option::is_none).await.context("the provider had the whole body")?;
    let whole = send(&named, large(vec![file.clone(), end.clone()])).await?;
    assert_eq!(whole.status(), 200);
    let sent = provider.body.borrow().clone().context("no body")?;
    assert!(sent == format!("{file}{end}").as_bytes(), "{} bytes", sent.len());

    let named = named.with("content-type", JSON)?;
    let text = format!("{{\"text\":\"{}\"", "x".repeat(LARGE));
    let passed = send(&named, large(vec![text.clone(), "}".to_owned()])).await?;
    assert_eq!(passed.status(), 200);
    let sent = provider.body.borrow().clone().context("no body")?;
    assert!(sent == format!("{text}}}").as_bytes(), "{} bytes", sent.len());
    let broken =
        send(&named, large(vec![text, ",\"tok".to_owned(), "en\":\"x\"}".to_owned()])).await?;
    assert_eq!(broken.status(), 422);
    body.wait_for(Option::is_none).await.context("the provider had the whole body")?;
    Ok(())
}
