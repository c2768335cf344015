//! Whether a provider's request is signed; and signing of what we hand out and want back unchanged: cursors. Keys are derived from the master
//! keys, so that every replica has them; all verify, the first one signs.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::secret::SigningSecret;

/// Whether `tag` is the HMAC-SHA256 of `parts`, one behind the other, in constant time.
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

/// The length of a signature: 128 bits.
pub(super) const TAG: usize = 16;

/// Signs and verifies.
#[derive(Clone)]
pub struct Signer(Arc<[Zeroizing<[u8; 32]>]>);

impl Signer {
    /// A signer for `purpose`; signatures of another purpose don't verify.
    #[must_use]
    pub fn derive(master_keys: &[(String, Zeroizing<[u8; 32]>)], purpose: &str) -> Self {
        let derive = |key: &[u8; 32]| Zeroizing::new(hmac(key, &[purpose.as_bytes()]));
        Self(master_keys.iter().map(|(_, key)| derive(key)).collect())
    }

    /// `payload` with its signature in `context`, as text for an address.
    #[must_use]
    pub fn seal(&self, context: &str, payload: &[u8]) -> String {
        let tag = self.sign(context, payload);
        URL_SAFE_NO_PAD.encode([tag.as_slice(), payload].concat())
    }

    /// The payload of a text that [`seal`](Self::seal) made in `context`; `None` for any other text.
    #[must_use]
    pub fn open(&self, context: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (tag, payload) = bytes.split_first_chunk::<TAG>()?;
        self.verify(context, payload, tag).then(|| payload.to_vec())
    }

    /// The signature of `payload` in `context`.
    pub(super) fn sign(&self, context: &str, payload: &[u8]) -> [u8; TAG] {
        self.0.first().map_or([0; TAG], |key| tag(key, context, payload))
    }

    /// Whether `signature` is one of `payload` in `context`, in constant time.
    pub(super) fn verify(&self, context: &str, payload: &[u8], signature: &[u8; TAG]) -> bool {
        self.0.iter().any(|key| tag(key, context, payload).ct_eq(signature).into())
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

fn tag(key: &[u8; 32], context: &str, payload: &[u8]) -> [u8; TAG] {
    let length = u64::try_from(context.len()).unwrap_or(u64::MAX).to_be_bytes();
    let whole = hmac(key, &[&length, context.as_bytes(), payload]);
    let mut tag = [0; TAG];
    tag.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    tag
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
