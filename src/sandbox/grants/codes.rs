//! Authorization codes: single use, ten minutes, bound to app, redirect URI and PKCE challenge.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{GrantStore, Installation, OAuthErrorCode, TokenPair, digest};

/// Lifetime of a code in seconds.
const CODE_LIFETIME_S: i64 = 600;

/// The data of an approval on the consent page.
#[derive(Debug, Clone)]
pub(crate) struct CodeRequest {
    /// The installation to create.
    pub(crate) grant: Installation,
    /// Redirect URI that receives the code.
    pub(crate) redirect_uri: String,
    /// PKCE challenge (S256), if any.
    pub(crate) challenge: Option<String>,
}

/// A stored code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AuthorizationCode {
    grant: Installation,
    redirect_uri: String,
    challenge: Option<String>,
    expires_at: i64,
    used: bool,
}

/// A request to exchange a code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redemption<'a> {
    /// The app; its secret has been verified.
    pub(crate) client_id: &'a str,
    /// Whether the request has no secret, which a public client with a verifier may omit.
    pub(crate) without_secret: bool,
    /// The code.
    pub(crate) code: &'a str,
    /// Redirect URI of the authorization request.
    pub(crate) redirect_uri: Option<&'a str>,
    /// PKCE verifier, if any.
    pub(crate) verifier: Option<&'a str>,
}

impl GrantStore {
    /// Creates a code for an approval.
    pub(crate) fn issue_code(&mut self, request: CodeRequest, now: i64) -> String {
        let CodeRequest { grant, redirect_uri, challenge } = request;
        let code = self.next_secret("").chars().take(64).collect::<String>();
        let code = format!("{}.{code}", grant.client_id);
        let expires_at = now + CODE_LIFETIME_S;
        self.codes.retain(|_, code| code.expires_at + CODE_LIFETIME_S > now);
        let stored = AuthorizationCode { grant, redirect_uri, challenge, expires_at, used: false };
        self.codes.insert(digest(&code), stored);
        code
    }

    /// Exchanges a code for the tokens of a new installation. Returns its number and a token pair
    /// for each requested kind.
    ///
    /// # Errors
    ///
    /// The [`OAuthErrorCode`] of the first failed check. A failed exchange does not use up the
    /// code.
    pub(crate) fn redeem(
        &mut self,
        redemption: Redemption<'_>,
        now: i64,
    ) -> Result<(u64, Vec<TokenPair>), OAuthErrorCode> {
        let key = digest(redemption.code);
        let code = self.codes.get_mut(&key).ok_or(OAuthErrorCode::InvalidCode)?;
        if code.grant.client_id != redemption.client_id {
            return Err(OAuthErrorCode::InvalidCode);
        }
        if code.used {
            return Err(OAuthErrorCode::CodeAlreadyUsed);
        }
        if now > code.expires_at {
            return Err(OAuthErrorCode::InvalidCode);
        }
        if redemption.redirect_uri != Some(code.redirect_uri.as_str()) {
            return Err(OAuthErrorCode::BadRedirectUri);
        }
        if !verifier_matches(code.challenge.as_deref(), redemption.verifier) {
            return Err(OAuthErrorCode::InvalidCodeVerifier);
        }
        if redemption.without_secret && code.challenge.is_none() {
            return Err(OAuthErrorCode::BadClientSecret);
        }
        code.used = true;
        let grant = code.grant.clone();
        Ok(self.install(grant, now))
    }
}

/// Whether the verifier matches the challenge; without a challenge there must be no verifier.
fn verifier_matches(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier.filter(|verifier| !verifier.is_empty())) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}
