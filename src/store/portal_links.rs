//! Links to the hosted directory view and the sessions that they start, found by digest only.

use std::sync::Arc;

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::caller::Caller;
use super::columns::{digest_bytes, parse_names};
use super::connections::Transaction;
use super::created_by::lock_creating_key;
use super::key_last_used::LastSeen;
use super::{Store, StoreError, TenantDb};
use crate::domain::access::Scope;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, PortalLinkId};
use crate::domain::portal::{PortalPermission, PortalView};
use crate::domain::sealed::Digest;

/// Constraint: the account of a link is in its environment.
pub const PORTAL_ACCOUNT_CONSTRAINT: &str = "portal_links_account_fkey";

/// A link to insert.
#[derive(Debug)]
pub struct NewPortalLink<'a> {
    /// Its id.
    pub id: PortalLinkId,
    /// The digest of its secret.
    pub digest: Digest,
    /// The account that it shows.
    pub account_id: IntegratedAccountId,
    /// The pages.
    pub views: &'a [PortalView],
    /// What its visitor may do.
    pub permissions: &'a [PortalPermission],
    /// The API key that creates it.
    pub made_by: &'a str,
    /// The current time.
    pub now: OffsetDateTime,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// A valid session of the hosted directory view.
#[derive(Debug, Clone)]
pub struct PortalSession {
    /// The link that started it.
    pub id: PortalLinkId,
    /// The account that it shows, and no other.
    pub account_id: IntegratedAccountId,
    /// The pages.
    pub views: Vec<PortalView>,
    /// What the visitor may do.
    pub permissions: Vec<PortalPermission>,
    /// The visitor as a caller, bound to the account.
    pub caller: Arc<Caller>,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

impl Store {
    /// Returns the environment of the unused link with the secret of this digest, if it and its key are valid at `now`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn usable_portal_link(
        &self,
        digest: &Digest,
        now: OffsetDateTime,
    ) -> Result<Option<EnvironmentId>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT p.environment_id AS "environment_id: EnvironmentId"
               FROM portal_links p
               JOIN api_keys k ON k.environment_id = p.environment_id AND k.api_key_id = p.made_by
               WHERE p.digest = $1 AND p.used_at IS NULL AND p.expires_at > $2 AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > $2)"#,
            digest_bytes(digest),
            now,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Returns the session with the secret of this digest if it and the key of its link are valid at `now`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn portal_session(
        &self,
        digest: &Digest,
        now: OffsetDateTime,
    ) -> Result<Option<PortalSession>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT p.environment_id AS "environment_id: EnvironmentId", p.portal_link_id AS "id: PortalLinkId",
                      p.integrated_account_id AS "account_id: IntegratedAccountId", p.views, p.permissions,
                      p.session_expires_at AS "expires_at!"
               FROM portal_links p
               JOIN api_keys k ON k.environment_id = p.environment_id AND k.api_key_id = p.made_by
               WHERE p.session_digest = $1 AND p.session_expires_at > $2 AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > $2)"#,
            digest_bytes(digest),
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let permissions: Vec<PortalPermission> =
            parse_names("portal_links", "permissions", &row.permissions)?;
        let may_change = permissions.iter().any(|one| *one != PortalPermission::Read);
        let scopes: &[Scope] =
            if may_change { &[Scope::Read, Scope::Write] } else { &[Scope::Read] };
        let caller = Caller {
            environment_id: row.environment_id,
            key_id: row.id.text().into(),
            scopes: scopes.into(),
            allowed_methods: None,
            allowed_addresses: None,
            account_id: Some(row.account_id),
            expires_at: Some(Box::new(row.expires_at)),
            last_seen: LastSeen::default(),
        };
        Ok(Some(PortalSession {
            id: row.id,
            account_id: row.account_id,
            views: parse_names("portal_links", "views", &row.views)?,
            permissions,
            caller: Arc::new(caller),
            expires_at: row.expires_at,
        }))
    }

    /// Returns the environment of the link or session with the secret of this digest, valid or not; `None` once it is
    /// deleted.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn portal_environment(
        &self,
        digest: &Digest,
    ) -> Result<Option<EnvironmentId>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT environment_id AS "environment_id: EnvironmentId" FROM portal_links
               WHERE digest = $1 OR session_digest = $1"#,
            digest_bytes(digest),
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Ends the session with the secret of this digest.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_portal_session(&self, digest: &Digest) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE portal_links SET session_digest = NULL WHERE session_digest = $1",
            digest_bytes(digest),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl TenantDb {
    /// Uses a link once: starts its session until `until` at most. Takes the digests of the secrets of both. Returns the
    /// pages of the link; `None` if it is not valid, or was used before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn use_portal_link(
        &self,
        (link, session): (&Digest, &Digest),
        (now, until): (OffsetDateTime, OffsetDateTime),
        audit: AuditEntry<'_>,
    ) -> Result<Option<Vec<PortalView>>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let used = sqlx::query!(
            r#"UPDATE portal_links p
               SET used_at = $4, session_digest = $3, session_expires_at = LEAST($5, k.expires_at)
               FROM api_keys k
               WHERE p.environment_id = $1 AND p.digest = $2 AND p.used_at IS NULL AND p.expires_at > $4
                 AND k.environment_id = p.environment_id AND k.api_key_id = p.made_by AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > $4)
               RETURNING p.portal_link_id, p.integrated_account_id AS "account_id: IntegratedAccountId", p.views"#,
            self.environment_id as EnvironmentId,
            digest_bytes(link),
            digest_bytes(session),
            now,
            until,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(used) = used else { return Ok(None) };
        let entry = AuditEntry {
            account_id: Some(used.account_id),
            subject: Some(&used.portal_link_id),
            ..audit
        };
        audit::append(&mut *tx, self.environment_id, &entry).await?;
        tx.commit().await?;
        Ok(Some(parse_names("portal_links", "views", &used.views)?))
    }

    /// Inserts a link. Returns when it expires, which is no later than its creating key; `None`, and inserts nothing, if
    /// that key was revoked meanwhile.
    ///
    /// # Errors
    ///
    /// `Conflict` on [`PORTAL_ACCOUNT_CONSTRAINT`] when the account is not in this environment.
    pub async fn insert_portal_link(
        &self,
        new: &NewPortalLink<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let maker = lock_creating_key(&mut tx, self.environment_id, Some(new.made_by)).await?;
        let Some(maker) = maker else { return Ok(None) };
        let expires_at = maker.expires_at.map_or(new.expires_at, |end| end.min(new.expires_at));
        let views: Vec<String> = new.views.iter().map(ToString::to_string).collect();
        let permissions: Vec<String> = new.permissions.iter().map(ToString::to_string).collect();
        sqlx::query!(
            "INSERT INTO portal_links (environment_id, portal_link_id, integrated_account_id, made_by, digest, views,
                 permissions, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            self.environment_id as EnvironmentId,
            new.id as PortalLinkId,
            new.account_id as IntegratedAccountId,
            new.made_by,
            digest_bytes(&new.digest),
            &views,
            &permissions,
            new.now,
            expires_at,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(Some(expires_at))
    }
}

/// Deletes up to `limit` links that expired, with their sessions.
pub(super) async fn purge(
    tx: &mut Transaction,
    now: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM portal_links WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM portal_links WHERE GREATEST(expires_at, session_expires_at) < $1
                   ORDER BY GREATEST(expires_at, session_expires_at) LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        now,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}
