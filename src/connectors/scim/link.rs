//! Links a SCIM account by a form: the base URL, and credentials that are checked before they are stored.

use http::StatusCode;
use serde_json::Value;
use url::Url;

use super::ScimConnector;
use crate::connectors::{FormLink, LinkRejection};
use crate::domain::account::Organization;
use crate::upstream::{AddressPolicy, TokenCheckResponse};

/// Number of users that distinguish organizations with the same base URL.
const SAMPLE_USERS: usize = 20;
/// Maximum length of a URL, in bytes.
const MAX_URL_BYTES: usize = 1_000;
/// The schema of list responses.
const LIST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

impl FormLink for ScimConnector {
    fn base_url(&self, text: &str, reach: AddressPolicy) -> Result<Url, &'static str> {
        let mut url = customer_url(text, reach).map_err(|why| {
            why.unwrap_or("It must be a complete URL, such as https://scim.example.com/v2.")
        })?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("It must end before any ? or #.");
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(url)
    }

    fn token_url(&self, text: &str, reach: AddressPolicy) -> Result<Url, &'static str> {
        let url = customer_url(text, reach).map_err(|why| {
            why.unwrap_or(
                "It must be a complete URL, such as https://login.example.com/oauth2/token.",
            )
        })?;
        // A query is part of the endpoint (RFC 6749 §3.2).
        if url.fragment().is_some() {
            return Err("It must end before any #.");
        }
        Ok(url)
    }

    /// Returns the URL of a page of one user: `ServiceProviderConfig` may be readable without a token (RFC 7644 §4). Some
    /// servers fail when they are given `count`.
    fn token_check_urls(&self, base_url: &Url) -> Vec<Url> {
        [token_check_url(base_url), base_url.join("Users").ok()].into_iter().flatten().collect()
    }

    fn sample_url(&self, base_url: &Url) -> Option<Url> {
        let mut url = base_url.join("Users").ok()?;
        url.set_query(Some(&format!("count={SAMPLE_USERS}")));
        Some(url)
    }

    fn read_sample(&self, response: &TokenCheckResponse) -> Vec<String> {
        let users = field(&response.body, "Resources").and_then(Value::as_array);
        let ids = users.into_iter().flatten().filter_map(|user| {
            let id = field(user, "id")?;
            // Some servers send numbers.
            id.as_str().map(str::to_owned).or_else(|| id.as_i64().map(|id| id.to_string()))
        });
        ids.filter(|id| !id.is_empty()).take(SAMPLE_USERS).collect()
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

/// Parses a URL that a customer entered.
///
/// # Errors
///
/// The failed rule, in words for the customer; `None` when it is not a URL.
fn customer_url(text: &str, reach: AddressPolicy) -> Result<Url, Option<&'static str>> {
    let text = text.trim();
    let url = Url::parse(text).map_err(|_| None)?;
    if text.len() > MAX_URL_BYTES {
        return Err(Some("It must have at most 1,000 characters."));
    }
    let may_go_without_tls = reach == AddressPolicy::Any;
    let is_fit = match url.scheme() {
        "https" => true,
        "http" => may_go_without_tls,
        _ => false,
    };
    if !is_fit {
        return Err(Some("It must begin with https://."));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Some(
            "It must not contain a user name or password: they have fields of their own.",
        ));
    }
    Ok(url)
}

/// Whether a body is a list response (RFC 7644 §3.4.2): it has `totalResults`, rows, or its schema. Servers differ in
/// what they leave out.
pub(super) fn is_list(body: &Value) -> bool {
    let is_number = |value: &Value| {
        value.is_u64() || value.as_str().is_some_and(|text| text.trim().parse::<u64>().is_ok())
    };
    let schemas = field(body, "schemas").and_then(Value::as_array);
    let mut schemas = schemas.into_iter().flatten().filter_map(Value::as_str);
    field(body, "totalResults").is_some_and(is_number)
        || field(body, "Resources").is_some_and(Value::is_array)
        || schemas.any(|schema| schema.eq_ignore_ascii_case(LIST_SCHEMA))
}

/// Returns the value of an attribute: names are case-insensitive (RFC 7643 §2.1).
pub(super) fn field<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let object = object.as_object()?;
    object.get(name).or_else(|| {
        object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
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

    #[test]
    fn a_token_url_keeps_its_query_and_has_the_same_rules() {
        let scim = ScimConnector::new(&crate::config::ScimSettings { per_minute: 1.0, burst: 1 });
        let read = |text| scim.token_url(text, AddressPolicy::PublicOnly).ok().map(String::from);
        let rows = [
            (" https://id.example.com/token?p=1 ", Some("https://id.example.com/token?p=1")),
            ("https://id.example.com/token#a", None),
            ("http://id.example.com/token", None),
            ("https://a:b@id.example.com/token", None),
            ("id.example.com/token", None),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn recognizes_lists_of_servers_that_leave_parts_out() {
        use serde_json::json;
        for (body, expected) in [
            (json!({"totalResults": 3}), true),
            (json!({"totalresults": "3"}), true),
            (json!({"Resources": []}), true),
            (json!({"resources": []}), true),
            (json!({"schemas": [LIST_SCHEMA]}), true),
            (json!({"totalResults": "many"}), false),
            (json!({"Resources": {}}), false),
            (json!({}), false),
            (json!([]), false),
            (json!(null), false),
        ] {
            assert_eq!(is_list(&body), expected, "{body}");
        }
    }
}
