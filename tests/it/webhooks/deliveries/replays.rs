//! Replays and resends: each event once more.

use std::collections::BTreeMap;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::store::MAX_REPLAYS;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use super::super::{create, path_of, text};
use super::sink::{EndpointReply, Sink};
use super::{append, deliver, delivery_of, patient_app, webhook_at};
use crate::support::TestApp;

/// Returns how often each event was accepted.
fn counts(sink: &Sink) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for id in sink.accepted() {
        *counts.entry(id).or_default() += 1;
    }
    counts
}

/// Requests a replay and returns the number of its events.
async fn replay(app: &TestApp, webhook: &Value, body: &Value) -> anyhow::Result<Value> {
    let path = format!("{}/replay", path_of(webhook)?);
    let requested = app.home.admin.post(&path, body).await?;
    assert_eq!(requested.status, 202, "{}", requested.text);
    Ok(requested.body["result"]["events"].clone())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_replay_sends_each_event_of_its_span_once_more(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    let before = append(&app, 5).await?;
    app.clock.advance(Duration::minutes(1));
    let from = app.clock.now().format(&Rfc3339)?;
    // More than a round has.
    let inside = append(&app, 450).await?;
    let to = app.clock.now().format(&Rfc3339)?;
    app.clock.advance(Duration::minutes(1));
    let after = append(&app, 5).await?;
    assert_eq!(deliver(&app).await?, 460);
    let span = json!({"from": from, "to": to});
    assert_eq!(replay(&app, &webhook, &span).await?, 450);
    // Events of the meantime are delivered too, once.
    let meanwhile = append(&app, 5).await?;
    assert_eq!(deliver(&app).await?, 455);
    assert_eq!(deliver(&app).await?, 0);
    let counts = counts(&sink);
    for (events, expected) in [(&before, 1), (&inside, 2), (&after, 1), (&meanwhile, 1)] {
        for event in events {
            assert_eq!(counts.get(event), Some(&expected), "{event}");
        }
    }
    assert_eq!(counts.len(), 465);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_replay_does_not_delay_new_events(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    let from = app.clock.now().format(&Rfc3339)?;
    append(&app, 450).await?;
    assert_eq!(deliver(&app).await?, 450);
    // Those that are not delivered yet are delivered once.
    let new = append(&app, 5).await?;
    assert_eq!(replay(&app, &webhook, &json!({ "from": from })).await?, 450);
    assert_eq!(deliver(&app).await?, 455);
    let accepted = sink.accepted();
    let first_round = accepted.get(450..650).context("too few")?;
    assert!(new.iter().all(|event| first_round.contains(event)), "{new:?} came later");
    let counts = counts(&sink);
    assert!(new.iter().all(|event| counts.get(event) == Some(&1)), "{counts:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_replay_of_types_sends_no_others_and_retries_failures(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = create(&app, &json!({"url": sink.url})).await?;
    let from = app.clock.now().format(&Rfc3339)?;
    let events = append(&app, 3).await?;
    app.link("acme").await?;
    let whole = deliver(&app).await?;
    assert!(whole > 3, "{whole}");
    let of_users = json!({"from": from, "event_types": ["user.*"]});
    assert_eq!(replay(&app, &webhook, &of_users).await?, 3);
    sink.respond_next_with(EndpointReply::status(500));
    assert_eq!(deliver(&app).await?, 3);
    app.clock.advance(Duration::seconds(6));
    assert_eq!(deliver(&app).await?, 1, "the one that failed");
    let counts = counts(&sink);
    for event in &events {
        assert_eq!(counts.get(event), Some(&2), "{event}");
    }
    assert_eq!(sink.accepted().len(), whole + 3);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn replays_in_progress_have_a_limit_per_webhook(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let (webhook, other) = (webhook_at(&app, &sink).await?, webhook_at(&app, &sink).await?);
    let from = app.clock.now().format(&Rfc3339)?;
    append(&app, 2).await?;
    assert_eq!(deliver(&app).await?, 2 * 2);
    let whole = json!({ "from": from });
    let empty = json!({"from": from, "event_types": ["group.*"]});
    for _ in 0..MAX_REPLAYS {
        assert_eq!(replay(&app, &webhook, &empty).await?, 0, "without events it has ended");
        assert_eq!(replay(&app, &webhook, &whole).await?, 2);
    }
    let path = format!("{}/replay", path_of(&webhook)?);
    app.home.admin.post(&path, &whole).await?.problem(409, "too_many_replays");
    assert_eq!(replay(&app, &other, &whole).await?, 2, "another webhook has its own limit");
    while deliver(&app).await? > 0 {}
    let replays = usize::try_from(MAX_REPLAYS)?;
    assert_eq!(sink.accepted().len(), 2 * (1 + replays) + 2 * 2, "a rejected replay was made");
    assert_eq!(replay(&app, &webhook, &whole).await?, 2);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_resend_sends_a_delivery_once_more(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    let events = append(&app, 3).await?;
    deliver(&app).await?;
    let [first, ..] = &events[..] else { anyhow::bail!("no events") };
    let delivery = delivery_of(&app, &webhook, first).await?;
    let path = format!("{}/deliveries/{}/resend", path_of(&webhook)?, text(&delivery, "id")?);
    sink.respond_next_with(EndpointReply::status(500));
    let resent = app.home.admin.send(Method::POST, &path, None).await?;
    assert_eq!(resent.status, 202, "{}", resent.text);
    assert_eq!(deliver(&app).await?, 1);
    app.clock.advance(Duration::seconds(6));
    assert_eq!(deliver(&app).await?, 1, "a resend that failed is attempted again");
    assert_eq!(deliver(&app).await?, 0);
    let counts = counts(&sink);
    assert_eq!(counts.get(first), Some(&2));
    assert_eq!(sink.accepted().len(), 4);
    let delivery = delivery_of(&app, &webhook, first).await?;
    assert_eq!(delivery["status"], "succeeded", "{delivery}");
    assert_eq!(delivery["attempts"].as_array().map(Vec::len), Some(3), "{delivery}");
    Ok(())
}

/// A delivery whose event was deleted can't be made.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_delivery_without_its_event_fails(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    sink.respond_next_with(EndpointReply::status(500));
    let event = append(&app, 1).await?.remove(0);
    assert_eq!(deliver(&app).await?, 1);
    sqlx::query("delete from events").execute(&app.pool).await?;
    app.clock.advance(Duration::seconds(6));
    assert_eq!(deliver(&app).await?, 0);
    let delivery = delivery_of(&app, &webhook, &event).await?;
    assert_eq!(delivery["status"], "failed", "{delivery}");
    assert!(delivery["next_attempt_at"].is_null(), "{delivery}");
    let next = append(&app, 1).await?.remove(0);
    assert_eq!(deliver(&app).await?, 1);
    assert_eq!(sink.accepted(), [next]);
    Ok(())
}
