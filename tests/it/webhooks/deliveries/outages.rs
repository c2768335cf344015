//! Endpoints that fail for days: they get probes, and nothing is lost.

use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use time::Duration;

use super::super::{path_of, text};
use super::sink::{EndpointReply, Sink};
use super::{
    activate, append, deliver, deliveries, delivery_of, patient_app, read, sorted, webhook_at,
};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_endpoint_that_was_down_for_three_days_misses_nothing(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    let mut events = append(&app, 30).await?;
    deliver(&app).await?;
    assert_eq!(sink.accepted().len(), 30);
    sink.respond_with(EndpointReply::status(503));
    for _ in 0..71 {
        events.extend(append(&app, 10).await?);
        deliver(&app).await?;
        app.clock.advance(Duration::hours(1));
    }
    let now = read(&app, &webhook).await?;
    assert_eq!(now["is_active"], true, "{now}");
    let stored = deliveries(&app, &webhook).await?.len();
    assert!(stored < 30 + 10 + 16 + 71 * 2, "{stored} deliveries are stored");
    sink.respond_with(EndpointReply::status(200));
    app.clock.advance(Duration::minutes(30));
    deliver(&app).await?;
    assert_eq!(sorted(sink.accepted()), sorted(events), "an event is missing or was sent twice");
    let now = read(&app, &webhook).await?;
    assert!(now["failing_since"].is_null(), "{now}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_endpoint_that_is_disabled_after_72_hours_misses_nothing(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    sink.respond_with(EndpointReply::status(500));
    let webhook = webhook_at(&app, &sink).await?;
    let began = app.clock.now();
    let mut events = append(&app, 3).await?;
    deliver(&app).await?;
    while read(&app, &webhook).await?["is_active"] == true {
        assert!(app.clock.now() - began < Duration::hours(80), "it is not disabled");
        app.clock.advance(Duration::hours(1));
        events.extend(append(&app, 2).await?);
        deliver(&app).await?;
    }
    assert!(app.clock.now() - began >= Duration::hours(72), "it was disabled too early");
    let disabled = read(&app, &webhook).await?;
    assert_eq!(disabled["disabled_reason"], "failed for 72 hours", "{disabled}");
    let feed = app.home.api.get("events?type=webhook.disabled").await?.success()?;
    assert_eq!(feed["result_count"], 1, "{feed}");
    assert_eq!(feed["result"][0]["data"]["failing_since"], disabled["failing_since"], "{feed}");
    let attempts = sink.received().len();
    app.clock.advance(Duration::days(2));
    events.extend(append(&app, 5).await?);
    assert_eq!(deliver(&app).await?, 0, "a disabled webhook got an event");
    assert_eq!(sink.received().len(), attempts);

    sink.respond_with(EndpointReply::status(200));
    activate(&app, &webhook).await?;
    deliver(&app).await?;
    assert_eq!(sorted(sink.accepted()), sorted(events), "an event is missing or was sent twice");
    let now = read(&app, &webhook).await?;
    assert!(now["disabled_at"].is_null() && now["failing_since"].is_null(), "{now}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_endpoint_that_fails_gets_one_delivery_at_a_time(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    sink.respond_with(EndpointReply::status(500));
    let webhook = webhook_at(&app, &sink).await?;
    let mut events = append(&app, 500).await?;
    let first = deliver(&app).await?;
    // Those that were in flight when the fifth failed.
    assert!((5..=5 + 16).contains(&first), "{first} attempts");
    app.clock.advance(Duration::minutes(11));
    events.extend(append(&app, 100).await?);
    let probes = deliver(&app).await?;
    assert!(probes <= first + 1, "{probes} attempts after {first}");
    sink.respond_with(EndpointReply::status(200));
    app.clock.advance(Duration::minutes(11));
    deliver(&app).await?;
    assert_eq!(sorted(sink.accepted()), sorted(events));
    let failed = deliveries(&app, &webhook).await?;
    let failed = failed.iter().filter(|delivery| delivery["status"] != "succeeded").count();
    assert_eq!(failed, 0);
    Ok(())
}

/// An endpoint that rejects some events for good gets the others.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejected_events_do_not_keep_others_back(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    for _ in 0..8 {
        sink.respond_next_with(EndpointReply::status(400));
    }
    let rejected = append(&app, 8).await?;
    deliver(&app).await?;
    assert!(sink.accepted().is_empty(), "{:?}", sink.accepted());
    sink.respond_with(EndpointReply::status(400));
    let other = append(&app, 1).await?.remove(0);
    app.clock.advance(Duration::minutes(11));
    // Each of the rejected events is due, and rejected again. The new one is accepted.
    for _ in 0..rejected.len() {
        sink.respond_next_with(EndpointReply::status(400));
    }
    sink.respond_next_with(EndpointReply::status(200));
    deliver(&app).await?;
    assert_eq!(sink.accepted(), std::slice::from_ref(&other));
    assert_eq!(delivery_of(&app, &webhook, &other).await?["status"], "succeeded");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_inactive_webhook_continues_where_it_was(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    append(&app, 3).await?;
    let webhook = webhook_at(&app, &sink).await?;
    assert_eq!(deliver(&app).await?, 0, "a new webhook got earlier events");
    let inactive = json!({"is_active": false});
    app.home.admin.patch(&path_of(&webhook)?, &inactive).await?.success()?;
    let missed = append(&app, 4).await?;
    app.clock.advance(Duration::days(6));
    assert_eq!(deliver(&app).await?, 0);
    activate(&app, &webhook).await?;
    assert_eq!(deliver(&app).await?, 4);
    assert_eq!(sorted(sink.accepted()), sorted(missed));
    assert_eq!(text(&read(&app, &webhook).await?, "id")?, text(&webhook, "id")?);
    Ok(())
}
