//! `/console/sign-in`: starts a session with a key, or with a one-time link; `/console/sign-out` ends it.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use zeroize::Zeroizing;

use super::cookie::SessionCookie;
use super::csrf::check_origin;
use super::fields::FormFields;
use super::layout;
use super::session::{ConsoleForm, scopes};
use super::view::UrlQuery;
use crate::admin::{AdminError, Administrator, SESSION_TTL};
use crate::domain::access::KeyKind;
use crate::domain::ids::{ApiKeyId, EnvironmentId};
use crate::domain::sealed::Digest;
use crate::http::extract::{ClientSource, authenticate_key, read_up_to};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;

/// The maximum size of the form, in bytes.
const MAX_FORM_BYTES: usize = 8 * 1024;
/// Why an address is throttled.
const TOO_MANY_ATTEMPTS: &str =
    "Too many sign-ins from this address failed. Try again after `Retry-After` seconds.";

/// Shows the form.
pub(super) async fn show_sign_in(uri: Uri) -> Response {
    let query = UrlQuery::parse(uri.query());
    page(StatusCode::OK, return_path(query.get("next")), None)
}

/// Signs in with a key.
pub(super) async fn sign_in(
    State(state): State<AppState>,
    Extension(request): Extension<RequestContext>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let form = match read_form(&state, &headers, body).await {
        Ok(form) => form,
        Err(problem) => return layout::bare_problem(problem),
    };
    let next = return_path(form.get("next")).to_owned();
    match try_sign_in(&state, &request, &headers, form.get("key")).await {
        Ok(secret) => signed_in(&state, &secret, &next),
        Err(problem) => page(problem.kind().status(), &next, Some(problem.detail())),
    }
}

async fn read_form(
    state: &AppState,
    headers: &HeaderMap,
    body: Body,
) -> Result<FormFields, Problem> {
    check_origin(state, headers)?;
    let overloaded =
        |_| Problem::new(ProblemKind::Overloaded, "Too many forms are being received.");
    let _place = state.unauthenticated_bodies.try_acquire().map_err(overloaded)?;
    let bytes = read_up_to(MAX_FORM_BYTES.min(state.max_body_bytes), body, state).await?;
    let bytes = Zeroizing::new(bytes.to_vec());
    Ok(FormFields::parse(&bytes))
}

async fn try_sign_in(
    state: &AppState,
    request: &RequestContext,
    headers: &HeaderMap,
    key: Option<&str>,
) -> Result<Zeroizing<String>, Problem> {
    let key = key.filter(|key| KeyKind::of(key) == Some(KeyKind::ApiKey)).ok_or_else(|| {
        Problem::new(ProblemKind::Unauthorized, "Enter an API key: it begins with `sb_live_`.")
    })?;
    let caller = authenticate_key(ClientSource::of(headers, state, request), key).await?;
    if scopes(&caller.scopes).is_none() {
        let detail = "The console requires a key with the scope `read` or `admin`.";
        return Err(Problem::new(ProblemKind::InsufficientScope, detail));
    }
    let key_id = caller.key_id.parse().map_err(|_| Problem::internal())?;
    start(state, request, caller.environment_id, key_id).await
}

/// Starts a session; returns its secret.
async fn start(
    state: &AppState,
    request: &RequestContext,
    environment_id: EnvironmentId,
    key_id: ApiKeyId,
) -> Result<Zeroizing<String>, Problem> {
    let (db, actor) = (state.store.tenant(environment_id), key_id.text());
    let administrator = Administrator {
        db: &db,
        actor: &actor,
        request_id: Some(request.id()),
        clock: &*state.clock,
        entropy: &*state.entropy,
    };
    let started = administrator.start_console_session(key_id).await.map_err(|error| {
        if matches!(error, AdminError::Revoked) {
            return Problem::new(ProblemKind::Unauthorized, "The key was revoked.");
        }
        Problem::from(error)
    })?;
    Ok(Zeroizing::new(started.secret.reveal().to_owned()))
}

