//! The frame of the pages that people see: one style, dark and light, nothing from elsewhere.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("../../web/page.css");
/// SHA-256 of the style is not needed: it stands in the page, and the policy permits inline styles.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                      frame-ancestors 'none'; form-action 'self'";

/// A page without a form that leaves for elsewhere.
pub(super) fn plain(title: &str, body: &Markup) -> Response {
    framed(title, body, "")
}

/// A page whose form may lead to `leaves_for`, an origin.
pub(super) fn framed(title: &str, body: &Markup, leaves_for: &str) -> Response {
    show(title, body, leaves_for, "")
}

/// A page that is read rather than filled in.
pub(super) fn wide(title: &str, body: &Markup) -> Response {
    show(title, body, "", "wide")
}

fn show(title: &str, body: &Markup, leaves_for: &str, class: &str) -> Response {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Switchboard" }
                style { (PreEscaped(STYLE)) }
            }
            body { main class=(class) { (body) } }
        }
    };
    let mut response = Html(markup.into_string()).into_response();
    let headers = response.headers_mut();
    let policy = format!("{POLICY} {leaves_for}");
    if let Ok(policy) = HeaderValue::try_from(policy.trim_end()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin-allow-popups"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
