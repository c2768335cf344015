//! Link tokens and their OAuth sessions: found by digest only, used once.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::columns::{digest_bytes, parse_name, parse_names};
use super::created_by::lock_creating_key;
use super::{Store, StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::domain::quota::QuotaKind;
use crate::domain::sealed::{Ciphertext, Digest, WrappedKey};

/// A link token to insert.
#[derive(Debug)]
pub struct NewLinkToken<'a> {
    /// Its id.
    pub id: LinkTokenId,
    /// The digest of its secret.
    pub digest: Digest,
    /// The SaaS's own id of its customer.
    pub tenant_id: &'a str,
    /// Providers that the customer chooses from; at least one.
    pub choices: &'a [Provider],
    /// OAuth client of the first provider, if it has any.
    pub provider_app_id: Option<ProviderAppId>,
    /// The account to reconnect, if any.
    pub account_id: Option<IntegratedAccountId>,
    /// URI that the customer's browser is redirected to at the end.
    pub redirect_uri: Option<&'a str>,
    /// The SaaS's own data for the account.
    pub context: &'a serde_json::Value,
    /// The API key that creates it, if any; it is revoked with that key.
    pub made_by: Option<&'a str>,
    /// The current time.
    pub created_at: OffsetDateTime,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// A link token, without its secret.
#[derive(Debug, Clone)]
pub struct LinkToken {
    /// Its environment.
    pub environment_id: EnvironmentId,
    /// Its id.
    pub id: LinkTokenId,
    /// The SaaS's own id of its customer.
    pub tenant_id: String,
    /// Providers that the customer chooses from; at least one.
    pub choices: Vec<Provider>,
    /// The provider chosen last; initially the first one.
    pub provider: Provider,
    /// OAuth client of the provider chosen last, if it has any.
    pub provider_app_id: Option<ProviderAppId>,
    /// The account to reconnect, if any.
    pub account_id: Option<IntegratedAccountId>,
    /// URI that the customer's browser is redirected to at the end.
    pub redirect_uri: Option<String>,
    /// The SaaS's own data for the account.
    pub context: serde_json::Value,
    /// When it expires.
    pub expires_at: OffsetDateTime,
    /// When it was used.
    pub used_at: Option<OffsetDateTime>,
    /// The linked account.
    pub linked_account_id: Option<IntegratedAccountId>,
    /// Error code of the last failed attempt.
    pub failure: Option<String>,
    /// When the browser was redirected to the provider, while it has not returned.
    pub at_provider_since: Option<OffsetDateTime>,
}

/// A link session that begins with the redirect to the provider.
#[derive(Debug)]
pub struct NewLinkSession<'a> {
    /// The chosen provider.
    pub provider: Provider,
    /// The OAuth client.
    pub provider_app_id: ProviderAppId,
    /// The digest of the OAuth `state`.
    pub state_digest: Digest,
    /// The digest of the cookie that binds the `state` to the browser.
    pub browser_digest: Digest,
    /// The PKCE code verifier and its data key, if the client uses PKCE.
    pub pkce_verifier: Option<(WrappedKey, Ciphertext)>,
    /// Display mode of the link page.
    pub display: &'a str,
    /// Origin of the page that opened the link page.
    pub opener_origin: Option<&'a str>,
    /// The current time.
    pub now: OffsetDateTime,
}

/// Result of looking up the session of an OAuth callback.
#[derive(Debug)]
pub enum SessionLookup {
    /// The session; it is consumed and can't be consumed again.
    Consumed(Box<LinkSession>),
    /// The session was consumed before; this is the linked account.
    AlreadyLinked(Box<LinkSession>, IntegratedAccountId),
    /// The session was consumed before and is still being completed.
    InProgress,
    /// The session belongs to another browser. It is consumed, because its callback URL leaked, so the customer must
    /// start over. Holds the link token the first time.
    OtherBrowser(Option<Box<LinkToken>>),
    /// No session, or an expired one.
    Unknown,
}

/// How long a repeated callback shows the result again.
const RESULT_TTL: time::Duration = time::Duration::minutes(10);
/// Maximum duration of completing a link.
const COMPLETION_TIMEOUT: time::Duration = time::Duration::minutes(2);

/// A session whose browser returned from the provider.
#[derive(Debug, Clone)]
pub struct LinkSession {
    /// The link token it belongs to.
    pub link: LinkToken,
    /// Display mode of the link page.
    pub display: Option<String>,
    /// Origin of the page that opened the link page.
    pub opener_origin: Option<String>,
    /// The PKCE code verifier and its data key, if the client uses PKCE.
    pub pkce_verifier: Option<(WrappedKey, Ciphertext)>,
}

