//! The cookies that bind sessions to the browser that began them, and remember their links, so that a failure can
//! lead back to it. Each session has its own, named after its OAuth state: tabs do not disturb each other. Over TLS
//! the name begins with `__Host-`, so that no other host of the domain can set it.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::domain::sealed::Digest;
use crate::http::state::Services;
use crate::link::BROWSER;

/// How the names begin, behind `__Host-` where that is.
const PREFIX: &str = "sb_link_";
/// The one name that earlier versions used. Only browsers that left with them bring it.
const EARLIER: &str = "sb_link";
/// How long a customer may take on the provider's page, in seconds.
const AGE_S: u32 = 3600;
/// How long the browser is shown the outcome again, in seconds.
const AGE_AFTER_S: u32 = 600;
/// So many sessions under way a browser has at the most, beside a new one.
const MOST: usize = 3;

/// What a cookie holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    /// The secret of the browser.
    pub(super) browser: String,
    /// The link token.
    pub(super) token: String,
}

type Header = (HeaderName, HeaderValue);

/// The cookie of the session with an OAuth state.
#[derive(Debug)]
pub(super) struct Cookie {
    name: String,
    is_secure: bool,
}

impl Cookie {
    /// Of the session with this OAuth state.
    pub(super) fn of(services: &Services, state: &str) -> Self {
        let is_secure = services.links.public_url.scheme() == "https";
        let mut name = prefix(is_secure).to_owned();
        for byte in Digest::of(state).0.iter().take(8) {
            // Writing into a text can't fail.
            let _ = write!(name, "{byte:02x}");
        }
        Self { name, is_secure }
    }

    /// The headers that set it, and take away the oldest of too many others.
    pub(super) fn set(&self, remembered: &Remembered, headers: &HeaderMap) -> Vec<Header> {
        let Remembered { browser, token } = remembered;
        let others: Vec<&str> = pairs(headers)
            .map(|(name, _)| name)
            .filter(|name| name.starts_with(prefix(self.is_secure)) && *name != self.name)
            .collect();
        // Browsers send the oldest first.
        let excess = others.iter().take(others.len().saturating_sub(MOST));
        let gone = excess.filter_map(|name| self.header(name, "", 0));
        let set = self.header(&self.name, &format!("{browser}.{token}"), AGE_S);
        set.into_iter().chain(gone).collect()
    }

    /// The header that leaves it to the browser for a while after the end of its session.
    pub(super) fn keep(&self, remembered: &Remembered) -> Option<Header> {
        let Remembered { browser, token } = remembered;
        self.header(&self.name, &format!("{browser}.{token}"), AGE_AFTER_S)
    }

    /// The header that takes it away.
    pub(super) fn gone(&self) -> Option<Header> {
        self.header(&self.name, "", 0)
    }

    /// What a browser brings of it.
    pub(super) fn read(&self, headers: &HeaderMap) -> Option<Remembered> {
        let find = |wanted: &str| pairs(headers).find(|(name, _)| *name == wanted);
        let own = find(&self.name).and_then(|(_, value)| remembered(value));
        // Any host of the domain can set the earlier name: it is good for the secrets of its time alone.
        let earlier = || find(EARLIER).and_then(|(_, value)| remembered(value));
        own.or_else(|| earlier().filter(|one| !one.browser.starts_with(BROWSER)))
    }

    fn header(&self, name: &str, value: &str, age_s: u32) -> Option<Header> {
        // A name with `__Host-` is for the whole host.
        let place = if self.is_secure { "Path=/; Secure" } else { "Path=/oauth" };
        let text = format!("{name}={value}; {place}; Max-Age={age_s}; HttpOnly; SameSite=Lax");
        Some((header::SET_COOKIE, HeaderValue::try_from(text).ok()?))
    }
}

fn prefix(is_secure: bool) -> &'static str {
    if is_secure { "__Host-sb_link_" } else { PREFIX }
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

fn remembered(value: &str) -> Option<Remembered> {
    let (browser, token) = value.split_once('.')?;
    let is_token = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    is_token.then(|| Remembered { browser: browser.to_owned(), token: token.to_owned() })
}
