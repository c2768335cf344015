//! The lock of a refresh: the row of an account's tokens, held across all processes, and the record of attempts.

use time::OffsetDateTime;

use super::account_states::apply_evidence;
use super::attempt_outcome::AttemptOutcome;
use super::audit::{self, AuditEntry};
use super::connections::Transaction;
use super::credentials::{Credentials, NewCredentials, Row, replace};
use super::events::{self, NewEvent};
use super::{StoreError, TenantDb, change_sources};
use crate::domain::account_state::{Evidence, Transition};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// The exclusive right, across processes, to refresh one account.
pub struct RefreshLock {
    tx: Transaction,
    pub(super) db: TenantDb,
    pub(super) account_id: IntegratedAccountId,
    pub(super) credentials: Credentials,
}

impl TenantDb {
    /// Locks the tokens of an account for a refresh, after any other refresh in any process. The lock holds the tokens
    /// as of after the wait: compare their generation before calling the provider.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lock_credentials(
        &self,
        id: IntegratedAccountId,
    ) -> Result<Option<RefreshLock>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query_as!(
            Row,
            "SELECT generation, master_key_id, data_key, access_token, refresh_token, expires_at,
                    updated_at AS issued_at
             FROM account_credentials WHERE environment_id = $1 AND integrated_account_id = $2
             FOR UPDATE",
            self.environment_id as EnvironmentId,
            id as IntegratedAccountId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(row.map(|row| RefreshLock {
            tx,
            db: self.clone(),
            account_id: id,
            credentials: row.read(),
        }))
    }
}

impl RefreshLock {
    /// Returns the tokens under the lock.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Records durably, outside of the lock's transaction, that the provider is about to be called. Returns the number
    /// of the attempt for this generation, from 1.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_attempt(&self, now: OffsetDateTime) -> Result<i32, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"INSERT INTO credential_refreshes
                   (environment_id, integrated_account_id, generation, attempt, started_at)
               SELECT $1, $2, $3, coalesce(max(attempt), 0) + 1, $4 FROM credential_refreshes
               WHERE environment_id = $1 AND integrated_account_id = $2 AND generation = $3
               RETURNING attempt"#,
            self.db.environment_id as EnvironmentId,
            self.account_id as IntegratedAccountId,
            self.credentials.generation,
            now,
        )
        .fetch_one(&self.db.pool)
        .await?)
    }

    /// Stores the new pair with an audit entry and releases the lock; returns the new generation. All statements use
    /// the lock's connection, so that the only copy of the pair never waits for another one. If the account was marked
    /// `needs_reauth` meanwhile because of the old pair, it becomes active again and `event` is appended.
    ///
    /// # Errors
    ///
    /// When the database fails; then the old pair stays, and only the provider's grace period for a repeated refresh is
    /// left.
    pub async fn complete_refresh(
        mut self,
        attempt: i32,
        new: &NewCredentials,
        (audit, event): (&AuditEntry<'_>, &NewEvent<'_>),
    ) -> Result<i64, StoreError> {
        let now = audit.at;
        let evidence = Evidence::TokensRefreshed { generation: self.credentials.generation };
        let account = (self.db.environment_id, self.account_id);
        let step = apply_evidence(&mut self.tx, account, &evidence, now).await?;
        let generation =
            replace(&mut *self.tx, self.db.environment_id, self.account_id, new, now).await?;
        let attempt = self.attempt_key(attempt);
        finish_attempt(&mut *self.tx, attempt, AttemptOutcome::Refreshed, now).await?;
        if matches!(step, Some(Transition::MoveTo { .. })) {
            change_sources::resume_account(&mut self.tx, account, now).await?;
            events::append(&mut self.tx, self.db.environment_id, event).await?;
        }
        audit::append(&mut *self.tx, self.db.environment_id, audit).await?;
        sqlx::query!(
            "DELETE FROM credential_refreshes WHERE environment_id = $1
             AND integrated_account_id = $2 AND generation < $3",
            self.db.environment_id as EnvironmentId,
            self.account_id as IntegratedAccountId,
            self.credentials.generation - 10,
        )
        .execute(&mut *self.tx)
        .await?;
        self.tx.commit().await?;
        self.db.invalidate_account(self.account_id);
        Ok(generation)
    }

    /// Changes the account's status as `evidence` about the locked pair requires, and completes the attempt that
    /// produced it, if any. Returns whether the status changed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_rejection(
        mut self,
        attempt: Option<i32>,
        evidence: &Evidence<'_>,
        (audit, event): (&AuditEntry<'_>, &NewEvent<'_>),
    ) -> Result<bool, StoreError> {
        let account = (self.db.environment_id, self.account_id);
        if let Some(attempt) = attempt {
            let attempt = self.attempt_key(attempt);
            finish_attempt(&mut *self.tx, attempt, AttemptOutcome::Rejected, audit.at).await?;
        }
        let step = apply_evidence(&mut self.tx, account, evidence, audit.at).await?;
        let is_moved = matches!(step, Some(Transition::MoveTo { .. }));
        if is_moved {
            audit::append(&mut *self.tx, self.db.environment_id, audit).await?;
            events::append(&mut self.tx, self.db.environment_id, event).await?;
        }
        self.tx.commit().await?;
        self.db.invalidate_account(self.account_id);
        Ok(is_moved)
    }

    /// Records that an attempt got no conclusive response. The lock stays.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_failure(
        &mut self,
        attempt: i32,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let attempt = self.attempt_key(attempt);
        finish_attempt(&self.db.pool, attempt, AttemptOutcome::Failed, now).await
    }

    fn attempt_key(&self, number: i32) -> AttemptKey {
        AttemptKey {
            environment_id: self.db.environment_id,
            account_id: self.account_id,
            generation: self.credentials.generation,
            number,
        }
    }
}

/// Key of a recorded refresh attempt.
struct AttemptKey {
    environment_id: EnvironmentId,
    account_id: IntegratedAccountId,
    generation: i64,
    number: i32,
}

async fn finish_attempt(
    executor: impl sqlx::PgExecutor<'_>,
    attempt: AttemptKey,
    outcome: AttemptOutcome,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE credential_refreshes SET finished_at = $5, outcome = $6
         WHERE environment_id = $1 AND integrated_account_id = $2 AND generation = $3 AND attempt = $4",
        attempt.environment_id as EnvironmentId,
        attempt.account_id as IntegratedAccountId,
        attempt.generation,
        attempt.number,
        now,
        outcome.name(),
    )
    .execute(executor)
    .await?;
    Ok(())
}
