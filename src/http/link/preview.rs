//! A preview of the link page, for those who change its branding.

use axum::response::Response;
use maud::html;

use super::layout::{brand, introduction};
use crate::domain::link_page::LinkPage;
use crate::http::html_page;

/// Renders the page with this branding. Its button does nothing.
pub(in crate::http) fn page(page: &LinkPage) -> Response {
    let body = html! {
        (brand(page))
        h1 { (page.headline.as_deref().unwrap_or("Connect your directory")) }
        p { (introduction(page, None)) }
        button type="button" disabled { "Continue to your directory" }
        @if let Some(support) = &page.support_url {
            p.note.support { "Questions? " a href=(support) rel="noopener" target="_blank" { "Get help" } }
        }
    };
    html_page::preview("Preview", &body, page.accent_color.as_deref())
}
