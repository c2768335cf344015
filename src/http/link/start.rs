//! The first page, by what is on offer: the choice of a provider, its consent, or its form. And what happens
//! when it is left.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use zeroize::Zeroizing;

use super::asked::Asked;
use super::cookie::{Cookie, Remembered};
use super::failures;
use super::redirect::careful;
use super::shown::{Display, Offering, Shown, opener};
use super::{choice, consent, form};
use crate::domain::link_page::LinkPage;
use crate::domain::provider::Provider;
use crate::http::current::CurrentRequest;
use crate::http::extract::read_up_to;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::link::{LinkError, Offer, Offered, Visit};

/// The largest form of ours, in bytes: a token and an address of the longest that its fields take, encoded.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// Shows the page of a link token.
pub(super) async fn show(
    State(state): State<AppState>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(page(&state, &token, &Asked::read(query.as_deref())?, &headers).await)
}

/// Shows the same page at the address that another gateway's browser SDK opens.
pub(super) async fn show_theirs(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::read(query.as_deref())?;
    let token = asked.link_token.clone().unwrap_or_default();
    Ok(page(&state, &token, &asked, &headers).await)
}

async fn page(state: &AppState, token: &str, asked: &Asked, headers: &HeaderMap) -> Response {
    let display = Display::of(asked.display.as_deref(), headers);
    let offer = state.links.offer(token).await;
    let chosen = offer.and_then(|offer| {
        let at = chosen(&offer, asked)?;
        Ok((offer, at))
    });
    let (offer, at) = match chosen {
        Ok(chosen) => chosen,
        Err(error) => return failed(state, token, asked, headers, &error).await,
    };
    let opener = opener(&offer.page, asked.origin.as_deref(), headers);
    let shown = Shown { page: &offer.page, display, opener: opener.as_deref() };
    let page = Offering { shown: &shown, offer: &offer, token };
    match at.and_then(|at| offer.choices.get(at)) {
        None => choice::page(&page),
        Some(Offered { provider, scopes: Some(scopes) }) => {
            consent::page(state, &page, *provider, scopes)
        }
        Some(Offered { provider, scopes: None }) => form::page(&page, *provider, None),
    }
}

/// The place of the choice that was made; `None` when it is still to be made.
fn chosen(offer: &Offer, asked: &Asked) -> Result<Option<usize>, LinkError> {
    match (&asked.provider, &*offer.choices) {
        (None, [_]) => Ok(Some(0)),
        (None, _) => Ok(None),
        (Some(name), choices) => {
            let at = choices.iter().position(|one| one.provider.name() == name);
            at.map(Some).ok_or(LinkError::OtherProvider)
        }
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

fn overloaded() -> Problem {
    let detail = "More forms are on their way than are taken at a time. Send this one again.";
    Problem::new(ProblemKind::Overloaded, detail).retry_after(std::time::Duration::from_secs(1))
}

/// Opens the session and sends the browser to the provider, or takes what its form was filled with.
pub(super) async fn leave(
    State(state): State<AppState>,
    Path(token): Path<String>,
    axum::Extension(request): axum::Extension<CurrentRequest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Who has no link token that can be used has nothing to send.
    if let Err(error) = state.links.check(&token).await {
        return Ok(failed(&state, &token, &Asked::default(), &headers, &error).await);
    }
    let form = {
        // A link token is in many hands: who has one holds no more places than who has no key.
        let _place = state.unproven_bodies.try_acquire().map_err(|_| overloaded())?;
        read_up_to(MAX_FORM_BYTES.min(state.max_body_bytes), body, &state).await?
    };
    // A form of ours may hold a token.
    let form = Zeroizing::new(String::from_utf8_lossy(&form).into_owned());
    let asked = Asked::read(Some(&form))?;
    let display = asked.display.as_deref().map(Display::named).unwrap_or_default();
    let looks = state.links.looks(&token).await.ok().flatten().unwrap_or_else(LinkPage::default);
    // Only what is admitted is kept: the page at the end tells it how the link went.
    let opener = asked.origin.as_deref().filter(|origin| looks.admits(origin));
    let visit = Visit { display: display.name(), opener_origin: opener };
    let provider = asked.provider.as_deref().map(str::parse::<Provider>);
    let Ok(provider) = provider.transpose() else {
        return Ok(failed(&state, &token, &asked, &headers, &LinkError::OtherProvider).await);
    };
    let by_form = provider.filter(|one| state.registry.connector(*one).linking().oauth().is_none());
    if let Some(provider) = by_form {
        return Ok(form::connect(&state, &token, &visit, (provider, &form), request.id()).await);
    }
    Ok(match state.links.start(&token, provider, &visit).await {
        Ok(started) => {
            let mut response = Redirect::to(started.url.as_str()).into_response();
            *response.status_mut() = StatusCode::SEE_OTHER;
            let browser = started.browser.reveal().to_owned();
            let remembered = Remembered { browser, token: token.clone() };
            let cookie = Cookie::of(&state, started.state.reveal());
            for (name, value) in cookie.set(&remembered, &headers) {
                response.headers_mut().append(name, value);
            }
            response.headers_mut().extend(careful());
            response
        }
        Err(error) => failed(&state, &token, &asked, &headers, &error).await,
    })
}
