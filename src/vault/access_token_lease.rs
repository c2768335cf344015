//! An access token with the generation of its pair.

use super::secret::AccessToken;

/// An access token to send, valid as far as known.
#[derive(Debug, Clone)]
pub struct AccessTokenLease {
    /// The token.
    pub token: AccessToken,
    /// Generation of its pair, to be named when the token turns out to be invalid.
    pub generation: i64,
    /// Whether the pair has a refresh token.
    pub is_refreshable: bool,
}
