//! Changes that this gateway makes, registered before they are sent. So the part that copies a change first, in any
//! process, knows who made it.

use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

use super::connections::{TimedConnection, Transaction};
use super::{StoreError, TenantDb};
use crate::domain::effect::Effect;
use crate::domain::entropy::Entropy;
use crate::domain::event::EventActor;
use crate::domain::ids::{EnvironmentId, EventId, IntegratedAccountId};

/// How long a change explains events, if its end is not recorded: a request with many steps, and the reads after it.
const MAX_DURATION: Duration = Duration::minutes(15);
/// How long a change explains events after its end, if it was not found: the provider may return the earlier state.
const MAX_DELAY: Duration = Duration::minutes(5);

/// A registered change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnChangeId(String);

/// A registered change, and what it explains.
#[derive(Debug, Clone)]
pub(super) struct OwnChangeRow {
    /// Its id.
    pub(super) id: String,
    /// Who requested it.
    pub(super) actor: EventActor,
    /// What it explains.
    pub(super) effects: Vec<Effect>,
    /// When it ended; `None` while it is being made, or if its outcome is unknown.
    pub(super) ended_at: Option<OffsetDateTime>,
}

impl TenantDb {
    /// Registers a change before it is sent; `None` for an account whose directory is not copied.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn register_own_change(
        &self,
        account_id: IntegratedAccountId,
        actor: &EventActor,
        effects: &[Effect],
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<Option<OwnChangeId>, StoreError> {
        let id = EventId::of(now, entropy).text();
        let done = sqlx::query!(
            "INSERT INTO own_changes (environment_id, integrated_account_id, own_change_id, actor, effects,
                 registered_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7
             FROM integrated_accounts a JOIN environments e USING (environment_id)
             WHERE a.environment_id = $1 AND a.integrated_account_id = $2
               AND COALESCE((a.sync->>'enabled')::boolean, (e.sync->>'enabled')::boolean, false)",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            id,
            Json(actor) as Json<&EventActor>,
            Json(effects) as Json<&[Effect]>,
            now,
            now + MAX_DURATION,
        )
        .execute(&self.pool)
        .await?;
        Ok((done.rows_affected() > 0).then_some(OwnChangeId(id)))
    }

    /// Records that a change was made, and what it explains now that its object is known.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_own_change(
        &self,
        account_id: IntegratedAccountId,
        id: &OwnChangeId,
        effects: &[Effect],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE own_changes SET effects = $4, ended_at = $5, expires_at = $6
             WHERE environment_id = $1 AND integrated_account_id = $2 AND own_change_id = $3",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            id.0,
            Json(effects) as Json<&[Effect]>,
            now,
            now + MAX_DELAY,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Deletes a registered change that was not made.
    ///
    /// # Errors
    ///
    /// When the database fails; then it expires.
    pub async fn drop_own_change(
        &self,
        account_id: IntegratedAccountId,
        id: &OwnChangeId,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        delete(&mut tx, (self.environment_id, account_id), &id.0, false).await?;
        Ok(tx.commit().await?)
    }

    /// Ends a registered change that was copied, if it has explained an event: what it explains in other objects remains
    /// until it expires.
    ///
    /// # Errors
    ///
    /// When the database fails; then it expires.
    pub async fn settle_own_change(
        &self,
        account_id: IntegratedAccountId,
        id: &OwnChangeId,
        effects: &[Effect],
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        settle(&mut tx, (self.environment_id, account_id), &id.0, effects).await?;
        Ok(tx.commit().await?)
    }
}

/// Leaves what a used change explains in other objects; deletes it if that is nothing.
async fn settle(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    id: &str,
    effects: &[Effect],
) -> Result<(), StoreError> {
    let later: Vec<&Effect> = effects.iter().filter(|effect| effect.is_found_later).collect();
    if later.is_empty() {
        return delete(connection, account, id, true).await;
    }
    sqlx::query!(
        "UPDATE own_changes SET effects = $4
         WHERE environment_id = $1 AND integrated_account_id = $2 AND own_change_id = $3 AND is_used",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        id,
        Json(&later) as Json<&Vec<&Effect>>,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn delete(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    id: &str,
    only_used: bool,
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM own_changes
         WHERE environment_id = $1 AND integrated_account_id = $2 AND own_change_id = $3 AND (is_used OR NOT $4)",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        id,
        only_used,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the changes that can explain what is found now, oldest first.
pub(super) async fn load(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    now: OffsetDateTime,
) -> Result<Vec<OwnChangeRow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT own_change_id AS id, actor AS "actor: Json<EventActor>", effects AS "effects: Json<Vec<Effect>>",
                  ended_at
           FROM own_changes
           WHERE environment_id = $1 AND integrated_account_id = $2 AND expires_at > $3
           ORDER BY registered_at, own_change_id"#,
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        now,
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|row| OwnChangeRow {
        id: row.id,
        actor: row.actor.0,
        effects: row.effects.0,
        ended_at: row.ended_at,
    });
    Ok(rows.collect())
}

/// Records that a change has explained an event, with what it explains since. A change that had ended when its object
/// was requested is complete.
pub(super) async fn record_use(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    used: &OwnChangeRow,
    read_at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE own_changes SET is_used = true, effects = $4
         WHERE environment_id = $1 AND integrated_account_id = $2 AND own_change_id = $3",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        used.id,
        Json(&used.effects) as Json<&Vec<Effect>>,
    )
    .execute(&mut *connection)
    .await?;
    if used.ended_at.is_some_and(|ended| ended <= read_at) {
        settle(connection, account, &used.id, &used.effects).await?;
    }
    Ok(())
}

/// Deletes a batch of expired rows.
pub(super) async fn purge(
    tx: &mut Transaction,
    now: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM own_changes WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM own_changes WHERE expires_at < $1
                   ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        now,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}
