//! Responses that are not what a server means to send, or not yet; media types, and ids in paths.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, Bytes};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;

use super::{ids, is_list, server_with_users};
use crate::support::TestApp;
use crate::support::scim_server::{ScimOptions, ScimServer, open_app, raw_response};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn media_types_and_ids_of_any_kind_are_accepted(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api, expected) = server_with_users(&app, "acme").await?;
    for media_type in [
        "application/json",
        "application/json; charset=utf-8",
        "application/scim+json;charset=UTF-8",
    ] {
        server.set(|options| options.media_type = media_type);
        assert_eq!(ids(&api, "users?limit=3").await?, expected, "{media_type}");
        let one = api.get(&format!("users/{}", expected[0])).await?.success()?;
        assert_eq!(one["result"]["id"], expected[0], "{media_type}");
    }
    for (id, in_path) in [
        ("a+b", "a+b"),
        ("a+b", "a%2Bb"),
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("a%b", "a%25b"),
        ("a%20b", "a%2520b"),
        ("a?b=c", "a%3Fb=c"),
        ("a#b", "a%23b"),
        ("a;b", "a;b"),
        ("a&b=c", "a&b=c"),
        ("ada@example.com", "ada@example.com"),
        ("urn:x:1", "urn:x:1"),
        ("\u{fc}", "%C3%BC"),
    ] {
        if server.user(id).is_none() {
            server.add_user(json!({"id": id, "userName": id}));
        }
        let found = api.get(&format!("users/{in_path}")).await?;
        assert_eq!(found.status, 200, "{id}: {}", found.text);
        assert_eq!(found.body["result"]["id"], id);
    }
    for nobody in ["nobody", "a%2F..%2Fb"] {
        assert_eq!(api.get(&format!("users/{nobody}")).await?.status, 404, "{nobody}");
    }
    Ok(())
}

