//! The page at `/`: version, providers and routes of this server.

use axum::Extension;
use axum::response::Response;
use maud::html;

use super::openapi::ServedDocument;
use super::{docs, html_page};
use crate::domain::provider::Provider;

/// Serves the page.
pub(super) async fn show_index(Extension(document): Extension<ServedDocument>) -> Response {
    let document = document.parse();
    let providers =
        Provider::ALL.iter().map(|provider| provider.title()).collect::<Vec<_>>().join(", ");
    let body = html! {
        p.eyebrow { "Switchboard " (env!("CARGO_PKG_VERSION")) }
        h1 { "One API for every customer's workforce directory" }
        p {
            "Send " code { "Authorization: Bearer KEY" } " and specify the customer's account with "
            code { "integrated_account_id" } ". Providers: " (providers) "."
        }
        h2 { "Routes" }
        ul.routes {
            @for (path, operations) in docs::paths(&document) {
                li {
                    code { (path) } " "
                    @for one in operations {
                        a.method href=(one.href()) { (one.method.to_uppercase()) } " "
                    }
                }
            }
            li { code { "/proxy/{path}" } "the provider's native API" }
        }
        p { a href="/docs" { "API reference" } " · " a href="/openapi.json" { "OpenAPI document" } " · " a href="/problems" { "Problems" } }
    };
    html_page::plain("Start", &body)
}
