//! The form of a SCIM account: where the server is, and a token that is tried there before it is kept.

use http::StatusCode;
use serde_json::Value;
use url::Url;

use super::Scim;
use crate::connectors::{FormLink, LinkRefusal};
use crate::domain::account::Organization;
use crate::upstream::{Reach, TrialAnswer};

/// How many users tell an organization from another one at the same address.
const SAMPLE: usize = 20;
/// The longest base URL, in bytes.
const LONGEST: usize = 1_000;

impl FormLink for Scim {
    fn base_url(&self, text: &str, reach: Reach) -> Result<Url, &'static str> {
        let text = text.trim();
        let Ok(mut url) = Url::parse(text) else {
            return Err("It must be a whole address, such as https://scim.example.com/v2.");
        };
        if text.len() > LONGEST {
            return Err("It is too long for a base address.");
        }
        let may_go_without_tls = reach == Reach::Anywhere;
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
                "It must not hold a name or a password: the token goes into its own field.",
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

    /// `ServiceProviderConfig` may be read without a token (RFC 7644 §4), so the people are asked for: one
    /// of them tells whether the token is good for them.
    fn trial_url(&self, base_url: &Url) -> Option<Url> {
        trial_url(base_url)
    }

    fn sample_url(&self, base_url: &Url) -> Option<Url> {
        let mut url = base_url.join("Users").ok()?;
        url.set_query(Some(&format!("count={SAMPLE}")));
        Some(url)
    }

    fn read_sample(&self, answer: &TrialAnswer) -> Vec<String> {
        let users = answer.body.get("Resources").and_then(Value::as_array);
        let ids = users.into_iter().flatten().filter_map(|user| user.get("id")?.as_str());
        ids.filter(|id| !id.is_empty()).take(SAMPLE).map(str::to_owned).collect()
    }

    fn read_trial(
        &self,
        base_url: &Url,
        answer: &TrialAnswer,
    ) -> Result<Organization, LinkRefusal> {
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(LinkRefusal::TokenRefused);
            }
            StatusCode::OK => {}
            _ => return Err(LinkRefusal::NotTheProvider),
        }
        if !is_list(&answer.body) {
            return Err(LinkRefusal::NotTheProvider);
        }
        let host = base_url.host_str().ok_or(LinkRefusal::NotTheProvider)?;
        Ok(Organization { id: base_url.as_str().into(), name: host.to_owned() })
    }
}

/// Where a token is tried below an address.
pub(super) fn trial_url(base_url: &Url) -> Option<Url> {
    let mut url = base_url.join("Users").ok()?;
    url.set_query(Some("count=1"));
    Some(url)
}

/// Whether a body is a list: RFC 7644 §3.4.2 puts the total into every response to a query.
pub(super) fn is_list(body: &Value) -> bool {
    body.get("totalResults").is_some_and(Value::is_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, reach: Reach) -> Option<String> {
        let scim = Scim::new(&crate::config::Scim { per_minute: 1.0, burst: 1 });
        scim.base_url(text, reach).ok().map(String::from)
    }

    #[test]
    fn an_address_is_kept_in_one_spelling_and_nothing_odd_is_taken() {
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
            assert_eq!(read(text, Reach::Public).as_deref(), expected, "{text}");
        }
        let inside = read("http://127.0.0.1:9/scim/v2", Reach::Anywhere);
        assert_eq!(inside.as_deref(), Some("http://127.0.0.1:9/scim/v2/"));
    }
}
