//! Parses responses of token endpoints: all tokens in one are used, and only a clear error response of the endpoint
//! counts as a rejection. A firewall's page, `{}`, a list or an empty body does not.

use std::borrow::Cow;
use std::collections::HashMap;

use http::{HeaderMap, StatusCode, header};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use time::Duration;
use url::form_urlencoded;
use zeroize::{Zeroize as _, Zeroizing};

use super::error::OAuthError;
use super::zeroizing_buffer::wipe;
use crate::upstream::decompress::decompress_prefix;
use crate::vault::RefreshResponse;
use crate::vault::secret::{AccessToken, RefreshToken};

/// The maximum lifetime; a longer one is ignored.
const MAX_LIFETIME: Duration = Duration::days(10 * 365);
/// The minimum lifetime; a shorter one is ignored.
const MIN_LIFETIME: Duration = Duration::seconds(1);

/// The fields of RFC 6749 §5 in a provider's response. An absent field is `Null`.
#[derive(Default)]
pub struct TokenFields {
    /// The access token.
    pub access_token: Value,
    /// The refresh token.
    pub refresh_token: Value,
    /// The lifetime of the access token in seconds.
    pub expires_in: Value,
    /// The granted scopes: text with spaces or commas, or a list.
    pub scope: Value,
    /// The error code, when the object is clearly an error response of this endpoint.
    pub error_code: Option<String>,
    /// Further fields for the connector.
    pub extra: HashMap<String, Value>,
}

/// The tokens of a successful response.
pub(super) struct TokenResponse {
    /// At least one token.
    pub(super) renewal: RefreshResponse,
    /// The scopes granted.
    pub(super) scopes: Vec<String>,
    /// Further fields for the connector.
    pub(super) extra: HashMap<String, Value>,
}

/// Parses a response; `down` is the error of its status, returned when it holds no tokens.
///
/// # Errors
///
/// `Rejected` with the error code; `ServerError` or `ResponseLost` when it is not a response of a token endpoint.
pub(super) fn parse(
    (status, headers, body): (StatusCode, &HeaderMap, &[u8]),
    server_error: Option<OAuthError>,
    locate: fn(StatusCode, &mut Value) -> TokenFields,
) -> Result<TokenResponse, OAuthError> {
    let mut fields = parse_object(headers, body).map_or_else(TokenFields::default, |mut object| {
        let fields = locate(status, &mut object);
        // The rest may hold another token, such as that of a bot.
        wipe(&mut object);
        fields
    });
    let renewal = RefreshResponse {
        access_token: token(fields.access_token.take()).map(AccessToken::from),
        refresh_token: token(fields.refresh_token.take()).map(RefreshToken::from),
        lifetime: lifetime(&fields.expires_in),
    };
    if renewal.access_token.is_some() || renewal.refresh_token.is_some() {
        let extra = std::mem::take(&mut fields.extra);
        return Ok(TokenResponse { renewal, scopes: scopes(&fields.scope), extra });
    }
    if let Some(server_error) = server_error {
        return Err(server_error);
    }
    let code = fields.error_code.take().filter(|_| !status.is_redirection());
    Err(code.map_or_else(
        || OAuthError::ResponseLost("the response is not one of a token endpoint".to_owned()),
        OAuthError::Rejected,
    ))
}

/// Parses the object in a body: JSON regardless of the content type, or a form.
fn parse_object(headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    let decompressed;
    let text = match decompress_prefix(headers, body)? {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => {
            decompressed = Zeroizing::new(text);
            &**decompressed
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

/// Returns the fields of the first JSON object in a text. Text after the object is ignored, and a field that can't be
/// parsed, such as one nested too deeply, is null: tokens beside it are not lost.
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

/// Returns a token that is valid in a header.
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

/// Parses a lifetime, as a number or as text, with or without a fraction.
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
    fn parses_lifetimes_as_numbers_and_text_within_bounds() {
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
    fn unparsable_fields_hide_no_tokens() {
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
    fn accepts_tokens_that_are_valid_in_a_header_only() {
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
