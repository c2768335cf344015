//! Reconciliation: desired states, rule sets, plans, their application and their guards.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

mod apply;
mod auto;
mod auto_limits;
mod calls;
mod conflicts;
mod faults;
mod guards;
mod input;
mod input_limits;
mod interrupted;
mod inverse;
mod levels;
mod mixture;
mod model;
pub(crate) mod planned;
mod preview;
mod rule_sets;
mod story;

use http::Method;
use serde_json::Value;

use crate::support::{ApiResponse, Client, bearer};
use crate::sync::SyncedApp;

/// The media types of uploads.
const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

impl SyncedApp {
    /// Uploads a desired state.
    async fn upload(&self, query: &str, kind: &str, body: &str) -> anyhow::Result<ApiResponse> {
        let path = format!("reconciliations?{query}");
        self.api.send(Method::POST, &path, Some((kind, body))).await
    }

    /// Returns the stored rows of desired states: number, key and person.
    async fn staged(&self) -> anyhow::Result<Vec<(i64, String, Value)>> {
        let query = "select row_number, match_key, person from reconciliation_rows order by 1";
        Ok(sqlx::query_as(query).fetch_all(&self.app.pool).await?)
    }

    /// Returns a client with an account token.
    async fn account_token(&self, account: &str, scopes: Value) -> anyhow::Result<Client> {
        let token = self.token_text(account, scopes).await?;
        Client::new(self.app.base_url.clone())?.with("authorization", &bearer(&token))
    }

    /// Returns an account token.
    async fn token_text(&self, account: &str, scopes: Value) -> anyhow::Result<String> {
        let path = format!("integrated-accounts/{account}/tokens");
        let body = serde_json::json!({ "scopes": scopes });
        let token = self.app.home.api.post(&path, &body).await?.created()?;
        let token = token.pointer("/result/token").and_then(Value::as_str);
        Ok(token.unwrap_or_default().to_owned())
    }
}
