//! Envelope encryption: each row has a data key of its own, wrapped by a master key.
//!
//! XChaCha20-Poly1305 with random nonces of 24 bytes. The associated data is environment, row and column, so a
//! ciphertext that is moved to another place does not decrypt.

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::domain::entropy::{Entropy, random_bytes};
use crate::domain::ids::EnvironmentId;
use crate::domain::sealed::{Ciphertext, WrappedKey};

const NONCE_BYTES: usize = 24;
/// Column name in the associated data of a wrapped key.
const DATA_KEY: &str = "data_key";

/// The row that a ciphertext is bound to, as associated data.
#[derive(Debug, Clone)]
pub struct RowBinding {
    environment_id: EnvironmentId,
    row: String,
}

impl RowBinding {
    /// Returns the binding to the row named `row` of an environment.
    #[must_use]
    pub fn new(environment_id: EnvironmentId, row: &impl fmt::Display) -> Self {
        Self { environment_id, row: row.to_string() }
    }

    fn associated_data(&self, column: &str) -> Vec<u8> {
        format!("{}\n{}\n{column}", self.environment_id, self.row).into_bytes()
    }
}

/// Reason why a ciphertext does not decrypt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// Its data key was wrapped by a master key that is not configured.
    #[error("master key {0:?} is not configured")]
    UnknownMasterKey(String),
    /// It was changed, moved, or encrypted with another key.
    #[error("a stored secret does not decrypt with the configured master keys")]
    Corrupt,
}

/// Reason why a list of master keys is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMasterKeys {
    /// It is empty.
    #[error("no master key is configured")]
    Empty,
    /// Two keys have the same id.
    #[error("master key id {0:?} is not unique")]
    Duplicate(String),
}

/// The master keys: the first one encrypts, all decrypt.
pub struct MasterKeys(Vec<(String, XChaCha20Poly1305)>);

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

impl MasterKeys {
    /// Creates the list from ids and keys, the encrypting key first.
    ///
    /// # Errors
    ///
    /// When the list is empty or an id is not unique.
    pub fn new(keys: Vec<(String, Zeroizing<[u8; 32]>)>) -> Result<Self, InvalidMasterKeys> {
        let mut list: Vec<(String, XChaCha20Poly1305)> = Vec::with_capacity(keys.len());
        for (id, key) in keys {
            if list.iter().any(|(known, _)| *known == id) {
                return Err(InvalidMasterKeys::Duplicate(id));
            }
            list.push((id, XChaCha20Poly1305::new((&*key).into())));
        }
        if list.is_empty() { Err(InvalidMasterKeys::Empty) } else { Ok(Self(list)) }
    }

    /// Returns the ids, the encrypting key's first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(id, _)| id.as_str())
    }

    /// Returns the data key in `wrapped`, wrapped by the first master key.
    ///
    /// # Errors
    ///
    /// As [`Self::unwrap_data_key`].
    pub fn rewrap(
        &self,
        entropy: &dyn Entropy,
        wrapped: &WrappedKey,
        binding: &RowBinding,
    ) -> Result<WrappedKey, CipherError> {
        let (id, master) = self.0.first().ok_or(CipherError::Corrupt)?;
        let key = self.plain_data_key(wrapped, binding)?;
        let bytes = encrypt(master, entropy, &key, &binding.associated_data(DATA_KEY))?;
        Ok(WrappedKey { master_key_id: id.clone(), bytes })
    }

    /// Generates a data key for a row; returns it with its form wrapped by the first master key.
    ///
    /// # Errors
    ///
    /// Never in practice: the cipher fails on texts of 256 GiB only.
    pub fn new_data_key(
        &self,
        entropy: &dyn Entropy,
        binding: &RowBinding,
    ) -> Result<(DataKey, WrappedKey), CipherError> {
        let (id, master) = self.0.first().ok_or(CipherError::Corrupt)?;
        let key = Zeroizing::new(random_bytes::<32>(entropy));
        let bytes = encrypt(master, entropy, &*key, &binding.associated_data(DATA_KEY))?;
        let wrapped = WrappedKey { master_key_id: id.clone(), bytes };
        Ok((DataKey::new(&key, binding), wrapped))
    }

    /// Returns the data key in `wrapped`.
    ///
    /// # Errors
    ///
    /// When the master key is not configured, or the row is another one than it was wrapped for.
    pub fn unwrap_data_key(
        &self,
        wrapped: &WrappedKey,
        binding: &RowBinding,
    ) -> Result<DataKey, CipherError> {
        let bytes = self.plain_data_key(wrapped, binding)?;
        let key: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| CipherError::Corrupt)?;
        Ok(DataKey::new(key, binding))
    }

    fn plain_data_key(
        &self,
        wrapped: &WrappedKey,
        binding: &RowBinding,
    ) -> Result<Zeroizing<Vec<u8>>, CipherError> {
        let (_, master) = self
            .0
            .iter()
            .find(|(id, _)| *id == wrapped.master_key_id)
            .ok_or_else(|| CipherError::UnknownMasterKey(wrapped.master_key_id.clone()))?;
        decrypt(master, &wrapped.bytes, &binding.associated_data(DATA_KEY))
    }
}

/// The data key of one row, which encrypts and decrypts the row's columns.
pub struct DataKey {
    cipher: XChaCha20Poly1305,
    binding: RowBinding,
}

impl DataKey {
    fn new(key: &[u8; 32], binding: &RowBinding) -> Self {
        Self { cipher: XChaCha20Poly1305::new(key.into()), binding: binding.clone() }
    }

