//! Requests that Slack sends to us (the Events API): how they are signed and what they tell.
//!
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::domain::moment::Moment;
use crate::vault::secret::SigningSecret;
use crate::vault::verify_hmac;

/// A request older than this, or from so far ahead, may be a replay.
const WINDOW: Duration = Duration::minutes(5);

/// What a request brings to prove that it is Slack's.
#[derive(Debug)]
pub struct Signed<'a> {
    timestamp: &'a str,
    signature: [u8; 32],
    body: &'a [u8],
}

impl<'a> Signed<'a> {
    /// The proof of a request: its headers `X-Slack-Request-Timestamp` and `X-Slack-Signature`. `None`
    /// when they are not of the right form, or when the time is not now.
    #[must_use]
    pub fn read(
        timestamp: &'a str,
        signature: &str,
        body: &'a [u8],
        now: OffsetDateTime,
    ) -> Option<Self> {
        if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let at = Moment::from_unix(timestamp.parse().ok()?).ok()?.utc();
        let signature = from_hex(signature.strip_prefix("v0=")?)?;
        ((now - at).abs() <= WINDOW).then_some(Self { timestamp, signature, body })
    }

    /// Whether the app with this secret is meant: nobody else could sign so.
    #[must_use]
    pub fn is_by(&self, secret: &SigningSecret) -> bool {
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

/// What Slack tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It wants to see that the address is ours: the text is to be sent back.
    Challenge(String),
    /// Grants of an organization are gone.
    Lost(LostGrants),
    /// Something that we don't act on.
    Other,
}

/// Grants that are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostGrants {
    /// Of which organization.
    pub organization_id: String,
    /// Of which people; `None` for everybody's.
    pub installer_ids: Option<Vec<String>>,
    /// Slack's word for it.
    pub reason: &'static str,
    /// When. A grant that was given later lives.
    pub at: OffsetDateTime,
}

impl Notice {
    /// Reads the body of a request whose signature is good.
    ///
    /// # Errors
    ///
    /// When it is not the JSON of an event.
    pub fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let envelope: Envelope = serde_json::from_slice(body)?;
        if envelope.kind == "url_verification" {
            return Ok(envelope.challenge.map_or(Self::Other, Self::Challenge));
        }
        Ok(envelope.lost().map_or(Self::Other, Self::Lost))
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type", default)]
    kind: String,
    challenge: Option<String>,
    enterprise_id: Option<String>,
    team_id: Option<String>,
    event_time: Option<i64>,
    #[serde(default)]
    authorizations: Vec<Authorization>,
    event: Option<Event>,
}

#[derive(Deserialize)]
struct Authorization {
    #[serde(default)]
    is_enterprise_install: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    tokens: Tokens,
}

#[derive(Default, Deserialize)]
struct Tokens {
    /// The people whose tokens were revoked. Tokens of bots are none of ours.
    #[serde(default)]
    oauth: Vec<String>,
}

impl Envelope {
    fn lost(self) -> Option<LostGrants> {
        // Our grants are for whole organizations; the app's end in one workspace is not their end.
        let whole = self.authorizations.is_empty()
            || self.authorizations.iter().any(|one| one.is_enterprise_install);
        let event = self.event.filter(|_| whole && self.kind == "event_callback")?;
        let (reason, installer_ids) = match event.kind.as_str() {
            "tokens_revoked" => ("tokens_revoked", Some(event.tokens.oauth)),
            "app_uninstalled" => ("app_uninstalled", None),
            _ => return None,
        };
        let organization_id = self.enterprise_id.or(self.team_id)?;
        let at = Moment::from_unix(self.event_time?).ok()?.utc();
        Some(LostGrants { organization_id, installer_ids, reason, at })
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
    fn slacks_own_example_is_by_its_secret_alone() {
        let now = OffsetDateTime::from_unix_timestamp(1_531_420_618 + 299).unwrap();
        let signed = Signed::read("1531420618", SIGNATURE, BODY.as_bytes(), now).unwrap();
        assert!(signed.is_by(&secret("8f742231b10e8888abcd99yyyzzz85a5")));
        assert!(!signed.is_by(&secret("8f742231b10e8888abcd99yyyzzz85a6")));
        let other = Signed::read("1531420619", SIGNATURE, BODY.as_bytes(), now).unwrap();
        assert!(!other.is_by(&secret("8f742231b10e8888abcd99yyyzzz85a5")));
    }

    #[test]
    fn a_proof_of_another_form_or_time_is_none() {
        let now = OffsetDateTime::from_unix_timestamp(1_531_420_618).unwrap();
        let read = |timestamp, signature| Signed::read(timestamp, signature, b"", now).is_some();
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
    fn only_the_end_of_an_organizations_grant_is_a_loss() {
        let whole = json!({"type": "event_callback", "enterprise_id": "E1", "team_id": "E1",
            "event_time": 1_700_000_000, "authorizations": [{"is_enterprise_install": true}],
            "event": {"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": ["U2"]}}});
        let read = |body: &serde_json::Value| Notice::read(body.to_string().as_bytes()).unwrap();
        let lost = LostGrants {
            organization_id: "E1".to_owned(),
            installer_ids: Some(vec!["U1".to_owned()]),
            reason: "tokens_revoked",
            at: datetime!(2023-11-14 22:13:20 UTC),
        };
        assert_eq!(read(&whole), Notice::Lost(lost));
        for (field, value) in [
            ("type", json!("something")),
            ("event_time", json!(null)),
            ("authorizations", json!([{"is_enterprise_install": false}])),
            ("event", json!({"type": "user_change", "user": {}})),
        ] {
            let mut other = whole.clone();
            other[field] = value;
            assert_eq!(read(&other), Notice::Other, "{field}");
        }
    }
}
