//! Peers that stop responding: the provider, its token endpoint, Redis and callers each stop sending without closing
//! the connection, during each kind of call. No call exceeds its limit, no grant is lost, and no other caller is
//! affected. The database is covered by `cache/unresponsive.rs`.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::config::{Config, LimitBackend};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::support::{Client, ProxyTarget, RedisServer, StallingProxy, TestApp};

/// The limits of an unanswered call together, and what a busy machine adds.
const MAX_CALL_TIME: Duration = Duration::from_secs(12);

/// Starts a gateway beside `app` that reaches the provider through a stalling proxy, with short time-outs.
async fn through_stalling_proxy(
    app: &TestApp,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<(Url, StallingProxy)> {
    let provider = Url::parse(&app.config.slack_enterprise.api_url)?;
    let provider = provider.socket_addrs(|| None)?.first().copied().context("no address")?;
    let line = StallingProxy::start(ProxyTarget::Tcp(provider)).await?;
    let mut config = app.config.clone();
    let url = format!("http://{}", line.address);
    config.slack_enterprise.web_url.clone_from(&url);
    config.slack_enterprise.api_url = url;
    config.upstream.response_timeout_s = 0.4;
    config.upstream.whole_response_timeout_s = 0.4;
    change(&mut config);
    Ok((app.second_gateway(&config).await?.0, line))
}

/// Returns how each kind of call ended.
async fn each_kind(api: &Client, email: &str) -> anyhow::Result<Vec<(u16, String)>> {
    let user = json!({"email": email});
    let batch =
        json!({"operations": [{"method": "GET", "path": "/workspaces", "query": {"limit": "1"}}]});
    let (list, write, paged, batch) = tokio::join!(
        api.get("users?limit=1"),
        api.post("users", &user),
        api.get("proxy/api/admin.teams.list?paginate=true"),
        api.post("batch", &batch),
    );
    let batch = batch?;
    let of_batch = batch.body.pointer("/result/0/status").and_then(Value::as_u64);
    let mut all = vec![(u16::try_from(of_batch.unwrap_or_default())?, batch.text)];
    all.extend([list?, write?, paged?].map(|response| (response.status, response.text)));
    for (method, path) in
        [(Method::GET, "proxy/api/users.list"), (Method::POST, "proxy/api/chat.postMessage")]
    {
        // Its head may have arrived: then the body breaks off.
        let raw = api.open(method, path, None).await?;
        let (status, body) = (raw.status().as_u16(), raw.bytes().await);
        all.push((if body.is_ok() { status } else { 504 }, path.to_owned()));
    }
    Ok(all)
}

/// Waits until a call succeeds again: the circuit of an unreachable host stays open for some seconds.
async fn wait_until_recovered(api: &Client, path: &str) -> anyhow::Result<()> {
    let works = async {
        loop {
            let response = api.get(path).await?;
            if response.status == 200 {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(MAX_CALL_TIME, works).await.with_context(|| path.to_owned())?
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unresponsive_provider_blocks_no_caller(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let other = app.tenant("other").await?;
    let others = app.link_in(&other, "globex").await?;
    let others = other.api.clone().with("x-integrated-account-id", &others)?;
    // Before the response, in its head, and in its body.
    for bytes in [0, 20, 450] {
        let (gateway, line) = through_stalling_proxy(&app, |_| {}).await?;
        let api = app.client_for(&account)?.at(gateway).with("prefer", "wait=0")?;
        line.stall_after(bytes);
        let began = Instant::now();
        for (status, text) in each_kind(&api, &format!("new-{bytes}@silence.example")).await? {
            // A short response may have arrived completely before the stall.
            let received = bytes > 100 && (200..300).contains(&status);
            assert!(received || matches!(status, 502 | 504), "{bytes}: {status} {text}");
        }
        assert!(began.elapsed() < MAX_CALL_TIME, "{bytes}: {:?}", began.elapsed());
        others.get("users?limit=1").await?.success()?;
        line.restore();
        wait_until_recovered(&api, "users?limit=1").await?;
        wait_until_recovered(&api, "proxy/api/auth.test").await?;
    }
    let path = format!("integrated-accounts/{account}");
    let account = app.home.api.get(&path).await?.success()?;
    assert_eq!(account.pointer("/result/status"), Some(&json!("active")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unresponsive_token_endpoint_loses_no_grant(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    for bytes in [0, 20, 450] {
        let (gateway, line) = through_stalling_proxy(&app, |_| {}).await?;
        let api = app.client_for(&account)?.at(gateway);
        app.clock.advance(time::Duration::hours(13));
        app.sandbox.advance_clock(time::Duration::hours(13));
        line.stall_after(bytes);
        let began = Instant::now();
        let calls = ["users?limit=1", "proxy/api/auth.test"];
        for response in join_all(calls.map(|path| api.get(path))).await {
            let response = response?;
            let (status, pause) = (response.status, response.header("retry-after"));
            let received = bytes > 100 && status == 200;
            let is_reported = matches!(status, 502 | 504) && !pause.is_empty();
            assert!(received || is_reported || bytes > 100, "{bytes}: {status} {}", response.text);
        }
        assert!(began.elapsed() < MAX_CALL_TIME, "{bytes}: {:?}", began.elapsed());
        line.restore();
        app.clock.advance(time::Duration::seconds(2));
        for path in calls {
            wait_until_recovered(&api, path).await.with_context(|| bytes.to_string())?;
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unresponsive_redis_blocks_no_call(pool: PgPool) -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let socket = redis.url().trim_start_matches("redis+unix://").to_owned();
    let line = StallingProxy::start(ProxyTarget::Unix(socket.into())).await?;
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let mut config = app.config.clone();
    config.limits.backend = LimitBackend::Redis;
    config.limits.redis_url = format!("redis://{}", line.address);
    let api = app.client_for(&account)?.at(app.second_gateway(&config).await?.0);
    api.get("users?limit=1").await?.success()?;
    for bytes in [0, 3] {
        line.stall_after(bytes);
        let began = Instant::now();
        let calls = ["users?limit=1", "proxy/api/auth.test", "workspaces?limit=1"];
        for response in join_all(calls.map(|path| api.get(path))).await {
            response?.success()?;
        }
        assert!(began.elapsed() < MAX_CALL_TIME, "{bytes}: {:?}", began.elapsed());
        line.restore();
        api.get("users?limit=1").await?.success()?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn unresponsive_callers_hold_no_slot(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        let server = &mut setup.config.server;
        (server.max_requests, server.max_connections) = (12, 24);
        (server.body_timeout_s, server.header_timeout_s, server.write_timeout_s) = (0.5, 0.5, 0.5);
        setup.config.upstream.response_timeout_s = 0.5;
    })
    .await?;
    let account = app.link("acme").await?;
    let path = format!("integrated-accounts/{account}/tokens");
    let token = app.home.admin.post(&path, &json!({})).await?.created()?;
    let token = token.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    let head =
        |line: &str| format!("{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n");
    let json = "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    // In the head, and in the body of each kind of request.
    let silent = [
        head("GET /users"),
        head("POST /users") + json,
        head("POST /batch") + json,
        head("POST /link-token") + json,
        head("POST /proxy/api/chat.postMessage") + json,
        head("POST /proxy/api/chat.postMessage") + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ];
    let address = app.base_url.socket_addrs(|| None)?.first().copied().context("no address")?;
    let mut streams = Vec::new();
    for text in silent.iter().cycle().take(4 * silent.len()) {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(text.as_bytes()).await?;
        streams.push(stream);
    }
    let began = Instant::now();
    let ends = join_all(streams.iter_mut().map(|stream| async {
        let mut first = [0; 16];
        // The end of the connection is a valid end as well.
        let length = stream.read(&mut first).await.unwrap_or_default();
        String::from_utf8_lossy(first.get(..length).unwrap_or_default()).into_owned()
    }));
    let ends = tokio::time::timeout(MAX_CALL_TIME, ends)
        .await
        .context("a stalled caller still has a connection")?;
    for end in ends {
        let is_refused =
            ["", "HTTP/1.1 408", "HTTP/1.1 503"].iter().any(|one| end.starts_with(one));
        assert!(is_refused && !end.starts_with("HTTP/1.1 2"), "{end:?}");
    }
    drop(streams);
    assert!(began.elapsed() < MAX_CALL_TIME, "{:?}", began.elapsed());
    app.client_for(&account)?.get("users?limit=1").await?.success()?;
    Ok(())
}
