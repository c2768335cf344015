//! Links a SCIM account by a form: the base URL, and a token that is checked before it is stored.

use http::StatusCode;
use serde_json::Value;
use url::Url;

use super::ScimConnector;
use crate::connectors::{FormLink, LinkRejection};
use crate::domain::account::Organization;
use crate::upstream::{AddressPolicy, TokenCheckResponse};

/// Number of users that distinguish organizations with the same base URL.
const SAMPLE_USERS: usize = 20;
/// Maximum length of a base URL, in bytes.
const MAX_BASE_URL_BYTES: usize = 1_000;

impl FormLink for ScimConnector {
    fn base_url(&self, text: &str, reach: AddressPolicy) -> Result<Url, &'static str> {
        let text = text.trim();
        let Ok(mut url) = Url::parse(text) else {
            return Err("It must be a complete URL, such as https://scim.example.com/v2.");
        };
        if text.len() > MAX_BASE_URL_BYTES {
            return Err("It must have at most 1,000 characters.");
        }
        let may_go_without_tls = reach == AddressPolicy::Any;
        let is_fit = match url.scheme() {
            "https" => true,
            "http" => may_go_without_tls,
            _ => false,
        };
        if !is_fit {
            return Err("It must begin with https://.");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "It must not contain a user name or password: the token has its own field.",
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("It must end before any ? or #.");
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(url)
    }

    /// Returns the URL of a page of one user: `ServiceProviderConfig` may be readable without a token (RFC 7644 §4).
    fn token_check_url(&self, base_url: &Url) -> Option<Url> {
        token_check_url(base_url)
    }

    fn sample_url(&self, base_url: &Url) -> Option<Url> {
        let mut url = base_url.join("Users").ok()?;
        url.set_query(Some(&format!("count={SAMPLE_USERS}")));
        Some(url)
    }

    fn read_sample(&self, response: &TokenCheckResponse) -> Vec<String> {
        let users = response.body.get("Resources").and_then(Value::as_array);
        let ids = users.into_iter().flatten().filter_map(|user| user.get("id")?.as_str());
        ids.filter(|id| !id.is_empty()).take(SAMPLE_USERS).map(str::to_owned).collect()
    }

    fn read_token_check(
        &self,
        base_url: &Url,
        response: &TokenCheckResponse,
    ) -> Result<Organization, LinkRejection> {
        match response.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(LinkRejection::TokenRejected);
            }
            StatusCode::OK => {}
            _ => return Err(LinkRejection::WrongProvider),
        }
        if !is_list(&response.body) {
            return Err(LinkRejection::WrongProvider);
        }
        let host = base_url.host_str().ok_or(LinkRejection::WrongProvider)?;
        Ok(Organization { id: base_url.as_str().into(), name: host.to_owned() })
    }
}

/// Returns the token check URL of a base URL.
pub(super) fn token_check_url(base_url: &Url) -> Option<Url> {
    let mut url = base_url.join("Users").ok()?;
    url.set_query(Some("count=1"));
    Some(url)
}

/// Whether a body is a list response, which has `totalResults` (RFC 7644 §3.4.2).
pub(super) fn is_list(body: &Value) -> bool {
    body.get("totalResults").is_some_and(Value::is_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, reach: AddressPolicy) -> Option<String> {
        let scim = ScimConnector::new(&crate::config::ScimSettings { per_minute: 1.0, burst: 1 });
        scim.base_url(text, reach).ok().map(String::from)
    }

    #[test]
    fn normalizes_base_urls_and_rejects_unsafe_ones() {
        let rows = [
            (" https://SCIM.example.com/v2 ", Some("https://scim.example.com/v2/")),
            ("https://scim.example.com:443/v2/", Some("https://scim.example.com/v2/")),
            ("https://scim.example.com", Some("https://scim.example.com/")),
            ("http://scim.example.com/v2", None),
            ("scim.example.com/v2", None),
            ("https://me:secret@scim.example.com/v2", None),
            ("https://scim.example.com/v2?token=secret", None),
            ("https://scim.example.com/v2#top", None),
            ("file:///etc/passwd", None),
            ("javascript:alert(1)", None),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text, AddressPolicy::PublicOnly).as_deref(), expected, "{text}");
        }
        let inside = read("http://127.0.0.1:9/scim/v2", AddressPolicy::Any);
        assert_eq!(inside.as_deref(), Some("http://127.0.0.1:9/scim/v2/"));
    }
}
