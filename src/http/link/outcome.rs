//! The way back from the provider: the page of success, or of what went wrong; and what the web page
//! that opened it is told.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use serde_json::json;

use super::cookie::{Cookie, Remembered};
use super::failures;
use super::redirect::{careful, with_result};
use super::shown::{Content, Display, Shown};
use crate::domain::link_page::LinkPage;
use crate::http::current::CurrentRequest;
use crate::http::extract::Params;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::link::{LinkError, Linked, Returned, Way};

/// How a link that went well is counted.
const LINKED: &str = "linked";

/// Takes a browser back from the provider.
pub(super) async fn come_back(
    State(state): State<AppState>,
    axum::Extension(request): axum::Extension<CurrentRequest>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let (browser_state, code) = match read(&uri) {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    let cookie = Cookie::of(&state, &browser_state);
    let remembered = cookie.read(&headers);
    let browser = remembered.as_ref().map(|remembered| remembered.browser.clone());
    let finished = finish(&state, &request, browser_state, code, browser);
    let Some((way, outcome)) = finished.await else {
        return Problem::internal().into_response();
    };
    if let Some(quota) = outcome.as_ref().err().and_then(LinkError::quota) {
        state.metrics.over_quota(quota.name());
    }
    let is_repeated = outcome.as_ref().is_ok_and(|linked| linked.is_repeated);
    if !is_repeated {
        state.metrics.link(outcome.as_ref().map_or_else(LinkError::name, |_| LINKED));
    }
    let kept = match &outcome {
        Ok(_) | Err(LinkError::StillConnecting) => {
            remembered.as_ref().and_then(|remembered| cookie.keep(remembered))
        }
        Err(_) => cookie.gone().filter(|_| remembered.is_some()),
    };
    let page = way.as_ref().map(|way| way.page.clone()).unwrap_or_default();
    let mut response = match (&way, outcome) {
        (Some(way), Ok(linked)) => done(way, &linked),
        (way, Err(error)) => {
            let again =
                remembered.as_ref().map(|Remembered { token, .. }| format!("/link/{token}"));
            let (display, opener) = window(way.as_ref());
            let shown = Shown { page: &page, display, opener };
            let again = again.filter(|_| way.is_some());
            failures::after(&shown, &error, again.as_deref(), way.as_ref())
        }
        (None, Ok(_)) => Problem::internal().into_response(),
    };
    response.headers_mut().extend(kept);
    response
}

/// Finishes a link on a task of its own: a browser that hangs up takes no grant with it.
async fn finish(
    state: &AppState,
    request: &CurrentRequest,
    oauth_state: String,
    code: Result<String, String>,
    browser: Option<String>,
) -> Option<(Option<Way>, Result<Linked, LinkError>)> {
    let (services, request_id) = (AppState::clone(state), request.id().to_owned());
    let finish = async move {
        let returned = Returned {
            state: &oauth_state,
            code,
            browser: browser.as_deref(),
            request_id: &request_id,
        };
        services.links.finish(returned).await
    };
    state.tasks.spawn(finish).await.ok()
}

/// The window of a way, and who opened it.
fn window(way: Option<&Way>) -> (Display, Option<&str>) {
    let display = way.and_then(|way| way.display.as_deref()).map(Display::named);
    (display.unwrap_or_default(), way.and_then(|way| way.opener_origin.as_deref()))
}

fn read(uri: &Uri) -> Result<(String, Result<String, String>), Problem> {
    let mut params = Params::of(uri);
    let state = params.take_foreign("state")?.unwrap_or_default();
    let code = params.take_foreign("code")?;
    let refusal = params.take_foreign("error")?;
    let code = code.ok_or_else(|| refusal.unwrap_or_else(|| "no_code".to_owned()));
    Ok((state, code))
}

/// The page of a link that worked, or the way to the web page that the customer came from.
pub(super) fn done(way: &Way, linked: &Linked) -> Response {
    let (display, opener) = window(Some(way));
    let id = linked.account_id.to_string();
    let back = way.redirect_uri.as_deref().filter(|_| display == Display::Page);
    let back = back
        .and_then(|uri| with_result(uri, &[("result", "success"), ("integrated_account_id", &id)]));
    if let Some(back) = back {
        let mut response = Redirect::to(back.as_str()).into_response();
        response.headers_mut().extend(careful());
        return response;
    }
    let body = html! {
        p.mark.good aria-hidden="true" { "✓" }
        h1 { "Connected" }
        p { strong { (linked.organization) } " is connected. You can close this page." }
        @if !linked.missing_scopes.is_empty() {
            div.notice {
                p { "Some permissions were not granted, so a part will not work:" }
                ul { @for scope in &linked.missing_scopes { li { code { (scope) } } } }
                p { "An owner or admin of the organization can connect again and grant them all." }
            }
        }
        p.out { a href="#" data-close="" hidden { "Close" } }
    };
    let message = json!({
        "source": "switchboard-link", "is_truto": true, "result": "success",
        "integration": way.provider.name(), "integrated_account_id": id,
        "missing_scopes": linked.missing_scopes,
    });
    let page: &LinkPage = &way.page;
    Shown { page, display, opener }.respond(Content {
        title: "Connected",
        body,
        message: Some(message),
        status_path: None,
        leaves_for: "",
    })
}
