//! The page for each way a link can fail: what happened, and what to do next.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::json;
use url::Url;

use super::shown::{Content, Display, Shown};
use crate::connectors::LinkRefusal;
use crate::link::{LinkError, Way};
use crate::store::StoreError;
use crate::upstream::OAuthError;

/// A failure after the way back: with the link to try again, and the way to the web page that the
/// customer came from.
pub(super) fn after(
    shown: &Shown<'_>,
    error: &LinkError,
    again: Option<&str>,
    way: Option<&Way>,
) -> Response {
    let back = way.and_then(|way| way.redirect_uri.as_deref());
    let back = back.filter(|_| shown.display == Display::Page);
    let back =
        back.and_then(|uri| with_result(uri, &[("result", "error"), ("error", error.name())]));
    page(shown, error, Some(Next { again, back }))
}

/// What a customer can do next.
#[derive(Debug)]
pub(super) struct Next<'a> {
    /// The link, to try again.
    again: Option<&'a str>,
    /// The web page that the customer came from.
    back: Option<Url>,
}

/// The page of a failure.
pub(super) fn page(shown: &Shown<'_>, error: &LinkError, next: Option<Next<'_>>) -> Response {
    log(error);
    let (status, title, words) = explain(error);
    let (again, back) = next.map(|next| (next.again, next.back)).unwrap_or_default();
    let body = html! {
        p.mark.bad aria-hidden="true" { "!" }
        h1 { (title) }
        (words)
        @if let Some(again) = again {
            a.button href={ (again) "?display=" (shown.display.name()) } { "Try again" }
        }
        p.out {
            @match back {
                Some(back) => a href=(back) { "Back to where you came from" },
                None => a href="#" data-close="" hidden { "Close" },
            }
        }
        p.note { "Code: " code { (error.name()) } }
    };
    let message = json!({
        "source": "switchboard-link", "is_truto": true, "result": "error", "code": error.name(),
        "error": title, "error_type": their_type(error),
    });
    let mut response = shown.respond(Content {
        title,
        body,
        message: Some(message),
        status_path: None,
        leaves_for: "",
    });
    *response.status_mut() = status;
    response
}

fn log(error: &LinkError) {
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        cause = format!("{cause}: {next}");
        source = next.source();
    }
    tracing::warn!(cause, "link failed");
}

/// The kind of failure in the words of the other gateway's browser SDK.
fn their_type(error: &LinkError) -> &'static str {
    match error.name() {
        "unknown_link" | "expired" | "used" => "invalid_token",
        "other_provider" => "invalid_integration",
        "not_accepted" => "validation_error",
        _ => "connection_error",
    }
}

/// The address of the web page that the customer came from, told that nothing was connected.
pub(super) fn closed(redirect_uri: &str) -> Option<Url> {
    with_result(redirect_uri, &[("result", "closed")])
}

/// An address with the outcome in its query.
pub(super) fn with_result(redirect_uri: &str, told: &[(&str, &str)]) -> Option<Url> {
    let mut back = Url::parse(redirect_uri).ok()?;
    back.query_pairs_mut().extend_pairs(told);
    Some(back)
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
                p { "Nothing was connected. Try again when you are ready." }
            },
        ),
        LinkError::Exchange(OAuthError::Refused(code)) => (
            StatusCode::BAD_GATEWAY,
            "The provider did not finish the connection",
            html! {
                p { "It answered " code { (code) } ". Nothing was connected." }
                p { "Try again; when it happens again, tell whoever sent you the link." }
            },
        ),
        LinkError::Exchange(OAuthError::NoAnswer(_)) | LinkError::Trial(_) => (
            StatusCode::BAD_GATEWAY,
            "The provider can't be reached",
            html! { p { "Nothing was connected. Try again in a few minutes." } },
        ),
        LinkError::OtherProvider => (
            StatusCode::BAD_REQUEST,
            "This link is for another provider",
            html! { p { "Ask for a link for the directory that you want to connect." } },
        ),
        LinkError::Grant(refusal) => {
            (StatusCode::CONFLICT, "The approval can't be used", advise(*refusal))
        }
        LinkError::OtherOrganization => (
            StatusCode::CONFLICT,
            "This is another organization",
            html! {
                p { "The connection belongs to another organization than the one you approved for." }
                p { "Try again and choose the organization that was connected before." }
            },
        ),
        LinkError::Store(StoreError::Unavailable(_)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Not available at the moment",
            html! { p { "Open your link again in a minute." } },
        ),
        LinkError::NoProviderApp(_)
        | LinkError::NotAllowed(_)
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
            p { "Try again as an owner or admin of the organization, and choose the organization on the provider's page." }
        },
        LinkRefusal::NoUserToken | LinkRefusal::Unreadable => html! {
            p { "The provider did not grant what is needed. Tell whoever sent you the link." }
        },
        LinkRefusal::NotAccepted => html! {
            p { "The provider does not accept the permission that it has just given. Nothing was connected." }
            p { "Check whether apps must be approved in your organization, and try again." }
        },
    }
}

/// Headers of an answer whose address must not be kept or told.
pub(super) fn careful() -> [(header::HeaderName, HeaderValue); 2] {
    [
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}
