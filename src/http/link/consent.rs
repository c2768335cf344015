//! The page before a provider's consent: who requests which permissions, and the button that continues to the provider.

use axum::response::Response;
use maud::{Markup, html};

use super::layout::{DisplayMode, LinkPageView, cancel_link, introduction, other_provider_link};
use crate::domain::provider::Provider;
use crate::http::state::AppState;
use crate::link::LinkOptions;

/// Renders the page. `scopes` are the requested scopes, each with its description if known.
pub(super) fn page(
    state: &AppState,
    offering: &LinkPageView<'_>,
    provider: Provider,
    scopes: &[(String, Option<&'static str>)],
) -> Response {
    let LinkPageView { context: shown, offer, token } = offering;
    let link = state.registry.connector(provider).linking().oauth();
    let leaves_for = link.map(|link| link.endpoints().authorize_url.origin().ascii_serialization());
    let (name, product) = (provider.title(), offer.page.name.as_deref());
    let title = match &offer.organization {
        Some(_) => format!("Reconnect {name}"),
        None => format!("Connect {name}"),
    };
    let permissions = permissions(scopes);
    let body = html! {
        h1 { (offer.page.headline.as_deref().unwrap_or(&title)) }
        p { (introduction(&offer.page, Some(name))) }
        (steps(offer, name))
        details.permissions open[permissions.len() <= 6] {
            summary { "Permissions requested" (product.map_or_else(String::new, |name| format!(" by {name}"))) ": " (permissions.len()) }
            ul.scopes {
                @for (description, scopes) in &permissions {
                    li { span { (description) } code { (scopes.join(" ")) } }
                }
            }
        }
        form method="post" action={ "/link/" (token) } target=[(shown.display == DisplayMode::Frame).then_some("_blank")] {
            (offering.fields(provider))
            button type="submit" { "Continue to " (name) }
        }
        p.waiting hidden role="status" { "Waiting for your approval in the other window…" }
        (other_provider_link(offering))
        (cancel_link(offer))
        p.note { "You sign in on " (name) "'s own page; we never see your password. You can disconnect at any time." }
    };
    offering.respond(&title, body, &leaves_for.unwrap_or_default())
}

/// Returns the permissions in the order of the scopes, each with the scopes that request it.
fn permissions<'a>(
    scopes: &'a [(String, Option<&'static str>)],
) -> Vec<(&'static str, Vec<&'a str>)> {
    let mut permissions: Vec<(&str, Vec<&str>)> = Vec::new();
    for (scope, description) in scopes {
        let description = description.unwrap_or("Provider permission");
        match permissions.iter_mut().find(|(known, _)| *known == description) {
            Some((_, scopes)) => scopes.push(scope),
            None => permissions.push((description, vec![scope])),
        }
    }
    permissions
}

fn steps(offer: &LinkOptions, provider: &str) -> Markup {
    html! {
        ol.steps {
            li { "Sign in to " (provider) " as an " strong { "owner or admin of the organization" } ". Other users cannot approve." }
            li {
                @match &offer.organization {
                    Some(organization) => { "Choose the organization " strong { (organization) } ", which was connected before." }
                    None => { "Install on the whole " strong { "organization" } ", not on a single workspace." }
                }
            }
            li { "Approve the permissions. You then return to this page." }
        }
    }
}
