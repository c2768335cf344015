//! The page for each way a link can fail: what happened, and what to do next.

use axum::response::Response;
use maud::html;
use serde_json::json;
use url::Url;

use super::redirect::with_result;
use super::shown::{Content, Display, Shown};
use super::words;
use crate::link::{LinkError, Way};

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
    let (status, title, lines) = words::of(error);
    let (again, back) = next.map(|next| (next.again, next.back)).unwrap_or_default();
    let body = html! {
        p.mark.bad aria-hidden="true" { "!" }
        h1 { (title) }
        @for line in lines { p { (line) } }
        @if let Some(again) = again {
            a.button href={ (again) "?display=" (shown.display.name()) } { "Try again" }
        }
        p.out {
            @match back {
                Some(back) => a href=(back) { "Back to where you came from" },
                None => a href="#" data-close="" hidden { "Close" },
            }
        }
        p.note {
            "Code: " code { (error.name()) }
            @if let Some(code) = error.provider_code() { ", " code { (code) } " by the provider" }
        }
    };
    // Nothing has failed while the first load of the page is still being completed.
    let has_failed = !matches!(error, LinkError::StillConnecting);
    let message = has_failed.then(|| {
        json!({
            "source": "switchboard-link", "is_truto": true, "result": "error",
            "code": error.name(), "error": title, "error_type": their_type(error),
        })
    });
    let mut response =
        shown.respond(Content { title, body, message, status_path: None, leaves_for: "" });
    *response.status_mut() = status;
    response
}

/// Writes down why a link failed.
pub(super) fn log(error: &LinkError) {
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
