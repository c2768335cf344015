//! The cookie that binds a session to the browser that began it, and remembers its link, so that a
//! failure can lead back to it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::http::state::Services;

const NAME: &str = "sb_link";
/// How long a customer may take on the provider's page, in seconds.
const AGE_S: u32 = 3600;

/// What the cookie holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    /// The secret of the browser.
    pub(super) browser: String,
    /// The link token.
    pub(super) token: String,
}

/// The header that sets the cookie.
pub(super) fn set(services: &Services, browser: &str, token: &str) -> Option<Header> {
    header(services, &format!("{browser}.{token}"), AGE_S)
}

/// The header that takes the cookie away.
pub(super) fn gone(services: &Services) -> Option<Header> {
    header(services, "", 0)
}

type Header = (HeaderName, HeaderValue);

fn header(services: &Services, value: &str, age_s: u32) -> Option<Header> {
    let secure = if services.links.public_url.scheme() == "https" { "; Secure" } else { "" };
    let text =
        format!("{NAME}={value}; Path=/oauth; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}");
    Some((header::SET_COOKIE, HeaderValue::try_from(text).ok()?))
}

/// What a browser brings.
pub(super) fn read(headers: &HeaderMap) -> Option<Remembered> {
    let all = headers.get_all(header::COOKIE);
    let (_, value) = all
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == NAME)?;
    let (browser, token) = value.split_once('.')?;
    let is_token = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    is_token.then(|| Remembered { browser: browser.to_owned(), token: token.to_owned() })
}
