//! The first page of a link (provider selection, consent or form), and its submission.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use zeroize::Zeroizing;

use super::cookie::{LinkCookie, SessionCookie};
use super::error_page;
use super::layout::{DisplayMode, LinkPageView, PageContext, opener};
use super::params::LinkParams;
use super::redirect::no_store_headers;
use super::{consent, form, provider_picker};
use crate::domain::link_page::LinkPage;
use crate::domain::provider::Provider;
use crate::http::extract::read_up_to;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;
use crate::link::{LaunchContext, LinkError, LinkOptions, ProviderOption};

/// Maximum size of a form, in bytes: the longest token and base URL, encoded.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// Serves `GET /link/{token}`.
pub(super) async fn link_page(
    State(state): State<AppState>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(render_page(&state, &token, &LinkParams::parse(query.as_deref())?, &headers).await)
}

/// Serves `GET /connect-account`, the path that Truto's browser SDK opens.
pub(super) async fn truto_link_page(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = LinkParams::parse(query.as_deref())?;
    let token = asked.link_token.clone().unwrap_or_default();
    Ok(render_page(&state, &token, &asked, &headers).await)
}

async fn render_page(
    state: &AppState,
    token: &str,
    asked: &LinkParams,
    headers: &HeaderMap,
) -> Response {
    let display = DisplayMode::of(asked.display.as_deref(), headers);
    let offer = state.links.options(token).await;
    let chosen = offer.and_then(|offer| {
        let at = selected_provider(&offer, asked)?;
        Ok((offer, at))
    });
    let (offer, at) = match chosen {
        Ok(chosen) => chosen,
        Err(error) => return render_error(state, token, asked, headers, &error).await,
    };
    let opener = opener(&offer.page, asked.origin.as_deref(), headers);
    let shown = PageContext { page: &offer.page, display, opener: opener.as_deref() };
    let page = LinkPageView { context: &shown, offer: &offer, token };
    match at.and_then(|at| offer.choices.get(at)) {
        None => provider_picker::page(&page),
        Some(ProviderOption { provider, scopes: Some(scopes) }) => {
            consent::page(state, &page, *provider, scopes)
        }
        Some(ProviderOption { provider, scopes: None }) => form::page(&page, *provider, None),
    }
}

/// Returns the index of the selected provider; `None` if none is selected yet.
fn selected_provider(offer: &LinkOptions, asked: &LinkParams) -> Result<Option<usize>, LinkError> {
    match (&asked.provider, &*offer.choices) {
        (None, [_]) => Ok(Some(0)),
        (None, _) => Ok(None),
        (Some(name), choices) => {
            let at = choices.iter().position(|one| one.provider.name() == name);
            at.map(Some).ok_or(LinkError::OtherProvider)
        }
    }
}

/// Renders an error before the browser has left for the provider.
async fn render_error(
    state: &AppState,
    token: &str,
    asked: &LinkParams,
    headers: &HeaderMap,
    error: &LinkError,
) -> Response {
    state.metrics.record_link(error.code());
    let page_settings =
        state.links.page_settings(token).await.ok().flatten().unwrap_or_else(LinkPage::default);
    let opener = opener(&page_settings, asked.origin.as_deref(), headers);
    let display = DisplayMode::of(asked.display.as_deref(), headers);
    let shown = PageContext { page: &page_settings, display, opener: opener.as_deref() };
    error_page::page(&shown, error, None)
}

fn overloaded() -> Problem {
    let detail = "Too many forms are being received. Send this form again.";
    Problem::new(ProblemKind::Overloaded, detail)
        .with_retry_after(std::time::Duration::from_secs(1))
}

/// Serves `POST /link/{token}`: starts the OAuth session and redirects to the provider, or submits its form.
pub(super) async fn authorize(
    State(state): State<AppState>,
    Path(token): Path<String>,
    axum::Extension(request): axum::Extension<RequestContext>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Without a usable link token the body is not read.
    if let Err(error) = state.links.check_usable(&token).await {
        return Ok(render_error(&state, &token, &LinkParams::default(), &headers, &error).await);
    }
    let form = {
        // A link token may be widely shared: its holders get no more slots than callers without a key.
        let _place = state.unauthenticated_bodies.try_acquire().map_err(|_| overloaded())?;
        read_up_to(MAX_FORM_BYTES.min(state.max_body_bytes), body, &state).await?
    };
    // The form may contain a token.
    let form = Zeroizing::new(String::from_utf8_lossy(&form).into_owned());
    let asked = LinkParams::parse(Some(&form))?;
    let display = asked.display.as_deref().map(DisplayMode::from_name).unwrap_or_default();
    let page_settings =
        state.links.page_settings(&token).await.ok().flatten().unwrap_or_else(LinkPage::default);
    // Only an allowed origin is stored: the last page sends it the result.
    let opener = asked.origin.as_deref().filter(|origin| page_settings.allows_origin(origin));
    let visit = LaunchContext { display: display.name(), opener_origin: opener };
    let provider = asked.provider.as_deref().map(str::parse::<Provider>);
    let Ok(provider) = provider.transpose() else {
        return Ok(render_error(&state, &token, &asked, &headers, &LinkError::OtherProvider).await);
    };
    let by_form = provider.filter(|one| state.registry.connector(*one).linking().oauth().is_none());
    if let Some(provider) = by_form {
        return Ok(form::connect(&state, &token, &visit, (provider, &form), request.id()).await);
    }
    Ok(match state.links.start_oauth(&token, provider, &visit).await {
        Ok(started) => {
            let mut response = Redirect::to(started.url.as_str()).into_response();
            *response.status_mut() = StatusCode::SEE_OTHER;
            let browser = started.browser.reveal().to_owned();
            let remembered = LinkCookie { browser, token: token.clone() };
            let cookie = SessionCookie::of(&state, started.state.reveal());
            for (name, value) in cookie.set(&remembered, &headers) {
                response.headers_mut().append(name, value);
            }
            response.headers_mut().extend(no_store_headers());
            response
        }
        Err(error) => render_error(&state, &token, &asked, &headers, &error).await,
    })
}
