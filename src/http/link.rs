//! The hosted link page, the leave for the provider's consent, and the way back.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use url::Url;

use super::edge::CurrentRequest;
use super::extract::Params;
use super::page;
use super::problem::Problem;
use super::state::{AppState, Services};
use crate::connectors::LinkRefusal;
use crate::link::{LinkError, Linked, Returned};
use crate::store::StoreError;

/// The cookie that binds a session to the browser that began it.
const COOKIE: &str = "sb_link";
/// How long a customer may take on the provider's page, in seconds.
const COOKIE_AGE_S: u32 = 3600;

/// Shows the page of a link token.
pub(super) async fn show_link(
    State(state): State<AppState>,
    Path(token): Path<String>,
) -> Response {
    let shown = match state.links.page(&token).await {
        Ok(shown) => shown,
        Err(error) => return failed(&error),
    };
    let title = shown.provider.title();
    let body = html! {
        p.eyebrow { "Connect your directory" }
        h1 { "Connect " (title) }
        p {
            "You will be sent to " (title) " to approve the connection. An owner or admin of the "
            strong { "organization" } " must do this, and must install on the organization, not on a "
            "single workspace."
        }
        h2 { "What will be asked for" }
        ul.scopes {
            @for (scope, words) in &shown.scopes {
                li { span { (words.unwrap_or("A permission of the provider")) } code { (scope) } }
            }
        }
        form method="post" { button type="submit" { "Continue to " (title) } }
        p.note { "Your password is never seen here. You can disconnect at any time." }
    };
    let connector = state.registry.connector(shown.provider).link();
    let leaves_for = connector.endpoints().authorize_url.origin().ascii_serialization();
    page::framed(&format!("Connect {title}"), &body, &leaves_for)
}

/// Opens the session and sends the browser to the provider.
pub(super) async fn start_link(
    State(state): State<AppState>,
    Path(token): Path<String>,
) -> Response {
    match state.links.start(&token).await {
        Ok(started) => {
            let mut response = Redirect::to(started.url.as_str()).into_response();
            let cookie = cookie(&state, started.browser.reveal(), COOKIE_AGE_S);
            response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
            response.headers_mut().extend(careful());
            response
        }
        Err(error) => failed(&error),
    }
}

/// Takes a browser back from the provider.
pub(super) async fn finish_link(
    State(state): State<AppState>,
    axum::Extension(request): axum::Extension<CurrentRequest>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let linked = match read(&uri) {
        Ok((browser_state, code)) => {
            let browser = cookies(&headers);
            let returned = Returned {
                state: &browser_state,
                code,
                browser: browser.as_deref(),
                request_id: &request.0,
            };
            state.links.finish(returned).await
        }
        Err(problem) => return problem.into_response(),
    };
    let mut response = match linked {
        Ok(linked) => done(&linked),
        Err(error) => failed(&error),
    };
    let gone = cookie(&state, "", 0);
    response.headers_mut().extend(gone.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

fn read(uri: &Uri) -> Result<(String, Result<String, String>), Problem> {
    let mut params = Params::of(uri);
    let state = params.take("state")?.unwrap_or_default();
    let code = params.take("code")?;
    let refusal = params.take("error")?;
    let code = code.ok_or_else(|| refusal.unwrap_or_else(|| "no_code".to_owned()));
    Ok((state, code))
}

fn done(linked: &Linked) -> Response {
    let back = linked.redirect_uri.as_deref().and_then(|uri| Url::parse(uri).ok());
    if let Some(mut back) = back {
        back.query_pairs_mut()
            .append_pair("result", "success")
            .append_pair("integrated_account_id", &linked.account_id.to_string());
        let mut response = Redirect::to(back.as_str()).into_response();
        response.headers_mut().extend(careful());
        return response;
    }
    let body = html! {
        p.eyebrow { (linked.provider.title()) }
        h1.good { "Connected" }
        p { strong { (linked.organization) } " is connected. You can close this page." }
    };
    page::plain("Connected", &body)
}

/// The page for each way a link can fail: what happened, and what to do next.
fn failed(error: &LinkError) -> Response {
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        cause = format!("{cause}: {next}");
        source = next.source();
    }
    tracing::warn!(cause, "link failed");
    let (status, title, words) = explain(error);
    let body = html! { h1.bad { (title) } (words) };
    let mut response = page::plain(title, &body);
    *response.status_mut() = status;
    response
}

fn explain(error: &LinkError) -> (StatusCode, &'static str, Markup) {
    match error {
        LinkError::UnknownToken => (
            StatusCode::NOT_FOUND,
            "This link is not known",
            html! { p { "Check that the whole address was copied, or ask for a new link." } },
        ),
        LinkError::Expired => (
            StatusCode::GONE,
            "This link has expired",
            html! { p { "Ask for a new link where you got this one." } },
        ),
        LinkError::Used => (
            StatusCode::GONE,
            "This link was used already",
            html! { p { "The connection it was made for exists. For another one, ask for a new link." } },
        ),
        LinkError::UnknownState => (
            StatusCode::BAD_REQUEST,
            "This step was done already, or took too long",
            html! { p { "Open your link again and start over; if it has expired meanwhile, ask for a new one." } },
        ),
        LinkError::OtherBrowser => (
            StatusCode::BAD_REQUEST,
            "This is not the browser that began",
            html! { p { "Open your link again, and finish in the same browser with cookies allowed." } },
        ),
        LinkError::ConsentRefused(code) => (
            StatusCode::OK,
            "The connection was not approved",
            html! {
                p { "The provider's page was left without an approval (" code { (code) } ")." }
                p { "Nothing was connected. Open your link again when you are ready." }
            },
        ),
        LinkError::Exchange(_) => (
            StatusCode::BAD_GATEWAY,
            "The provider did not finish the connection",
            html! { p { "Nothing was connected. Open your link again in a few minutes." } },
        ),
        LinkError::Grant(refusal) => {
            (StatusCode::CONFLICT, "The approval can't be used", advise(*refusal))
        }
        LinkError::OtherOrganization => (
            StatusCode::CONFLICT,
            "This is another organization",
            html! {
                p { "The connection belongs to another organization than the one you approved for." }
                p { "Open your link again and choose the organization that was connected before." }
            },
        ),
        LinkError::Store(StoreError::Unavailable(_)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Not available at the moment",
            html! { p { "Open your link again in a minute." } },
        ),
        LinkError::NoProviderApp(_)
        | LinkError::AccountNotFound
        | LinkError::PublicUrl
        | LinkError::Store(_)
        | LinkError::Cipher(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something failed on our side",
            html! { p { "Nothing was connected. Tell whoever sent you the link." } },
        ),
    }
}

fn advise(refusal: LinkRefusal) -> Markup {
    match refusal {
        LinkRefusal::NotOrganizationWide => html! {
            p { "The app was installed on one workspace. It must be installed on the whole organization." }
            p { "Open your link again as an owner or admin of the organization, and choose the organization on the provider's page." }
        },
        LinkRefusal::NoUserToken | LinkRefusal::Unreadable => html! {
            p { "The provider did not grant what is needed. Tell whoever sent you the link." }
        },
    }
}

fn cookie(services: &Services, value: &str, age_s: u32) -> Option<HeaderValue> {
    let secure = if services.links.public_url.scheme() == "https" { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={value}; Path=/oauth; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).ok()
}

fn cookies(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE);
    all.iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

/// Headers of an answer whose address must not be kept or told.
fn careful() -> [(header::HeaderName, HeaderValue); 2] {
    [
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}
