//! Integrated accounts: who is connected to what, and whether the connection works.

use std::sync::Arc;

use time::OffsetDateTime;

use super::account_states::move_account;
use super::audit::{self, AuditEntry};
use super::columns::named;
use super::connections::Connection;
use super::credentials::{self, NewCredentials};
use super::events::{self, NewEvent};
use super::{StoreError, TenantDb};
use crate::domain::account::{AccountStatus, IntegratedAccount, Organization};
use crate::domain::account_state::{Evidence, FIRST_STATUS, Step};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId, ProviderAppId};
use crate::domain::provider::Provider;

/// Which accounts a list shows. `None` shows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Those of this tenant.
    pub tenant_id: Option<String>,
    /// Those of this provider.
    pub provider: Option<Provider>,
    /// Those in this state.
    pub status: Option<AccountStatus>,
}

impl AccountFilter {
    /// Whether a list shows this account.
    #[must_use]
    pub fn admits(&self, account: &IntegratedAccount) -> bool {
        let Self { tenant_id, provider, status } = self;
        tenant_id.as_ref().is_none_or(|tenant| *tenant == account.tenant_id)
            && provider.is_none_or(|provider| provider == account.provider)
            && status.is_none_or(|status| status == account.status)
    }
}

/// What a finished link leaves behind.
#[derive(Debug)]
pub struct LinkedAccount<'a> {
    /// The account's id: a new one, or that of the account which is connected again.
    pub id: IntegratedAccountId,
    /// The link token that led here; it is spent in the same transaction.
    pub link_token_id: LinkTokenId,
    /// The SaaS's own name for its customer.
    pub tenant_id: &'a str,
    /// The kind of directory.
    pub provider: Provider,
    /// The OAuth client it was linked with, if any.
    pub provider_app_id: Option<ProviderAppId>,
    /// Where its provider is, when every customer has one of their own.
    pub base_url: Option<&'a str>,
    /// The organization at the provider.
    pub organization: &'a Organization,
    /// The person at the provider whose grant this is, if any.
    pub installer_id: Option<&'a str>,
    /// What was granted.
    pub granted_scopes: &'a [String],
    /// What was asked for and not granted.
    pub missing_scopes: &'a [String],
    /// The SaaS's own data.
    pub context: &'a serde_json::Value,
    /// The tokens.
    pub credentials: &'a NewCredentials,
    /// The present.
    pub now: OffsetDateTime,
}

/// What became of a finished link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// All of it is stored.
    Stored,
    /// Nothing is: the link token was spent meanwhile.
    TokenSpent,
    /// Nothing is: the account was disconnected meanwhile, or is another tenant's now.
    AccountGone,
}

impl TenantDb {
    /// The account of that id.
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
                      a.missing_scopes, a.context, a.created_at, a.updated_at,
                      c.expires_at AS "token_expires_at?"
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

