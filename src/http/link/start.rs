//! The first page: who asks for what, and the button that leads to the provider.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use url::form_urlencoded;

use super::cookie;
use super::failures::{self, careful};
use super::shown::{Content, Display, Shown, opener};
use crate::domain::link_page::LinkPage;
use crate::http::state::AppState;
use crate::link::{LinkError, Offer, Visit};

/// How the page is asked for.
#[derive(Debug, Default)]
struct Asked {
    display: Option<String>,
    origin: Option<String>,
    link_token: Option<String>,
    integration: Option<String>,
}

impl Asked {
    /// What an address says; what it says beyond that is of no matter to a page for people.
    fn read(query: Option<&str>) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let place = match &*name {
                "display" => &mut asked.display,
                "origin" => &mut asked.origin,
                "link_token" => &mut asked.link_token,
                "integration" => &mut asked.integration,
                "iframe" if value == "true" => {
                    asked.display = Some(Display::Frame.name().to_owned());
                    continue;
                }
                _ => continue,
            };
            *place = Some(value.into_owned());
        }
        asked
    }
}

/// Shows the page of a link token.
pub(super) async fn show(
    State(state): State<AppState>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    page(&state, &token, &Asked::read(query.as_deref()), &headers).await
}

/// Shows the same page at the address that another gateway's browser SDK opens.
pub(super) async fn show_theirs(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::read(query.as_deref());
    let token = asked.link_token.clone().unwrap_or_default();
    page(&state, &token, &asked, &headers).await
}

async fn page(state: &AppState, token: &str, asked: &Asked, headers: &HeaderMap) -> Response {
    let display = Display::of(asked.display.as_deref(), headers);
    let offer = state.links.offer(token).await;
    let offer = offer.and_then(|offer| match &asked.integration {
        Some(other) if other != offer.provider.name() => Err(LinkError::OtherProvider),
        _ => Ok(offer),
    });
    match offer {
        Ok(offer) => {
            let opener = opener(&offer.page, asked.origin.as_deref(), headers);
            let shown = Shown { page: &offer.page, display, opener: opener.as_deref() };
            offered(state, &shown, &offer, token)
        }
        Err(error) => failed(state, token, asked, headers, &error).await,
    }
}

/// The failure of a page that was not left yet.
async fn failed(
    state: &AppState,
    token: &str,
    asked: &Asked,
    headers: &HeaderMap,
    error: &LinkError,
) -> Response {
    state.metrics.link(error.name());
    let looks = state.links.looks(token).await.ok().flatten().unwrap_or_else(LinkPage::default);
    let opener = opener(&looks, asked.origin.as_deref(), headers);
    let display = Display::of(asked.display.as_deref(), headers);
    let shown = Shown { page: &looks, display, opener: opener.as_deref() };
    failures::page(&shown, error, None)
}

fn offered(state: &AppState, shown: &Shown<'_>, offer: &Offer, token: &str) -> Response {
    let provider = offer.provider.title();
    let connector = state.registry.connector(offer.provider).link();
    let leaves_for = connector.endpoints().authorize_url.origin().ascii_serialization();
    let product = offer.page.name.as_deref();
    let title = match &offer.organization {
        Some(_) => format!("Reconnect {provider}"),
        None => format!("Connect {provider}"),
    };
    let body = html! {
        h1 { (offer.page.headline.as_deref().unwrap_or(&title)) }
        p { (introduction(offer, product, provider)) }
        (steps(offer, provider))
        details.permissions open[offer.scopes.len() <= 6] {
            summary { "What " (product.map_or_else(|| "is asked".to_owned(), |name| format!("{name} asks"))) " for: " (offer.scopes.len()) " permissions" }
            ul.scopes {
                @for (scope, words) in &offer.scopes {
                    li { span { (words.unwrap_or("A permission of the provider")) } code { (scope) } }
                }
            }
        }
        form method="post" action={ "/link/" (token) } target=[(shown.display == Display::Frame).then_some("_blank")] {
            input type="hidden" name="display" value=(shown.display.name());
            @if let Some(opener) = shown.opener { input type="hidden" name="origin" value=(opener); }
            button type="submit" { "Continue to " (provider) }
        }
        p.waiting hidden role="status" { "Waiting for your approval in the other window…" }
        (way_out(offer))
        p.note { "You sign in at " (provider) " itself: your password is never seen here. You can disconnect at any time." }
    };
    shown.respond(Content {
        title: &title,
        body,
        message: None,
        status_path: Some(format!("/link/{token}/status")),
        leaves_for: &leaves_for,
    })
}

fn introduction(offer: &Offer, product: Option<&str>, provider: &str) -> Markup {
    html! {
        @match (&offer.page.introduction, product) {
            (Some(words), _) => (words),
            (None, Some(product)) => { strong { (product) } " would like to work with the people, roles and workspaces of your organization in " (provider) "." }
            (None, None) => { "This connects the people, roles and workspaces of your organization in " (provider) "." }
        }
    }
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

/// The way back to the web page that the customer came from, without a connection.
fn way_out(offer: &Offer) -> Markup {
    let back = offer.redirect_uri.as_deref().and_then(failures::closed);
    html! {
        p.out {
            @match back {
                Some(back) => a href=(back) { "Not now" },
                None => a href="#" data-close="" hidden { "Not now" },
            }
        }
    }
}

/// Opens the session and sends the browser to the provider.
pub(super) async fn leave(
    State(state): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
    form: String,
) -> Response {
    let asked = Asked::read(Some(&form));
    let display = asked.display.as_deref().map(Display::named).unwrap_or_default();
    let looks = state.links.looks(&token).await.ok().flatten().unwrap_or_else(LinkPage::default);
    // Only what is admitted is kept: the page at the end tells it how the link went.
    let opener = asked.origin.as_deref().filter(|origin| looks.admits(origin));
    let visit = Visit { display: display.name(), opener_origin: opener };
    match state.links.start(&token, &visit).await {
        Ok(started) => {
            let mut response = Redirect::to(started.url.as_str()).into_response();
            *response.status_mut() = StatusCode::SEE_OTHER;
            let cookie = cookie::set(&state, started.browser.reveal(), &token);
            response.headers_mut().extend(cookie);
            response.headers_mut().extend(careful());
            response
        }
        Err(error) => failed(&state, &token, &asked, &headers, &error).await,
    }
}
