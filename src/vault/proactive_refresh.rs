//! Proactive refresh: replaces tokens before they expire, so that calls don't wait.
//!
//! Every replica runs it; the lock on the account's row and the generation ensure that only one calls the provider.
//! Recent attempts are read from the record that all replicas share.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use time::{Duration, OffsetDateTime};

use super::access_tokens::AccessTokens;
use super::backoff::ExponentialBackoff;
use super::error::TokenError;
use crate::domain::clock::Clock;
use crate::domain::ids::IntegratedAccountId;
use crate::store::{ExpiringToken, Store, StoreError};

/// Number of rows read by one query.
const PAGE_ROWS: i64 = 500;
/// Maximum number of concurrent refreshes; leaves permits to calls with invalid tokens.
const MAX_CONCURRENT_REFRESHES: usize = 4;
/// Backoff of an account after failed refreshes; longer than that of calls, because no caller waits.
const BACKOFF: ExponentialBackoff = ExponentialBackoff {
    first: std::time::Duration::from_mins(1),
    max: std::time::Duration::from_mins(30),
};

/// Result of one pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefreshPass {
    /// Number of accounts with a newer pair.
    pub refreshed: usize,
    /// Number of accounts whose refresh failed.
    pub failed: usize,
}

/// Background task that refreshes tokens before they expire.
#[derive(Clone)]
pub struct RefreshScheduler {
    store: Store,
    tokens: AccessTokens,
    clock: Arc<dyn Clock>,
    lead: Duration,
}

impl RefreshScheduler {
    /// Creates a task that refreshes the tokens in `store` that expire within `lead`, by means of `tokens`.
    #[must_use]
    pub fn new(store: Store, tokens: AccessTokens, clock: Arc<dyn Clock>, lead: Duration) -> Self {
        Self { store, tokens, clock, lead }
    }

    /// Runs a pass every `every`, until the future is dropped.
    pub async fn run(&self, every: std::time::Duration) {
        loop {
            match self.run_once().await {
                Ok(RefreshPass { refreshed: 0, failed: 0 }) => {}
                Ok(RefreshPass { refreshed, failed }) => {
                    tracing::info!(refreshed, failed, "proactive refresh");
                }
                Err(error) => {
                    tracing::warn!(%error, "could not query tokens that expire soon");
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Runs one pass: refreshes the tokens that are due.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn run_once(&self) -> Result<RefreshPass, StoreError> {
        let now = self.clock.now();
        let mut pass = RefreshPass::default();
        let mut last = None;
        loop {
            let page =
                self.store.expiring_tokens(now + self.lead, last.as_ref(), PAGE_ROWS).await?;
            last = page.last().cloned();
            let is_due = |row: &ExpiringToken| due_at(row, self.lead) <= now;
            let due: Vec<_> = page.into_iter().filter(is_due).collect();
            let renewals = due.into_iter().map(|row| self.refresh(row));
            let ends: Vec<_> =
                stream::iter(renewals).buffer_unordered(MAX_CONCURRENT_REFRESHES).collect().await;
            let renewed = ends.iter().filter(|end| end.is_ok()).count();
            pass.refreshed += renewed;
            pass.failed += ends.len() - renewed;
            if last.is_none() {
                return Ok(pass);
            }
        }
    }

    /// Refreshes one pair. Errors are recorded and logged where they occur.
    async fn refresh(&self, row: ExpiringToken) -> Result<(), TokenError> {
        let account = self.store.tenant(row.environment_id).account(row.account_id).await?;
        if let Some(account) = account {
            self.tokens.refresh_proactively(&account, row.generation).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for RefreshScheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshScheduler").field("lead", &self.lead).finish_non_exhaustive()
    }
}

/// Returns when a token is refreshed: at an account-specific time in the first half of the lead, so that accounts
/// linked together are spread out; after failures, not before a backoff. The lead is at most half of the lifetime: a
/// token that lives for a few minutes would be refreshed in every pass.
fn due_at(row: &ExpiringToken, lead: Duration) -> OffsetDateTime {
    let lead = lead.min((row.expires_at - row.issued_at) / 2);
    let due = row.expires_at - lead + lead * (jitter(row.account_id) / 2.0);
    match row.last_attempt_at {
        Some(tried) if row.attempts > 0 => due.max(tried + BACKOFF.delay_after(row.attempts)),
        Some(_) | None => due,
    }
}

/// Returns a number from 0 to 1 that depends on the account alone.
fn jitter(id: IntegratedAccountId) -> f64 {
    // The last characters of an id are random.
    let text = id.to_string();
    let sum = text
        .bytes()
        .rev()
        .take(8)
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    f64::from(sum % 1_000) / 1_000.0
}
