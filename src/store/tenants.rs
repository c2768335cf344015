//! The live accounts of a tenant: what a caller may name instead of an account.

use std::sync::Arc;

use super::warm::Change;
use super::{StoreError, TenantDb};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::provider::Provider;

impl TenantDb {
    /// The tenant's live account for that organization: linking it again re-connects this one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn live_account(
        &self,
        tenant_id: &str,
        provider: Provider,
        organization_id: &str,
    ) -> Result<Option<IntegratedAccountId>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT integrated_account_id AS "id: IntegratedAccountId" FROM integrated_accounts
               WHERE environment_id = $1 AND tenant_id = $2 AND provider = $3 AND organization_id = $4
                 AND status <> 'disconnected'"#,
            self.environment_id as EnvironmentId,
            tenant_id,
            provider.name(),
            organization_id,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The accounts that a tenant has at a provider and that were not disconnected, out of memory when they are
    /// known there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn known_accounts_of(
        &self,
        tenant_id: &str,
        provider: Provider,
    ) -> Result<Vec<Arc<IntegratedAccount>>, StoreError> {
        let key = (self.environment_id, provider, tenant_id.to_owned());
        let read = async || {
            let ids = self.live_ids_of(tenant_id, provider).await?;
            Ok::<_, StoreError>((!ids.is_empty()).then(|| ids.into()))
        };
        let ids = self.warm.tenants.get(&key, read).await?;
        let mut accounts = Vec::new();
        for id in ids.as_deref().unwrap_or_default() {
            let account = self.known_account(*id).await?;
            // It may have gone since: of who goes the account tells, of who comes the tenant has to.
            accounts.extend(account.filter(|account| {
                account.tenant_id == tenant_id && account.status != AccountStatus::Disconnected
            }));
        }
        Ok(accounts)
    }

    async fn live_ids_of(
        &self,
        tenant_id: &str,
        provider: Provider,
    ) -> Result<Vec<IntegratedAccountId>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT integrated_account_id AS "id: IntegratedAccountId" FROM integrated_accounts
               WHERE environment_id = $1 AND tenant_id = $2 AND provider = $3 AND status <> 'disconnected'
               ORDER BY integrated_account_id"#,
            self.environment_id as EnvironmentId,
            tenant_id,
            provider.name(),
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Forgets which accounts a tenant has at a provider: it has got one.
    pub(super) fn forget_tenant(&self, provider: Provider, tenant_id: &str) {
        let tenant_id = tenant_id.to_owned();
        self.warm.hear(&Change::Tenant(self.environment_id, provider, tenant_id));
    }
}
