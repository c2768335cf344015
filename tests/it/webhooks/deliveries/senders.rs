//! Several senders, endpoints and environments at once: each event once, and no endpoint delays another.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::webhooks::{SenderOptions, WebhookSender, WebhookServices};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::path_of;
use super::sink::{EndpointReply, Sink};
use super::{
    app, append, append_to, create, deliver, deliveries, expire_leases, patient_app, read, sorted,
    webhook_at,
};
use crate::support::TestApp;

/// Returns a sender for this many endpoints.
fn sender(services: &WebhookServices, name: &str, endpoints: usize) -> WebhookSender {
    let options = SenderOptions {
        endpoints,
        per_endpoint: 16,
        lease: Duration::from_mins(1),
        poll_every: Duration::from_millis(50),
    };
    WebhookSender::new(services.clone(), name.to_owned(), options)
}

/// Returns another sender of the gateway's database.
fn other_sender(app: &TestApp) -> WebhookSender {
    sender(&app.state.webhooks, "other", 64)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn two_senders_deliver_each_event_once(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let (mut sinks, mut webhooks) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let sink = Sink::start().await?;
        webhooks.push(webhook_at(&app, &sink).await?);
        sinks.push(sink);
    }
    let (other, never) = (other_sender(&app), CancellationToken::new());
    let mut events = Vec::new();
    for _ in 0..3 {
        events.extend(append(&app, 230).await?);
        let (one, two) =
            tokio::try_join!(app.webhooks.deliver_once(&never), other.deliver_once(&never))?;
        assert_eq!(one + two, 6 * 230);
    }
    for (sink, webhook) in sinks.iter().zip(&webhooks) {
        assert_eq!(sorted(sink.accepted()), sorted(events.clone()));
        assert_eq!(deliveries(&app, webhook).await?.len(), events.len());
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_process_that_ends_after_sending_leaves_its_deliveries_to_another(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    let events = append(&app, 3).await?;
    sink.respond_with(EndpointReply::Stalled(b""));
    let (ending, never) = (app.webhooks.clone(), CancellationToken::new());
    let task = TaskTracker::new().spawn(async move { ending.deliver_once(&never).await });
    sink.wait_for(3).await;
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    let other = other_sender(&app);
    let never = CancellationToken::new();
    sink.respond_with(EndpointReply::status(200));
    assert_eq!(other.deliver_once(&never).await?, 0, "the lease is still valid");
    assert!(deliveries(&app, &webhook).await?.is_empty());
    expire_leases(&app).await?;
    assert_eq!(other.deliver_once(&never).await?, 3);
    assert_eq!(sink.received().len(), 6);
    assert_eq!(sorted(sink.accepted()), sorted(events));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_sender_whose_lease_has_expired_writes_nothing(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool, 1.0).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    append(&app, 1).await?;
    sink.respond_next_with(EndpointReply::Stalled(b""));
    let (slow, never) = (app.webhooks.clone(), CancellationToken::new());
    let task = TaskTracker::new().spawn(async move { slow.deliver_once(&never).await });
    sink.wait_for(1).await;
    expire_leases(&app).await?;
    assert_eq!(other_sender(&app).deliver_once(&CancellationToken::new()).await?, 1);
    task.await??;
    let delivered = deliveries(&app, &webhook).await?;
    assert_eq!(delivered.len(), 1, "{delivered:?}");
    assert_eq!(delivered[0]["status"], "succeeded", "{delivered:?}");
    assert!(read(&app, &webhook).await?["failing_since"].is_null());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_endpoint_that_does_not_response_delays_no_other(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let (dead, healthy) = (Sink::start().await?, Sink::start().await?);
    dead.respond_with(EndpointReply::Stalled(b""));
    for sink in [&dead, &healthy] {
        webhook_at(&app, sink).await?;
    }
    append(&app, 1_000).await?;
    let (sender, never) = (app.webhooks.clone(), CancellationToken::new());
    let task = TaskTracker::new().spawn(async move { sender.deliver_once(&never).await });
    healthy.wait_for(1_000).await;
    assert!(!task.is_finished());
    assert!(dead.received().len() <= 16, "{} requests at the same time", dead.received().len());
    task.abort();
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_environment_has_at_most_a_quarter_of_the_places(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let neighbour = app.tenant("neighbour").await?;
    let (dead, healthy) = (Sink::start().await?, Sink::start().await?);
    dead.respond_with(EndpointReply::Stalled(b""));
    for _ in 0..4 {
        webhook_at(&app, &dead).await?;
    }
    let body = json!({"url": healthy.url, "event_types": ["user.*"]});
    neighbour.admin.post("webhooks", &body).await?.created()?;
    append(&app, 1).await?;
    append_to(&app, &neighbour, 1).await?;
    let (sender, never) = (sender(&app.state.webhooks, "small", 4), CancellationToken::new());
    let task = TaskTracker::new().spawn(async move { sender.deliver_once(&never).await });
    healthy.wait_for(1).await;
    dead.wait_for(1).await;
    assert_eq!(dead.connections(), 1);
    task.abort();
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn private_addresses_are_refused_when_connecting(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let port = sink.url.port().context("no port")?;
    let mut webhooks = Vec::new();
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
    ] {
        let body = json!({"url": url, "event_types": ["user.*"]});
        webhooks.push(create(&app, &body).await?);
    }
    append(&app, 1).await?;
    let mut config = app.config.clone();
    config.webhooks.allow_private_addresses = false;
    let (_, strict) = app.second_gateway(&config).await?;
    let strict = sender(&strict.webhooks, "strict", 64);
    assert_eq!(strict.deliver_once(&CancellationToken::new()).await?, webhooks.len());
    for webhook in &webhooks {
        let delivery = deliveries(&app, webhook).await?.remove(0);
        assert_eq!(delivery["status"], "pending", "{delivery}");
        let error = delivery["attempts"][0]["error"].as_str().unwrap_or_default();
        assert!(error.contains("public"), "{}: {error}", webhook["url"]);
    }
    assert_eq!(sink.connections(), 0);
    Ok(())
}

/// The loop delivers without a request, and what is in flight when it stops is written.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_sender_that_stops_writes_what_is_in_flight(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool, 1.0).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    let (running, stop) = (app.webhooks.clone(), CancellationToken::new());
    let stopping = stop.clone();
    let task = TaskTracker::new().spawn(async move { running.run(&stopping).await });
    append(&app, 1).await?;
    sink.wait_for(1).await;
    sink.respond_next_with(EndpointReply::Stalled(b""));
    app.clock.advance(time::Duration::seconds(1));
    append(&app, 1).await?;
    sink.wait_for(2).await;
    stop.cancel();
    task.await?;
    let delivered = deliveries(&app, &webhook).await?;
    let statuses: Vec<&Value> = delivered.iter().map(|delivery| &delivery["status"]).collect();
    assert_eq!(statuses, ["pending", "succeeded"], "{delivered:?}");
    app.clock.advance(time::Duration::seconds(6));
    assert_eq!(deliver(&app).await?, 1, "the lease was not released");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_deleted_webhook_gets_nothing_more(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool, 1.0).await?;
    let sink = Sink::start().await?;
    let webhook = webhook_at(&app, &sink).await?;
    append(&app, 1).await?;
    sink.respond_next_with(EndpointReply::Stalled(b""));
    let (sender, never) = (app.webhooks.clone(), CancellationToken::new());
    let task = TaskTracker::new().spawn(async move { sender.deliver_once(&never).await });
    sink.wait_for(1).await;
    app.home.admin.delete(&path_of(&webhook)?).await?.success()?;
    append(&app, 1).await?;
    task.await??;
    assert_eq!(deliver(&app).await?, 0);
    assert_eq!(sink.received().len(), 1);
    Ok(())
}
