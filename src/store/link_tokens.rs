//! Link tokens and the OAuth session behind each: found by digest only, used once.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::columns::{all_named, digest_bytes, named};
use super::makers::lock_maker;
use super::{Store, StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::domain::quota::Quota;
use crate::domain::sealed::{Ciphertext, Digest, WrappedKey};

/// A link token to be added.
#[derive(Debug)]
pub struct NewLinkToken<'a> {
    /// Its id.
    pub id: LinkTokenId,
    /// The digest of its secret.
    pub digest: Digest,
    /// The SaaS's own name for its customer.
    pub tenant_id: &'a str,
    /// The kinds of directory that the customer chooses from; at least one.
    pub choices: &'a [Provider],
    /// The OAuth client of the first one, if it has any.
    pub provider_app_id: Option<ProviderAppId>,
    /// The account to connect again, when it is no first link.
    pub account_id: Option<IntegratedAccountId>,
    /// Where the customer's browser goes at the end.
    pub redirect_uri: Option<&'a str>,
    /// The SaaS's own data for the account.
    pub context: &'a serde_json::Value,
    /// The API key that makes it, if one does: it ends with that key.
    pub made_by: Option<&'a str>,
    /// The present.
    pub created_at: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// A link token, without its secret.
#[derive(Debug, Clone)]
pub struct LinkToken {
    /// The environment it is for.
    pub environment_id: EnvironmentId,
    /// Its id.
    pub id: LinkTokenId,
    /// The SaaS's own name for its customer.
    pub tenant_id: String,
    /// The kinds of directory that the customer chooses from; at least one.
    pub choices: Vec<Provider>,
    /// The one that was chosen last; the first one before.
    pub provider: Provider,
    /// The OAuth client of the one that was chosen last, if it has any.
    pub provider_app_id: Option<ProviderAppId>,
    /// The account to connect again.
    pub account_id: Option<IntegratedAccountId>,
    /// Where the customer's browser goes at the end.
    pub redirect_uri: Option<String>,
    /// The SaaS's own data for the account.
    pub context: serde_json::Value,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// When it was spent.
    pub used_at: Option<OffsetDateTime>,
    /// The account that came of it.
    pub linked_account_id: Option<IntegratedAccountId>,
    /// Why the last try failed.
    pub failure: Option<String>,
    /// Since when a browser is at the provider's page.
    pub away_since: Option<OffsetDateTime>,
}

/// What is kept while the customer's browser is at the provider.
#[derive(Debug)]
pub struct SessionStart<'a> {
    /// The kind of directory that was chosen.
    pub provider: Provider,
    /// The OAuth client to connect with.
    pub provider_app_id: ProviderAppId,
    /// The digest of the OAuth `state`.
    pub state_digest: Digest,
    /// The digest of the cookie that binds the state to the browser.
    pub browser_digest: Digest,
    /// The PKCE code verifier and the key it is encrypted under, where the client has PKCE.
    pub pkce_verifier: Option<(WrappedKey, Ciphertext)>,
    /// How the page was shown.
    pub display: &'a str,
    /// The origin of the web page that opened it.
    pub opener_origin: Option<&'a str>,
    /// The present.
    pub now: OffsetDateTime,
}

/// What a browser that came back from the provider finds.
#[derive(Debug)]
pub enum Return {
    /// Its session, which nothing else can take again.
    Taken(Box<LinkSession>),
    /// The session that it came back to before, and the account that came of it.
    Linked(Box<LinkSession>, IntegratedAccountId),
    /// The session that it came back to before is still being completed.
    UnderWay,
    /// A session of another browser. It is spent: the address of its end was seen elsewhere, so the customer starts
    /// over. With the link token, the first time.
    OtherBrowser(Option<Box<LinkToken>>),
    /// No session, or one that is over.
    Unknown,
}

/// How long a browser that comes back again is shown the outcome.
const SHOWN_AGAIN: time::Duration = time::Duration::minutes(10);
/// How long the completion of a link can take.
const LONGEST_COMPLETION: time::Duration = time::Duration::minutes(2);

/// A session whose browser came back from the provider.
#[derive(Debug, Clone)]
pub struct LinkSession {
    /// The link token it belongs to.
    pub link: LinkToken,
    /// How the page was shown.
    pub display: Option<String>,
    /// The origin of the web page that opened it.
    pub opener_origin: Option<String>,
    /// The PKCE code verifier and the key it is encrypted under, where the client has PKCE.
    pub pkce_verifier: Option<(WrappedKey, Ciphertext)>,
}

impl TenantDb {
    /// Adds a link token; gives when it ends, which is not after its key. `None` when the key that makes it was
    /// revoked meanwhile: nothing is added.
    ///
    /// # Errors
    ///
    /// `Conflict` on `link_tokens_account_fkey` when the account is not of this environment.
    pub async fn insert_link_token(
        &self,
        new: &NewLinkToken<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let place = self.quotas.reserve(Quota::LinkTokens, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        place.admit(&mut tx).await?;
        let Some(maker) = lock_maker(&mut tx, self.environment_id, new.made_by).await? else {
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

    /// Opens the session of an unused link token, in the place of one that was opened before. Answers
    /// `false` when the token was spent meanwhile.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_link_session(
        &self,
        id: LinkTokenId,
        start: &SessionStart<'_>,
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
    /// The link token with that digest, spent and ended ones too.
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

    /// The session with that OAuth state, for the browser whose secret has that digest: the session is taken,
    /// and nothing else can take it again.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn take_link_session(
        &self,
        state: &Digest,
        browser: Option<&Digest>,
        now: OffsetDateTime,
    ) -> Result<Return, StoreError> {
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
        let Some(row) = row else { return Ok(Return::Unknown) };
        let is_same =
            browser.is_some_and(|one| row.browser_digest.as_deref() == Some(digest_bytes(one)));
        if !is_same && !row.is_open {
            return Ok(Return::OtherBrowser(None));
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
            return Ok(session.seen_again(row.returned_at, now));
        }
        let link = Box::new(session.link.clone());
        let taken = self.take(state, session, now).await?;
        Ok(if is_same { taken } else { Return::OtherBrowser(Some(link)) })
    }

    /// Takes an open session, unless the same browser is doing so already or the link is over.
    async fn take(
        &self,
        state: &Digest,
        session: LinkSession,
        now: OffsetDateTime,
    ) -> Result<Return, StoreError> {
        if session.link.used_at.is_some() || session.link.expires_at <= now {
            return Ok(Return::Unknown);
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
        Ok(if is_taken { Return::Taken(Box::new(session)) } else { Return::UnderWay })
    }
}

impl LinkSession {
    /// What a browser finds that comes back to a session which was taken at `returned_at`.
    fn seen_again(self, returned_at: Option<OffsetDateTime>, now: OffsetDateTime) -> Return {
        let age = returned_at.map(|at| now - at).filter(|age| *age < SHOWN_AGAIN);
        match (age, self.link.linked_account_id, &self.link.failure) {
            (Some(_), Some(account_id), _) => Return::Linked(Box::new(self), account_id),
            (Some(age), None, None) if age < LONGEST_COMPLETION => Return::UnderWay,
            _ => Return::Unknown,
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
        let provider = named("link_tokens", "provider", &self.provider)?;
        let choices = match &*self.choices {
            [] => vec![provider],
            some => all_named("link_tokens", "choices", some)?,
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
            away_since: self.away_since,
        })
    }
}
