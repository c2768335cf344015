//! `[vault]`: the master keys, which wrap all data keys.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Keys of 32 bytes with their ids; the first one encrypts.
pub type MasterKeyList = Vec<(String, Zeroizing<[u8; 32]>)>;

/// Settings of the master keys.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultSettings {
    /// Comma-separated `ID:KEY`, each key 32 bytes in base64; the first one encrypts.
    pub keys: String,
    /// File with the keys.
    pub keys_file: PathBuf,
}

impl std::fmt::Debug for VaultSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("keys_file", &self.keys_file).finish_non_exhaustive()
    }
}

impl VaultSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if let Err(error) = self.master_keys() {
            errors.push(error);
        }
    }

    /// Returns the keys with their ids, in order.
    ///
    /// # Errors
    ///
    /// A sentence with the setting and the fix, never the key.
    pub fn master_keys(&self) -> Result<MasterKeyList, String> {
        let text = super::secret::read("vault.keys", &self.keys, &self.keys_file)?;
        let keys = text
            .split([',', '\n'])
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(parse)
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err("vault.keys: is empty; generate a key with: \
                 echo \"$(date +%Y-%m):$(head -c 32 /dev/urandom | base64)\""
                .to_owned());
        }
        Ok(keys)
    }
}

fn parse(entry: &str) -> Result<(String, Zeroizing<[u8; 32]>), String> {
    let (id, key) =
        entry.split_once(':').ok_or("vault.keys: an entry has no id; use ID:KEY".to_owned())?;
    let bytes = STANDARD.decode(key).map(Zeroizing::new).ok();
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    match key {
        Some(key) if !id.is_empty() => Ok((id.to_owned(), Zeroizing::new(key))),
        _ => Err(format!("vault.keys: the key {id:?} is not 32 bytes in base64")),
    }
}
