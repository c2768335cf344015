//! Request bodies that never arrive: authentication comes first, then the body has to arrive within its time and size.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use sqlx::PgPool;
use tokio::io::AsyncWriteExt as _;

use super::{first, send};
use crate::support::{TestApp, link_url};

/// Every route with a body, except those of the API, whose handlers authenticate by the order of their arguments.
const ROUTES: [(&str, &str); 12] = [
    ("POST", "/users"),
    ("POST", "/batch"),
    ("POST", "/proxy/api/chat.postMessage"),
    ("POST", "/unified/user-directory/users"),
    ("PATCH", "/unified/user-directory/users/U1"),
    ("GET", "/unified/user-directory/users"),
    ("PATCH", "/integrated-account/acc_1"),
    ("DELETE", "/integrated-account/acc_1"),
    ("POST", "/integrated-account/token"),
    ("POST", "/integrated-account/refresh-credentials"),
    ("POST", "/link-token"),
    ("POST", "/link/nobodys"),
];

/// A request with a body of `length` bytes that stops halfway.
fn incomplete((method, path): (&str, &str), key: &str, length: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\n{key}Content-Type: application/json\r\n\
         Idempotency-Key: k-{length}\r\nContent-Length: {length}\r\n\r\n{{"
    )
}

async fn account_token(app: &TestApp, account: &str) -> anyhow::Result<String> {
    let path = format!("integrated-accounts/{account}/tokens");
    let issued = app.home.admin.post(&path, &json!({})).await?.created()?;
    let token = issued.pointer("/result/token").and_then(serde_json::Value::as_str);
    Ok(token.unwrap_or_default().to_owned())
}

fn status(response: &str) -> &str {
    response.split(' ').nth(1).unwrap_or_default()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn authenticates_before_the_body(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    for key in ["", "Authorization: Bearer sb_live_nobody\r\n"] {
        for route in ROUTES {
            // The rest of the body never arrives, and no route waits for it.
            let mut stream = send(&app.base_url, &incomplete(route, key, 100)).await?;
            let response = first(&mut stream).await?;
            let expected = if route.1.starts_with("/link/") { "404" } else { "401" };
            assert_eq!(status(&response), expected, "{route:?}: {response}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn bounds_every_body_in_time_and_size(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.server.body_timeout_s = 0.2;
        setup.config.server.max_body_bytes = 10_000;
    })
    .await?;
    let account = app.link("acme").await?;
    let token = account_token(&app, &account).await?;
    let key = format!("Authorization: Bearer {token}\r\n");
    let link = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let link = ("POST", link.path());
    for route in ROUTES.into_iter().filter(|(_, path)| *path != "/link/nobodys").chain([link]) {
        for (length, expected) in [(100, "408"), (10_001, "413")] {
            // The proxy has a time of its own, and an account token may not manage accounts.
            if length > 10_000 && route.1.starts_with("/proxy/") {
                continue;
            }
            let mut stream = send(&app.base_url, &incomplete(route, &key, length)).await?;
            let response = first(&mut stream).await?;
            assert_eq!(status(&response), expected, "{route:?} {length}: {response}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn ends_a_streamed_upload_that_stalls(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.upstream.response_timeout_s = 1.0).await?;
    let account = app.link("acme").await?;
    let token = account_token(&app, &account).await?;
    let framings = [
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Content-Length: 2000000\r\n\r\nhello",
    ];
    // Enough to throttle the address if these counted as failed authentication.
    let stalled = (0..12).flat_map(|_| framings).map(|framing| {
        let head = format!(
            "POST /proxy/scim/v2/Users HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/scim+json\r\n{framing}"
        );
        let gateway = app.base_url.clone();
        async move { first(&mut send(&gateway, &head).await?).await }
    });
    for response in join_all(stalled).await {
        let response = response?;
        assert_eq!(status(&response), "408", "{response}");
        assert!(response.contains("/problems/request_timeout"), "{response}");
    }
    let other = app.client_for(&account)?;
    other.send(Method::GET, "proxy/scim/v2/Users?count=1", None).await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn ends_a_streamed_upload_that_trickles(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.upstream.response_timeout_s = 0.3).await?;
    let account = app.link("acme").await?;
    let token = account_token(&app, &account).await?;
    let head = format!(
        "POST /proxy/scim/v2/Users HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 2000000\r\n\r\n"
    );
    let stream = send(&app.base_url, &head).await?;
    let (mut responses, mut body) = stream.into_split();
    let trickle = async {
        while body.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        std::future::pending::<()>().await;
    };
    let response = tokio::select! {
        response = first(&mut responses) => response?,
        () = trickle => String::new(),
    };
    assert_eq!(status(&response), "408", "{response}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn unauthenticated_bodies_leave_slots_to_others(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.max_requests = 16).await?;
    let link = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let heads = [
        ("/proxy/api/api.test", "application/x-www-form-urlencoded"),
        ("/proxy/api/files.upload", "multipart/form-data; boundary=b"),
        ("/events/slack", "application/json"),
        (link.path(), "application/x-www-form-urlencoded"),
    ];
    let mut held = Vec::new();
    for (path, kind) in heads.iter().cycle().take(40) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 500\r\n\r\na"
        );
        held.push(send(&app.base_url, &head).await?);
    }
    // All but two of them get a response without their bodies.
    let responses = held.iter_mut().map(|stream| async {
        tokio::time::timeout(Duration::from_secs(3), first(stream)).await.ok()
    });
    let mut waiting = 0;
    for response in join_all(responses).await {
        match response {
            Some(response) => assert_eq!(status(&response?), "503"),
            None => waiting += 1,
        }
    }
    assert!(waiting <= 2, "{waiting} hold a slot");
    app.home.api.get("integrated-accounts").await?.success()?;
    Ok(())
}
