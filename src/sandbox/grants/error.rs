//! Error codes of OAuth requests and of tokens, as Slack names them.

/// Error code of a rejected OAuth request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OAuthErrorCode {
    /// Unknown client id.
    #[error("invalid_client_id")]
    InvalidClientId,
    /// Wrong client secret.
    #[error("bad_client_secret")]
    BadClientSecret,
    /// The code is unknown, expired or belongs to another app.
    #[error("invalid_code")]
    InvalidCode,
    /// The code was used before.
    #[error("code_already_used")]
    CodeAlreadyUsed,
    /// Not the redirect URI of the code, or not one of the app's.
    #[error("bad_redirect_uri")]
    BadRedirectUri,
    /// The verifier does not match the challenge.
    #[error("invalid_code_verifier")]
    InvalidCodeVerifier,
    /// Neither a code nor a refresh token.
    #[error("invalid_grant_type")]
    InvalidGrantType,
    /// The refresh token is unknown, used or belongs to another app.
    #[error("invalid_refresh_token")]
    InvalidRefreshToken,
    /// Only a public client may omit the client secret.
    #[error("pkce_not_allowed")]
    PkceNotAllowed,
    /// The long-lived token is unknown or belongs to another app.
    #[error("invalid_token")]
    InvalidToken,
    /// The long-lived token was exchanged before.
    #[error("token_already_exchanged")]
    TokenAlreadyExchanged,
    /// Token rotation is not enabled for the app.
    #[error("token_rotation_not_enabled")]
    TokenRotationNotEnabled,
    /// The app is not installed any more.
    #[error("authorization_not_found")]
    AuthorizationNotFound,
    /// No scopes were requested.
    #[error("no_scopes")]
    NoScopes,
    /// The scope cannot be requested in this way.
    #[error("invalid_scope")]
    InvalidScope,
    /// The challenge method is not S256.
    #[error("invalid_code_challenge")]
    InvalidCodeChallenge,
}

/// Error code of a rejected access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRejection {
    /// No token was sent.
    #[error("not_authed")]
    Missing,
    /// The token was never issued.
    #[error("invalid_auth")]
    Unknown,
    /// The token has expired.
    #[error("token_expired")]
    Expired,
    /// The token was revoked.
    #[error("token_revoked")]
    Revoked,
    /// The user of the token was deactivated.
    #[error("account_inactive")]
    Inactive,
}
