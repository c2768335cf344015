//! Writes what was read after a change that the gateway made.

use time::OffsetDateTime;

use super::super::events::{ChangeSource, append_changes, lock_feed};
use super::super::{StoreError, TenantDb};
use super::apply::{apply, remove};
use crate::domain::copied_object::CopiedObject;
use crate::domain::entropy::Entropy;
use crate::domain::event::{EventActor, EventOrigin};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::CopyKind;

impl TenantDb {
    /// Writes objects that were read after a change that this gateway made, or that no longer exist, with their
    /// events.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing is written.
    pub async fn write_through(
        &self,
        account_id: IntegratedAccountId,
        objects: &[(CopyKind, Vec<CopiedObject>)],
        removals: &[(CopyKind, Vec<String>)],
        actor: &EventActor,
        (read_at, now): (OffsetDateTime, OffsetDateTime),
        entropy: &dyn Entropy,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, (self.environment_id, account_id), now).await?;
        let is_active = sqlx::query_scalar!(
            r#"SELECT status = 'active' AS "is_active!" FROM integrated_accounts
               WHERE environment_id = $1 AND integrated_account_id = $2"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if is_active != Some(true) {
            // Its copy is erased.
            return Ok(());
        }
        let mut events = Vec::new();
        for (kind, objects) in objects {
            events.extend(apply(&mut tx, &feed, *kind, objects, read_at).await?.events);
        }
        for (kind, ids) in removals {
            events.extend(remove(&mut tx, &feed, *kind, ids, read_at).await?.events);
        }
        let source =
            ChangeSource { origin: EventOrigin::Gateway, actor: Some(actor), initial: false };
        append_changes(&mut tx, &feed, source, &events, entropy).await?;
        Ok(tx.commit().await?)
    }
}
