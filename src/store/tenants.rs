//! Connected accounts of a tenant, which a caller may name instead of an account.

use std::sync::Arc;

use super::cache::Invalidation;
use super::{StoreError, TenantDb};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::provider::Provider;

impl TenantDb {
    /// Returns the tenant's connected account for this organization; linking it again reconnects it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn connected_account(
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

    /// Returns the accounts of a tenant at a provider that are not disconnected, from the cache if possible.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn cached_accounts_of_tenant(
        &self,
        tenant_id: &str,
        provider: Provider,
    ) -> Result<Vec<Arc<IntegratedAccount>>, StoreError> {
        let key = (self.environment_id, provider, tenant_id.to_owned());
        let read = async || {
            let ids = self.connected_account_ids(tenant_id, provider).await?;
            Ok::<_, StoreError>((!ids.is_empty()).then(|| ids.into()))
        };
        let ids = self.caches.tenants.get(&key, read).await?;
        let mut accounts = Vec::new();
        for id in ids.as_deref().unwrap_or_default() {
            let account = self.cached_account(*id).await?;
            // The cached list may be older than the account: removals invalidate the account only, additions the list.
            accounts.extend(account.filter(|account| {
                account.tenant_id == tenant_id && account.status != AccountStatus::Disconnected
            }));
        }
        Ok(accounts)
    }

    async fn connected_account_ids(
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

    /// Invalidates the cached list of a tenant's accounts at a provider, after one was added.
    pub(super) fn invalidate_tenant(&self, provider: Provider, tenant_id: &str) {
        let tenant_id = tenant_id.to_owned();
        self.caches.invalidate(&Invalidation::Tenant(self.environment_id, provider, tenant_id));
    }
}
