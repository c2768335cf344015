//! HMAC-SHA256: verifies the signatures of providers' requests, and signs what we hand out and accept back, such as
//! cursors. Signing keys are derived from the master keys, so every replica has them; the first signs, all verify.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::secret::SigningSecret;

/// Returns whether `tag` is the HMAC-SHA256 of the concatenated `parts`; takes constant time.
#[must_use]
pub fn verify_hmac(secret: &SigningSecret, parts: &[&[u8]], tag: &[u8; 32]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return false;
    };
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(tag).is_ok()
}

/// Length of a signature in bytes: 128 bits.
pub(super) const TAG_BYTES: usize = 16;

/// Signer of texts for one purpose.
#[derive(Clone)]
pub struct Signer(Arc<[Zeroizing<[u8; 32]>]>);

impl Signer {
    /// Derives a signer for `purpose`; signatures of other purposes don't verify.
    #[must_use]
    pub fn derive(master_keys: &[(String, Zeroizing<[u8; 32]>)], purpose: &str) -> Self {
        let derive = |key: &[u8; 32]| Zeroizing::new(hmac_sha256(key, &[purpose.as_bytes()]));
        Self(master_keys.iter().map(|(_, key)| derive(key)).collect())
    }

    /// Returns `payload` with its signature in `context`, as base64url.
    #[must_use]
    pub fn seal(&self, context: &str, payload: &[u8]) -> String {
        let tag = self.sign(context, payload);
        URL_SAFE_NO_PAD.encode([tag.as_slice(), payload].concat())
    }

    /// Returns the payload of a text created by [`seal`](Self::seal) in `context`; `None` for any other text.
    #[must_use]
    pub fn open(&self, context: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (tag, payload) = bytes.split_first_chunk::<TAG_BYTES>()?;
        self.verify(context, payload, tag).then(|| payload.to_vec())
    }

    /// Returns the signature of `payload` in `context`.
    pub(super) fn sign(&self, context: &str, payload: &[u8]) -> [u8; TAG_BYTES] {
        self.0.first().map_or([0; TAG_BYTES], |key| tag(key, context, payload))
    }

    /// Returns whether `signature` is valid for `payload` in `context`; takes constant time.
    pub(super) fn verify(
        &self,
        context: &str,
        payload: &[u8],
        signature: &[u8; TAG_BYTES],
    ) -> bool {
        self.0.iter().any(|key| tag(key, context, payload).ct_eq(signature).into())
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

fn tag(key: &[u8; 32], context: &str, payload: &[u8]) -> [u8; TAG_BYTES] {
    let length = u64::try_from(context.len()).unwrap_or(u64::MAX).to_be_bytes();
    let whole = hmac_sha256(key, &[&length, context.as_bytes(), payload]);
    let mut tag = [0; TAG_BYTES];
    tag.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    tag
}

fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