/// Adds a hook that responds to the first request of a list.
fn respond_once(server: &ScimServer, status: u16, headers: Vec<(&'static str, String)>) {
    let is_first = AtomicBool::new(true);
    server.hook(move |request| {
        let is_it = is_list(request) && is_first.swap(false, Ordering::Relaxed);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        is_it.then(|| raw_response(status, &headers, b"{}".to_vec()))
    });
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pauses_that_a_server_asks_for_are_kept(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let in_two_seconds = SystemTime::from(app.clock.now()) + Duration::from_secs(2);
    let date = httpdate::fmt_http_date(in_two_seconds);
    for (number, (status, value, at_least)) in [
        (503, "1".to_owned(), Duration::from_millis(900)),
        (503, date.clone(), Duration::from_millis(900)),
        (429, date, Duration::from_millis(900)),
        (503, "soon".to_owned(), Duration::ZERO),
    ]
    .into_iter()
    .enumerate()
    {
        let (server, api, expected) = server_with_users(&app, &format!("t{number}")).await?;
        respond_once(&server, status, vec![("retry-after", value.clone())]);
        let started = Instant::now();
        assert_eq!(ids(&api, "users").await?, expected, "{status} {value}");
        assert!(started.elapsed() >= at_least, "{status} {value}: {:?}", started.elapsed());
        assert_eq!(server.calls("GET", "Users"), 2, "{status} {value}");
    }
    let (server, api, _) = server_with_users(&app, "later").await?;
    let next_year = SystemTime::from(app.clock.now()) + Duration::from_hours(24 * 365);
    let date = httpdate::fmt_http_date(next_year);
    server.hook(move |request| {
        is_list(request).then(|| raw_response(503, &[("retry-after", date.as_str())], Vec::new()))
    });
    let rejected = api.get("users").await?;
    rejected.problem(502, "provider_error");
    assert_eq!(rejected.header("retry-after"), "3600", "the longest pause");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pages_of_intermediaries_are_named_and_say_nothing_about_users(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api, expected) = server_with_users(&app, "acme").await?;
    let page = "<html><title>Sign in</title></html>";
    server.respond("Users", 200, &[("content-type", "text/html; charset=utf-8")], page);
    for path in ["users".to_owned(), format!("users/{}", expected[0])] {
        let rejected = api.get(&path).await?;
        let problem = rejected.problem(502, "provider_error");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains("not JSON")));
    }
    server.clear();
    server.respond("Users", 404, &[("content-type", "text/html")], page);
    let unknown = api.get(&format!("users/{}", expected[0])).await?;
    unknown.problem(502, "provider_error");
    server.clear();
    let missing = api.get("users/nobody").await?;
    missing.problem(404, "not_found");
    assert_eq!(ids(&api, "users").await?, expected, "the account is active");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn redirects_are_followed_below_the_base_url_only(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api, expected) = server_with_users(&app, "acme").await?;
    for (status, location) in [
        (301, "/scim/v2/Users?moved=1".to_owned()),
        (302, "Users?moved=1".to_owned()),
        (307, format!("{}/Users?moved=1", server.url)),
        (308, "/scim/v2/Users?moved=1#top".to_owned()),
    ] {
        server.clear();
        let to = location.clone();
        server.hook(move |request| {
            let is_old = is_list(request) && request.parameter("moved").is_none();
            is_old.then(|| raw_response(status, &[("location", to.as_str())], Vec::new()))
        });
        assert_eq!(ids(&api, "users").await?, expected, "{status} {location}");
    }
    let elsewhere = ScimServer::start(ScimOptions::default()).await?;
    for location in [
        format!("{}/Users", elsewhere.url),
        "/Users".to_owned(),
        "/scim/v2/../v1/Users".to_owned(),
        "/scim/v2/Users?startIndex=1&count=100".to_owned(),
        "//".to_owned(),
    ] {
        server.clear();
        let to = location.clone();
        server.hook(move |request| {
            is_list(request).then(|| raw_response(302, &[("location", to.as_str())], Vec::new()))
        });
        let rejected = api.get("users").await?;
        let problem = rejected.problem(502, "provider_error");
        assert_eq!(problem["provider"]["error"], "http_302", "{location}");
    }
    assert!(elsewhere.requests().is_empty(), "the token is for no other server");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_body_that_trickles_ends_in_time(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        setup.config.upstream.response_timeout_s = 1.0;
        setup.config.upstream.whole_response_timeout_s = 1.0;
        (setup.sandbox.users, setup.sandbox.workspaces) = (5, 1);
    })
    .await?;
    let (server, api, expected) = server_with_users(&app, "acme").await?;
    server.hook(|request| {
        is_list(request).then(|| {
            let bytes = stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
            });
            let mut response = Response::new(Body::from_stream(bytes));
            let json = HeaderValue::from_static("application/scim+json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        })
    });
    let started = Instant::now();
    api.get("users").await?.problem(504, "provider_timeout");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    server.clear();
    assert_eq!(ids(&api, "users").await?, expected);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_compressed_bomb_is_rejected_without_being_unpacked(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api, expected) = server_with_users(&app, "acme").await?;
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let blank = vec![b' '; 1 << 20];
    for _ in 0..16 {
        bomb.write_all(&blank)?;
    }
    let bomb = bomb.finish()?;
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    let headers: &[(&str, &str)] =
        &[("content-type", "application/scim+json"), ("content-encoding", "gzip")];
    server.respond("Users", 400, headers, bomb.clone());
    api.get("users").await?.problem(422, "provider_invalid_argument");
    server.respond("Users", 200, headers, bomb);
    let rejected = api.get("users").await?;
    let problem = rejected.problem(502, "provider_error");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("content coding")));
    assert_eq!(app.state.memory.in_flight(), 0);
    server.clear();
    assert_eq!(ids(&api, "users").await?, expected);
    let sent = server.requests();
    assert!(sent.iter().all(|request| request.header("accept-encoding") == "identity"));
    Ok(())
}
