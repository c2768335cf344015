//! The link page of an environment: how it looks, and which web pages may open it and are told how
//! it ended.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::input::Flaw;

/// The most origins of an environment.
const MOST_ORIGINS: usize = 20;
/// The longest text, in characters.
const LONGEST_TEXT: usize = 500;
/// The longest address, in bytes; a small picture may stand in it.
const LONGEST_ADDRESS: usize = 32 * 1024;

/// How the link page looks, and who may open it. What is absent is as we made it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Acme HR", "accent_color": "#7a3cff", "origins": ["https://app.acme.example"]}))]
#[serde(deny_unknown_fields, default)]
pub struct LinkPage {
    /// The product that customers connect their directory with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its logo: an `https` address, or a `data:image/…` of 32 KiB at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// The colour of buttons and links, as `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent_color: Option<String>,
    /// The first line, in the place of "Connect …".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// A few words below it: what your product does with the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introduction: Option<String>,
    /// Where customers get help: `https` or `mailto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_url: Option<String>,
    /// The origins of your web pages that may open the page in a popup or a frame, and that a
    /// `redirect_uri` may lead to. Without any, pages on a loopback address may, for development.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

impl LinkPage {
    /// What is wrong with it.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut check = |pointer: &str, holds: bool, message: &'static str| {
            if !holds {
                flaws.push(Flaw::at(format!("/link_page/{pointer}"), message));
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
        check("accent_color", color.is_none_or(is_color), "must be a colour such as #0b5fff");
        let support = self.support_url.as_deref();
        check("support_url", support.is_none_or(is_support), "must be https or mailto");
        check("origins", self.origins.len() <= MOST_ORIGINS, "has more than 20 origins");
        for (index, origin) in self.origins.iter().enumerate() {
            let fits = own_origin(origin).as_deref() == Some(origin);
            check(
                &format!("origins/{index}"),
                fits,
                "must be an origin such as https://app.example.com, or http on a loopback address",
            );
        }
        flaws
    }

    /// Whether a web page of that origin may open the link page and be told how it ended.
    #[must_use]
    pub fn admits(&self, origin: &str) -> bool {
        match &*self.origins {
            [] => own_origin(origin).is_some_and(|origin| is_loopback_origin(&origin)),
            some => some.iter().any(|one| one == origin),
        }
    }
}

/// The origin of an address that browsers may be sent to: `https`, or `http` on a loopback address,
/// without a user.
#[must_use]
pub fn own_origin(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let is_bare = url.username().is_empty() && url.password().is_none();
    let is_safe = match url.scheme() {
        "https" => url.host_str().is_some_and(is_plain),
        "http" => is_loopback(&url),
        _ => false,
    };
    (is_bare && is_safe).then(|| url.origin().ascii_serialization())
}

/// Whether a host names one machine: nothing that a policy of browsers would read as more.
fn is_plain(host: &str) -> bool {
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
    !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT
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
    is_known && address.len() <= LONGEST_ADDRESS
}

fn is_support(address: &str) -> bool {
    let url = Url::parse(address);
    address.len() <= LONGEST_ADDRESS
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
    fn only_pages_of_the_list_are_let_in() {
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
            assert_eq!(listed.admits(origin), expected, "{origin}");
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
            assert_eq!(open.admits(origin), expected, "{origin}");
        }
    }

    #[test]
    fn what_can_not_be_shown_is_refused() {
        let wrong = LinkPage {
            name: Some(" ".to_owned()),
            logo_url: Some("http://acme.example/logo.png".to_owned()),
            accent_color: Some("red;}".to_owned()),
            support_url: Some("javascript:alert(1)".to_owned()),
            ..page(&["https://acme.example/", "http://acme.example", "*"])
        };
        let pointers: Vec<_> = wrong.flaws().into_iter().map(|flaw| flaw.pointer).collect();
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
        assert_eq!(page(&["https://acme.example", "http://localhost:1"]).flaws(), vec![]);
    }
}
