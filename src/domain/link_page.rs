//! Settings of an environment's link page: branding, and the origins that may embed it and receive its result.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::patch::ValidationError;

/// Maximum number of origins of an environment.
const MAX_ORIGINS: usize = 20;
/// Maximum length of a text, in characters.
const MAX_TEXT_CHARS: usize = 500;
/// Maximum length of a URL, in bytes: room for a small image as `data:`.
const MAX_URL_BYTES: usize = 32 * 1024;

/// Branding and allowed origins of the link page. Absent fields have defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Acme HR", "accent_color": "#7a3cff", "origins": ["https://app.acme.example"]}))]
#[serde(deny_unknown_fields, default)]
pub struct LinkPage {
    /// The name of your product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The logo: an `https` URL, or `data:image/…` of at most 32 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// The color of buttons and links, as `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent_color: Option<String>,
    /// The headline that replaces "Connect …".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// The text below the headline: what your product does with the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introduction: Option<String>,
    /// The support address: `https` or `mailto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_url: Option<String>,
    /// Origins that may open the page in a popup or frame, and that a `redirect_uri` may have. Without any, loopback
    /// origins are allowed, for development.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

impl LinkPage {
    /// Returns the validation errors.
    #[must_use]
    pub fn validate(&self) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        let mut check = |pointer: &str, holds: bool, message: &'static str| {
            if !holds {
                errors.push(ValidationError::at(format!("/link_page/{pointer}"), message));
            }
        };
        for (pointer, text) in [
            ("name", &self.name),
            ("headline", &self.headline),
            ("introduction", &self.introduction),
        ] {
            let fits = text.as_ref().is_none_or(|text| is_text(text));
            check(pointer, fits, "must have 1 to 500 characters");
        }
        let logo = self.logo_url.as_deref();
        check("logo_url", logo.is_none_or(is_picture), "must be https, or a data:image of 32 KiB");
        let color = self.accent_color.as_deref();
        check("accent_color", color.is_none_or(is_color), "must be a color such as #0b5fff");
        let support = self.support_url.as_deref();
        check("support_url", support.is_none_or(is_support), "must be https or mailto");
        check("origins", self.origins.len() <= MAX_ORIGINS, "has more than 20 origins");
        for (index, origin) in self.origins.iter().enumerate() {
            let fits = redirect_origin(origin).as_deref() == Some(origin);
            check(
                &format!("origins/{index}"),
                fits,
                "must be an origin such as https://app.example.com, or http on a loopback address",
            );
        }
        errors
    }

    /// Whether a web page of that origin may embed the link page and receive its result.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        match &*self.origins {
            [] => redirect_origin(origin).is_some_and(|origin| is_loopback_origin(&origin)),
            some => some.iter().any(|one| one == origin),
        }
    }
}

/// Returns the origin of a URL that browsers may be redirected to: `https`, or `http` on a loopback address, without
/// userinfo.
#[must_use]
pub fn redirect_origin(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let is_bare = url.username().is_empty() && url.password().is_none();
    let is_safe = match url.scheme() {
        "https" => url.host_str().is_some_and(is_single_host),
        "http" => is_loopback(&url),
        _ => false,
    };
    (is_bare && is_safe).then(|| url.origin().ascii_serialization())
}

/// Whether a host is a single host name or address, without wildcards or separators of a CSP source list.
fn is_single_host(host: &str) -> bool {
    !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

fn is_loopback_origin(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| is_loopback(&url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(host)) => host == "localhost",
        Some(url::Host::Ipv4(host)) => host.is_loopback(),
        Some(url::Host::Ipv6(host)) => host.is_loopback(),
        None => false,
    }
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= MAX_TEXT_CHARS
}

fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#');
    digits.is_some_and(|digits| {
        digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_picture(address: &str) -> bool {
    let scheme = Url::parse(address).map(|url| url.scheme().to_owned());
    let is_known = match scheme.as_deref() {
        Ok("https") => true,
        Ok("data") => address.starts_with("data:image/"),
        Ok(_) | Err(_) => false,
    };
    is_known && address.len() <= MAX_URL_BYTES
}

fn is_support(address: &str) -> bool {
    let url = Url::parse(address);
    address.len() <= MAX_URL_BYTES
        && url.is_ok_and(|url| matches!(url.scheme(), "https" | "mailto"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(origins: &[&str]) -> LinkPage {
        let origins = origins.iter().map(|one| (*one).to_owned()).collect();
        LinkPage { origins, ..LinkPage::default() }
    }

    #[test]
    fn allows_only_listed_origins() {
        let listed = page(&["https://app.acme.example"]);
        let rows = [
            ("https://app.acme.example", true),
            ("https://app.acme.example:444", false),
            ("http://app.acme.example", false),
            ("https://acme.example", false),
            ("https://app.acme.example.evil.example", false),
            ("http://localhost:3000", false),
            ("null", false),
        ];
        for (origin, expected) in rows {
            assert_eq!(listed.allows_origin(origin), expected, "{origin}");
        }
        let open = LinkPage::default();
        let rows = [
            ("http://localhost:3000", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:3000", true),
            ("https://localhost", true),
            ("https://app.acme.example", false),
            ("http://localhost.evil.example", false),
            ("http://user@localhost", true),
            ("null", false),
        ];
        for (origin, expected) in rows {
            let expected = expected && !origin.contains('@');
            assert_eq!(open.allows_origin(origin), expected, "{origin}");
        }
    }

    #[test]
    fn rejects_invalid_settings() {
        let wrong = LinkPage {
            name: Some(" ".to_owned()),
            logo_url: Some("http://acme.example/logo.png".to_owned()),
            accent_color: Some("red;}".to_owned()),
            support_url: Some("javascript:alert(1)".to_owned()),
            ..page(&["https://acme.example/", "http://acme.example", "*"])
        };
        let pointers: Vec<_> = wrong.validate().into_iter().map(|error| error.pointer).collect();
        let expected = [
            "name",
            "logo_url",
            "accent_color",
            "support_url",
            "origins/0",
            "origins/1",
            "origins/2",
        ];
        assert_eq!(pointers, expected.map(|name| format!("/link_page/{name}")));
        assert_eq!(page(&["https://acme.example", "http://localhost:1"]).validate(), vec![]);
    }
}
