//! Audit log: actor, action, account and outcome of each operation. Append-only, without request bodies.
//!
//! A change is recorded in the transaction that makes it, or before it is sent to a provider. Uses of credentials are
//! buffered in memory and inserted in batches (`usage`): calls don't wait for them.

mod purge;
mod query;
mod usage;

use time::OffsetDateTime;

pub use self::query::AuditFilter;
pub use self::usage::{CountedEntry, UsageContext, UsageGuard, UsageLog, UsageSource};
use super::columns::parse_name;
use super::{StoreError, TenantDb};
use crate::domain::audit::AuditOutcome;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{AuditId, EnvironmentId, IntegratedAccountId};

/// Maximum length of a text, in bytes. Callers choose some of the texts, and rows are kept for long.
const MAX_TEXT_BYTES: usize = 255;

/// Truncates a text to the maximum length.
fn truncated(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or_default()
}

/// A row to append to the audit log.
#[derive(Debug)]
pub struct AuditEntry<'a> {
    /// Its id.
    pub id: AuditId,
    /// When it happened.
    pub at: OffsetDateTime,
    /// The actor: id of an API key or name of a component.
    pub actor: &'a str,
    /// The action, such as `integrated_account.linked`.
    pub action: &'a str,
    /// The account concerned, if any.
    pub account_id: Option<IntegratedAccountId>,
    /// Id of any other object concerned.
    pub subject: Option<&'a str>,
    /// Id of the request.
    pub request_id: Option<&'a str>,
    /// The outcome.
    pub outcome: AuditOutcome,
}

/// An action that the audit log recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedAction {
    /// When it happened.
    pub at: OffsetDateTime,
    /// The action, such as `integrated_account.linked`.
    pub action: String,
    /// Id of the object concerned.
    pub subject: Option<String>,
    /// The outcome.
    pub outcome: AuditOutcome,
}

impl<'a> AuditEntry<'a> {
    /// Returns an entry for an action that is done now, without account or subject.
    pub fn new(action: &'a str, actor: &'a str, clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        Self {
            id: AuditId::generate(clock, entropy),
            at: clock.now(),
            actor,
            action,
            account_id: None,
            subject: None,
            request_id: None,
            outcome: AuditOutcome::Done,
        }
    }
}

impl TenantDb {
    /// Returns the changes recorded for a request, by time; at equal times `started` comes first. `since` excludes
    /// earlier requests with the same id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn audited_actions(
        &self,
        request_id: &str,
        since: OffsetDateTime,
    ) -> Result<Vec<AuditedAction>, StoreError> {
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
                let outcome = parse_name("audit_log", "outcome", &row.outcome)?;
                Ok(AuditedAction { at: row.at, action: row.action, subject: row.subject, outcome })
            })
            .collect()
    }

    /// Appends a row to the audit log.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn audit(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        append(&self.pool, self.environment_id, entry).await
    }
}

/// Appends a row in the transaction of the change that it records.
pub(in crate::store) async fn append(
    executor: impl sqlx::PgExecutor<'_>,
    environment_id: EnvironmentId,
    entry: &AuditEntry<'_>,
) -> Result<(), StoreError> {
    append_with_reason(executor, environment_id, entry, None).await
}

/// Appends a row with the reason of a failure.
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
        truncated(entry.actor),
        entry.action,
        entry.account_id as Option<IntegratedAccountId>,
        entry.subject.map(truncated),
        entry.request_id.map(truncated),
        entry.outcome.name(),
        reason.map(truncated),
    )
    .execute(executor)
    .await?;
    Ok(())
}
