//! The page before a provider's consent: who asks for what, and the button that leads there.

use axum::response::Response;
use maud::{Markup, html};

use super::shown::{Display, Offering, introduction, other_choice, way_out};
use crate::domain::provider::Provider;
use crate::http::state::AppState;
use crate::link::Offer;

/// The page. `scopes` are what will be asked for, and what each permits, where we know it.
pub(super) fn page(
    state: &AppState,
    offering: &Offering<'_>,
    provider: Provider,
    scopes: &[(String, Option<&'static str>)],
) -> Response {
    let Offering { shown, offer, token } = offering;
    let link = state.registry.connector(provider).linking().oauth();
    let leaves_for = link.map(|link| link.endpoints().authorize_url.origin().ascii_serialization());
    let (name, product) = (provider.title(), offer.page.name.as_deref());
    let title = match &offer.organization {
        Some(_) => format!("Reconnect {name}"),
        None => format!("Connect {name}"),
    };
    let body = html! {
        h1 { (offer.page.headline.as_deref().unwrap_or(&title)) }
        p { (introduction(&offer.page, Some(name))) }
        (steps(offer, name))
        details.permissions open[scopes.len() <= 6] {
            summary { "What " (product.map_or_else(|| "is asked".to_owned(), |name| format!("{name} asks"))) " for: " (scopes.len()) " permissions" }
            ul.scopes {
                @for (scope, words) in scopes {
                    li { span { (words.unwrap_or("A permission of the provider")) } code { (scope) } }
                }
            }
        }
        form method="post" action={ "/link/" (token) } target=[(shown.display == Display::Frame).then_some("_blank")] {
            (offering.fields(provider))
            button type="submit" { "Continue to " (name) }
        }
        p.waiting hidden role="status" { "Waiting for your approval in the other window…" }
        (other_choice(offering))
        (way_out(offer))
        p.note { "You sign in at " (name) " itself: your password is never seen here. You can disconnect at any time." }
    };
    offering.respond(&title, body, &leaves_for.unwrap_or_default())
}

fn steps(offer: &Offer, provider: &str) -> Markup {
    html! {
        ol.steps {
            li { "Sign in to " (provider) " as an " strong { "owner or admin of the organization" } ". Nobody else can approve this." }
            li {
                @match &offer.organization {
                    Some(organization) => { "Choose the organization " strong { (organization) } ", which was connected before." }
                    None => { "Install on the whole " strong { "organization" } ", not on a single workspace." }
                }
            }
            li { "Approve the permissions, and you are back here." }
        }
    }
}