fn signed_in(state: &AppState, secret: &str, next: &str) -> Response {
    let mut response = Redirect::to(next).into_response();
    response.headers_mut().extend(SessionCookie::Console.header(state, Some(secret), SESSION_TTL));
    response
}

/// Shows the button of a one-time link. The link is used by the form, so that a preview of it does not consume it.
pub(super) async fn show_link(Path(token): Path<String>) -> Response {
    let content = html! {
        p { "This link signs in to the console once." }
        form method="post" action={ "/console/sign-in/" (crate::http::internal_api::segment(&token)) } {
            button.primary type="submit" { "Sign in" }
        }
    };
    layout::bare(StatusCode::OK, "Sign in to the console", &content)
}

/// Signs in with a one-time link.
pub(super) async fn use_link(
    State(state): State<AppState>,
    Extension(request): Extension<RequestContext>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    match try_link(&state, &request, &headers, &token).await {
        Ok(secret) => signed_in(&state, &secret, "/console"),
        Err(problem) => page(problem.kind().status(), "/console", Some(problem.detail())),
    }
}

async fn try_link(
    state: &AppState,
    request: &RequestContext,
    headers: &HeaderMap,
    token: &str,
) -> Result<Zeroizing<String>, Problem> {
    check_origin(state, headers)?;
    let source = ClientSource::of(headers, state, request);
    source.throttle(&state.failed_auth_throttle, TOO_MANY_ATTEMPTS)?;
    let now = state.clock.now();
    let used = state.store.consume_sign_in_link(&Digest::of(token), now).await?;
    let Some((environment_id, key_id)) = used else {
        source.record_failure(&state.failed_auth_throttle);
        let detail = "The link was used before, or has expired. Sign in with a key.";
        return Err(Problem::new(ProblemKind::Unauthorized, detail));
    };
    start(state, request, environment_id, key_id).await
}

/// Ends the session.
pub(super) async fn sign_out(form: ConsoleForm) -> Response {
    let console = form.console;
    let actor = console.view.api.caller().key_id.to_string();
    let administrator = Administrator {
        db: &console.view.db,
        actor: &actor,
        request_id: None,
        clock: &*console.state.clock,
        entropy: &*console.state.entropy,
    };
    if let Err(error) = administrator.end_console_session(console.session_id).await {
        return console.respond(Err(Problem::from(error).into()));
    }
    let mut response = Redirect::to("/console/sign-in").into_response();
    let cleared = SessionCookie::Console.header(&console.state, None, SESSION_TTL);
    response.headers_mut().extend(cleared);
    response
}

/// Returns the path of the console to return to: never another site.
fn return_path(next: Option<&str>) -> &str {
    let is_own = |path: &&str| {
        let rest = path.strip_prefix("/console");
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            && !path.starts_with("/console/sign-")
    };
    next.filter(is_own).unwrap_or("/console")
}

fn page(status: StatusCode, next: &str, error: Option<&str>) -> Response {
    layout::bare(status, "Sign in to the console", &form(next, error))
}

fn form(next: &str, error: Option<&str>) -> Markup {
    html! {
        @if let Some(error) = error { p.notice.bad role="alert" #error { (crate::http::html_page::prose(error)) } }
        form.stack method="post" action="/console/sign-in" {
            input type="hidden" name="next" value=(next);
            label.field {
                span { "API key" }
                input type="password" name="key" required autocomplete="current-password" spellcheck="false"
                    autofocus aria-describedby=[error.map(|_| "error")] placeholder="sb_live_…";
            }
            button.primary type="submit" { "Sign in" }
        }
        p.quiet { "A key with the scope " code { "admin" } " can make changes; for any other key with " code { "read" } " the pages are read-only. A session lasts 12 hours at most and ends when its key is revoked." }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_returns_to_the_console_only() {
        for path in ["/console", "/console/drift?account=acc_1", "/console?x=1"] {
            assert_eq!(return_path(Some(path)), path);
        }
        for path in
            ["//evil.example", "/consolex", "https://evil.example/console", "/console\\evil", "/"]
        {
            assert_eq!(return_path(Some(path)), "/console", "{path}");
        }
    }
}
