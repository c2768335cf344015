//! Requests of Slack's Events API: signature and content.
//!
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>

use serde::Deserialize;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::api::is_id;
use crate::domain::reported_change::{ReportedChange, Subject};
use crate::domain::timestamp::Timestamp;
use crate::vault::secret::SigningSecret;
use crate::vault::verify_hmac;

/// Maximum difference between a request's timestamp and the clock: an older request may be a replay.
const MAX_CLOCK_SKEW: Duration = Duration::minutes(5);

/// Maximum number of objects of one event.
const MAX_OBJECTS: usize = 1_000;

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
    /// Objects of an organization changed.
    Changed(ChangedObjects),
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

/// Objects of a directory that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedObjects {
    /// The organization.
    pub organization_id: String,
    /// The objects.
    pub changes: Vec<ReportedChange>,
    /// Whether a full run is needed for others, which the event does not name.
    pub needs_run: bool,
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
        if let Some(changed) = envelope.changed_objects() {
            return Ok(Self::Changed(changed));
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
    /// The user of `team_join`, `user_change` and `user_profile_changed`.
    user: Option<Value>,
    /// The user group of `subteam_created` and `subteam_updated`.
    subteam: Option<Value>,
    /// The user group of `subteam_members_changed`.
    subteam_id: Option<String>,
    /// The workspaces of `team_access_granted` and `team_access_revoked`.
    #[serde(default)]
    team_ids: Vec<String>,
}

#[derive(Default, Deserialize)]
struct RevokedTokens {
    /// The users whose tokens were revoked. Bot tokens are ignored.
    #[serde(default)]
    oauth: Vec<String>,
}

/// Returns the id of an object, or the id that is sent in its place.
fn id_of(object: &Value) -> Option<String> {
    object.get("id").unwrap_or(object).as_str().map(str::to_owned)
}

impl EventEnvelope {
    /// Returns the objects that an event says have changed. `user_status_changed` is ignored: the status text is no part
    /// of a directory.
    fn changed_objects(&self) -> Option<ChangedObjects> {
        let event = self.event.as_ref().filter(|_| self.kind == "event_callback")?;
        let subjects: Vec<Subject> = match event.kind.as_str() {
            "team_join" | "user_change" | "user_profile_changed" => {
                vec![Subject::User(id_of(event.user.as_ref()?)?)]
            }
            "subteam_created" | "subteam_updated" => {
                vec![Subject::Group(id_of(event.subteam.as_ref()?)?)]
            }
            "subteam_members_changed" => vec![Subject::Group(event.subteam_id.clone()?)],
            "team_rename" => vec![Subject::Workspace(self.team_id.clone()?)],
            "team_access_granted" | "team_access_revoked" => {
                event.team_ids.iter().cloned().map(Subject::Workspace).collect()
            }
            _ => return None,
        };
        let subjects = subjects.into_iter().filter(|subject| is_id(subject.id()));
        let changes = subjects.take(MAX_OBJECTS).map(|subject| ReportedChange {
            subject,
            with_roles: false,
            cause: None,
        });
        let changes = changes.collect();
        // With a workspace its members come and go.
        let needs_run =
            matches!(event.kind.as_str(), "team_access_granted" | "team_access_revoked");
        let organization_id = self.enterprise_id.clone().or_else(|| self.team_id.clone())?;
        Some(ChangedObjects { organization_id, changes, needs_run })
    }

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
            ("event", json!({"type": "user_status_changed", "user": {"id": "U1"}})),
        ] {
            let mut other = whole.clone();
            other[field] = value;
            assert_eq!(read(&other), EventRequest::Other, "{field}");
        }
    }

    #[test]
    fn events_name_the_objects_that_changed() {
        let read = |event: serde_json::Value| {
            let body = json!({"type": "event_callback", "enterprise_id": "E1", "team_id": "T1",
                "event_time": 1_700_000_000, "event": event});
            let EventRequest::Changed(changed) =
                EventRequest::parse(body.to_string().as_bytes()).unwrap()
            else {
                return Vec::new();
            };
            assert_eq!(changed.organization_id, "E1");
            let is_of_access = body["event"]["type"] == "team_access_granted";
            assert_eq!(changed.needs_run, is_of_access, "{body}");
            changed.changes.into_iter().map(|change| change.subject).collect()
        };
        let user = |id: &str| vec![Subject::User(id.to_owned())];
        assert_eq!(read(json!({"type": "user_change", "user": {"id": "W1"}})), user("W1"));
        assert_eq!(read(json!({"type": "team_join", "user": {"id": "W2", "x": []}})), user("W2"));
        assert_eq!(read(json!({"type": "user_profile_changed", "user": "W3"})), user("W3"));
        let group = vec![Subject::Group("S1".to_owned())];
        assert_eq!(read(json!({"type": "subteam_updated", "subteam": {"id": "S1"}})), group);
        assert_eq!(read(json!({"type": "subteam_members_changed", "subteam_id": "S1"})), group);
        let workspaces: Vec<Subject> =
            ["T2", "T3"].map(|id| Subject::Workspace(id.to_owned())).into();
        let granted = json!({"type": "team_access_granted", "team_ids": ["T2", "T3", "../x"]});
        assert_eq!(read(granted), workspaces);
        let renamed = vec![Subject::Workspace("T1".to_owned())];
        assert_eq!(read(json!({"type": "team_rename", "name": "x"})), renamed);
        for ignored in [
            json!({"type": "user_change"}),
            json!({"type": "user_change", "user": {"id": "../x"}}),
            json!({"type": "user_status_changed", "user": {"id": "W1"}}),
            json!({"type": "message", "user": "W1"}),
        ] {
            assert!(read(ignored.clone()).is_empty(), "{ignored}");
        }
    }
}
