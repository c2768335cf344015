//! Policies: what violates them, who made it so, and what ends it.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

mod access_review;
mod access_review_pages;
mod account_tokens;
mod evaluations;
mod fresh_people;
mod guards;
mod input;
mod interrupted_fixes;
mod kinds;
mod lifecycle;
mod model;
mod schemas;
mod scim_fixes;
mod story;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::sync::SyncedApp;

impl SyncedApp {
    /// Evaluates all accounts that are due, until none is.
    async fn evaluate(&self) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        for _ in 0..100 {
            if !self.app.policies.work_once(&stop).await? {
                return Ok(());
            }
        }
        anyhow::bail!("accounts are due without end")
    }

    /// Creates a policy and evaluates it.
    async fn policy(&self, kind: &str, parameters: Value, more: Value) -> anyhow::Result<Value> {
        let mut body = json!({"name": kind, "kind": kind, "parameters": parameters});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let created = self.app.home.admin.post("policies", &body).await?.created()?;
        self.evaluate().await?;
        Ok(created["result"].clone())
    }

    /// Returns the violations of a query, newest first.
    async fn drift(&self, query: &str) -> anyhow::Result<Vec<Value>> {
        let list = self.api.get(&format!("drift?limit=1000{query}")).await?.success()?;
        Ok(list["result"].as_array().context("no list")?.clone())
    }

    /// Returns the only violation of a query.
    async fn only_drift(&self, query: &str) -> anyhow::Result<Value> {
        let found = self.drift(query).await?;
        let [only] = &*found else { anyhow::bail!("not one: {found:?}") };
        Ok(only.clone())
    }

    /// Returns the types of the events of policies behind a position, with the subject and the status.
    async fn drift_events(&self, after: usize) -> anyhow::Result<Vec<Value>> {
        let mut events = self.events().await?.split_off(after);
        events
            .retain(|event| event["type"].as_str().is_some_and(|kind| kind.starts_with("drift.")));
        Ok(events)
    }
}
