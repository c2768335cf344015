//! Why a grant or a token is refused, in Slack's words.

/// A request to the OAuth endpoints that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// No such app.
    #[error("invalid_client_id")]
    InvalidClientId,
    /// The secret is not the app's.
    #[error("bad_client_secret")]
    BadClientSecret,
    /// No such code, another app's, or too old.
    #[error("invalid_code")]
    InvalidCode,
    /// A code serves once.
    #[error("code_already_used")]
    CodeAlreadyUsed,
    /// Not the address that the code was sent to, or not one of the app's.
    #[error("bad_redirect_uri")]
    BadRedirectUri,
    /// The verifier does not fit the challenge.
    #[error("invalid_code_verifier")]
    InvalidCodeVerifier,
    /// Neither a code nor a refresh.
    #[error("invalid_grant_type")]
    InvalidGrantType,
    /// No such refresh token, another app's, or used before.
    #[error("invalid_refresh_token")]
    InvalidRefreshToken,
    /// Only an app that is a public client may leave its secret out.
    #[error("pkce_not_allowed")]
    PkceNotAllowed,
    /// No such long-lived token, or another app's.
    #[error("invalid_token")]
    InvalidToken,
    /// A long-lived token is exchanged once.
    #[error("token_already_exchanged")]
    TokenAlreadyExchanged,
    /// The app has not turned rotation on.
    #[error("token_rotation_not_enabled")]
    TokenRotationNotEnabled,
    /// The installation is gone.
    #[error("authorization_not_found")]
    AuthorizationNotFound,
    /// Nothing was asked for.
    #[error("no_scopes")]
    NoScopes,
    /// A scope that is not asked for in this way.
    #[error("invalid_scope")]
    InvalidScope,
    /// A challenge that is not S256.
    #[error("invalid_code_challenge")]
    InvalidCodeChallenge,
}

/// A token that opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// None was sent.
    #[error("not_authed")]
    Missing,
    /// Never issued here.
    #[error("invalid_auth")]
    Unknown,
    /// Its time is over.
    #[error("token_expired")]
    Expired,
    /// It was taken back.
    #[error("token_revoked")]
    Revoked,
    /// Its user was deactivated.
    #[error("account_inactive")]
    Inactive,
}
