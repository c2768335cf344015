//! Reads the responses of token endpoints: whatever tokens are in one are taken, and only what the endpoint itself
//! clearly says is a refusal. A page of a firewall, `{}`, a list or an empty body says nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use http::{HeaderMap, StatusCode, header};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use time::Duration;
use url::form_urlencoded;
use zeroize::{Zeroize as _, Zeroizing};

use super::error::OAuthError;
use super::wiped::wipe;
use crate::upstream::packed::plain;
use crate::vault::Renewal;
use crate::vault::secret::{AccessToken, RefreshToken};

/// The longest lifetime that is believed; a longer one is no lifetime.
const MAX_LIFETIME: Duration = Duration::days(10 * 365);
/// The shortest lifetime; less is a token that could not be used.
const MIN_LIFETIME: Duration = Duration::seconds(1);

/// The fields of RFC 6749 §5, wherever a provider puts them. An absent field is `Null`.
#[derive(Default)]
pub struct TokenFields {
    /// The access token.
    pub access_token: Value,
    /// The refresh token.
    pub refresh_token: Value,
    /// How many seconds the access token is valid.
    pub expires_in: Value,
    /// What was granted: text with spaces or commas, or a list.
    pub scope: Value,
    /// The code of a refusal, when the object is clearly one of this endpoint.
    pub refusal: Option<String>,
    /// What else the connector needs.
    pub extra: HashMap<String, Value>,
}

/// What a token endpoint granted.
pub(super) struct TokenResponse {
    /// At least one token.
    pub(super) renewal: Renewal,
    /// The scopes granted.
    pub(super) scopes: Vec<String>,
    /// What else the connector found.
    pub(super) extra: HashMap<String, Value>,
}

/// Reads a response; `down` is the failure that its status stands for, when it holds no tokens.
///
/// # Errors
///
/// `Refused` with the code of a refusal; `Down` or `NoAnswer` for what is no response of a token endpoint.
pub(super) fn read(
    (status, headers, body): (StatusCode, &HeaderMap, &[u8]),
    down: Option<OAuthError>,
    locate: fn(StatusCode, &mut Value) -> TokenFields,
) -> Result<TokenResponse, OAuthError> {
    let mut fields = object(headers, body).map_or_else(TokenFields::default, |mut object| {
        let fields = locate(status, &mut object);
        // What is left may be another token, such as that of a bot.
        wipe(&mut object);
        fields
    });
    let renewal = Renewal {
        access_token: token(fields.access_token.take()).map(AccessToken::from),
        refresh_token: token(fields.refresh_token.take()).map(RefreshToken::from),
        lifetime: lifetime(&fields.expires_in),
    };
    if renewal.access_token.is_some() || renewal.refresh_token.is_some() {
        let extra = std::mem::take(&mut fields.extra);
        return Ok(TokenResponse { renewal, scopes: scopes(&fields.scope), extra });
    }
    if let Some(down) = down {
        return Err(down);
    }
    let code = fields.refusal.take().filter(|_| !status.is_redirection());
    Err(code.map_or_else(
        || OAuthError::NoAnswer("its response is not one of a token endpoint".to_owned()),
        OAuthError::Refused,
    ))
}

/// The object in a body: JSON whatever its content type says, or a form.
fn object(headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    let unpacked;
    let text = match plain(headers, body)? {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => {
            unpacked = Zeroizing::new(text);
            &**unpacked
        }
    };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if let Some(fields) = json_fields(text) {
        return Some(fields.into());
    }
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let pairs = form_urlencoded::parse(text);
    Some(
        pairs
            .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
            .collect::<Map<_, _>>()
            .into(),
    )
}

/// The fields of the first JSON object in a text. What follows the object is ignored, and a field that can't be read,
/// such as one that is nested too deeply, is null: tokens beside it are not lost.
fn json_fields(text: &[u8]) -> Option<Map<String, Value>> {
    let repaired;
    let text = match String::from_utf8_lossy(text) {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => {
            repaired = Zeroizing::new(text);
            &**repaired
        }
    };
    let mut objects =
        serde_json::Deserializer::from_str(text).into_iter::<HashMap<String, &RawValue>>();
    let fields = objects.next()?.ok()?;
    let read = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or(Value::Null);
    Some(fields.into_iter().map(|(name, raw)| (name, read(raw))).collect())
}

/// A token that can stand in a header.
fn token(value: Value) -> Option<String> {
    let Value::String(mut text) = value else { return None };
    let trimmed = text.trim();
    let is_token = !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_graphic());
    if is_token && trimmed.len() == text.len() {
        return Some(text);
    }
    let token = is_token.then(|| trimmed.to_owned());
    text.zeroize();
    token
}

/// A lifetime, as a number or as text, whole or with a fraction.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let is_plausible =
        (MIN_LIFETIME.as_seconds_f64()..=MAX_LIFETIME.as_seconds_f64()).contains(&seconds);
    is_plausible.then(|| Duration::seconds_f64(seconds))
}

fn scopes(value: &Value) -> Vec<String> {
    let split = |text: &str| -> Vec<String> {
        let parts = text.split([',', ' ']).filter(|scope| !scope.is_empty());
        parts.map(str::to_owned).collect()
    };
    match value {
        Value::String(text) => split(text),
        Value::Array(items) => items.iter().filter_map(Value::as_str).flat_map(split).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

impl std::fmt::Debug for TokenFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenFields(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lifetimes_are_read_as_numbers_and_as_text_within_bounds() {
        for (value, expected) in [
            (json!(43_200), Some(43_200.0)),
            (json!("43200"), Some(43_200.0)),
            (json!(" 43200.0 "), Some(43_200.0)),
            (json!(1.5), Some(1.5)),
            (json!(0), None),
            (json!("0"), None),
            (json!(0.4), None),
            (json!(-5), None),
            (json!("NaN"), None),
            (json!("inf"), None),
            (json!(1e300), None),
            (json!(u64::MAX), None),
            (json!("soon"), None),
            (json!(null), None),
            (json!([43_200]), None),
        ] {
            let read = lifetime(&value).map(Duration::as_seconds_f64);
            assert_eq!(read, expected, "{value}");
        }
    }

    #[test]
    fn fields_that_can_not_be_read_hide_no_tokens() {
        let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
        for text in [
            r#"{"access_token":"A"}"#.to_owned(),
            r#" {"access_token":"A"} {"more":1}"#.to_owned(),
            format!(r#"{{"deep":{deep},"access_token":"A"}}"#),
            r#"{"x":1e999,"access_token":"A"}"#.to_owned(),
        ] {
            let fields = json_fields(text.as_bytes()).unwrap_or_default();
            assert_eq!(fields.get("access_token"), Some(&json!("A")), "{text:.60}");
        }
        assert!(json_fields(b"{\"x\":\"\xff\",\"access_token\":\"A\"}").is_some());
        assert!(json_fields(b"[{}]").is_none() && json_fields(b"{\"access_token\":\"A").is_none());
    }

    #[test]
    fn tokens_are_text_that_can_stand_in_a_header() {
        for (value, expected) in [
            (json!("xoxe-1"), Some("xoxe-1")),
            (json!(" xoxe-1\n"), Some("xoxe-1")),
            (json!(""), None),
            (json!("  "), None),
            (json!("a b"), None),
            (json!("caf\u{e9}"), None),
            (json!(7), None),
            (json!(null), None),
            (json!({"token": "x"}), None),
        ] {
            assert_eq!(token(value.clone()).as_deref(), expected, "{value}");
        }
    }
}
