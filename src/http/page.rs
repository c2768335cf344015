//! The frame of the pages that people see: one style, dark and light, nothing from elsewhere.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("../../web/page.css");
/// The style stands in the page, so inline styles are permitted; nothing else comes from the page itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; ";

/// A page that leads nowhere.
pub(super) fn plain(title: &str, body: &Markup) -> Response {
    let policy = format!("{POLICY}img-src data:; frame-ancestors 'none'; form-action 'self'");
    let mut response = show(title, body, "", "", &policy);
    alone(&mut response);
    response
}

/// A page that is read rather than filled in.
pub(super) fn wide(title: &str, body: &Markup) -> Response {
    let policy = format!("{POLICY}img-src data:; frame-ancestors 'none'; form-action 'none'");
    let mut response = show(title, body, "wide", "", &policy);
    alone(&mut response);
    response
}

/// A page of an environment, in its looks.
pub(super) struct Frame<'a> {
    /// The window's title.
    pub(super) title: &'a str,
    /// What is read.
    pub(super) body: &'a Markup,
    /// The product that it is shown for.
    pub(super) product: Option<&'a str>,
    /// The colour of buttons and links, as `#rrggbb`.
    pub(super) accent: Option<&'a str>,
    /// The origin that its form leads to.
    pub(super) leaves_for: &'a str,
    /// Who may frame it, as a content security policy has it.
    pub(super) framed_by: &'a str,
}

/// A page for a product's customers, with our script. It keeps its tie to the page that opened it.
pub(super) fn hosted(frame: &Frame<'_>) -> Response {
    let Frame { title, body, product, accent, leaves_for, framed_by } = *frame;
    let title = format!("{title} · {}", product.unwrap_or("Switchboard"));
    let policy = format!(
        "{POLICY}img-src https: data:; script-src 'self'; connect-src 'self'; \
         frame-ancestors {framed_by}; form-action 'self' {leaves_for}"
    );
    show(&title, body, "hosted", &accent.map(colors).unwrap_or_default(), policy.trim_end())
}

/// The variables of a colour, with a text on it that can be read.
fn colors(accent: &str) -> String {
    let channel = |from: usize| {
        accent.get(from..from + 2).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0)
    };
    // Relative luminance, near enough: https://www.w3.org/TR/WCAG21/#dfn-relative-luminance
    let is_light = 299 * channel(1) + 587 * channel(3) + 114 * channel(5) > 150_000;
    let on = if is_light { "#111" } else { "#fff" };
    format!(":root {{ --button: {accent}; --on-button: {on}; --brand: {accent}; }}")
}

fn show(title: &str, body: &Markup, class: &str, colors: &str, policy: &str) -> Response {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(colors)) }
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

/// Cuts a page off from every other: nobody frames it, nobody keeps a handle on its window.
fn alone(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
}
