//! The page at `/`: what this server is and what it answers.

use axum::response::Response;
use maud::html;

use super::page;
use crate::domain::provider::Provider;

/// Shows the page.
pub(super) async fn show_start() -> Response {
    let document = super::openapi::document();
    let body = html! {
        p.eyebrow { "Switchboard " (env!("CARGO_PKG_VERSION")) }
        h1 { "One integration, every customer's directory" }
        p {
            "Send " code { "Authorization: Bearer KEY" } " and name the customer's account with "
            code { "integrated_account_id" } ". Providers: "
            @for provider in Provider::ALL { (provider.title()) " " }
        }
        h2 { "What it answers" }
        ul {
            @for path in document.paths.paths.keys() { li { code { (path) } } }
            li { code { "/proxy/{path}" } ", the provider's own API" }
        }
        p { a href="/docs" { "API reference" } " · " a href="/openapi.json" { "OpenAPI document" } " · " a href="/problems" { "Problems" } }
    };
    page::plain("Start", &body)
}
