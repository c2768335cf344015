//! The layout of the HTML pages: one inline style, dark and light, no external resources.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("../../web/page.css");
/// The icon of every page, so that browsers do not request `/favicon.ico`.
pub(super) const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' \
    rx='4' fill='%230b5fff'/%3E%3Cpath d='M4 6h8M4 10h8' stroke='white' stroke-width='2' stroke-linecap='round'/%3E%3C/svg%3E";
/// Content security policy, besides the style, which is part of the page and named by its hash.
const CSP: &str = "default-src 'none'; base-uri 'none'; ";

/// Renders a text, with `code` where it is in backticks.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

/// Returns the page for a browser at a path without a route.
pub(super) fn not_found() -> Response {
    let body = html! {
        p.eyebrow { "HTTP 404" }
        h1 { "Page not found" }
        p { "There is no page and no API route at this address." }
        p { a href="/" { "Start" } " · " a href="/docs" { "API reference" } }
    };
    let mut response = plain("Page not found", &body);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// Whether a browser requests a page: API clients do not name HTML in `Accept`.
pub(super) fn is_requested(headers: &HeaderMap) -> bool {
    let mut accepted =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|kinds| kinds.contains("text/html"))
}

/// Returns a page for this site only, with forms.
pub(super) fn plain(title: &str, body: &Markup) -> Response {
    let policy = format!("{CSP}img-src data:; frame-ancestors 'none'; form-action 'self'");
    let mut response = render(title, body, "", "", &policy);
    isolate(&mut response);
    response
}

/// Returns a hosted page without script and form, that pages of this server may frame.
pub(super) fn preview(title: &str, body: &Markup, accent: Option<&str>) -> Response {
    let policy = format!("{CSP}img-src https: data:; frame-ancestors 'self'; form-action 'none'");
    render(title, body, "hosted", &accent.map(colors).unwrap_or_default(), &policy)
}

/// A page with the branding of an environment.
pub(super) struct HostedPage<'a> {
    /// Title of the page.
    pub(super) title: &'a str,
    /// Content of the page.
    pub(super) body: &'a Markup,
    /// Name of the environment's product.
    pub(super) product: Option<&'a str>,
    /// Accent color, as `#rrggbb`.
    pub(super) accent: Option<&'a str>,
    /// Origin that the form may redirect to.
    pub(super) redirect_origin: &'a str,
    /// Value of the CSP directive `frame-ancestors`.
    pub(super) frame_ancestors: &'a str,
}

/// Returns a hosted page for customers, with its script. The page retains `window.opener`.
pub(super) fn hosted(frame: &HostedPage<'_>) -> Response {
    let HostedPage {
        title,
        body,
        product,
        accent,
        redirect_origin: leaves_for,
        frame_ancestors: framed_by,
    } = *frame;
    let title = format!("{title} · {}", product.unwrap_or("Switchboard"));
    let policy = format!(
        "{CSP}img-src https: data:; script-src 'self'; connect-src 'self'; \
         frame-ancestors {framed_by}; form-action 'self' {leaves_for}"
    );
    render(&title, body, "hosted", &accent.map(colors).unwrap_or_default(), policy.trim_end())
}

/// Returns the CSS variables of the accent color, with a readable text color.
pub(super) fn colors(accent: &str) -> String {
    let channel = |from: usize| {
        accent.get(from..from + 2).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0)
    };
    // Approximate relative luminance: https://www.w3.org/TR/WCAG21/#dfn-relative-luminance
    let is_light = 299 * channel(1) + 587 * channel(3) + 114 * channel(5) > 150_000;
    let on = if is_light { "#111" } else { "#fff" };
    format!(":root {{ --button: {accent}; --on-button: {on}; --brand: {accent}; }}")
}

fn render(title: &str, body: &Markup, class: &str, colors: &str, policy: &str) -> Response {
    let style = format!("{STYLE}{colors}");
    let policy =
        format!("{policy}; style-src 'sha256-{}'", STANDARD.encode(Sha256::digest(&style)));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href=(ICON);
                title { (title) }
                style { (PreEscaped(&style)) }
            }
            body { main class=(class) { (body) } }
        }
    };
    let mut response = Html(markup.into_string()).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Isolates a page: it can't be framed, and other windows get no handle on it.
fn isolate(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
}
