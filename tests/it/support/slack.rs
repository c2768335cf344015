//! Slack's request signatures.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.concat()
}

/// Returns `X-Slack-Signature` for a body sent at `timestamp`.
pub(crate) fn slack_signature(secret: &str, timestamp: &str, body: &str) -> anyhow::Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(format!("v0:{timestamp}:{body}").as_bytes());
    Ok(format!("v0={}", hex(&mac.finalize().into_bytes())))
}
