//! Backoff of refreshes after failures, stored in the record of attempts that all processes share.

use std::borrow::Cow;

use time::OffsetDateTime;

use super::StoreError;
use super::attempt_outcome::AttemptOutcome;
use super::refresh_lock::RefreshLock;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// Maximum number of stored attempts for one pair of tokens while they fail.
const MAX_STORED_ATTEMPTS: i32 = 12;

/// The period after failed attempts in which the provider is not called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshBackoff<'a> {
    /// When it began.
    pub since: OffsetDateTime,
    /// When it ends.
    pub until: OffsetDateTime,
    /// Kind of the failure.
    pub failure: Cow<'a, str>,
    /// The provider's error code or further detail of the failure.
    pub detail: Cow<'a, str>,
}

impl RefreshLock {
    /// Returns the backoff that the last attempt for these tokens began. `None` also after an attempt whose process
    /// ended without recording an outcome: the next one calls the provider immediately.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn backoff(&self) -> Result<Option<RefreshBackoff<'static>>, StoreError> {
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
            Some(RefreshBackoff {
                since: row.finished_at?,
                until: row.pause_until?,
                failure: row.failure?.into(),
                detail: row.failure_detail.unwrap_or_default().into(),
            })
        }))
    }

    /// Records that an attempt got no conclusive response, and the backoff after it. Deletes all but the last attempts.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_backoff(
        &self,
        attempt: i32,
        pause: &RefreshBackoff<'_>,
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
            AttemptOutcome::Failed.name(),
            &*pause.failure,
            &*pause.detail,
            pause.until,
            attempt - MAX_STORED_ATTEMPTS,
        )
        .execute(&self.db.pool)
        .await?;
        Ok(())
    }
}
