//! Secrets that are issued here and stored as digests: link tokens, OAuth `state` values, and the type of all of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use crate::domain::entropy::{Entropy, random_bytes};
use crate::domain::sealed::Digest;

/// A secret of ours that is revealed once, to the caller that requested it, and stored as a digest.
#[derive(Clone)]
pub struct IssuedSecret(SecretString);

impl IssuedSecret {
    /// Returns the digest to store.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.expose_secret())
    }

    /// Returns the plain text, for the one response that reveals it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for IssuedSecret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Serializes as plain text: the response that reveals it is JSON.
impl Serialize for IssuedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal())
    }
}

impl fmt::Debug for IssuedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuedSecret(…)")
    }
}

/// Generates a secret: `prefix` and 256 random bits, safe in URLs and headers.
pub fn issue(prefix: &str, entropy: &dyn Entropy) -> IssuedSecret {
    let random = URL_SAFE_NO_PAD.encode(random_bytes::<32>(entropy));
    IssuedSecret::from(format!("{prefix}{random}"))
}
