//! Integrated accounts: the connections of tenants to organizations, and their status.

use std::sync::Arc;

use time::OffsetDateTime;

use super::account_states::apply_evidence;
use super::audit::{self, AuditEntry};
use super::columns::parse_name;
use super::events::{self, NewEvent};
use super::{StoreError, TenantDb};
use crate::domain::account::{AccountStatus, IntegratedAccount, Organization};
use crate::domain::account_state::{Evidence, Transition};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, ProviderAppId};
use crate::domain::provider::Provider;

/// Filter of a list of accounts; `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Tenant.
    pub tenant_id: Option<String>,
    /// Provider.
    pub provider: Option<Provider>,
    /// Status.
    pub status: Option<AccountStatus>,
}

impl AccountFilter {
    /// Returns whether the filter matches an account.
    #[must_use]
    pub fn matches(&self, account: &IntegratedAccount) -> bool {
        let Self { tenant_id, provider, status } = self;
        tenant_id.as_ref().is_none_or(|tenant| *tenant == account.tenant_id)
            && provider.is_none_or(|provider| provider == account.provider)
            && status.is_none_or(|status| status == account.status)
    }
}

impl TenantDb {
    /// Returns the account with this id from the database.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn account(
        &self,
        id: IntegratedAccountId,
    ) -> Result<Option<IntegratedAccount>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT a.integrated_account_id AS "id: IntegratedAccountId", a.tenant_id, a.provider,
                      a.provider_app_id AS "provider_app_id: ProviderAppId", a.base_url, a.status, a.status_reason,
                      a.organization_id, a.organization_name, a.installer_id, a.granted_scopes,
                      a.missing_scopes, a.context, a.provider_settings, a.discovery, a.discovered_at,
                      a.created_at, a.updated_at, c.expires_at AS "token_expires_at?"
               FROM integrated_accounts a
               LEFT JOIN account_credentials c USING (environment_id, integrated_account_id)
               WHERE a.environment_id = $1 AND a.integrated_account_id = $2"#,
            self.environment_id as EnvironmentId,
            id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| row.read(self.environment_id)).transpose()
    }

    /// Returns the account with this id, from the cache if possible.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn cached_account(
        &self,
        id: IntegratedAccountId,
    ) -> Result<Option<Arc<IntegratedAccount>>, StoreError> {
        let read = async || {
            let account = self.account(id).await?;
            Ok::<_, StoreError>(account.map(|account| Arc::new(self.caches.intern_scopes(account))))
        };
        self.caches.accounts.get(&(self.environment_id, id), read).await
    }

    /// Returns up to `limit` accounts after `after`, ordered by id, without what was discovered.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn accounts(
        &self,
        filter: &AccountFilter,
        after: Option<IntegratedAccountId>,
        limit: i64,
    ) -> Result<Vec<IntegratedAccount>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT a.integrated_account_id AS "id: IntegratedAccountId", a.tenant_id, a.provider,
                      a.provider_app_id AS "provider_app_id: ProviderAppId", a.base_url, a.status, a.status_reason,
                      a.organization_id, a.organization_name, a.installer_id, a.granted_scopes,
                      a.missing_scopes, a.context, a.provider_settings, NULL::jsonb AS "discovery?",
                      a.discovered_at, a.created_at, a.updated_at, c.expires_at AS "token_expires_at?"
               FROM integrated_accounts a
               LEFT JOIN account_credentials c USING (environment_id, integrated_account_id)
               WHERE a.environment_id = $1
                 AND ($2::text IS NULL OR a.integrated_account_id > $2)
                 AND ($3::text IS NULL OR a.tenant_id = $3)
                 AND ($4::text IS NULL OR a.provider = $4)
                 AND ($5::text IS NULL OR a.status = $5)
               ORDER BY a.integrated_account_id
               LIMIT $6"#,
            self.environment_id as EnvironmentId,
            after as Option<IntegratedAccountId>,
            filter.tenant_id,
            filter.provider.map(Provider::name),
            filter.status.map(AccountStatus::name),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| row.read(self.environment_id)).collect()
    }

    /// Updates the SaaS's own data of an account; `None` leaves a value as it is. Returns `false` if there is no
    /// account.
    ///
    /// # Errors
    ///
    /// `Conflict` when the tenant already has an account of that organization.
    pub async fn update_account(
        &self,
        id: IntegratedAccountId,
        tenant_id: Option<&str>,
        context: Option<&serde_json::Value>,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let done = sqlx::query!(
            "UPDATE integrated_accounts
             SET tenant_id = COALESCE($3, tenant_id), context = COALESCE($4, context), updated_at = $5
             WHERE environment_id = $1 AND integrated_account_id = $2
             RETURNING tenant_id, provider",
            self.environment_id as EnvironmentId,
            id as IntegratedAccountId,
            tenant_id,
            context,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(changed) = done else { return Ok(false) };
        let provider = parse_name("integrated_accounts", "provider", &changed.provider)?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        self.invalidate_account(id);
        self.invalidate_tenant(provider, &changed.tenant_id);
        Ok(true)
    }

    /// Disconnects an account permanently: deletes its tokens and account tokens; the row stays as history. Returns
    /// `false` if it was disconnected before or doesn't exist.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn disconnect_account(
        &self,
        id: IntegratedAccountId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
        event: &NewEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let evidence = Evidence::DisconnectRequested;
        let step = apply_evidence(&mut tx, (self.environment_id, id), &evidence, now).await?;
        if !matches!(step, Some(Transition::MoveTo { .. })) {
            return Ok(false);
        }
        sqlx::query!(
            "DELETE FROM account_credentials WHERE environment_id = $1 AND integrated_account_id = $2",
            self.environment_id as EnvironmentId,
            id as IntegratedAccountId,
        )
        .execute(&mut *tx)
        .await?;
        let keys = sqlx::query_scalar!(
            "DELETE FROM account_tokens WHERE environment_id = $1 AND integrated_account_id = $2
             RETURNING digest",
            self.environment_id as EnvironmentId,
            id as IntegratedAccountId,
        )
        .fetch_all(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        events::append(&mut tx, self.environment_id, event).await?;
        tx.commit().await?;
        self.invalidate_account(id);
        self.invalidate_keys(&keys);
        Ok(true)
    }
}