    /// The account of that id, out of memory when it is known there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn known_account(
        &self,
        id: IntegratedAccountId,
    ) -> Result<Option<Arc<IntegratedAccount>>, StoreError> {
        let read = async || {
            let account = self.account(id).await?;
            Ok::<_, StoreError>(account.map(|account| Arc::new(self.warm.sharing(account))))
        };
        self.warm.accounts.get(&(self.environment_id, id), read).await
    }

    /// Up to `limit` accounts behind `after`, in the order of their ids.
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
                      a.missing_scopes, a.context, a.created_at, a.updated_at,
                      c.expires_at AS "token_expires_at?"
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

    /// Stores a finished link: the account, its tokens, the spent link token, the audit row and the
    /// events, all or nothing.
    ///
    /// # Errors
    ///
    /// `Conflict` on `integrated_accounts_live_key` when another link of the same organization was faster.
    pub async fn complete_link(
        &self,
        link: &LinkedAccount<'_>,
        audit: &AuditEntry<'_>,
        told: &[NewEvent<'_>],
    ) -> Result<LinkEnd, StoreError> {
        let mut tx = self.pool.begin().await?;
        let spent = sqlx::query!(
            "UPDATE link_tokens SET used_at = $3, pkce_verifier = NULL, linked_account_id = $4
             WHERE environment_id = $1 AND link_token_id = $2 AND used_at IS NULL AND revoked_at IS NULL",
            self.environment_id as EnvironmentId,
            link.link_token_id as LinkTokenId,
            link.now,
            link.id as IntegratedAccountId,
        )
        .execute(&mut *tx)
        .await?;
        if spent.rows_affected() == 0 {
            return Ok(LinkEnd::TokenSpent);
        }
        let account = (self.environment_id, link.id);
        let is_stored = match move_account(&mut tx, account, &Evidence::Linked, link.now).await? {
            None => self.insert_account(&mut tx, link).await?,
            Some(Step::Void) => false,
            Some(Step::Move { .. } | Step::Stay) => self.relink(&mut tx, link).await?,
        };
        if !is_stored {
            return Ok(LinkEnd::AccountGone);
        }
        credentials::replace(&mut *tx, self.environment_id, link.id, link.credentials, link.now)
            .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        for event in told {
            events::append(&mut tx, self.environment_id, event).await?;
        }
        tx.commit().await?;
        self.forget_account(link.id);
        self.forget_tenant(link.provider, link.tenant_id);
        Ok(LinkEnd::Stored)
    }

    async fn insert_account(
        &self,
        connection: &mut Connection,
        link: &LinkedAccount<'_>,
    ) -> Result<bool, StoreError> {
        sqlx::query!(
            "INSERT INTO integrated_accounts (environment_id, integrated_account_id, tenant_id, provider,
                 provider_app_id, status, organization_id, organization_name, installer_id,
                 granted_scopes, missing_scopes, context, created_at, updated_at, base_url)
             VALUES ($1, $2, $3, $4, $5, $14, $6, $7, $8, $9, $10, $11, $12, $12, $13)",
            self.environment_id as EnvironmentId,
            link.id as IntegratedAccountId,
            link.tenant_id,
            link.provider.name(),
            link.provider_app_id as Option<ProviderAppId>,
            &*link.organization.id,
            link.organization.name,
            link.installer_id,
            link.granted_scopes,
            link.missing_scopes,
            link.context,
            link.now,
            link.base_url,
            FIRST_STATUS.name(),
        )
        .execute(connection)
        .await?;
        Ok(true)
    }

    /// Records what a further link of an account granted. `false` when the account is another tenant's or
    /// another organization's.
    async fn relink(
        &self,
        connection: &mut Connection,
        link: &LinkedAccount<'_>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE integrated_accounts
             SET provider_app_id = $5, organization_name = $6, installer_id = $7, granted_scopes = $8,
                 missing_scopes = $9, context = context || $10, updated_at = $11, base_url = $12
             WHERE environment_id = $1 AND integrated_account_id = $2
               AND tenant_id = $3 AND organization_id = $4",
            self.environment_id as EnvironmentId,
            link.id as IntegratedAccountId,
            link.tenant_id,
            &*link.organization.id,
            link.provider_app_id as Option<ProviderAppId>,
            link.organization.name,
            link.installer_id,
            link.granted_scopes,
            link.missing_scopes,
            link.context,
            link.now,
            link.base_url,
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Changes the SaaS's own facts about an account; `None` keeps one. Answers `false` when it isn't there.
    ///
    /// # Errors
    ///
    /// `Conflict` when the tenant has an account of that organization already.
    pub async fn change_account(
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
        let provider = named("integrated_accounts", "provider", &changed.provider)?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        self.forget_account(id);
        self.forget_tenant(provider, &changed.tenant_id);
        Ok(true)
    }

    /// Disconnects an account for good: its tokens and its account tokens are erased, the row stays as
    /// history. Answers `false` when it was disconnected already or isn't there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn disconnect_account(
        &self,
        id: IntegratedAccountId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
        told: &NewEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let evidence = Evidence::DisconnectRequested;
        let step = move_account(&mut tx, (self.environment_id, id), &evidence, now).await?;
        if !matches!(step, Some(Step::Move { .. })) {
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
        events::append(&mut tx, self.environment_id, told).await?;
        tx.commit().await?;
        self.forget_account(id);
        self.forget_keys(&keys);
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
            provider: named("integrated_accounts", "provider", &self.provider)?,
            provider_app_id: self.provider_app_id,
            base_url: self.base_url,
            status: named("integrated_accounts", "status", &self.status)?,
            status_reason: self.status_reason,
            organization: Organization {
                id: self.organization_id.into(),
                name: self.organization_name,
            },
            installer_id: self.installer_id,
            granted_scopes: self.granted_scopes.into(),
            missing_scopes: self.missing_scopes.into(),
            context: self.context,
            token_expires_at: self.token_expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
