//! Opens the hosted directory view with its link, once, and ends it.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use time::Duration;

use super::frame;
use super::session::PortalForm;
use crate::domain::ids::EnvironmentId;
use crate::domain::link_page::LinkPage;
use crate::domain::sealed::Digest;
use crate::http::console::cookie::SessionCookie;
use crate::http::console::csrf::check_origin;
use crate::http::extract::ClientSource;
use crate::http::internal_api::segment;
use crate::http::problem::Problem;
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;
use crate::store::AuditEntry;
use crate::vault::issue;

/// How long a session lasts at most.
const SESSION_TTL: Duration = Duration::hours(1);
/// Why an address is throttled.
const TOO_MANY_LINKS: &str =
    "Too many invalid links were opened from this address. Try again after `Retry-After` seconds.";

/// Returns the environment and the branding of a usable link.
async fn find(state: &AppState, token: &str) -> Result<Option<(EnvironmentId, LinkPage)>, Problem> {
    let usable = state.store.usable_portal_link(&Digest::of(token), state.clock.now()).await?;
    let Some(environment_id) = usable else { return Ok(None) };
    let page = state.store.tenant(environment_id).link_page_settings().await?;
    Ok(Some((environment_id, page)))
}

/// Shows the button that opens the view; the script presses it. A preview of the link does not use it. A cookie that the
/// form returns shows whether this browser stores cookies here.
pub(super) async fn show(State(state): State<AppState>, Path(token): Path<String>) -> Response {
    let page = match find(&state, &token).await {
        Ok(Some((_, page))) => page,
        Ok(None) => return used(&state, &token).await,
        Err(problem) => return frame::bare_problem(&problem),
    };
    let content = html! {
        form method="post" action=(path(&token)) data-submit {
            button.primary type="submit" { "Open the directory" }
        }
    };
    let mut response = frame::hosted(StatusCode::OK, "Your directory", &content, &page);
    response.headers_mut().extend(SessionCookie::PortalProbe.header(
        &state,
        Some("1"),
        SESSION_TTL,
    ));
    response
}

/// Uses the link: starts the session.
pub(super) async fn open(
    State(state): State<AppState>,
    Extension(request): Extension<RequestContext>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    match try_open(&state, &request, &token, &headers).await {
        Ok(Some(response)) => response,
        Ok(None) => used(&state, &token).await,
        Err(problem) => frame::bare_problem(&problem),
    }
}

async fn try_open(
    state: &AppState,
    request: &RequestContext,
    token: &str,
    headers: &HeaderMap,
) -> Result<Option<Response>, Problem> {
    check_origin(state, headers)?;
    let source = ClientSource::of(headers, state, request);
    source.throttle(&state.failed_auth_throttle, TOO_MANY_LINKS)?;
    let Some((environment_id, page)) = find(state, token).await? else {
        source.record_failure(&state.failed_auth_throttle);
        return Ok(None);
    };
    if SessionCookie::PortalProbe.read(state, headers).is_none() {
        return Ok(Some(needs_window(token, &page)));
    }
    let secret = issue("sb_psn_", &*state.entropy);
    let now = state.clock.now();
    let entry = AuditEntry::new("portal_link.opened", "portal", &*state.clock, &*state.entropy);
    let entry = AuditEntry { request_id: Some(request.id()), ..entry };
    let digests = (&Digest::of(token), &secret.digest());
    let db = state.store.tenant(environment_id);
    let Some(views) = db.use_portal_link(digests, (now, now + SESSION_TTL), entry).await? else {
        return Ok(None);
    };
    let first = views.first().map_or("/portal/directory", |view| frame::entry(*view).0);
    let mut response = Redirect::to(first).into_response();
    let cookie = SessionCookie::Portal.header(state, Some(secret.reveal()), SESSION_TTL);
    response.headers_mut().extend(cookie);
    Ok(Some(response))
}

/// Returns the page for browsers that store no cookies in a frame: the link is not used yet.
fn needs_window(token: &str, page: &LinkPage) -> Response {
    let content = html! {
        p { "This browser does not store the session of a page within another page." }
        p { a.button.primary href=(path(token)) target="_blank" rel="noopener" { "Open in a window" } }
    };
    frame::hosted(StatusCode::OK, "Open in a window", &content, page)
}

async fn used(state: &AppState, token: &str) -> Response {
    let content: Markup = html! { p { "The link was used before, or has expired. Open the view again where you came from." } };
    let page = frame::known_branding(state, &Digest::of(token)).await;
    frame::hosted(StatusCode::GONE, "The link is not valid", &content, &page)
}

fn path(token: &str) -> String {
    format!("/portal/open/{}", segment(token))
}

/// Ends the session.
pub(super) async fn end(form: PortalForm) -> Response {
    let visit = form.visit;
    if let Err(error) = visit.state.store.end_portal_session(&visit.session_digest).await {
        return visit.respond(Err(Problem::from(error).into()));
    }
    let mut response = frame::ended(&visit.page);
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().extend(SessionCookie::Portal.header(&visit.state, None, SESSION_TTL));
    response
}
