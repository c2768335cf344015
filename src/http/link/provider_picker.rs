//! The page on which a customer selects a provider.

use axum::response::Response;
use maud::html;

use super::layout::{LinkPageView, cancel_link, introduction};
use crate::domain::provider::Provider;

/// Renders the page.
pub(super) fn page(offering: &LinkPageView<'_>) -> Response {
    let LinkPageView { offer, .. } = offering;
    let title = "Connect your directory";
    let body = html! {
        h1 { (offer.page.headline.as_deref().unwrap_or(title)) }
        p { (introduction(&offer.page, None)) }
        h2 #choose { "Choose your directory" }
        ul.choices aria-labelledby="choose" {
            @for one in &offer.choices {
                li { a href=(offering.href(Some(one.provider))) {
                    strong { (one.provider.title()) }
                    span { (about(one.provider)) }
                } }
            }
        }
        (cancel_link(offer))
    };
    offering.respond(title, body, "")
}

/// Describes how a provider is connected.
fn about(provider: Provider) -> &'static str {
    match provider {
        Provider::SlackEnterprise => "Approve on Slack's page, as an owner or admin",
        Provider::Scim => {
            "Enter the address of your directory's SCIM service, and a token, a password or client credentials"
        }
    }
}
