//! Revocation of grants that a provider announced.

use time::OffsetDateTime;

use super::account_states::apply_evidence;
use super::audit::{self, AuditEntry};
use super::events::{self, NewEvent};
use super::{StoreError, TenantDb};
use crate::domain::account_state::{Evidence, Transition};
use crate::domain::audit::AuditOutcome;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::event::EventKind;
use crate::domain::ids::{AuditId, EnvironmentId, IntegratedAccountId, ProviderAppId};

/// Selection of the revoked grants.
#[derive(Debug)]
pub struct GrantRevocation<'a> {
    /// OAuth client.
    pub provider_app_id: ProviderAppId,
    /// Organization at the provider.
    pub organization_id: &'a str,
    /// Users who gave the grants; `None` matches all.
    pub installer_ids: Option<&'a [String]>,
    /// Reason code.
    pub reason: &'a str,
    /// Time of the revocation, in seconds. Grants given later stay valid.
    pub at: OffsetDateTime,
    /// Id of the request that announced it.
    pub request_id: &'a str,
}

impl TenantDb {
    /// Marks the accounts of revoked grants as `needs_reauth`, each once, and returns their ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_grants(
        &self,
        grants: &GrantRevocation<'_>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Vec<IntegratedAccountId>, StoreError> {
        let mut tx = self.pool.begin().await?;
        // All locks first, in the order of the ids, so that two notices can't deadlock.
        let ids = sqlx::query_scalar!(
            r#"SELECT integrated_account_id AS "id: IntegratedAccountId" FROM integrated_accounts
               WHERE environment_id = $1 AND provider_app_id = $2 AND organization_id = $3
                 AND status <> 'disconnected' AND ($4::text[] IS NULL OR installer_id = ANY ($4))
               ORDER BY integrated_account_id"#,
            self.environment_id as EnvironmentId,
            grants.provider_app_id as ProviderAppId,
            grants.organization_id,
            grants.installer_ids,
        )
        .fetch_all(&mut *tx)
        .await?;
        let evidence = Evidence::GrantRevoked { at: grants.at, reason: grants.reason };
        let mut marked = Vec::new();
        for id in ids {
            let account = (self.environment_id, id);
            let step = apply_evidence(&mut tx, account, &evidence, clock.now()).await?;
            if matches!(step, Some(Transition::MoveTo { .. })) {
                marked.push(id);
            }
        }
        for id in &marked {
            let entry = AuditEntry {
                id: AuditId::generate(clock, entropy),
                at: clock.now(),
                actor: "provider",
                action: "integrated_account.needs_reauth",
                account_id: Some(*id),
                subject: Some(grants.reason),
                request_id: Some(grants.request_id),
                outcome: AuditOutcome::Failed,
            };
            audit::append(&mut *tx, self.environment_id, &entry).await?;
        }
        for id in &marked {
            let event =
                NewEvent::new(EventKind::NeedsReauth, *id, Some(grants.reason), clock, entropy);
            events::append(&mut tx, self.environment_id, &event).await?;
        }
        tx.commit().await?;
        for id in &marked {
            self.invalidate_account(*id);
        }
        Ok(marked)
    }
}
