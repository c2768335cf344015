//! Grants that a provider says are gone.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::events::{self, NewEvent};
use super::{StoreError, TenantDb};
use crate::domain::audit::Outcome;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::event::EventKind;
use crate::domain::ids::{AuditId, EnvironmentId, IntegratedAccountId, ProviderAppId};

/// Which grants are gone.
#[derive(Debug)]
pub struct Revocation<'a> {
    /// Those of this OAuth client.
    pub provider_app_id: ProviderAppId,
    /// In this organization.
    pub organization_id: &'a str,
    /// Given by these people; `None` for everybody's.
    pub installer_ids: Option<&'a [String]>,
    /// Why.
    pub reason: &'a str,
    /// When, to the second. A grant that was given later lives.
    pub at: OffsetDateTime,
    /// The request that told.
    pub request_id: &'a str,
}

impl TenantDb {
    /// Marks the accounts whose grants are gone as in need of a new link, each once, and answers which.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_grants(
        &self,
        gone: &Revocation<'_>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Vec<IntegratedAccountId>, StoreError> {
        let mut tx = self.pool.begin().await?;
        // A provider's clock tells seconds: a link in the same one may have been before.
        let marked = sqlx::query_scalar!(
            r#"UPDATE integrated_accounts a
               SET status = 'needs_reauth', status_reason = $5, updated_at = $6
               WHERE environment_id = $1 AND provider_app_id = $2 AND organization_id = $3
                 AND status = 'active' AND ($4::text[] IS NULL OR installer_id = ANY ($4))
                 AND NOT EXISTS (
                     SELECT FROM link_tokens l
                     WHERE l.environment_id = $1 AND l.used_at >= $7::timestamptz + interval '1 second'
                       AND l.linked_account_id = a.integrated_account_id
                 )
               RETURNING integrated_account_id AS "id: IntegratedAccountId""#,
            self.environment_id as EnvironmentId,
            gone.provider_app_id as ProviderAppId,
            gone.organization_id,
            gone.installer_ids,
            gone.reason,
            clock.now(),
            gone.at,
        )
        .fetch_all(&mut *tx)
        .await?;
        for id in &marked {
            let entry = AuditEntry {
                id: AuditId::generate(clock, entropy),
                at: clock.now(),
                actor: "provider",
                action: "integrated_account.needs_reauth",
                account_id: Some(*id),
                subject: Some(gone.reason),
                request_id: Some(gone.request_id),
                outcome: Outcome::Failed,
            };
            audit::append(&mut *tx, self.environment_id, &entry).await?;
        }
        for id in &marked {
            let event =
                NewEvent::new(EventKind::NeedsReauth, *id, Some(gone.reason), clock, entropy);
            events::append(&mut tx, self.environment_id, &event).await?;
        }
        tx.commit().await?;
        for id in &marked {
            self.forget_account(*id);
        }
        Ok(marked)
    }
}
