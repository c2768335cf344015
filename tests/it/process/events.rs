//! `switchboard events`: it prints the feed as the API returns it and follows it, also through a restart of the
//! gateway.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::Context as _;
use axum::extract::RawQuery;
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::START_TIMEOUT;
use super::demo::Demo;
use super::http_client::{list, text};
use super::program::{Finished, Program, command, run};
use super::test_dir::TestDir;
use crate::support::ClosedPort;

/// Returns the events that a run printed, one on each line.
fn printed(finished: &Finished) -> anyhow::Result<Vec<Value>> {
    let lines = finished.stdout.lines();
    lines.map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Returns the cursor that a run printed.
fn cursor(finished: &Finished) -> anyhow::Result<&str> {
    let cursor = finished.stderr.trim().strip_prefix("continue with: --after ");
    cursor.with_context(|| finished.stderr.clone())
}

#[tokio::test]
async fn the_feed_is_printed_in_parts_and_followed() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    demo.synced().await?;
    let (url, key) = (demo.report.base_url.clone(), demo.report.api_key.clone());
    let events = async |options: &[&str]| {
        let all = [&["events", "--url", &url, "--api-key", &key][..], options].concat();
        let finished = run(&home, &all).await?;
        anyhow::ensure!(finished.code == Some(0), "{options:?}: {finished:?}");
        Ok(finished)
    };
    let whole = events(&[]).await?;
    let listed = demo.get("/events?limit=1000").await?.ok()?;
    // More events may follow: those of policies, which are evaluated after the run.
    let listed = listed["result"].as_array().context("no events")?;
    assert!(listed.starts_with(&printed(&whole)?), "{whole:?}");
    let types = printed(&whole)?;
    assert!(types.iter().any(|event| event["type"] == "sync.succeeded"), "{whole:?}");

    let first = events(&["--limit", "2"]).await?;
    let rest = events(&["--after", cursor(&first)?]).await?;
    assert_eq!(printed(&first)?.len(), 2);
    assert!([first.stdout.as_str(), &rest.stdout].concat().starts_with(&whole.stdout));
    let account = demo.report.integrated_account_id.clone();
    let of_type = events(&["--type", "sync.succeeded", "--account", &account]).await?;
    assert_eq!(printed(&of_type)?.len(), 1, "{of_type:?}");

    // The cursor is behind all earlier changes. Events of policies may come between.
    let variables = [("SWITCHBOARD_URL", url.as_str()), ("SWITCHBOARD_API_KEY", key.as_str())];
    let arguments = ["events", "--follow", "--after", cursor(&whole)?];
    let mut follower = Program::start(&home, &arguments, &variables)?;
    let users = demo
        .get("/users?limit=100&user_type=member&status=active&role%5Bid%5D=org:member")
        .await?
        .ok()?;
    let user = text(list(&users, "/result")?.first().context("no user")?, "/id")?;
    let change = json!({"title": "Chief lighthouse officer"});
    demo.call(Method::PATCH, &format!("/users/{user}"), &key, Some(&change)).await?.ok()?;
    // The event's own type: the object of `drift.detected` has operations with types.
    let of_user = |out: &str, _: &str| {
        let lines = out.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut events = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.find(|event| text(event, "/type").is_ok_and(|kind| kind.starts_with("user.")))
    };
    let event = follower.wait_for_output(of_user, START_TIMEOUT).await?;
    assert_eq!(
        (text(&event, "/type")?, text(&event, "/object/id")?),
        ("user.updated".to_owned(), user)
    );
    assert_eq!(follower.stop().await?.code(), Some(0), "{}", follower.stderr()?);
    assert!(follower.stderr()?.contains("continue with: --after "), "{}", follower.stderr()?);

    let arguments = ["events", "--url", &url, "--api-key", "sb_live_wrong"];
    let wrong = run(&home, &arguments).await?;
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("the gateway returned 401"), "{wrong:?}");
    assert!(!wrong.stderr.contains("sb_live_wrong"), "{wrong:?}");
    assert_eq!(demo.program.stop().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn the_key_is_required_and_types_are_checked() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    for (arguments, named) in [
        (&["events"][..], "--api-key <KEY>"),
        (&["events", "--api-key", "k", "--type", "user.vanished"], "unknown type of event"),
        (&["events", "--api-key", "k", "--limit", "0"], "--limit"),
    ] {
        let ended = run(&home, arguments).await?;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(named), "{ended:?}");
    }
    Ok(())
}

