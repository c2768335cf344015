//! The form of a provider without a consent page: where it is, and a token for it. What is wrong with it is
//! said on the form, so that it can be corrected there.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::failures;
use super::outcome;
use super::shown::{Display, Offering, Shown, introduction, other_choice, way_out};
use super::words;
use crate::connectors::LinkRefusal;
use crate::domain::link_page::{LinkPage, own_origin};
use crate::domain::provider::Provider;
use crate::http::state::AppState;
use crate::link::{Asked, Filled, LinkError, Offer, Visit};
use crate::vault::secret::AccessToken;

/// A try that went wrong: the address that was given, and what to do about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flawed<'a> {
    base_url: &'a str,
    error: &'a LinkError,
}

/// The page.
pub(super) fn page(
    offering: &Offering<'_>,
    provider: Provider,
    flawed: Option<Flawed<'_>>,
) -> Response {
    let Offering { offer, token, .. } = offering;
    let title = match &offer.organization {
        Some(_) => "Reconnect your directory",
        None => "Connect your directory",
    };
    let body = html! {
        h1 { (offer.page.headline.as_deref().unwrap_or(title)) }
        p { (introduction(&offer.page, None)) }
        @if let Some(Flawed { error, .. }) = flawed {
            div.notice role="alert" {
                p { strong { (words::of(error).1) } }
                @for line in words::of(error).2 { p { (line) } }
            }
        }
        (steps(offer))
        form method="post" action={ "/link/" (token) } autocomplete="off" {
            (offering.fields(provider))
            (inputs(flawed))
            button type="submit" { "Try and connect" }
        }
        (other_choice(offering))
        (way_out(offer))
        p.note { "The token is tried once, then kept encrypted; nobody sees it again. You end the connection by withdrawing it where you made it." }
    };
    // Browsers hold the way after a form against the same policy as the form.
    let leaves_for = offer.redirect_uri.as_deref().and_then(own_origin).unwrap_or_default();
    let mut response = offering.respond(title, body, &leaves_for);
    if let Some(Flawed { error, .. }) = flawed {
        *response.status_mut() = words::of(error).0;
    }
    response
}

fn steps(offer: &Offer) -> Markup {
    html! {
        ol.steps {
            li {
                @match &offer.organization {
                    Some(organization) => { "Open the administration of the directory at " strong { (organization) } ", which was connected before." }
                    None => { "Open the administration of your directory, as somebody who may set up " strong { "SCIM" } " (often called provisioning)." }
                }
            }
            li { "Make a token there that may read people and groups." }
            li { "Paste the address of the SCIM service and the token below." }
        }
    }
}

fn inputs(flawed: Option<Flawed<'_>>) -> Markup {
    let at_fault = |of_token: bool| {
        flawed.is_some_and(|flawed| {
            let is_token = matches!(flawed.error, LinkError::Grant(LinkRefusal::TokenRefused));
            is_token == of_token
        })
    };
    html! {
        label for="base_url" { "Address of the SCIM service" }
        input #base_url type="url" name="base_url" required maxlength="1000" spellcheck="false"
            placeholder="https://scim.example.com/v2" value=[flawed.map(|flawed| flawed.base_url)]
            aria-invalid=[at_fault(false).then_some("true")];
        label for="token" { "Token" }
        input #token type="password" name="token" required maxlength="8192" autocomplete="off"
            spellcheck="false" aria-invalid=[at_fault(true).then_some("true")];
        @if flawed.is_some_and(|flawed| matches!(flawed.error, LinkError::OtherUsers)) {
            label {
                input type="checkbox" name="same_organization" value="yes";
                " This is the organization that was connected before"
            }
        }
    }
}

/// Takes what a form was filled with.
pub(super) async fn connect(
    state: &AppState,
    link_token: &str,
    visit: &Visit<'_>,
    (provider, form): (Provider, &str),
    request_id: &str,
) -> Response {
    let field = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(form.as_bytes());
        let (_, value) = pairs.find(|(name, _)| name == wanted)?;
        // It may be a token.
        let value = Zeroizing::new(value.into_owned());
        Some(value.trim().to_owned())
    };
    let base_url = field("base_url").unwrap_or_default();
    let token = AccessToken::from(field("token").unwrap_or_default());
    let is_confirmed = field("same_organization").as_deref() == Some("yes");
    let asked = if is_confirmed { Asked::Confirmed } else { Asked::No };
    let filled = Filled { provider, base_url: &base_url, token, asked, request_id };
    let (way, outcome) = state.links.connect(link_token, visit, filled).await;
    let looks = way.as_ref().map_or_else(LinkPage::default, |way| way.page.clone());
    let display = Display::named(visit.display);
    let shown = Shown { page: &looks, display, opener: visit.opener_origin };
    let error = match (&way, outcome) {
        (Some(way), Ok(linked)) => return outcome::done(way, &linked),
        (_, Ok(_)) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        (_, Err(error)) => error,
    };
    if let Some(quota) = error.quota() {
        state.metrics.over_quota(quota.name());
    }
    if is_for_the_form(&error)
        && let Ok(offer) = state.links.offer(link_token).await
    {
        failures::log(&error);
        let offering = Offering { shown: &shown, offer: &offer, token: link_token };
        return page(&offering, provider, Some(Flawed { base_url: &base_url, error: &error }));
    }
    let again = way.as_ref().map(|_| format!("/link/{link_token}"));
    failures::after(&shown, &error, again.as_deref(), way.as_ref())
}

/// Whether the customer can mend it in the form.
fn is_for_the_form(error: &LinkError) -> bool {
    matches!(
        error,
        LinkError::BaseUrl(_)
            | LinkError::NoDirectory(_)
            | LinkError::Grant(LinkRefusal::TokenRefused | LinkRefusal::NotTheProvider)
            | LinkError::OtherOrganization
            | LinkError::OtherUsers
    )
}