struct Row {
    id: IntegratedAccountId,
    tenant_id: String,
    provider: String,
    provider_app_id: Option<ProviderAppId>,
    base_url: Option<String>,
    status: String,
    status_reason: Option<String>,
    organization_id: String,
    organization_name: String,
    installer_id: Option<String>,
    granted_scopes: Vec<String>,
    missing_scopes: Vec<String>,
    context: serde_json::Value,
    provider_settings: Option<serde_json::Value>,
    discovery: Option<serde_json::Value>,
    discovered_at: Option<OffsetDateTime>,
    token_expires_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn read(self, environment_id: EnvironmentId) -> Result<IntegratedAccount, StoreError> {
        Ok(IntegratedAccount {
            id: self.id,
            environment_id,
            tenant_id: self.tenant_id,
            provider: parse_name("integrated_accounts", "provider", &self.provider)?,
            provider_app_id: self.provider_app_id,
            base_url: self.base_url,
            status: parse_name("integrated_accounts", "status", &self.status)?,
            status_reason: self.status_reason,
            organization: Organization {
                id: self.organization_id.into(),
                name: self.organization_name,
            },
            installer_id: self.installer_id,
            granted_scopes: self.granted_scopes.into(),
            missing_scopes: self.missing_scopes.into(),
            context: self.context,
            provider_settings: self.provider_settings.map(Arc::new),
            discovery: self.discovery.map(Arc::new),
            discovered_at: self.discovered_at,
            token_expires_at: self.token_expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
