//! The audit log: who did what to which account, and how it ended. Append-only, never bodies.
//!
//! A change is written down in the transaction that makes it, or before it is sent to a provider. What only
//! uses a credential is told in memory and written down in batches (`uses`): calls don't wait for it.

mod purge;
mod read;
mod uses;

use time::OffsetDateTime;

pub use self::read::AuditFilter;
pub use self::uses::{Noted, UseLog, UsedBy, Using};
use super::columns::named;
use super::{StoreError, TenantDb};
use crate::domain::audit::Outcome;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{AuditId, EnvironmentId, IntegratedAccountId};

/// The longest text of a row, in bytes. Callers choose some of them, and no row is ever deleted.
const MAX_TEXT: usize = 255;

/// The start of a text that is not longer than a row may have.
fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}

/// A row to be added to the audit log.
#[derive(Debug)]
pub struct AuditEntry<'a> {
    /// Its id.
    pub id: AuditId,
    /// When it happened.
    pub at: OffsetDateTime,
    /// Who did it: a key's id, or a part of this program.
    pub actor: &'a str,
    /// What was done, such as `integrated_account.linked`.
    pub action: &'a str,
    /// To which account.
    pub account_id: Option<IntegratedAccountId>,
    /// To what else, by id.
    pub subject: Option<&'a str>,
    /// In which request.
    pub request_id: Option<&'a str>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A deed as the audit log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// When it happened.
    pub at: OffsetDateTime,
    /// What was done, such as `integrated_account.linked`.
    pub action: String,
    /// To what, by id.
    pub subject: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

impl<'a> AuditEntry<'a> {
    /// That something was done just now, to nothing yet.
    pub fn new(action: &'a str, actor: &'a str, clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        Self {
            id: AuditId::generate(clock, entropy),
            at: clock.now(),
            actor,
            action,
            account_id: None,
            subject: None,
            request_id: None,
            outcome: Outcome::Done,
        }
    }
}

impl TenantDb {
    /// What was done in a request, in order: ids of one moment are in none, but what was done had begun
    /// before. An id that its caller uses again is told apart by `since`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn audited(
        &self,
        request_id: &str,
        since: OffsetDateTime,
    ) -> Result<Vec<Audited>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT at, action, coalesce(subject, integrated_account_id) AS subject, outcome
               FROM audit_log WHERE environment_id = $1 AND request_id = $2 AND NOT is_use AND at >= $3
               ORDER BY at, outcome = 'started' DESC, audit_id"#,
            self.environment_id as EnvironmentId,
            request_id,
            since,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let outcome = named("audit_log", "outcome", &row.outcome)?;
                Ok(Audited { at: row.at, action: row.action, subject: row.subject, outcome })
            })
            .collect()
    }

    /// Adds a row to the audit log.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn audit(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        append(&self.pool, self.environment_id, entry).await
    }
}

/// Adds a row in the transaction of what it tells about.
pub(in crate::store) async fn append(
    executor: impl sqlx::PgExecutor<'_>,
    environment_id: EnvironmentId,
    entry: &AuditEntry<'_>,
) -> Result<(), StoreError> {
    append_with_reason(executor, environment_id, entry, None).await
}

/// The same of what failed, with the reason.
pub(in crate::store) async fn append_with_reason(
    executor: impl sqlx::PgExecutor<'_>,
    environment_id: EnvironmentId,
    entry: &AuditEntry<'_>,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO audit_log (environment_id, audit_id, at, actor, action, integrated_account_id,
             subject, request_id, outcome, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        environment_id as EnvironmentId,
        entry.id as AuditId,
        entry.at,
        bounded(entry.actor),
        entry.action,
        entry.account_id as Option<IntegratedAccountId>,
        entry.subject.map(bounded),
        entry.request_id.map(bounded),
        entry.outcome.name(),
        reason.map(bounded),
    )
    .execute(executor)
    .await?;
    Ok(())
}
