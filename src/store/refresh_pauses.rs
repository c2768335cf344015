//! The pauses in which a provider is left alone, in the record of attempts that all processes share.

use std::borrow::Cow;

use time::OffsetDateTime;

use super::StoreError;
use super::credentials::RefreshLock;
use super::refresh_outcome::RefreshOutcome;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// The attempts for one pair of tokens that are kept while they fail.
const KEPT_ATTEMPTS: i32 = 12;

/// The time for which a provider is left alone after attempts that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshPause<'a> {
    /// When it began.
    pub since: OffsetDateTime,
    /// When it ends.
    pub until: OffsetDateTime,
    /// What the provider did, in a word.
    pub failure: Cow<'a, str>,
    /// What it said to it.
    pub detail: Cow<'a, str>,
}

impl RefreshLock {
    /// The pause that the last attempt for these tokens began. None after an attempt whose end nobody
    /// saw: its process died, and the next one asks at once.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn pause(&self) -> Result<Option<RefreshPause<'static>>, StoreError> {
        let last = sqlx::query!(
            "SELECT finished_at, failure, failure_detail, pause_until FROM credential_refreshes
             WHERE environment_id = $1 AND integrated_account_id = $2 AND generation = $3
             ORDER BY attempt DESC LIMIT 1",
            self.db.environment_id as EnvironmentId,
            self.account_id as IntegratedAccountId,
            self.credentials.generation,
        )
        .fetch_optional(&self.db.pool)
        .await?;
        Ok(last.and_then(|row| {
            Some(RefreshPause {
                since: row.finished_at?,
                until: row.pause_until?,
                failure: row.failure?.into(),
                detail: row.failure_detail.unwrap_or_default().into(),
            })
        }))
    }

    /// Writes down that an attempt got no answer that can be trusted, and until when nobody shall ask
    /// again. Of the many attempts while a provider is down only the last ones are kept.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn failed_for_now(
        &self,
        attempt: i32,
        pause: &RefreshPause<'_>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH old AS (
                 DELETE FROM credential_refreshes WHERE environment_id = $1
                 AND integrated_account_id = $2 AND generation = $3 AND attempt <= $10
             )
             UPDATE credential_refreshes
             SET finished_at = $5, outcome = $6, failure = $7, failure_detail = $8, pause_until = $9
             WHERE environment_id = $1 AND integrated_account_id = $2 AND generation = $3 AND attempt = $4",
            self.db.environment_id as EnvironmentId,
            self.account_id as IntegratedAccountId,
            self.credentials.generation,
            attempt,
            pause.since,
            RefreshOutcome::Failed.name(),
            &*pause.failure,
            &*pause.detail,
            pause.until,
            attempt - KEPT_ATTEMPTS,
        )
        .execute(&self.db.pool)
        .await?;
        Ok(())
    }
}
