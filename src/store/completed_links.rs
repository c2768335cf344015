//! Completed links: stores the new or reconnected account with its tokens.

use time::OffsetDateTime;

use super::account_states::apply_evidence;
use super::audit::{self, AuditEntry};
use super::connections::TimedConnection;
use super::credentials::{self, NewCredentials};
use super::events::{self, NewEvent};
use super::quotas::Reservation;
use super::{StoreError, TenantDb, change_sources};
use crate::domain::account::Organization;
use crate::domain::account_state::{Evidence, INITIAL_STATUS, Transition};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::domain::quota::QuotaKind;

/// The result of a completed link.
#[derive(Debug)]
pub struct LinkedAccount<'a> {
    /// The account's id: a new one, or that of the account to reconnect.
    pub id: IntegratedAccountId,
    /// The link token; it is consumed in the same transaction.
    pub link_token_id: LinkTokenId,
    /// The SaaS's own id of its customer.
    pub tenant_id: &'a str,
    /// The provider.
    pub provider: Provider,
    /// The OAuth client of the link, if any.
    pub provider_app_id: Option<ProviderAppId>,
    /// The directory's base URL, if each customer has its own.
    pub base_url: Option<&'a str>,
    /// The organization at the provider.
    pub organization: &'a Organization,
    /// The provider's id of the user who gave the grant, if any.
    pub installer_id: Option<&'a str>,
    /// Granted scopes.
    pub granted_scopes: &'a [String],
    /// Scopes that were requested but not granted.
    pub missing_scopes: &'a [String],
    /// The SaaS's own data.
    pub context: &'a serde_json::Value,
    /// The tokens.
    pub credentials: &'a NewCredentials,
    /// Digests of some of the organization's users; an empty list leaves the stored ones unchanged.
    pub organization_sample: &'a [String],
    /// The current time.
    pub now: OffsetDateTime,
}

/// Outcome of storing a completed link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkOutcome {
    /// Everything is stored.
    Stored,
    /// Nothing is stored: the link token was consumed meanwhile.
    TokenUsed,
    /// Nothing is stored: the account was disconnected meanwhile or belongs to another tenant.
    AccountUnavailable,
}

impl TenantDb {
    /// Returns digests of some of the users of an account's organization, as of the last link.
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

    /// Stores a completed link in one transaction: the account, its tokens, the consumed link token, the audit entry
    /// and the events.
    ///
    /// # Errors
    ///
    /// `Conflict` on `integrated_accounts_live_key` when a concurrent link of the same organization completed first.
    pub async fn complete_link(
        &self,
        link: &LinkedAccount<'_>,
        audit: &AuditEntry<'_>,
        new_events: &[NewEvent<'_>],
    ) -> Result<LinkOutcome, StoreError> {
        let reservation =
            self.quotas.reserve(QuotaKind::IntegratedAccounts, self.environment_id).await;
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
            return Ok(LinkOutcome::TokenUsed);
        }
        let account = (self.environment_id, link.id);
        let step = apply_evidence(&mut tx, account, &Evidence::Linked, link.now).await?;
        let is_relinked = step.is_some();
        let is_stored = match step {
            None => self.insert_account(&mut tx, link, &reservation).await?,
            Some(Transition::Ignored) => false,
            Some(Transition::MoveTo { .. } | Transition::Unchanged) => {
                self.update_relinked_account(&mut tx, link).await?
            }
        };
        if !is_stored {
            return Ok(LinkOutcome::AccountUnavailable);
        }
        credentials::replace(&mut *tx, self.environment_id, link.id, link.credentials, link.now)
            .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        if is_relinked {
            change_sources::resume_account(&mut tx, account, link.now).await?;
        }
        for event in new_events {
            events::append(&mut tx, self.environment_id, event).await?;
        }
        tx.commit().await?;
        self.invalidate_account(link.id);
        self.invalidate_tenant(link.provider, link.tenant_id);
        Ok(LinkOutcome::Stored)
    }

    async fn insert_account(
        &self,
        connection: &mut TimedConnection,
        link: &LinkedAccount<'_>,
        reservation: &Reservation<'_>,
    ) -> Result<bool, StoreError> {
        reservation.admit(connection).await?;
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
            INITIAL_STATUS.name(),
            link.organization_sample,
        )
        .execute(connection)
        .await?;
        Ok(true)
    }

    /// Updates a reconnected account. Returns `false` if the account belongs to another tenant or organization.
    async fn update_relinked_account(
        &self,
        connection: &mut TimedConnection,
        link: &LinkedAccount<'_>,
    ) -> Result<bool, StoreError> {
        let updated = sqlx::query!(
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
        Ok(updated.rows_affected() == 1)
    }
}
