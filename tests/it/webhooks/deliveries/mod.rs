//! Deliveries: signed, attempted again until the endpoint accepts them, and never lost.

mod attempts;
mod erasure;
mod outages;
mod replays;
mod senders;
pub(crate) mod sink;
mod subscriber;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::domain::ids::EventId;
use tokio_util::sync::CancellationToken;

use self::sink::Sink;
use super::{create, path_of, text};
use crate::support::{Tenant, TestApp};

/// Returns a gateway whose webhooks may be on this machine, and whose attempts end after `timeout_s`.
async fn app(pool: PgPool, timeout_s: f64) -> anyhow::Result<TestApp> {
    TestApp::with(pool, |setup| {
        setup.config.webhooks.allow_private_addresses = true;
        setup.config.webhooks.timeout_s = timeout_s;
    })
    .await
}

/// Returns a gateway whose attempts take as long as by default.
async fn patient_app(pool: PgPool) -> anyhow::Result<TestApp> {
    app(pool, 15.0).await
}

/// Creates a webhook at an endpoint, for events of users.
async fn webhook_at(app: &TestApp, sink: &Sink) -> anyhow::Result<Value> {
    create(app, &json!({"url": sink.url, "event_types": ["user.*"]})).await
}

/// Appends events of users to the feed of an environment, and returns their ids.
async fn append_to(app: &TestApp, home: &Tenant, count: usize) -> anyhow::Result<Vec<String>> {
    let (clock, entropy) = (&app.clock, &*app.state.entropy);
    let ids: Vec<String> = (0..count).map(|_| EventId::generate(clock, entropy).text()).collect();
    sqlx::query(
        "with place as (
             update environments set last_event = last_event + $2 where environment_id = $1
             returning last_event - $2 as last)
         insert into events (environment_id, position, event_id, at, type, data)
         select $1, place.last + n.number, n.event_id, $4, 'user.updated', 'null'
         from place, unnest($3::text[]) with ordinality as n (event_id, number)",
    )
    .bind(home.environment_id.to_string())
    .bind(i64::try_from(count)?)
    .bind(&ids)
    .bind(clock.now())
    .execute(&app.pool)
    .await?;
    Ok(ids)
}

/// Appends events to the feed of the first environment.
async fn append(app: &TestApp, count: usize) -> anyhow::Result<Vec<String>> {
    append_to(app, &app.home, count).await
}

/// Delivers everything that is due, and returns the number of attempts.
async fn deliver(app: &TestApp) -> anyhow::Result<usize> {
    Ok(app.webhooks.deliver_once(&CancellationToken::new()).await?)
}

/// Returns the deliveries of a webhook, newest first.
async fn deliveries(app: &TestApp, webhook: &Value) -> anyhow::Result<Vec<Value>> {
    let path = format!("{}/deliveries?limit=1000", path_of(webhook)?);
    let list = app.home.admin.get(&path).await?.success()?;
    Ok(list["result"].as_array().context("no deliveries")?.clone())
}

/// Returns the only delivery of an event to a webhook.
async fn delivery_of(app: &TestApp, webhook: &Value, event: &str) -> anyhow::Result<Value> {
    let path = format!("{}/deliveries?event_id={event}", path_of(webhook)?);
    let list = app.home.admin.get(&path).await?.success()?;
    assert_eq!(list["result_count"], 1, "{list}");
    Ok(list["result"][0].clone())
}

/// Returns a webhook as it is now.
async fn read(app: &TestApp, webhook: &Value) -> anyhow::Result<Value> {
    Ok(app.home.admin.get(&path_of(webhook)?).await?.success()?["result"].clone())
}

/// Activates a webhook again.
async fn activate(app: &TestApp, webhook: &Value) -> anyhow::Result<()> {
    let body = json!({"is_active": true});
    app.home.admin.patch(&path_of(webhook)?, &body).await?.success()?;
    Ok(())
}

/// Returns a time of a JSON object.
fn time_of(object: &Value, field: &str) -> anyhow::Result<time::OffsetDateTime> {
    let format = &time::format_description::well_known::Rfc3339;
    Ok(time::OffsetDateTime::parse(text(object, field)?, format)?)
}

/// Returns ids in their order, for comparisons.
fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// Ends the leases of all webhooks, as the time does after a process ended.
async fn expire_leases(app: &TestApp) -> anyhow::Result<()> {
    let expired = "update webhooks set lease_until = clock_timestamp() - interval '1 second'";
    sqlx::query(expired).execute(&app.pool).await?;
    Ok(())
}
