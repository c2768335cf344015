//! Endpoints for events, through the gateway's API.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::json;

use super::{Fleet, caller, text};

impl Fleet {
    /// Adds an endpoint that receives the events of these types from now on. Returns its id.
    pub(crate) async fn create_webhook(
        &self,
        url: &str,
        event_types: &[&str],
    ) -> anyhow::Result<String> {
        let base = self.urls().next().context("no gateway")?;
        let body = json!({"url": url, "event_types": event_types});
        let created = self.caller.post(&format!("{base}/webhooks"), &body).await?;
        Ok(text(&created, "/result/id")?.to_owned())
    }

    /// Deletes an endpoint.
    pub(crate) async fn delete_webhook(&self, id: &str) -> anyhow::Result<()> {
        let base = self.urls().next().context("no gateway")?;
        caller::json(self.caller.request(Method::DELETE, &format!("{base}/webhooks/{id}"))).await?;
        Ok(())
    }
}