/// Serves a feed of one page, after which the cursor is expired; returns the address.
async fn serve_page(address: SocketAddr, events: &str) -> anyhow::Result<SocketAddr> {
    let page = RawValue::from_string(format!(r#"{{"result":[{events}],"next_cursor":"one"}}"#))?;
    let expired = RawValue::from_string(r#"{"detail":"Events were deleted."}"#.to_owned())?;
    let respond = move |RawQuery(query): RawQuery, headers: HeaderMap| async move {
        let query = query.unwrap_or_default();
        if headers.get("authorization").is_none_or(|key| key != "Bearer k") {
            return (StatusCode::UNAUTHORIZED, Json(expired));
        }
        match query.as_str() {
            "limit=1000" => (StatusCode::OK, Json(page)),
            "limit=1000&next_cursor=one" => (StatusCode::GONE, Json(expired)),
            _ => (StatusCode::BAD_REQUEST, Json(expired)),
        }
    };
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let routes = Router::new().route("/below/events", get(respond));
    TaskTracker::new().spawn(axum::serve(listener, routes).into_future());
    Ok(address)
}

#[tokio::test]
async fn a_cursor_may_begin_with_a_hyphen() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let address = serve_page(SocketAddr::from(([127, 0, 0, 1], 0)), "").await?;
    let url = format!("http://{address}/below");
    let arguments = ["events", "--url", &url, "--api-key", "k", "--after", "-one"];
    let ended = run(&home, &arguments).await?;
    // It is sent, and the server knows no such cursor.
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("returned 400"), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn following_outlives_an_absent_gateway_and_ends_with_an_expired_cursor() -> anyhow::Result<()>
{
    let home = TestDir::new()?;
    let port = ClosedPort::reserve()?;
    let address = port.address()?;
    let url = format!("http://{address}/below/");
    let arguments = ["events", "--follow", "--url", &url, "--api-key", "k"];
    let mut follower = Program::start(&home, &arguments, &[])?;
    let retries = |_: &str, err: &str| err.contains("; retrying").then_some(());
    follower.wait_for_output(retries, START_TIMEOUT).await?;
    drop(port);
    let event = r#"{"id":"evt_1","object":{"share":1.50}}"#;
    serve_page(address, event).await?;
    assert_eq!(follower.exit(START_TIMEOUT).await?.code(), Some(1));
    assert_eq!(follower.stdout()?, format!("{event}\n"));
    let stderr = follower.stderr()?;
    assert_eq!(stderr.matches("; retrying").count(), 1, "{stderr}");
    for part in ["returned 410", "Events were deleted.", "again without --after"] {
        assert!(stderr.contains(part), "{part} is not in {stderr}");
    }
    Ok(())
}

#[tokio::test]
async fn a_closed_pipe_ends_it_quietly() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    // More than a pipe holds.
    let events = vec![json!({"id": "evt_1", "object": "x".repeat(500)}).to_string(); 500];
    let address = serve_page(SocketAddr::from(([127, 0, 0, 1], 0)), &events.join(",")).await?;
    let url = format!("http://{address}/below");
    let mut program = tokio::process::Command::from(command(&home));
    program.args(["events", "--follow", "--url", &url, "--api-key", "k"]).kill_on_drop(true);
    let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    let ended = tokio::time::timeout(START_TIMEOUT, child.wait_with_output()).await??;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
    Ok(())
}
