//! Finds the id of a new resource in the response to its creation (RFC 7644 §3.3).

use percent_encoding::percent_decode_str;
use url::Url;

use super::api::SuccessResponse;
use super::classify::parse_base_url;
use super::wire::ResourceId;
use crate::connectors::path::BaseUrl;
use crate::connectors::{CallContext, ConnectorError, UrlTarget};

/// Returns the id of a new resource: that of the body, or of `Location` where the body has none.
///
/// # Errors
///
/// The defect of the body, when neither has the id.
pub(super) fn created_id(
    cx: &CallContext<'_>,
    method: &'static str,
    response: SuccessResponse,
) -> Result<String, ConnectorError> {
    let SuccessResponse { status, etag: _, location, body } = response;
    let id = match &body {
        Some(body) => body.read(cx).map(|ResourceId { id }| id),
        None => Err(cx.invalid_response(method, format!("it is empty, with the status {status}"))),
    };
    id.or_else(|unusable| {
        let base_url = parse_base_url(cx.account.base_url.as_deref());
        let located = base_url.zip(location).and_then(|(base, location)| id_in(&base, &location));
        located.ok_or(unusable)
    })
}

/// Returns the last segment of the URL of a resource below the base URL.
fn id_in(base_url: &Url, location: &str) -> Option<String> {
    let url = base_url.join(location).ok()?;
    let UrlTarget::Path(path) = BaseUrl::from_url(base_url)?.classify_url(&url) else {
        return None;
    };
    let (_, id) = path.trim_end_matches('/').rsplit_once('/')?;
    let id = percent_decode_str(id).decode_utf8().ok()?.into_owned();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_last_segment_below_the_base_url() {
        let base_url = Url::parse("https://p.test/scim/v2/").unwrap();
        for (location, expected) in [
            ("https://p.test/scim/v2/Users/1", Some("1")),
            ("/scim/v2/Users/a%2Fb/", Some("a/b")),
            ("Users/ada@example.com?x=1", Some("ada@example.com")),
            ("https://p.test/scim/v2/Users", None),
            ("https://p.test/other/Users/1", None),
            ("https://evil.test/scim/v2/Users/1", None),
            ("", None),
        ] {
            assert_eq!(id_in(&base_url, location).as_deref(), expected, "{location}");
        }
    }
}
