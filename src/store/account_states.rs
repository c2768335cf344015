//! The one statement that changes the status of an account, behind the state machine of
//! [`crate::domain::account_state`].

use time::OffsetDateTime;

use super::StoreError;
use super::columns::named;
use super::connections::Connection;
use super::refresh_outcome::RefreshOutcome;
use crate::domain::account_state::{Evidence, Recorded, Step, step};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// Moves an account as `evidence` demands; `None` when there is no such account.
///
/// The tokens are locked first, then the account, and only a later statement reads what the decision rests
/// on: a statement that waits for a lock reads other tables as they were before the wait.
pub(super) async fn move_account<'e>(
    connection: &mut Connection,
    (environment_id, id): (EnvironmentId, IntegratedAccountId),
    evidence: &Evidence<'e>,
    now: OffsetDateTime,
) -> Result<Option<Step<'e>>, StoreError> {
    hold(&mut *connection, environment_id, id).await?;
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
        RefreshOutcome::Refused.name(),
    )
    .fetch_one(&mut *connection)
    .await?;
    let recorded = Recorded {
        status: named("integrated_accounts", "status", &account.status)?,
        generation: facts.generation,
        is_pair_refused: facts.is_pair_refused,
        granted_at: facts.granted_at,
    };
    let step = step(&recorded, evidence);
    if let Step::Move { to, reason } = step {
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

/// Waits in a transaction for whoever refreshes the account, and keeps others from it. Whoever changes
/// an account and its tokens does this first: in another order than a refresh's, both could wait for
/// each other.
async fn hold(
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
