//! Grants that a provider says are gone.

use time::OffsetDateTime;

use super::account_states::move_account;
use super::audit::{self, AuditEntry};
use super::events::{self, NewEvent};
use super::{StoreError, TenantDb};
use crate::domain::account_state::{Evidence, Step};
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
        // Every lock first, in the order of the ids: two notices can't wait for each other.
        let named = sqlx::query_scalar!(
            r#"SELECT integrated_account_id AS "id: IntegratedAccountId" FROM integrated_accounts
               WHERE environment_id = $1 AND provider_app_id = $2 AND organization_id = $3
                 AND status <> 'disconnected' AND ($4::text[] IS NULL OR installer_id = ANY ($4))
               ORDER BY integrated_account_id"#,
            self.environment_id as EnvironmentId,
            gone.provider_app_id as ProviderAppId,
            gone.organization_id,
            gone.installer_ids,
        )
        .fetch_all(&mut *tx)
        .await?;
        let evidence = Evidence::GrantRevoked { at: gone.at, reason: gone.reason };
        let mut marked = Vec::new();
        for id in named {
            let account = (self.environment_id, id);
            let step = move_account(&mut tx, account, &evidence, clock.now()).await?;
            if matches!(step, Some(Step::Move { .. })) {
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
