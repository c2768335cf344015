//! Completed links: the account of an organization, new or connected again, with its tokens.

use time::OffsetDateTime;

use super::account_states::move_account;
use super::audit::{self, AuditEntry};
use super::connections::Connection;
use super::credentials::{self, NewCredentials};
use super::events::{self, NewEvent};
use super::quotas::Reservation;
use super::{StoreError, TenantDb};
use crate::domain::account::Organization;
use crate::domain::account_state::{Evidence, FIRST_STATUS, Step};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::domain::quota::Quota;

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
    /// Digests of some of the organization's users; an empty list keeps the stored ones.
    pub organization_sample: &'a [String],
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
    /// Digests of some of the users of an account's organization, as the last link found them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn organization_sample(
        &self,
        id: IntegratedAccountId,
    ) -> Result<Vec<String>, StoreError> {
        let sample = sqlx::query_scalar!(
            "SELECT organization_sample FROM integrated_accounts
             WHERE environment_id = $1 AND integrated_account_id = $2",
            self.environment_id as EnvironmentId,
            id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(sample.unwrap_or_default())
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
        let place = self.quotas.reserve(Quota::IntegratedAccounts, self.environment_id).await;
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
            None => self.insert_account(&mut tx, link, &place).await?,
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
        place: &Reservation<'_>,
    ) -> Result<bool, StoreError> {
        place.admit(connection).await?;
        sqlx::query!(
            "INSERT INTO integrated_accounts (environment_id, integrated_account_id, tenant_id, provider,
                 provider_app_id, status, organization_id, organization_name, installer_id,
                 granted_scopes, missing_scopes, context, created_at, updated_at, base_url,
                 organization_sample)
             VALUES ($1, $2, $3, $4, $5, $14, $6, $7, $8, $9, $10, $11, $12, $12, $13, $15)",
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
            link.organization_sample,
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
                 missing_scopes = $9, context = context || $10, updated_at = $11, base_url = $12,
                 organization_sample = CASE WHEN $13::text[] = '{}' THEN organization_sample ELSE $13 END
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
            link.organization_sample,
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