impl TenantDb {
    /// Inserts a link token; returns when it expires, which is no later than its creating key. Returns `None`, and
    /// inserts nothing, if that key was revoked meanwhile.
    ///
    /// # Errors
    ///
    /// `Conflict` on `link_tokens_account_fkey` when the account is not in this environment.
    pub async fn insert_link_token(
        &self,
        new: &NewLinkToken<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let reservation = self.quotas.reserve(QuotaKind::LinkTokens, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        reservation.admit(&mut tx).await?;
        let Some(maker) = lock_creating_key(&mut tx, self.environment_id, new.made_by).await?
        else {
            return Ok(None);
        };
        let expires_at = maker.expires_at.map_or(new.expires_at, |end| end.min(new.expires_at));
        let choices: Vec<&str> = new.choices.iter().map(|provider| provider.name()).collect();
        sqlx::query!(
            "INSERT INTO link_tokens (environment_id, link_token_id, digest, tenant_id, provider,
                 provider_app_id, integrated_account_id, redirect_uri, context, created_at, expires_at,
                 choices, made_by)
             VALUES ($1, $2, $3, $4, ($11::text[])[1], $5, $6, $7, $8, $9, $10, $11, $12)",
            self.environment_id as EnvironmentId,
            new.id as LinkTokenId,
            digest_bytes(&new.digest),
            new.tenant_id,
            new.provider_app_id as Option<ProviderAppId>,
            new.account_id as Option<IntegratedAccountId>,
            new.redirect_uri,
            new.context,
            new.created_at,
            expires_at,
            &choices as &[&str],
            new.made_by,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(Some(expires_at))
    }

    /// Starts the session of an unused link token and replaces an earlier one. Returns `false` if the token was used
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_link_session(
        &self,
        id: LinkTokenId,
        start: &NewLinkSession<'_>,
    ) -> Result<bool, StoreError> {
        let (key, verifier) =
            start.pkce_verifier.as_ref().map(|(key, sealed)| (key, sealed)).unzip();
        let done = sqlx::query!(
            "UPDATE link_tokens
             SET started_at = $3, state_digest = $4, browser_digest = $5, master_key_id = $6,
                 data_key = $7, pkce_verifier = $8, display = $9, opener_origin = $10, failure = NULL,
                 provider = $11, provider_app_id = $12
             WHERE environment_id = $1 AND link_token_id = $2 AND used_at IS NULL AND expires_at > $3",
            self.environment_id as EnvironmentId,
            id as LinkTokenId,
            start.now,
            digest_bytes(&start.state_digest),
            digest_bytes(&start.browser_digest),
            key.map(|key| &*key.master_key_id),
            key.map(|key| &*key.bytes),
            verifier.map(|verifier| &*verifier.0),
            start.display,
            start.opener_origin,
            start.provider.name(),
            start.provider_app_id as ProviderAppId,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Store {
    /// Returns the link token with this digest, including used and expired ones.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn link_token(&self, digest: &Digest) -> Result<Option<LinkToken>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT environment_id AS "environment_id: EnvironmentId",
                      link_token_id AS "id: LinkTokenId", tenant_id, choices, provider,
                      provider_app_id AS "provider_app_id: ProviderAppId",
                      integrated_account_id AS "account_id: IntegratedAccountId",
                      redirect_uri, context, expires_at, used_at,
                      linked_account_id AS "linked_account_id: IntegratedAccountId", failure,
                      CASE WHEN state_digest IS NOT NULL THEN started_at END AS away_since
               FROM link_tokens WHERE digest = $1"#,
            digest_bytes(digest),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// Consumes the session with this OAuth `state` for the browser whose secret has this digest. A session is consumed
    /// once.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn consume_link_session(
        &self,
        state: &Digest,
        browser: Option<&Digest>,
        now: OffsetDateTime,
    ) -> Result<SessionLookup, StoreError> {
        let row = sqlx::query!(
            r#"SELECT environment_id AS "environment_id: EnvironmentId",
                   link_token_id AS "id: LinkTokenId", tenant_id, choices, provider,
                   provider_app_id AS "provider_app_id: ProviderAppId",
                   integrated_account_id AS "account_id: IntegratedAccountId",
                   redirect_uri, context, expires_at, used_at,
                   linked_account_id AS "linked_account_id: IntegratedAccountId", failure,
                   display, opener_origin, browser_digest, master_key_id, data_key, pkce_verifier,
                   returned_at, state_digest IS NOT DISTINCT FROM $1 AS "is_open!"
               FROM link_tokens WHERE state_digest = $1 OR returned_state_digest = $1"#,
            digest_bytes(state),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(SessionLookup::Unknown) };
        let is_same =
            browser.is_some_and(|one| row.browser_digest.as_deref() == Some(digest_bytes(one)));
        if !is_same && !row.is_open {
            return Ok(SessionLookup::OtherBrowser(None));
        }
        let verifier = row.master_key_id.zip(row.data_key).zip(row.pkce_verifier);
        let session = LinkSession {
            display: row.display,
            opener_origin: row.opener_origin,
            pkce_verifier: verifier.map(|((master_key_id, bytes), verifier)| {
                (WrappedKey { master_key_id, bytes }, Ciphertext(verifier))
            }),
            link: Row {
                environment_id: row.environment_id,
                id: row.id,
                tenant_id: row.tenant_id,
                choices: row.choices,
                provider: row.provider,
                provider_app_id: row.provider_app_id,
                account_id: row.account_id,
                redirect_uri: row.redirect_uri,
                context: row.context,
                expires_at: row.expires_at,
                used_at: row.used_at,
                linked_account_id: row.linked_account_id,
                failure: row.failure,
                away_since: None,
            }
            .read()?,
        };
        if !row.is_open {
            return Ok(session.repeated_callback(row.returned_at, now));
        }
        let link = Box::new(session.link.clone());
        let taken = self.consume(state, session, now).await?;
        Ok(if is_same { taken } else { SessionLookup::OtherBrowser(Some(link)) })
    }

    /// Consumes an open session, unless a concurrent callback did or the link is completed.
    async fn consume(
        &self,
        state: &Digest,
        session: LinkSession,
        now: OffsetDateTime,
    ) -> Result<SessionLookup, StoreError> {
        if session.link.used_at.is_some() || session.link.expires_at <= now {
            return Ok(SessionLookup::Unknown);
        }
        let taken = sqlx::query!(
            "UPDATE link_tokens
             SET state_digest = NULL, returned_state_digest = $1, returned_at = $2
             WHERE state_digest = $1 AND used_at IS NULL AND expires_at > $2",
            digest_bytes(state),
            now,
        )
        .execute(&self.pool)
        .await?;
        let is_taken = taken.rows_affected() == 1;
        Ok(if is_taken {
            SessionLookup::Consumed(Box::new(session))
        } else {
            SessionLookup::InProgress
        })
    }
}

impl LinkSession {
    /// Returns the result for a repeated callback of a session that was consumed at `returned_at`.
    fn repeated_callback(
        self,
        returned_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> SessionLookup {
        let age = returned_at.map(|at| now - at).filter(|age| *age < RESULT_TTL);
        match (age, self.link.linked_account_id, &self.link.failure) {
            (Some(_), Some(account_id), _) => {
                SessionLookup::AlreadyLinked(Box::new(self), account_id)
            }
            (Some(age), None, None) if age < COMPLETION_TIMEOUT => SessionLookup::InProgress,
            _ => SessionLookup::Unknown,
        }
    }
}

struct Row {
    environment_id: EnvironmentId,
    id: LinkTokenId,
    tenant_id: String,
    choices: Vec<String>,
    provider: String,
    provider_app_id: Option<ProviderAppId>,
    account_id: Option<IntegratedAccountId>,
    redirect_uri: Option<String>,
    context: serde_json::Value,
    expires_at: OffsetDateTime,
    used_at: Option<OffsetDateTime>,
    linked_account_id: Option<IntegratedAccountId>,
    failure: Option<String>,
    away_since: Option<OffsetDateTime>,
}

impl Row {
    fn read(self) -> Result<LinkToken, StoreError> {
        let provider = parse_name("link_tokens", "provider", &self.provider)?;
        let choices = match &*self.choices {
            [] => vec![provider],
            some => parse_names("link_tokens", "choices", some)?,
        };
        Ok(LinkToken {
            environment_id: self.environment_id,
            id: self.id,
            tenant_id: self.tenant_id,
            choices,
            provider,
            provider_app_id: self.provider_app_id,
            account_id: self.account_id,
            redirect_uri: self.redirect_uri,
            context: self.context,
            expires_at: self.expires_at,
            used_at: self.used_at,
            linked_account_id: self.linked_account_id,
            failure: self.failure,
            at_provider_since: self.away_since,
        })
    }
}
