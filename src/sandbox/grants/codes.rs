//! Authorization codes: ten minutes, one use, one address, and the verifier that belongs to it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Grant, Grants, OAuthError, TokenPair, digest};

/// How long a code lives, in seconds.
const CODE_LIFE: i64 = 600;

/// What an approval on the consent page settles.
#[derive(Debug, Clone)]
pub(crate) struct CodeRequest {
    /// The installation as it will be.
    pub(crate) grant: Grant,
    /// Where the code is sent.
    pub(crate) redirect_uri: String,
    /// The S256 challenge, when there is one.
    pub(crate) challenge: Option<String>,
}

/// A code as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Code {
    grant: Grant,
    redirect_uri: String,
    challenge: Option<String>,
    expires_at: i64,
    used: bool,
}

/// What a code is handed in with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redemption<'a> {
    /// The app, whose secret has been checked.
    pub(crate) client_id: &'a str,
    /// Whether it came without a secret, as a public client may that has a verifier.
    pub(crate) public: bool,
    /// The code.
    pub(crate) code: &'a str,
    /// The address it was sent to.
    pub(crate) redirect_uri: Option<&'a str>,
    /// The verifier, when there was a challenge.
    pub(crate) verifier: Option<&'a str>,
}

impl Grants {
    /// Makes a code for an approval.
    pub(crate) fn issue_code(&mut self, request: CodeRequest, now: i64) -> String {
        let CodeRequest { grant, redirect_uri, challenge } = request;
        let code = self.draw("").chars().take(64).collect::<String>();
        let code = format!("{}.{code}", grant.client_id);
        let expires_at = now + CODE_LIFE;
        self.codes.retain(|_, code| code.expires_at + CODE_LIFE > now);
        let kept = Code { grant, redirect_uri, challenge, expires_at, used: false };
        self.codes.insert(digest(&code), kept);
        code
    }

    /// Exchanges a code for the tokens of a new installation: its number, and a pair for each kind
    /// of token that was asked for.
    ///
    /// # Errors
    ///
    /// Says what does not fit. A code that was handed in wrongly is not spent by it.
    pub(crate) fn redeem(
        &mut self,
        redemption: Redemption<'_>,
        now: i64,
    ) -> Result<(u64, Vec<TokenPair>), OAuthError> {
        let key = digest(redemption.code);
        let code = self.codes.get_mut(&key).ok_or(OAuthError::InvalidCode)?;
        if code.grant.client_id != redemption.client_id {
            return Err(OAuthError::InvalidCode);
        }
        if code.used {
            return Err(OAuthError::CodeAlreadyUsed);
        }
        if now > code.expires_at {
            return Err(OAuthError::InvalidCode);
        }
        if redemption.redirect_uri != Some(code.redirect_uri.as_str()) {
            return Err(OAuthError::BadRedirectUri);
        }
        if !fits(code.challenge.as_deref(), redemption.verifier) {
            return Err(OAuthError::InvalidCodeVerifier);
        }
        if redemption.public && code.challenge.is_none() {
            return Err(OAuthError::BadClientSecret);
        }
        code.used = true;
        let grant = code.grant.clone();
        Ok(self.install(grant, now))
    }
}

/// Whether the verifier belongs to the challenge; without a challenge there must be none.
fn fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier.filter(|verifier| !verifier.is_empty())) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}
