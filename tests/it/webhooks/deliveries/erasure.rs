//! What endpoints responded to the events of an account is erased with the account.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::{create, path_of, text};
use super::sink::{EndpointReply, Sink};
use super::{deliver, deliveries, patient_app};
use crate::support::TestApp;

/// Returns the deliveries about an account, newest first.
async fn deliveries_about(
    app: &TestApp,
    webhook: &Value,
    account: &str,
) -> anyhow::Result<Vec<Value>> {
    let feed = app.home.api.get("events?limit=1000").await?.success()?;
    let events = feed["result"].as_array().context("no events")?;
    let is_about = |delivery: &Value| {
        let event = events.iter().find(|event| event["id"] == delivery["event_id"]);
        event.is_some_and(|event| event["integrated_account_id"] == account)
    };
    let mut about = deliveries(app, webhook).await?;
    about.retain(is_about);
    assert!(!about.is_empty(), "{account}: {feed}");
    Ok(about)
}

/// Returns the responses of all attempts.
fn responses(deliveries: &[Value]) -> Vec<Value> {
    let attempts =
        deliveries.iter().flat_map(|one| one["attempts"].as_array().into_iter().flatten());
    attempts.map(|attempt| attempt["response_body"].clone()).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_disconnection_erases_what_endpoints_responded(pool: PgPool) -> anyhow::Result<()> {
    let app = patient_app(pool).await?;
    let sink = Sink::start().await?;
    let webhook = create(&app, &json!({"url": sink.url})).await?;
    let (gone, other) = (app.link("acme").await?, app.link("globex").await?);
    while deliver(&app).await? > 0 {}
    let before = deliveries_about(&app, &webhook, &gone).await?;
    assert!(responses(&before).iter().all(|body| *body == "ok"), "{before:?}");

    // One delivery is in flight meanwhile.
    let first = before.last().context("no delivery")?;
    let path = format!("{}/deliveries/{}/resend", path_of(&webhook)?, text(first, "id")?);
    assert_eq!(app.home.admin.send(Method::POST, &path, None).await?.status, 202);
    let echo = EndpointReply::Stalled(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nan echo");
    sink.respond_next_with(echo);
    let (sender, never) = (app.webhooks.clone(), CancellationToken::new());
    let count = sink.received().len();
    let task = TaskTracker::new().spawn(async move { sender.deliver_once(&never).await });
    sink.wait_for(count + 1).await;
    app.home.api.delete(&format!("integrated-accounts/{gone}")).await?.success()?;
    task.await??;
    while deliver(&app).await? > 0 {}

    let after = deliveries_about(&app, &webhook, &gone).await?;
    assert_eq!(after.len(), before.len() + 1, "{after:?}");
    assert!(responses(&after).iter().all(Value::is_null), "{after:?}");
    for delivery in &after {
        assert_eq!(delivery["status"], "succeeded", "{delivery}");
        let attempts = delivery["attempts"].as_array().context("no attempts")?;
        assert!(attempts.iter().all(|one| one["response_status"] == 200), "{delivery}");
    }
    assert_eq!(after.last().map(|one| one["attempts"].as_array().map(Vec::len)), Some(Some(2)));
    let about_other = deliveries_about(&app, &webhook, &other).await?;
    assert!(responses(&about_other).iter().all(|body| *body == "ok"), "{about_other:?}");
    Ok(())
}
