//! Scopes idempotency keys to callers with the same identity and permissions, so that a stored response only reaches
//! callers that could have sent the request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::store::Caller;

/// Returns the scope of a caller's keys: the API key, or the account of an account token, with a digest of scopes,
/// methods and networks.
pub(super) fn of(caller: &Caller) -> String {
    let Caller { environment_id: _, key_id, scopes, allowed_methods, allowed_addresses, .. } =
        caller;
    let bounds = serde_json::json!([scopes, allowed_methods, allowed_addresses]);
    let digest: [u8; 32] = Sha256::digest(bounds.to_string()).into();
    let digest = URL_SAFE_NO_PAD.encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    match caller.account_id {
        Some(account_id) => format!("{account_id}.{digest}"),
        None => format!("{key_id}.{digest}"),
    }
}
