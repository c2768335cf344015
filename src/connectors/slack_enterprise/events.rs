//! Requests of Slack's Events API: signature and content.
//!
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::domain::timestamp::Timestamp;
use crate::vault::secret::SigningSecret;
use crate::vault::verify_hmac;

/// Maximum difference between a request's timestamp and the clock: an older request may be a replay.
const MAX_CLOCK_SKEW: Duration = Duration::minutes(5);

/// The signature of a request.
#[derive(Debug)]
pub struct RequestSignature<'a> {
    timestamp: &'a str,
    signature: [u8; 32],
    body: &'a [u8],
}

impl<'a> RequestSignature<'a> {
    /// Parses the headers `X-Slack-Request-Timestamp` and `X-Slack-Signature`. `None` when they are malformed, or when
    /// the timestamp is too far from `now`.
    #[must_use]
    pub fn parse(
        timestamp: &'a str,
        signature: &str,
        body: &'a [u8],
        now: OffsetDateTime,
    ) -> Option<Self> {
        if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let at = Timestamp::from_unix(timestamp.parse().ok()?).ok()?.utc();
        let signature = from_hex(signature.strip_prefix("v0=")?)?;
        ((now - at).abs() <= MAX_CLOCK_SKEW).then_some(Self { timestamp, signature, body })
    }

    /// Whether the request was signed with this secret.
    #[must_use]
    pub fn is_signed_with(&self, secret: &SigningSecret) -> bool {
        let parts = [b"v0:", self.timestamp.as_bytes(), b":", self.body];
        verify_hmac(secret, &parts, &self.signature)
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A request of the Events API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventRequest {
    /// The verification of the URL: the text is sent back.
    Challenge(String),
    /// Grants of an organization were revoked.
    GrantsRevoked(RevokedGrants),
    /// An event that is ignored.
    Other,
}

/// Revoked grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedGrants {
    /// The organization.
    pub organization_id: String,
    /// The users whose grants were revoked; `None` for all users.
    pub installer_ids: Option<Vec<String>>,
    /// Slack's name of the event.
    pub reason: &'static str,
    /// When they were revoked. Later grants are valid.
    pub at: OffsetDateTime,
}

impl EventRequest {
    /// Parses the body of a request with a valid signature.
    ///
    /// # Errors
    ///
    /// When the body is not the JSON of an event.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        let envelope: EventEnvelope = serde_json::from_slice(body)?;
        if envelope.kind == "url_verification" {
            return Ok(envelope.challenge.map_or(Self::Other, Self::Challenge));
        }
        Ok(envelope.revoked_grants().map_or(Self::Other, Self::GrantsRevoked))
    }
}

#[derive(Deserialize)]
struct EventEnvelope {
    #[serde(rename = "type", default)]
    kind: String,
    challenge: Option<String>,
    enterprise_id: Option<String>,
    team_id: Option<String>,
    event_time: Option<i64>,
    #[serde(default)]
    authorizations: Vec<Authorization>,
    event: Option<SlackEvent>,
}

#[derive(Deserialize)]
struct Authorization {
    #[serde(default)]
    is_enterprise_install: bool,
}

#[derive(Deserialize)]
struct SlackEvent {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    tokens: RevokedTokens,
}

#[derive(Default, Deserialize)]
struct RevokedTokens {
    /// The users whose tokens were revoked. Bot tokens are ignored.
    #[serde(default)]
    oauth: Vec<String>,
}

impl EventEnvelope {
    fn revoked_grants(self) -> Option<RevokedGrants> {
        // Grants are for whole organizations; uninstalling the app from one workspace does not revoke them.
        let whole = self.authorizations.is_empty()
            || self.authorizations.iter().any(|one| one.is_enterprise_install);
        let event = self.event.filter(|_| whole && self.kind == "event_callback")?;
        let (reason, installer_ids) = match event.kind.as_str() {
            "tokens_revoked" => ("tokens_revoked", Some(event.tokens.oauth)),
            "app_uninstalled" => ("app_uninstalled", None),
            _ => return None,
        };
        let organization_id = self.enterprise_id.or(self.team_id)?;
        let at = Timestamp::from_unix(self.event_time?).ok()?.utc();
        Some(RevokedGrants { organization_id, installer_ids, reason, at })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA\
        &user_name=roadrunner&command=%2Fwebhook-collect&text=\
        &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn secret(text: &str) -> SigningSecret {
        text.to_owned().into()
    }

    #[test]
    fn verifies_slacks_own_example_only_with_its_secret() {
        let now = OffsetDateTime::from_unix_timestamp(1_531_420_618 + 299).unwrap();
        let signed =
            RequestSignature::parse("1531420618", SIGNATURE, BODY.as_bytes(), now).unwrap();
        assert!(signed.is_signed_with(&secret("8f742231b10e8888abcd99yyyzzz85a5")));
        assert!(!signed.is_signed_with(&secret("8f742231b10e8888abcd99yyyzzz85a6")));
        let other = RequestSignature::parse("1531420619", SIGNATURE, BODY.as_bytes(), now).unwrap();
        assert!(!other.is_signed_with(&secret("8f742231b10e8888abcd99yyyzzz85a5")));
    }

    #[test]
    fn rejects_malformed_and_old_signatures() {
        let now = OffsetDateTime::from_unix_timestamp(1_531_420_618).unwrap();
        let read = |timestamp, signature| {
            RequestSignature::parse(timestamp, signature, b"", now).is_some()
        };
        assert!(read("1531420618", SIGNATURE));
        assert!(read("1531420318", SIGNATURE) && read("1531420918", SIGNATURE));
        for wrong in ["1531420317", "1531420919", "", "+1531420618", "1531420618.0", "now"] {
            assert!(!read(wrong, SIGNATURE), "{wrong}");
        }
        for wrong in ["", "v0=", "v1=00", &SIGNATURE[3..], &SIGNATURE[..66], "v0=é"] {
            assert!(!read("1531420618", wrong), "{wrong}");
        }
    }

    #[test]
    fn only_the_revocation_of_an_organizations_grant_counts() {
        let whole = json!({"type": "event_callback", "enterprise_id": "E1", "team_id": "E1",
            "event_time": 1_700_000_000, "authorizations": [{"is_enterprise_install": true}],
            "event": {"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": ["U2"]}}});
        let read =
            |body: &serde_json::Value| EventRequest::parse(body.to_string().as_bytes()).unwrap();
        let lost = RevokedGrants {
            organization_id: "E1".to_owned(),
            installer_ids: Some(vec!["U1".to_owned()]),
            reason: "tokens_revoked",
            at: datetime!(2023-11-14 22:13:20 UTC),
        };
        assert_eq!(read(&whole), EventRequest::GrantsRevoked(lost));
        for (field, value) in [
            ("type", json!("something")),
            ("event_time", json!(null)),
            ("authorizations", json!([{"is_enterprise_install": false}])),
            ("event", json!({"type": "user_change", "user": {}})),
        ] {
            let mut other = whole.clone();
            other[field] = value;
            assert_eq!(read(&other), EventRequest::Other, "{field}");
        }
    }
}
