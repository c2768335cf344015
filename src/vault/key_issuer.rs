//! Issuer of API keys and account tokens: they carry a MAC, so a gateway recognizes its own without the database.
//!
//! Format: `PREFIX` `v1_` and 48 bytes in base64url without padding: 32 random bytes and the first 16 bytes of
//! an HMAC-SHA256 over the prefix and these random bytes. Keys issued before this format have 32 random bytes and no
//! MAC; they stay valid, but only the database can confirm them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::hmac_signer::{Signer, TAG_BYTES};
use super::issued_secret::IssuedSecret;
use crate::domain::access::KeyKind;
use crate::domain::entropy::{Entropy, random_bytes};

/// The format's version, before the encoded bytes.
const VERSION: &str = "v1_";
/// Length of the random part, in bytes.
const RANDOM_BYTES: usize = 32;

/// Issuer and verifier of API keys and account tokens.
#[derive(Clone, Debug)]
pub struct KeyIssuer(Signer);

impl KeyIssuer {
    /// Derives the MAC keys from the master keys: the first one signs, all verify.
    #[must_use]
    pub fn derive(master_keys: &[(String, Zeroizing<[u8; 32]>)]) -> Self {
        Self(Signer::derive(master_keys, "issued keys"))
    }

    /// Issues a key of this kind.
    #[must_use]
    pub fn issue(&self, kind: KeyKind, entropy: &dyn Entropy) -> IssuedSecret {
        let random = Zeroizing::new(random_bytes::<RANDOM_BYTES>(entropy));
        let mac = self.0.sign(kind.prefix(), random.as_slice());
        let bytes = Zeroizing::new([random.as_slice(), &mac].concat());
        let text = URL_SAFE_NO_PAD.encode(bytes.as_slice());
        IssuedSecret::from(format!("{}{VERSION}{text}", kind.prefix()))
    }

    /// Returns whether `key` carries a valid MAC: it was issued by a gateway with one of these master keys, but may be
    /// expired or revoked since.
    #[must_use]
    pub fn has_valid_mac(&self, kind: KeyKind, key: &str) -> bool {
        let text = key.strip_prefix(kind.prefix()).and_then(|rest| rest.strip_prefix(VERSION));
        let Some(text) = text else { return false };
        let mut bytes = Zeroizing::new([0_u8; RANDOM_BYTES + TAG_BYTES + 2]);
        let Ok(length) = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()) else {
            return false;
        };
        let decoded =
            bytes.get(..length).and_then(|bytes| bytes.split_first_chunk::<RANDOM_BYTES>());
        let Some((random, mac)) = decoded else { return false };
        <&[u8; TAG_BYTES]>::try_from(mac).is_ok_and(|mac| self.0.verify(kind.prefix(), random, mac))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entropy::SeededEntropy;
    use crate::vault::issued_secret::issue;

    fn master_key(byte: u8) -> (String, Zeroizing<[u8; 32]>) {
        (byte.to_string(), Zeroizing::new([byte; 32]))
    }

    #[test]
    fn verifies_its_own_keys_and_those_of_older_master_keys() {
        let entropy = SeededEntropy::new(1);
        let old = KeyIssuer::derive(&[master_key(1)]);
        let rotated = KeyIssuer::derive(&[master_key(2), master_key(1)]);
        let key = old.issue(KeyKind::ApiKey, &entropy);
        assert!(old.has_valid_mac(KeyKind::ApiKey, key.reveal()));
        assert!(rotated.has_valid_mac(KeyKind::ApiKey, key.reveal()));
        assert!(!KeyIssuer::derive(&[master_key(2)]).has_valid_mac(KeyKind::ApiKey, key.reveal()));
    }

    #[test]
    fn rejects_every_key_it_did_not_issue() {
        let (entropy, issuer) = (SeededEntropy::new(2), KeyIssuer::derive(&[master_key(1)]));
        let key = issuer.issue(KeyKind::ApiKey, &entropy);
        let key = key.reveal();
        let as_account_token =
            key.replace(KeyKind::ApiKey.prefix(), KeyKind::AccountToken.prefix());
        assert!(!issuer.has_valid_mac(KeyKind::AccountToken, &as_account_token));
        let without_mac = issue(KeyKind::ApiKey.prefix(), &entropy);
        assert!(!issuer.has_valid_mac(KeyKind::ApiKey, without_mac.reveal()));
        let of_others = KeyIssuer::derive(&[master_key(9)]).issue(KeyKind::ApiKey, &entropy);
        assert!(!issuer.has_valid_mac(KeyKind::ApiKey, of_others.reveal()));
        for place in KeyKind::ApiKey.prefix().len()..key.len() {
            let mut changed = key.to_owned().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(!issuer.has_valid_mac(KeyKind::ApiKey, &changed), "{place}");
        }
        for odd in
            ["", "sb_live_", "sb_live_v1_", "sb_live_v1_%%%", &format!("{key}A"), &key.repeat(9)]
        {
            assert!(!issuer.has_valid_mac(KeyKind::ApiKey, odd), "{odd}");
        }
    }
}
