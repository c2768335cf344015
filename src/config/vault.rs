//! `[vault]`: the master keys that wrap every other key.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Keys of 32 bytes with their ids, the encrypting one first.
pub type KeyList = Vec<(String, Zeroizing<[u8; 32]>)>;

/// The master keys.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// Comma-separated `ID:KEY`, each key 32 bytes in base64; the first one encrypts.
    pub keys: String,
    /// A file that holds the same.
    pub keys_file: PathBuf,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("keys_file", &self.keys_file).finish_non_exhaustive()
    }
}

impl Vault {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if let Err(mistake) = self.master_keys() {
            mistakes.push(mistake);
        }
    }

    /// The keys with their ids, in order.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting and the fix, never the key.
    pub fn master_keys(&self) -> Result<KeyList, String> {
        let text = super::secret::read("vault.keys", &self.keys, &self.keys_file)?;
        let keys = text
            .split([',', '\n'])
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(parse)
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err("vault.keys: is empty; make a key with: \
                 echo \"$(date +%Y-%m):$(head -c 32 /dev/urandom | base64)\""
                .to_owned());
        }
        Ok(keys)
    }
}

fn parse(entry: &str) -> Result<(String, Zeroizing<[u8; 32]>), String> {
    let (id, key) =
        entry.split_once(':').ok_or("vault.keys: an entry has no id; write ID:KEY".to_owned())?;
    let bytes = STANDARD.decode(key).map(Zeroizing::new).ok();
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    match key {
        Some(key) if !id.is_empty() => Ok((id.to_owned(), Zeroizing::new(key))),
        _ => Err(format!("vault.keys: the key {id:?} is not 32 bytes in base64")),
    }
}
