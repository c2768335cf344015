//! The OAuth callback: completes the link and shows the result, or redirects to the application with it.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use serde_json::json;

use super::cookie::{LinkCookie, SessionCookie};
use super::error_page;
use super::layout::{DisplayMode, PageContent, PageContext};
use super::redirect::{no_store_headers, with_result};
use crate::domain::link_page::LinkPage;
use crate::http::extract::Params;
use crate::http::problem::Problem;
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;
use crate::link::{CallbackParams, CompletedLink, LinkError, ReturnContext};

/// The metric label of a completed link.
const LINKED_LABEL: &str = "linked";

/// Serves `GET /oauth/callback`.
pub(super) async fn callback(
    State(state): State<AppState>,
    axum::Extension(request): axum::Extension<RequestContext>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let (browser_state, code) = match parse(&uri) {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    let cookie = SessionCookie::of(&state, &browser_state);
    let remembered = cookie.read(&headers);
    let browser = remembered.as_ref().map(|remembered| remembered.browser.clone());
    let finished = finish(&state, &request, browser_state, code, browser);
    let Some((return_context, outcome)) = finished.await else {
        return Problem::internal().into_response();
    };
    if let Some(quota) = outcome.as_ref().err().and_then(LinkError::quota) {
        state.metrics.record_quota_rejection(quota.name());
    }
    let is_repeated = outcome.as_ref().is_ok_and(|linked| linked.is_repeated);
    if !is_repeated {
        state.metrics.record_link(outcome.as_ref().map_or_else(LinkError::code, |_| LINKED_LABEL));
    }
    let cookie_header = match &outcome {
        Ok(_) | Err(LinkError::StillConnecting) => {
            remembered.as_ref().and_then(|remembered| cookie.renew(remembered))
        }
        Err(_) => cookie.clear().filter(|_| remembered.is_some()),
    };
    let page = return_context
        .as_ref()
        .map(|return_context| return_context.page.clone())
        .unwrap_or_default();
    let mut response = match (&return_context, outcome) {
        (Some(return_context), Ok(linked)) => completed_response(return_context, &linked),
        (return_context, Err(error)) => {
            let again =
                remembered.as_ref().map(|LinkCookie { token, .. }| format!("/link/{token}"));
            let (display, opener) = display_and_opener(return_context.as_ref());
            let shown = PageContext { page: &page, display, opener };
            let again = again.filter(|_| return_context.is_some());
            error_page::page_after_callback(
                &shown,
                &error,
                again.as_deref(),
                return_context.as_ref(),
            )
        }
        (None, Ok(_)) => Problem::internal().into_response(),
    };
    response.headers_mut().extend(cookie_header);
    response
}

/// Completes a link on its own task, so that a browser that disconnects does not lose the grant.
async fn finish(
    state: &AppState,
    request: &RequestContext,
    oauth_state: String,
    code: Result<String, String>,
    browser: Option<String>,
) -> Option<(Option<ReturnContext>, Result<CompletedLink, LinkError>)> {
    let (services, request_id) = (AppState::clone(state), request.id().to_owned());
    let finish = async move {
        let returned = CallbackParams {
            state: &oauth_state,
            code,
            browser: browser.as_deref(),
            request_id: &request_id,
        };
        services.links.finish_oauth(returned).await
    };
    state.tasks.spawn(finish).await.ok()
}

/// Returns the display mode and the opener's origin.
fn display_and_opener(return_context: Option<&ReturnContext>) -> (DisplayMode, Option<&str>) {
    let display = return_context
        .and_then(|return_context| return_context.display.as_deref())
        .map(DisplayMode::from_name);
    (
        display.unwrap_or_default(),
        return_context.and_then(|return_context| return_context.opener_origin.as_deref()),
    )
}

fn parse(uri: &Uri) -> Result<(String, Result<String, String>), Problem> {
    let mut params = Params::of(uri);
    let state = params.take_third_party("state")?.unwrap_or_default();
    let code = params.take_third_party("code")?;
    let refusal = params.take_third_party("error")?;
    let code = code.ok_or_else(|| refusal.unwrap_or_else(|| "no_code".to_owned()));
    Ok((state, code))
}

/// Shows a completed link, or redirects to the application with the result.
pub(super) fn completed_response(
    return_context: &ReturnContext,
    linked: &CompletedLink,
) -> Response {
    let (display, opener) = display_and_opener(Some(return_context));
    let id = linked.account_id.to_string();
    let back = return_context.redirect_uri.as_deref().filter(|_| display == DisplayMode::Page);
    let back = back
        .and_then(|uri| with_result(uri, &[("result", "success"), ("integrated_account_id", &id)]));
    if let Some(back) = back {
        let mut response = Redirect::to(back.as_str()).into_response();
        response.headers_mut().extend(no_store_headers());
        return response;
    }
    let body = html! {
        p.mark.good aria-hidden="true" { "✓" }
        h1 { "Connected" }
        p { strong { (linked.organization) } " is connected. You can close this page." }
        @if !linked.missing_scopes.is_empty() {
            div.notice {
                p { "Some permissions were not granted. Features that need them will not work:" }
                ul { @for scope in &linked.missing_scopes { li { code { (scope) } } } }
                p { "An owner or admin of the organization can reconnect and grant all of them." }
            }
        }
        p.out { a href="#" data-close="" hidden { "Close" } }
    };
    let message = json!({
        "source": "switchboard-link", "is_truto": true, "result": "success",
        "integration": return_context.provider.name(), "integrated_account_id": id,
        "missing_scopes": linked.missing_scopes,
    });
    let page: &LinkPage = &return_context.page;
    PageContext { page, display, opener }.respond(PageContent {
        title: "Connected",
        body,
        message: Some(message),
        status_path: None,
        leaves_for: "",
    })
}
