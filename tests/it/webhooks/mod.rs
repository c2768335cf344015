//! Webhooks: their settings, and the deliveries to them.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

pub(crate) mod deliveries;
mod requests;
mod settings;

use anyhow::Context as _;
use serde_json::Value;

use crate::support::TestApp;

/// Creates a webhook and returns it with its secret.
async fn create(app: &TestApp, body: &Value) -> anyhow::Result<Value> {
    let created = app.home.admin.post("webhooks", body).await?.created()?;
    Ok(created["result"].clone())
}

/// Returns a text of a JSON object.
fn text<'v>(object: &'v Value, field: &str) -> anyhow::Result<&'v str> {
    object[field].as_str().with_context(|| format!("no {field} in {object}"))
}

/// Returns the path of a webhook.
fn path_of(webhook: &Value) -> anyhow::Result<String> {
    Ok(format!("webhooks/{}", text(webhook, "id")?))
}
