//! The page on which a customer chooses among several kinds of directory.

use axum::response::Response;
use maud::html;

use super::shown::{Offering, introduction, way_out};
use crate::domain::provider::Provider;

/// The page.
pub(super) fn page(offering: &Offering<'_>) -> Response {
    let Offering { offer, .. } = offering;
    let title = "Connect your directory";
    let body = html! {
        h1 { (offer.page.headline.as_deref().unwrap_or(title)) }
        p { (introduction(&offer.page, None)) }
        h2 #choose { "Where do you keep your people?" }
        ul.choices aria-labelledby="choose" {
            @for one in &offer.choices {
                li { a href=(offering.href(Some(one.provider))) {
                    strong { (one.provider.title()) }
                    span { (about(one.provider)) }
                } }
            }
        }
        (way_out(offer))
    };
    offering.respond(title, body, "")
}

/// Who takes this one.
fn about(provider: Provider) -> &'static str {
    match provider {
        Provider::SlackEnterprise => "You approve on Slack's own page, as an owner or admin",
        Provider::Scim => "You paste the address and a token of your directory's SCIM service",
    }
}