    /// Encrypts `text` for `column`.
    ///
    /// # Errors
    ///
    /// Never in practice: the cipher fails on texts of 256 GiB only.
    pub fn seal(
        &self,
        entropy: &dyn Entropy,
        column: &str,
        text: &str,
    ) -> Result<Ciphertext, CipherError> {
        let bound = self.binding.associated_data(column);
        encrypt(&self.cipher, entropy, text.as_bytes(), &bound).map(Ciphertext)
    }

    /// Decrypts a ciphertext of `column` in this row.
    ///
    /// # Errors
    ///
    /// When it was changed, moved, or encrypted with another key.
    pub fn open(&self, column: &str, sealed: &Ciphertext) -> Result<String, CipherError> {
        let bytes = decrypt(&self.cipher, &sealed.0, &self.binding.associated_data(column))?;
        // The caller moves the text into a secret type, which wipes it.
        String::from_utf8(bytes.to_vec()).map_err(|_| CipherError::Corrupt)
    }
}

fn encrypt(
    cipher: &XChaCha20Poly1305,
    entropy: &dyn Entropy,
    msg: &[u8],
    aad: &[u8],
) -> Result<Vec<u8>, CipherError> {
    let nonce = random_bytes::<NONCE_BYTES>(entropy);
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg, aad })
        .map_err(|_| CipherError::Corrupt)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(
    cipher: &XChaCha20Poly1305,
    sealed: &[u8],
    aad: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CipherError> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(CipherError::Corrupt)?;
    cipher
        .decrypt(&XNonce::from(*nonce), Payload { msg, aad })
        .map(Zeroizing::new)
        .map_err(|_| CipherError::Corrupt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::entropy::SeededEntropy;

    fn environment(seed: u64) -> EnvironmentId {
        let clock = crate::domain::clock::SystemClock;
        EnvironmentId::generate(&clock, &SeededEntropy::new(seed))
    }

    fn keys(ids: &[(&str, u8)]) -> MasterKeys {
        let list = ids.iter().map(|(id, byte)| ((*id).to_owned(), Zeroizing::new([*byte; 32])));
        MasterKeys::new(list.collect()).unwrap()
    }

    proptest! {
        #[test]
        fn decrypts_only_in_the_place_of_encryption(text in ".{0,200}", seed: u64) {
            let entropy = SeededEntropy::new(seed);
            let master = keys(&[("a", 1)]);
            let home = RowBinding::new(environment(1), &"acc_1");
            let (key, wrapped) = master.new_data_key(&entropy, &home).unwrap();
            let sealed = key.seal(&entropy, "access_token", &text).unwrap();
            prop_assert_eq!(key.open("access_token", &sealed).unwrap(), text.clone());
            prop_assert_eq!(
                master.unwrap_data_key(&wrapped, &home).unwrap().open("access_token", &sealed).unwrap(),
                text
            );
            prop_assert!(key.open("refresh_token", &sealed).is_err());
            for elsewhere in [RowBinding::new(environment(1), &"acc_2"), RowBinding::new(environment(2), &"acc_1")] {
                prop_assert!(master.unwrap_data_key(&wrapped, &elsewhere).is_err());
            }
        }

        #[test]
        fn detects_a_changed_bit(index in 0_usize..60, bit in 0_u8..8) {
            let entropy = SeededEntropy::new(7);
            let binding = RowBinding::new(environment(1), &"acc_1");
            let (key, _) = keys(&[("a", 1)]).new_data_key(&entropy, &binding).unwrap();
            let mut sealed = key.seal(&entropy, "access_token", "twenty characters...").unwrap();
            sealed.0[index] ^= 1 << bit;
            prop_assert_eq!(key.open("access_token", &sealed), Err(CipherError::Corrupt));
        }
    }

    #[test]
    fn every_key_of_the_list_decrypts_and_the_first_encrypts() {
        let entropy = SeededEntropy::new(1);
        let binding = RowBinding::new(environment(1), &"acc_1");
        let (old, wrapped) = keys(&[("old", 1)]).new_data_key(&entropy, &binding).unwrap();
        let sealed = old.seal(&entropy, "c", "text").unwrap();

        let both = keys(&[("new", 2), ("old", 1)]);
        let key = both.unwrap_data_key(&wrapped, &binding).unwrap();
        assert_eq!(key.open("c", &sealed).unwrap(), "text");
        assert_eq!(both.new_data_key(&entropy, &binding).unwrap().1.master_key_id, "new");
        assert_eq!(
            keys(&[("new", 2)]).unwrap_data_key(&wrapped, &binding).err(),
            Some(CipherError::UnknownMasterKey("old".to_owned()))
        );
    }

    #[test]
    fn a_rewrapped_key_is_the_same_key_under_the_first_master_key() {
        let entropy = SeededEntropy::new(1);
        let binding = RowBinding::new(environment(1), &"acc_1");
        let (key, wrapped) = keys(&[("old", 1)]).new_data_key(&entropy, &binding).unwrap();
        let sealed = key.seal(&entropy, "c", "text").unwrap();

        let both = keys(&[("new", 2), ("old", 1)]);
        let rewrapped = both.rewrap(&entropy, &wrapped, &binding).unwrap();
        assert_eq!(rewrapped.master_key_id, "new");
        let new = keys(&[("new", 2)]);
        let key = new.unwrap_data_key(&rewrapped, &binding).unwrap();
        assert_eq!(key.open("c", &sealed).unwrap(), "text");

        let elsewhere = RowBinding::new(environment(1), &"acc_2");
        assert_eq!(both.rewrap(&entropy, &wrapped, &elsewhere), Err(CipherError::Corrupt));
        assert_eq!(
            new.rewrap(&entropy, &wrapped, &binding),
            Err(CipherError::UnknownMasterKey("old".to_owned()))
        );
    }
}
