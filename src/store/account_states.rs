//! The only statement that changes the status of an account, driven by the state machine of
//! [`crate::domain::account_state`].

use time::OffsetDateTime;

use super::StoreError;
use super::attempt_outcome::AttemptOutcome;
use super::columns::parse_name;
use super::connections::TimedConnection;
use crate::domain::account_state::{AccountSnapshot, Evidence, Transition, transition};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// Changes the status of an account as `evidence` requires; returns `None` if there is no such account.
///
/// Locks the tokens first, then the account, and reads the facts in a later statement: a statement that waits for a
/// lock sees other tables as they were before the wait.
pub(super) async fn apply_evidence<'e>(
    connection: &mut TimedConnection,
    (environment_id, id): (EnvironmentId, IntegratedAccountId),
    evidence: &Evidence<'e>,
    now: OffsetDateTime,
) -> Result<Option<Transition<'e>>, StoreError> {
    lock_tokens(&mut *connection, environment_id, id).await?;
    let account = sqlx::query!(
        "SELECT status FROM integrated_accounts
         WHERE environment_id = $1 AND integrated_account_id = $2 FOR NO KEY UPDATE",
        environment_id as EnvironmentId,
        id as IntegratedAccountId,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(account) = account else { return Ok(None) };
    let facts = sqlx::query!(
        r#"SELECT
             (SELECT generation FROM account_credentials c
              WHERE c.environment_id = $1 AND c.integrated_account_id = $2) AS "generation?",
             EXISTS (SELECT FROM account_credentials c
                JOIN credential_refreshes r USING (environment_id, integrated_account_id, generation)
                WHERE c.environment_id = $1 AND c.integrated_account_id = $2 AND r.outcome = $3
             ) AS "is_pair_refused!",
             (SELECT max(used_at) FROM link_tokens l
              WHERE l.environment_id = $1 AND l.linked_account_id = $2) AS "granted_at?""#,
        environment_id as EnvironmentId,
        id as IntegratedAccountId,
        AttemptOutcome::Rejected.name(),
    )
    .fetch_one(&mut *connection)
    .await?;
    let recorded = AccountSnapshot {
        status: parse_name("integrated_accounts", "status", &account.status)?,
        generation: facts.generation,
        is_refresh_token_rejected: facts.is_pair_refused,
        granted_at: facts.granted_at,
    };
    let step = transition(&recorded, evidence);
    if let Transition::MoveTo { status: to, reason } = step {
        sqlx::query!(
            "UPDATE integrated_accounts SET status = $3, status_reason = $4, updated_at = $5
             WHERE environment_id = $1 AND integrated_account_id = $2",
            environment_id as EnvironmentId,
            id as IntegratedAccountId,
            to.name(),
            reason,
            now,
        )
        .execute(connection)
        .await?;
    }
    Ok(Some(step))
}

/// Waits in a transaction for a running refresh of the account, and blocks others. Every change of an account and its
/// tokens takes this lock first: another order than a refresh's could deadlock.
async fn lock_tokens(
    executor: impl sqlx::PgExecutor<'_>,
    environment_id: EnvironmentId,
    account_id: IntegratedAccountId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT generation FROM account_credentials
         WHERE environment_id = $1 AND integrated_account_id = $2 FOR UPDATE",
        environment_id as EnvironmentId,
        account_id as IntegratedAccountId,
    )
    .fetch_optional(executor)
    .await?;
    Ok(())
}
