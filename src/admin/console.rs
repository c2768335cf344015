//! Starts sessions of the console, ends them, and creates the one-time links that start one.

use time::{Duration, OffsetDateTime};

use super::{AdminError, Administrator};
use crate::domain::ids::{ApiKeyId, ConsoleSessionId};
use crate::store::NewConsoleSession;
use crate::vault::{IssuedSecret, issue};

/// How long a session lasts at most.
pub const SESSION_TTL: Duration = Duration::hours(12);
/// How long a one-time link can be used.
const LINK_TTL: Duration = Duration::minutes(15);

/// A session of the console with its secret.
#[derive(Debug)]
pub struct StartedSession {
    /// The secret, for the cookie.
    pub secret: IssuedSecret,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

impl Administrator<'_> {
    /// Starts a session that acts for a key.
    ///
    /// # Errors
    ///
    /// `Revoked` if the key was revoked meanwhile, or `Store`.
    pub async fn start_console_session(
        &self,
        key_id: ApiKeyId,
    ) -> Result<StartedSession, AdminError> {
        let secret = issue("sb_ses_", self.entropy);
        let now = self.clock.now();
        let new = NewConsoleSession {
            id: ConsoleSessionId::generate(self.clock, self.entropy),
            digest: secret.digest(),
            key_id,
            now,
            expires_at: now + SESSION_TTL,
        };
        let subject = new.id.text();
        let entry = self.entry("console.signed_in", (None, Some(&subject)));
        let expires_at = self.db.insert_console_session(&new, &entry).await?;
        Ok(StartedSession { secret, expires_at: expires_at.ok_or(AdminError::Revoked)? })
    }

    /// Ends a session of the environment.
    ///
    /// # Errors
    ///
    /// `NotFound`, or `Store`.
    pub async fn end_console_session(&self, id: ConsoleSessionId) -> Result<(), AdminError> {
        let subject = id.text();
        let entry = self.entry("console.session_ended", (None, Some(&subject)));
        if self.db.end_console_session(id, &entry).await? {
            return Ok(());
        }
        Err(AdminError::NotFound("session"))
    }

    /// Creates a link that signs in to the console with a key, once, within 15 minutes. Returns its token.
    ///
    /// # Errors
    ///
    /// `Revoked` if the key was revoked, or `Store`.
    pub async fn create_sign_in_link(&self, key_id: ApiKeyId) -> Result<IssuedSecret, AdminError> {
        let token = issue("sb_in_", self.entropy);
        let subject = key_id.text();
        let entry = self.entry("console.link_created", (None, Some(&subject)));
        let expires_at = self.clock.now() + LINK_TTL;
        if self.db.insert_sign_in_link(key_id, &token.digest(), expires_at, &entry).await? {
            return Ok(token);
        }
        Err(AdminError::Revoked)
    }
}
