//! Single attempts: their requests, every kind of response, and the times of the next ones.

use std::collections::BTreeSet;
use std::time::SystemTime;

use anyhow::Context as _;
use http::Method;
use serde_json::json;
use sqlx::PgPool;
use standardwebhooks::Webhook;
use switchboard::domain::clock::Clock as _;
use switchboard::domain::webhook::RETRY_PAUSES;
use time::Duration;

use super::super::{create, path_of, text};
use super::sink::{EndpointReply, Sink};
use super::{
    activate, app, append, deliver, deliveries, delivery_of, patient_app, read, time_of, webhook_at,
};
use crate::support::TestApp;

/// Advances the clock to a time.
fn advance_to(app: &TestApp, to: time::OffsetDateTime) {
    let ms = (to - app.clock.now()).whole_milliseconds();
    // The clock counts milliseconds.
    app.clock.advance(Duration::milliseconds(i64::try_from(ms).unwrap_or_default() + 1));
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_delivery_is_the_event_of_the_feed_signed_by_all_valid_secrets(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    let old = Webhook::new(text(&webhook, "secret")?)?;
    let first = append(&app, 1).await?.remove(0);
    assert_eq!(deliver(&app).await?, 1);
    let request = sink.received().remove(0);
    old.verify(&request.body, &request.headers)?;
    assert_eq!(request.header("webhook-id"), first);
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("switchboard/"), "{request:?}");
    let timestamp = app.clock.now().unix_timestamp().to_string();
    assert_eq!(request.header("webhook-timestamp"), timestamp);
    let feed = app.home.api.get("events?type=user.updated").await?;
    assert!(feed.text.contains(std::str::from_utf8(&request.body)?), "{}", feed.text);
    let delivery = delivery_of(&app, &webhook, &first).await?;
    assert_eq!(delivery["status"], "succeeded");
    assert_eq!(delivery["attempts"][0]["response_status"], 200);
    assert_eq!(delivery["attempts"][0]["response_body"], "ok");
    assert_eq!(deliver(&app).await?, 0);

    let path = format!("{}/rotate-secret", path_of(&webhook)?);
    let rotated = app.home.admin.send(Method::POST, &path, None).await?.success()?;
    let new = Webhook::new(text(&rotated["result"], "secret")?)?;
    append(&app, 1).await?;
    deliver(&app).await?;
    let request = sink.received().remove(1);
    for webhook in [&old, &new] {
        webhook.verify(&request.body, &request.headers)?;
    }
    // Too late for `verify`, which compares the timestamp with the time of the system.
    app.clock.advance(Duration::hours(25));
    append(&app, 1).await?;
    deliver(&app).await?;
    let request = sink.received().remove(2);
    let at = app.clock.now().unix_timestamp();
    let signature = new.sign(request.header("webhook-id"), at, &request.body)?;
    assert_eq!(request.header("webhook-signature"), signature);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_failure_is_attempted_again(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool, 0.5).await?;
    let sink = Sink::start().await?;
    let elsewhere = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    let location = format!("location: {}\r\n", elsewhere.url);
    let rows = [
        (EndpointReply::status(500), json!(500), ""),
        (EndpointReply::status(404), json!(404), ""),
        (EndpointReply::status(429), json!(429), ""),
        (EndpointReply::Status(301, location.clone()), json!(301), ""),
        (EndpointReply::Status(307, location), json!(307), ""),
        (EndpointReply::Bytes(b"\x00\xff garbage\r\n\r\n"), json!(null), "interrupted"),
        (EndpointReply::Bytes(b""), json!(null), "interrupted"),
        (EndpointReply::Bytes(b"HTTP/1.1 2"), json!(null), "interrupted"),
        (EndpointReply::Stalled(b""), json!(null), "timed out"),
        (EndpointReply::Stalled(b"HTTP/1.1 200 OK\r\nx-slow: "), json!(null), "timed out"),
    ];
    for (response, status, error) in rows {
        let case = format!("{response:?}");
        sink.respond_next_with(response);
        let event = append(&app, 1).await?.remove(0);
        assert_eq!(deliver(&app).await?, 1, "{case}");
        let delivery = delivery_of(&app, &webhook, &event).await?;
        assert_eq!(delivery["status"], "pending", "{case}: {delivery}");
        let attempt = &delivery["attempts"][0];
        assert_eq!(attempt["response_status"], status, "{case}");
        let reason = attempt["error"].as_str().unwrap_or_default();
        assert!(
            reason.contains(error) && reason.is_empty() == error.is_empty(),
            "{case}: {reason}"
        );
        assert!(!read(&app, &webhook).await?["failing_since"].is_null(), "{case}");
        app.clock.advance(Duration::seconds(6));
        assert_eq!(deliver(&app).await?, 1, "{case}");
        let delivery = delivery_of(&app, &webhook, &event).await?;
        assert_eq!(delivery["status"], "succeeded", "{case}: {delivery}");
        assert_eq!(delivery["attempt_count"], 2, "{case}");
        assert!(read(&app, &webhook).await?["failing_since"].is_null(), "{case}");
    }
    assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_status_decides_whatever_the_body_is(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool, 0.5).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    for (response, status, prefix) in [
        (EndpointReply::Endless, "succeeded", "xxxx"),
        (
            EndpointReply::Stalled(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nslow"),
            "succeeded",
            "slow",
        ),
        (
            EndpointReply::Bytes(b"HTTP/1.1 202 OK\r\ncontent-length: 9\r\n\r\ncut"),
            "succeeded",
            "cut",
        ),
        (
            EndpointReply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x00\xff"),
            "succeeded",
            "\u{1f}\u{fffd}\u{fffd}\u{fffd}",
        ),
        (EndpointReply::Endless, "succeeded", "xxxx"),
        (EndpointReply::Bytes(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"), "pending", ""),
    ] {
        let case = format!("{response:?}");
        sink.respond_next_with(response);
        let event = append(&app, 1).await?.remove(0);
        assert_eq!(deliver(&app).await?, 1, "{case}");
        let delivery = delivery_of(&app, &webhook, &event).await?;
        assert_eq!(delivery["status"], status, "{case}: {delivery}");
        let body = text(&delivery["attempts"][0], "response_body")?;
        assert!(body.starts_with(prefix) && body.len() <= 1_024, "{case}: {body:?}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn attempts_follow_the_schedule(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    sink.respond_with(EndpointReply::status(500));
    let webhook = webhook_at(&app, &sink).await?;
    let event = append(&app, 1).await?.remove(0);
    assert_eq!(deliver(&app).await?, 1);
    for (made, pause) in RETRY_PAUSES.into_iter().enumerate() {
        let delivery = delivery_of(&app, &webhook, &event).await?;
        assert_eq!(delivery["status"], "pending", "{delivery}");
        assert_eq!(delivery["attempt_count"], json!(made + 1), "{delivery}");
        let next = time_of(&delivery, "next_attempt_at")?;
        let actual = std::time::Duration::try_from(next - app.clock.now())?;
        // The database stores microseconds.
        let slack = std::time::Duration::from_millis(1);
        assert!(actual + slack >= pause && actual <= pause.mul_f64(1.1) + slack, "{actual:?}");
        app.clock.advance(Duration::milliseconds(i64::try_from(actual.as_millis())? - 1));
        assert_eq!(deliver(&app).await?, 0, "after {made} attempts: too early");
        advance_to(&app, next);
        assert_eq!(deliver(&app).await?, 1, "after {made} attempts");
    }
    let delivery = delivery_of(&app, &webhook, &event).await?;
    assert_eq!(delivery["status"], "failed", "{delivery}");
    assert_eq!(delivery["attempt_count"], 10);
    assert_eq!(delivery["attempts"].as_array().map(Vec::len), Some(10));
    assert!(delivery["next_attempt_at"].is_null(), "{delivery}");
    assert_eq!(sink.received().len(), 10);
    let timestamps: BTreeSet<String> =
        sink.received().iter().map(|one| one.header("webhook-timestamp").to_owned()).collect();
    assert_eq!(timestamps.len(), 10, "a timestamp was used again");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn nothing_is_sent_before_retry_after(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    for (status, value, least, most) in [
        (429, "7200", 7_200, 7_200),
        (503, "a date", 7_199, 7_200),
        (500, "999999", 86_400, 86_400),
    ] {
        let in_two_hours = SystemTime::from(app.clock.now() + Duration::hours(2));
        let date = httpdate::fmt_http_date(in_two_hours);
        let value = if value == "a date" { date.as_str() } else { value };
        sink.respond_next_with(EndpointReply::Status(status, format!("retry-after: {value}\r\n")));
        let failed = append(&app, 1).await?.remove(0);
        assert_eq!(deliver(&app).await?, 1, "{value}");
        let next = time_of(&delivery_of(&app, &webhook, &failed).await?, "next_attempt_at")?;
        let pause = next - app.clock.now();
        assert!(pause <= Duration::seconds(most), "{value}: {pause}");
        assert!(pause >= Duration::seconds(least) - Duration::MILLISECOND, "{value}: {pause}");
        let later = append(&app, 1).await?.remove(0);
        advance_to(&app, next - Duration::seconds(2));
        assert_eq!(deliver(&app).await?, 0, "{value}");
        advance_to(&app, next);
        assert_eq!(deliver(&app).await?, 2, "{value}");
        for event in [failed, later] {
            let delivery = delivery_of(&app, &webhook, &event).await?;
            assert_eq!(delivery["status"], "succeeded", "{value}: {delivery}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_endpoint_that_is_gone_is_disabled(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let account = app.link("acme").await?;
    let sink = Sink::start().await?;
    let all = webhook_at(&app, &sink).await?;
    let types = ["integrated_account.*"];
    let body = json!({"url": sink.url, "event_types": types, "integrated_account_id": account});
    let of_account = create(&app, &body).await?;
    sink.respond_with(EndpointReply::status(410));
    append(&app, 1).await?;
    app.home.api.delete(&format!("integrated-accounts/{account}")).await?.success()?;
    assert_eq!(deliver(&app).await?, 2);
    for webhook in [&all, &of_account] {
        let now = read(&app, webhook).await?;
        assert_eq!(now["is_active"], false, "{now}");
        assert_eq!(now["disabled_reason"], "returned 410 Gone");
        assert!(now["disabled_at"].is_string(), "{now}");
    }
    let feed = app.home.api.get("events?type=webhook.disabled").await?.success()?;
    assert_eq!(feed["result_count"], 2, "{feed}");
    for (webhook, account) in [(&all, json!(null)), (&of_account, json!(account))] {
        let id = &webhook["id"];
        let mut events = feed["result"].as_array().into_iter().flatten();
        let event = events.find(|event| event["data"]["webhook_id"] == *id);
        let event = event.context("no event of the webhook")?;
        assert_eq!(event["integrated_account_id"], account, "{event}");
        assert_eq!(event["sequence"].is_null(), account.is_null(), "{event}");
        assert_eq!(event["data"]["reason"], "returned 410 Gone", "{event}");
        assert!(event["data"]["failing_since"].is_string(), "{event}");
    }
    append(&app, 1).await?;
    app.clock.advance(Duration::hours(1));
    assert_eq!(deliver(&app).await?, 0, "a disabled webhook got an event");
    sink.respond_with(EndpointReply::status(200));
    activate(&app, &all).await?;
    assert_eq!(deliver(&app).await?, 2, "the one that was rejected, and the one after it");
    let statuses = deliveries(&app, &all).await?;
    assert!(statuses.iter().all(|delivery| delivery["status"] == "succeeded"), "{statuses:?}");
    Ok(())
}

/// During an update, processes of a later version append to the same feed.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn events_of_types_that_this_version_does_not_know_are_passed_on(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    webhook_at(&app, &sink).await?;
    let events = append(&app, 3).await?;
    for (kind, event) in ["user.renamed", "bot.added"].into_iter().zip(&events) {
        let change = sqlx::query("update events set type = $1 where event_id = $2");
        change.bind(kind).bind(event).execute(&app.pool).await?;
    }
    assert_eq!(deliver(&app).await?, 2, "those of users");
    let feed = app.home.api.get("events").await?.success()?;
    let types = feed["result"].as_array().context("no events")?.iter().map(|one| &one["type"]);
    assert_eq!(types.collect::<Vec<_>>(), ["user.renamed", "bot.added", "user.updated"]);
    Ok(())
}

/// A URL may contain a secret of the endpoint.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_event_has_the_url_of_an_endpoint(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let account = app.link("acme").await?;
    let (sink, observer) = (Sink::start().await?, Sink::start().await?);
    create(&app, &json!({"url": observer.url})).await?;
    let mut url = sink.url.clone();
    url.set_path("/hook/path-5ecret");
    url.set_query(Some("key=query-5ecret"));
    let all = create(&app, &json!({"url": url})).await?;
    let of_account = json!({"url": url, "integrated_account_id": account});
    let of_account = create(&app, &of_account).await?;
    let admin = &app.home.admin;
    for webhook in [&all, &of_account] {
        let path = path_of(webhook)?;
        for action in ["test", "rotate-secret"] {
            admin.send(Method::POST, &format!("{path}/{action}"), None).await?.success()?;
        }
        admin.patch(&path, &json!({"description": "changed"})).await?.success()?;
    }
    sink.respond_with(EndpointReply::status(410));
    app.home.api.delete(&format!("integrated-accounts/{account}")).await?.success()?;
    while deliver(&app).await? > 0 {}
    for webhook in [&all, &of_account] {
        assert_eq!(read(&app, webhook).await?["is_active"], false, "{webhook}");
        admin.delete(&path_of(webhook)?).await?;
    }
    while deliver(&app).await? > 0 {}
    let mut texts = vec![app.home.api.get("events?limit=1000").await?.text];
    for request in observer.received().iter().chain(&sink.received()) {
        texts.push(String::from_utf8(request.body.clone())?);
    }
    let is_disabled = |text: &&String| text.contains("\"webhook.disabled\"");
    assert_eq!(
        texts.iter().filter(is_disabled).count(),
        3,
        "in the feed, and delivered: {texts:?}"
    );
    for text in texts {
        assert!(!text.contains("5ecret") && !text.contains(sink.url.authority()), "{text}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_test_is_sent_once_and_changes_nothing(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    let path = format!("{}/test", path_of(&webhook)?);
    let inactive = json!({"is_active": false});
    app.home.admin.patch(&path_of(&webhook)?, &inactive).await?.success()?;
    for (response, status) in [(200, "succeeded"), (500, "failed")] {
        sink.respond_with(EndpointReply::status(response));
        let sent = app.home.admin.send(Method::POST, &path, None).await?.success()?;
        assert_eq!(sent["result"]["status"], status, "{sent}");
        let request = sink.received().pop().context("no request")?;
        Webhook::new(text(&webhook, "secret")?)?.verify(&request.body, &request.headers)?;
        let event = request.event()?;
        assert_eq!(event["type"], "webhook.test", "{event}");
        assert_eq!(event["id"], sent["result"]["event_id"], "{event}");
        assert_eq!(event["data"], json!({"webhook_id": webhook["id"]}), "{event}");
    }
    assert!(read(&app, &webhook).await?["failing_since"].is_null());
    assert_eq!(deliveries(&app, &webhook).await?.len(), 2);
    activate(&app, &webhook).await?;
    app.clock.advance(Duration::hours(1));
    assert_eq!(deliver(&app).await?, 0, "a test was attempted again");
    assert_eq!(app.home.api.get("events").await?.success()?["result_count"], 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn metrics_count_attempts_and_show_what_waits(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    webhook_at(&app, &sink).await?;
    sink.respond_next_with(EndpointReply::status(200));
    sink.respond_with(EndpointReply::status(500));
    append(&app, 1).await?;
    deliver(&app).await?;
    append(&app, 1).await?;
    deliver(&app).await?;
    app.clock.advance(Duration::seconds(4));
    let metrics = app.anonymous()?.get("metrics").await?.text;
    for line in [
        "switchboard_webhook_deliveries_total{outcome=\"succeeded\"} 1",
        "switchboard_webhook_deliveries_total{outcome=\"rejected\"} 1",
        "switchboard_webhook_deliveries_total{outcome=\"timeout\"} 0",
        "switchboard_webhook_pending_deliveries 1",
        "switchboard_webhook_oldest_event_age_seconds 4.0",
        "switchboard_webhooks_disabled 0",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} is not in {metrics}");
    }
    Ok(())
}
