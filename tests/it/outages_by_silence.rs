//! Outages by silence: the provider, its token endpoint, Redis and callers each stop sending without closing anything, in
//! the middle of each kind of call. Nothing hangs beyond its limit, nothing is lost, and nobody else is affected. The
//! database's silence is in `warm/silence.rs`.

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

use crate::support::{Client, Far, Line, RedisServer, TestApp};

/// A silent call's own limits together, and what a busy machine adds.
const LIMIT: Duration = Duration::from_secs(12);

/// A gateway beside `app` that reaches the provider by a line of its own, and has little patience.
async fn by_a_line(app: &TestApp, change: impl FnOnce(&mut Config)) -> anyhow::Result<(Url, Line)> {
    let provider = Url::parse(&app.config.slack_enterprise.api_url)?;
    let provider = provider.socket_addrs(|| None)?.first().copied().context("no address")?;
    let line = Line::to(Far::Tcp(provider)).await?;
    let mut config = app.config.clone();
    let url = format!("http://{}", line.address);
    config.slack_enterprise.web_url.clone_from(&url);
    config.slack_enterprise.api_url = url;
    config.upstream.response_timeout_s = 0.4;
    config.upstream.whole_response_timeout_s = 0.4;
    change(&mut config);
    Ok((app.beside(&config).await?.0, line))
}

/// Each kind of call there is: how it ended.
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
    all.extend([list?, write?, paged?].map(|answer| (answer.status, answer.text)));
    for (method, path) in
        [(Method::GET, "proxy/api/users.list"), (Method::POST, "proxy/api/chat.postMessage")]
    {
        // Its head may have come: then the body breaks off.
        let raw = api.open(method, path, None).await?;
        let (status, body) = (raw.status().as_u16(), raw.bytes().await);
        all.push((if body.is_ok() { status } else { 504 }, path.to_owned()));
    }
    Ok(all)
}

/// Waits until a call works again: a host that could not be reached is left alone for some seconds.
async fn works_again(api: &Client, path: &str) -> anyhow::Result<()> {
    let works = async {
        loop {
            let answer = api.get(path).await?;
            if answer.status == 200 {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LIMIT, works).await.with_context(|| path.to_owned())?
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_provider_that_falls_silent_holds_nobody(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let other = app.tenant("other").await?;
    let others = app.link_in(&other, "globex").await?;
    let others = other.api.clone().with("x-integrated-account-id", &others)?;
    // Before the response, in its head, and in its body.
    for bytes in [0, 20, 450] {
        let (gateway, line) = by_a_line(&app, |_| {}).await?;
        let api = app.on(&account)?.at(gateway).with("prefer", "wait=0")?;
        line.silence_after(bytes);
        let began = Instant::now();
        for (status, text) in each_kind(&api, &format!("new-{bytes}@silence.example")).await? {
            // A short response may have come whole before the silence.
            let came = bytes > 100 && (200..300).contains(&status);
            assert!(came || matches!(status, 502 | 504), "{bytes}: {status} {text}");
        }
        assert!(began.elapsed() < LIMIT, "{bytes}: {:?}", began.elapsed());
        others.get("users?limit=1").await?.okay()?;
        line.mend();
        works_again(&api, "users?limit=1").await?;
        works_again(&api, "proxy/api/auth.test").await?;
    }
    let path = format!("integrated-accounts/{account}");
    let account = app.home.api.get(&path).await?.okay()?;
    assert_eq!(account.pointer("/result/status"), Some(&json!("active")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_endpoint_that_falls_silent_loses_no_grant(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    for bytes in [0, 20, 450] {
        let (gateway, line) = by_a_line(&app, |_| {}).await?;
        let api = app.on(&account)?.at(gateway);
        app.clock.advance(time::Duration::hours(13));
        app.sandbox.advance_clock(time::Duration::hours(13));
        line.silence_after(bytes);
        let began = Instant::now();
        let calls = ["users?limit=1", "proxy/api/auth.test"];
        for answer in join_all(calls.map(|path| api.get(path))).await {
            let answer = answer?;
            let (status, pause) = (answer.status, answer.header("retry-after"));
            let came = bytes > 100 && status == 200;
            let is_told = matches!(status, 502 | 504) && !pause.is_empty();
            assert!(came || is_told || bytes > 100, "{bytes}: {status} {}", answer.text);
        }
        assert!(began.elapsed() < LIMIT, "{bytes}: {:?}", began.elapsed());
        line.mend();
        app.clock.advance(time::Duration::seconds(2));
        for path in calls {
            works_again(&api, path).await.with_context(|| bytes.to_string())?;
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_redis_that_falls_silent_holds_no_call(pool: PgPool) -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let socket = redis.url().trim_start_matches("redis+unix://").to_owned();
    let line = Line::to(Far::Unix(socket.into())).await?;
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let mut config = app.config.clone();
    config.limits.backend = LimitBackend::Redis;
    config.limits.redis_url = format!("redis://{}", line.address);
    let api = app.on(&account)?.at(app.beside(&config).await?.0);
    api.get("users?limit=1").await?.okay()?;
    for bytes in [0, 3] {
        line.silence_after(bytes);
        let began = Instant::now();
        let calls = ["users?limit=1", "proxy/api/auth.test", "workspaces?limit=1"];
        for answer in join_all(calls.map(|path| api.get(path))).await {
            answer?.okay()?;
        }
        assert!(began.elapsed() < LIMIT, "{bytes}: {:?}", began.elapsed());
        line.mend();
        api.get("users?limit=1").await?.okay()?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn callers_that_fall_silent_hold_no_place(pool: PgPool) -> anyhow::Result<()> {
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
        // The end of the connection is an end as well.
        let length = stream.read(&mut first).await.unwrap_or_default();
        String::from_utf8_lossy(first.get(..length).unwrap_or_default()).into_owned()
    }));
    let ends = tokio::time::timeout(LIMIT, ends).await.context("a silent caller is still there")?;
    for end in ends {
        let is_refused =
            ["", "HTTP/1.1 408", "HTTP/1.1 503"].iter().any(|one| end.starts_with(one));
        assert!(is_refused && !end.starts_with("HTTP/1.1 2"), "{end:?}");
    }
    drop(streams);
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    app.on(&account)?.get("users?limit=1").await?.okay()?;
    Ok(())
}
