//! Renewing ahead of time: tokens that end soon are replaced while they live, so that calls don't wait.
//!
//! Every replica looks for itself; the account's row lock and its generation see to it that only one
//! asks the provider. Who was tried lately is read from the record of attempts, which all replicas share.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use time::{Duration, OffsetDateTime};

use super::failure::TokenError;
use super::pause::Growing;
use super::refresh::Tokens;
use crate::domain::clock::Clock;
use crate::domain::ids::IntegratedAccountId;
use crate::store::{EndingToken, Store, StoreError};

/// Rows that are read at once.
const PAGE: i64 = 500;
/// The most renewals at once: calls with dead tokens shall find a place beside them.
const AT_ONCE: usize = 4;
/// How long an account is left alone after renewals that failed: nobody waits for them.
const PAUSES: Growing = Growing {
    first: std::time::Duration::from_mins(1),
    longest: std::time::Duration::from_mins(30),
};

/// What one look came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Accounts that have a newer pair now.
    pub renewed: usize,
    /// Accounts that could not be renewed.
    pub failed: usize,
}

/// Renews tokens before they end.
#[derive(Clone)]
pub struct Ahead {
    store: Store,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
    lead: Duration,
}

impl Ahead {
    /// Looks into `store` for tokens that end within `lead`, and renews them through `tokens`.
    #[must_use]
    pub fn new(store: Store, tokens: Tokens, clock: Arc<dyn Clock>, lead: Duration) -> Self {
        Self { store, tokens, clock, lead }
    }

    /// Looks again and again, with pauses of `every`. It ends with whoever polls it.
    pub async fn run(&self, every: std::time::Duration) {
        loop {
            match self.tick().await {
                Ok(Looked { renewed: 0, failed: 0 }) => {}
                Ok(Looked { renewed, failed }) => {
                    tracing::info!(renewed, failed, "renewed tokens ahead of their end");
                }
                Err(error) => {
                    tracing::warn!(%error, "could not look for tokens that end soon");
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Looks once, and renews what is due.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn tick(&self) -> Result<Looked, StoreError> {
        let now = self.clock.now();
        let mut looked = Looked::default();
        let mut last = None;
        loop {
            let page = self.store.ending_tokens(now + self.lead, last.as_ref(), PAGE).await?;
            last = page.last().cloned();
            let is_due = |row: &EndingToken| due_at(row, self.lead) <= now;
            let due: Vec<_> = page.into_iter().filter(is_due).collect();
            let renewals = due.into_iter().map(|row| self.renew(row));
            let ends: Vec<_> = stream::iter(renewals).buffer_unordered(AT_ONCE).collect().await;
            let renewed = ends.iter().filter(|end| end.is_ok()).count();
            looked.renewed += renewed;
            looked.failed += ends.len() - renewed;
            if last.is_none() {
                return Ok(looked);
            }
        }
    }

    /// What fails here was written down and logged where it failed.
    async fn renew(&self, row: EndingToken) -> Result<(), TokenError> {
        let account = self.store.tenant(row.environment_id).account(row.account_id).await?;
        if let Some(account) = account {
            self.tokens.replace(&account, row.generation).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Ahead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ahead").field("lead", &self.lead).finish_non_exhaustive()
    }
}

/// When a token is renewed: at a moment of its own in the first half of the lead, so that accounts
/// which were linked together don't come together; after failures, not before a pause.
fn due_at(row: &EndingToken, lead: Duration) -> OffsetDateTime {
    let due = row.expires_at - lead + lead * (share(row.account_id) / 2.0);
    match row.last_attempt_at {
        Some(tried) if row.attempts > 0 => due.max(tried + PAUSES.after(row.attempts)),
        Some(_) | None => due,
    }
}

/// A number from 0 to 1 that an account always has.
fn share(id: IntegratedAccountId) -> f64 {
    // The end of an id is random.
    let text = id.to_string();
    let sum = text
        .bytes()
        .rev()
        .take(8)
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    f64::from(sum % 1_000) / 1_000.0
}
