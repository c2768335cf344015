//! An access token to call with.

use super::secret::AccessToken;

/// A token that lives, as far as we know.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// What to call with.
    pub token: AccessToken,
    /// Which pair it is of; name it when it turns out to be dead.
    pub generation: i64,
    /// Whether the pair has a refresh token.
    pub is_renewable: bool,
}
