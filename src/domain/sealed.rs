//! Secrets as stored: ciphertext, the wrapped data key, and digests.

use std::fmt;

/// A data key, encrypted under a master key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The id of the master key.
    pub master_key_id: String,
    /// The encrypted key.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey")
            .field("master_key_id", &self.master_key_id)
            .finish_non_exhaustive()
    }
}

/// A secret, encrypted under a data key.
#[derive(Clone, PartialEq, Eq)]
pub struct Ciphertext(pub Vec<u8>);

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ciphertext({} bytes)", self.0.len())
    }
}

/// The encrypted signing secrets of a webhook, as in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedWebhookSecrets {
    /// Their data key.
    pub data_key: WrappedKey,
    /// The current secret.
    pub secret: Ciphertext,
    /// The one before the last rotation.
    pub previous: Option<Ciphertext>,
}

/// The SHA-256 of an issued secret: enough to verify it, useless to a reader of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Returns the digest of `secret`.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(secret.as_bytes()).into())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}
