//! The page at `/`: version, providers and routes of this server.

use axum::Extension;
use axum::response::Response;
use maud::html;
use serde_json::Value;

use super::html_page;
use super::openapi::ServedDocument;
use crate::domain::provider::Provider;

/// Serves the page.
pub(super) async fn show_index(Extension(document): Extension<ServedDocument>) -> Response {
    let document = document.parse();
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let body = html! {
        p.eyebrow { "Switchboard " (env!("CARGO_PKG_VERSION")) }
        h1 { "One API for every customer's workforce directory" }
        p {
            "Send " code { "Authorization: Bearer KEY" } " and specify the customer's account with "
            code { "integrated_account_id" } ". Providers: "
            @for provider in Provider::ALL { (provider.title()) " " }
        }
        h2 { "Routes" }
        ul {
            @for (path, _) in paths { li { code { (path) } } }
            li { code { "/proxy/{path}" } ", the provider's native API" }
        }
        p { a href="/docs" { "API reference" } " · " a href="/openapi.json" { "OpenAPI document" } " · " a href="/problems" { "Problems" } }
    };
    html_page::plain("Start", &body)
}
