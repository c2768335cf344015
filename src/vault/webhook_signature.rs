//! The signatures of deliveries to webhooks, version `v1` of Standard Webhooks.

use standardwebhooks::{Webhook, WebhookError};
use time::OffsetDateTime;

use super::secret::WebhookSecret;

/// A delivery that can't be signed: the secret is not base64, or the body is not UTF-8.
#[derive(Debug, thiserror::Error)]
#[error("the delivery can't be signed")]
pub struct SignatureError(#[from] WebhookError);

/// Returns the value of the header `webhook-signature`: a signature with each secret, separated by spaces.
///
/// # Errors
///
/// Never in practice: secrets are base64, and bodies are JSON.
pub fn webhook_signature(
    secrets: &[WebhookSecret],
    id: &str,
    timestamp: OffsetDateTime,
    body: &[u8],
) -> Result<String, SignatureError> {
    let sign = |secret: &WebhookSecret| -> Result<String, WebhookError> {
        Webhook::new(secret.expose_secret())?.sign(id, timestamp.unix_timestamp(), body)
    };
    let signatures: Vec<String> = secrets.iter().map(sign).collect::<Result<_, WebhookError>>()?;
    Ok(signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_with_each_secret() {
        // The example of the Standard Webhooks libraries.
        let secret = WebhookSecret::from("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned());
        let other = WebhookSecret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let at = OffsetDateTime::from_unix_timestamp(1_649_367_553).unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
        let one = webhook_signature(std::slice::from_ref(&secret), id, at, body).unwrap();
        assert_eq!(one, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
        let both = webhook_signature(&[secret, other.clone()], id, at, body).unwrap();
        let second = webhook_signature(&[other], id, at, body).unwrap();
        assert_eq!(both, format!("{one} {second}"));
        assert_ne!(one, second);
        let invalid = WebhookSecret::from("whsec_?".to_owned());
        let error = webhook_signature(&[invalid], id, at, body).unwrap_err();
        assert_eq!(error.to_string(), "the delivery can't be signed");
    }
}
