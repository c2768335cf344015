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
    let rejected = append(&app, 8).await?;
    sink.reject(&rejected);
    assert_eq!(deliver(&app).await?, 8);
    let others = append(&app, 20).await?;
    assert_eq!(deliver(&app).await?, 20, "a rejected event is attempted before its time");
    assert_eq!(sorted(sink.accepted()), sorted(others));
    for event in &rejected {
        let delivery = delivery_of(&app, &webhook, event).await?;
        assert_eq!(delivery["attempt_count"], 1, "{delivery}");
    }
    Ok(())
}

/// The end of an outage makes due what failed because of it, and no event that the endpoint rejects.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_end_of_an_outage_repeats_no_rejected_event(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    webhook_at(&app, &sink).await?;
    let rejected = append(&app, 3).await?;
    sink.reject(&rejected);
    for pause in [Duration::seconds(6), Duration::minutes(6)] {
        assert_eq!(deliver(&app).await?, 3);
        app.clock.advance(pause);
    }
    // Their next attempts are half an hour later.
    assert_eq!(deliver(&app).await?, 3);
    sink.respond_with(EndpointReply::status(503));
    let mut failed = append(&app, 10).await?;
    for pause in [Duration::seconds(6), Duration::minutes(6)] {
        assert_eq!(deliver(&app).await?, 10);
        app.clock.advance(pause);
    }
    assert_eq!(deliver(&app).await?, 10);
    sink.respond_with(EndpointReply::status(200));
    failed.extend(append(&app, 1).await?);
    app.clock.advance(Duration::minutes(5));
    assert_eq!(deliver(&app).await?, 11, "a new event, and those that failed");
    assert_eq!(sorted(sink.accepted()), sorted(failed));
    Ok(())
}

/// Failures of an outage that nothing is left of do not count for the next one.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_outage_ends_with_its_last_delivery(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    sink.respond_next_with(EndpointReply::status(500));
    append(&app, 1).await?;
    assert_eq!(deliver(&app).await?, 1);
    sqlx::query("delete from events").execute(&app.pool).await?;
    app.clock.advance(Duration::seconds(6));
    assert_eq!(deliver(&app).await?, 0);
    let quiet = read(&app, &webhook).await?;
    assert!(quiet["failing_since"].is_null(), "{quiet}");
    app.clock.advance(Duration::hours(73));
    sink.respond_next_with(EndpointReply::status(500));
    append(&app, 1).await?;
    assert_eq!(deliver(&app).await?, 1);
    let failing = read(&app, &webhook).await?;
    assert_eq!(failing["is_active"], true, "{failing}");
    app.clock.advance(Duration::seconds(6));
    assert_eq!(deliver(&app).await?, 1);
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
