//! The cookie of a session. Over TLS its name begins with `__Host-`, so that no other host of the domain can set it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use time::Duration;

use crate::http::state::Services;

/// A kind of session cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum SessionCookie {
    /// Of the console.
    Console,
    /// Of the hosted directory view, which is shown in frames of other sites.
    Portal,
    /// Shows whether a browser stores the cookies of the hosted directory view.
    PortalProbe,
}

impl SessionCookie {
    fn name(self, is_secure: bool) -> &'static str {
        match (self, is_secure) {
            (Self::Console, true) => "__Host-sb_console",
            (Self::Console, false) => "sb_console",
            (Self::Portal, true) => "__Host-sb_portal",
            (Self::Portal, false) => "sb_portal",
            (Self::PortalProbe, true) => "__Host-sb_portal_probe",
            (Self::PortalProbe, false) => "sb_portal_probe",
        }
    }

    /// Returns the attributes. A frame of another site gets its cookie only if it is `Partitioned`: it belongs to the
    /// pair of both sites and is no third-party cookie. Without TLS such cookies do not exist.
    fn attributes(self, is_secure: bool) -> &'static str {
        match (self, is_secure) {
            (Self::Console, true) => "Path=/; HttpOnly; SameSite=Lax; Secure",
            (Self::Console, false) => "Path=/console; HttpOnly; SameSite=Lax",
            (Self::Portal | Self::PortalProbe, true) => {
                "Path=/; HttpOnly; SameSite=None; Secure; Partitioned"
            }
            (Self::Portal | Self::PortalProbe, false) => "Path=/portal; HttpOnly; SameSite=Lax",
        }
    }

    /// Returns the header that sets it; without a secret it is cleared.
    pub(in crate::http) fn header(
        self,
        services: &Services,
        secret: Option<&str>,
        ttl: Duration,
    ) -> Option<(HeaderName, HeaderValue)> {
        let is_secure = is_secure(services);
        let (name, attributes) = (self.name(is_secure), self.attributes(is_secure));
        let seconds = if secret.is_some() { ttl.whole_seconds().max(0) } else { 0 };
        let secret = secret.unwrap_or_default();
        let text = format!("{name}={secret}; {attributes}; Max-Age={seconds}");
        Some((header::SET_COOKIE, HeaderValue::try_from(text).ok()?))
    }

    /// Returns the secret that a request carries. A name that occurs twice is none.
    pub(in crate::http) fn read<'h>(
        self,
        services: &Services,
        headers: &'h HeaderMap,
    ) -> Option<&'h str> {
        let name = self.name(is_secure(services));
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut found = pairs.filter(|(other, _)| *other == name).map(|(_, value)| value);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

fn is_secure(services: &Services) -> bool {
    services.links.public_url.scheme() == "https"
}
