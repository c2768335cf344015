//! Cookies that bind each link session to the browser that started it. Each session has its own, named after its OAuth
//! state, so that several tabs work. Over TLS the name begins with `__Host-`, so that no other host of the domain can
//! set it.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::domain::sealed::Digest;
use crate::http::state::Services;
use crate::link::BROWSER_SECRET_PREFIX;

/// The prefix of cookie names, after `__Host-` if present.
const NAME_PREFIX: &str = "sb_link_";
/// The cookie name of earlier versions, sent by browsers that started with them.
const LEGACY_NAME: &str = "sb_link";
/// Seconds that a customer may spend on the provider's page.
const MAX_AGE_S: u32 = 3600;
/// Seconds for which a reload shows the outcome again.
const COMPLETED_MAX_AGE_S: u32 = 600;
/// Maximum number of other concurrent sessions in a browser.
const MAX_OTHER_SESSIONS: usize = 3;

/// The value of a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkCookie {
    /// The browser's secret.
    pub(super) browser: String,
    /// The link token.
    pub(super) token: String,
}

type HeaderPair = (HeaderName, HeaderValue);

/// The cookie of one link session.
#[derive(Debug)]
pub(super) struct SessionCookie {
    name: String,
    is_secure: bool,
}

impl SessionCookie {
    /// Returns the cookie of the session with this OAuth state.
    pub(super) fn of(services: &Services, state: &str) -> Self {
        let is_secure = services.links.public_url.scheme() == "https";
        let mut name = name_prefix(is_secure).to_owned();
        for byte in Digest::of(state).0.iter().take(8) {
            // Writing into a text can't fail.
            let _ = write!(name, "{byte:02x}");
        }
        Self { name, is_secure }
    }

    /// Returns the headers that set it, and clear the oldest of too many others.
    pub(super) fn set(&self, remembered: &LinkCookie, headers: &HeaderMap) -> Vec<HeaderPair> {
        let LinkCookie { browser, token } = remembered;
        let others: Vec<&str> = cookie_pairs(headers)
            .map(|(name, _)| name)
            .filter(|name| name.starts_with(name_prefix(self.is_secure)) && *name != self.name)
            .collect();
        // Browsers send the oldest cookie first.
        let excess = others.iter().take(others.len().saturating_sub(MAX_OTHER_SESSIONS));
        let gone = excess.filter_map(|name| self.header(name, "", 0));
        let set = self.header(&self.name, &format!("{browser}.{token}"), MAX_AGE_S);
        set.into_iter().chain(gone).collect()
    }

    /// Returns the header that keeps it for [`COMPLETED_MAX_AGE_S`] after the session has ended.
    pub(super) fn renew(&self, remembered: &LinkCookie) -> Option<HeaderPair> {
        let LinkCookie { browser, token } = remembered;
        self.header(&self.name, &format!("{browser}.{token}"), COMPLETED_MAX_AGE_S)
    }

    /// Returns the header that clears it.
    pub(super) fn clear(&self) -> Option<HeaderPair> {
        self.header(&self.name, "", 0)
    }

    /// Reads it from a request.
    pub(super) fn read(&self, headers: &HeaderMap) -> Option<LinkCookie> {
        let find = |wanted: &str| cookie_pairs(headers).find(|(name, _)| *name == wanted);
        let own = find(&self.name).and_then(|(_, value)| parse_value(value));
        // Any host of the domain can set the earlier name: it is valid for secrets of that version only.
        let earlier = || find(LEGACY_NAME).and_then(|(_, value)| parse_value(value));
        own.or_else(|| earlier().filter(|one| !one.browser.starts_with(BROWSER_SECRET_PREFIX)))
    }

    fn header(&self, name: &str, value: &str, age_s: u32) -> Option<HeaderPair> {
        // `__Host-` requires the path `/`.
        let place = if self.is_secure { "Path=/; Secure" } else { "Path=/oauth" };
        let text = format!("{name}={value}; {place}; Max-Age={age_s}; HttpOnly; SameSite=Lax");
        Some((header::SET_COOKIE, HeaderValue::try_from(text).ok()?))
    }
}

fn name_prefix(is_secure: bool) -> &'static str {
    if is_secure { "__Host-sb_link_" } else { NAME_PREFIX }
}

fn cookie_pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

fn parse_value(value: &str) -> Option<LinkCookie> {
    let (browser, token) = value.split_once('.')?;
    let is_token = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    is_token.then(|| LinkCookie { browser: browser.to_owned(), token: token.to_owned() })
}
