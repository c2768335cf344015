//! The error page of a failed link, with the next steps.

use axum::response::Response;
use maud::html;
use serde_json::json;
use url::Url;

use super::layout::{DisplayMode, PageContent, PageContext};
use super::messages;
use super::redirect::with_result;
use crate::link::{LinkError, ReturnContext};

/// Renders an error after the callback, with the links to try again and to return to the application.
pub(super) fn page_after_callback(
    shown: &PageContext<'_>,
    error: &LinkError,
    again: Option<&str>,
    return_context: Option<&ReturnContext>,
) -> Response {
    let back = return_context.and_then(|return_context| return_context.redirect_uri.as_deref());
    let back = back.filter(|_| shown.display == DisplayMode::Page);
    let back =
        back.and_then(|uri| with_result(uri, &[("result", "error"), ("error", error.code())]));
    page(shown, error, Some(NextSteps { retry_path: again, return_url: back }))
}

/// The links that an error page offers.
#[derive(Debug)]
pub(super) struct NextSteps<'a> {
    /// The path of the link, to try again.
    retry_path: Option<&'a str>,
    /// The `redirect_uri` with the result.
    return_url: Option<Url>,
}

/// Renders the page of an error.
pub(super) fn page(
    shown: &PageContext<'_>,
    error: &LinkError,
    next: Option<NextSteps<'_>>,
) -> Response {
    log_error(error);
    let (status, title, lines) = messages::text_of(error);
    let (again, back) = next.map(|next| (next.retry_path, next.return_url)).unwrap_or_default();
    let body = html! {
        p.mark.bad aria-hidden="true" { "!" }
        h1 { (title) }
        @for line in lines { p { (line) } }
        @if let Some(again) = again {
            a.button href={ (again) "?display=" (shown.display.name()) } { "Try again" }
        }
        p.out {
            @match back {
                Some(back) => a href=(back) { "Back to the application" },
                None => a href="#" data-close="" hidden { "Close" },
            }
        }
        p.note {
            "Code: " code { (error.code()) }
            @if let Some(code) = error.provider_code() { ", provider code: " code { (code) } }
        }
    };
    // Not a failure: the first request is still completing the link.
    let has_failed = !matches!(error, LinkError::StillConnecting);
    let message = has_failed.then(|| {
        json!({
            "source": "switchboard-link", "is_truto": true, "result": "error",
            "code": error.code(), "error": title, "error_type": truto_error_type(error),
        })
    });
    let mut response =
        shown.respond(PageContent { title, body, message, status_path: None, leaves_for: "" });
    *response.status_mut() = status;
    response
}

/// Logs why a link failed.
pub(super) fn log_error(error: &LinkError) {
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        cause = format!("{cause}: {next}");
        source = next.source();
    }
    tracing::warn!(cause, "link failed");
}

/// Returns the error type of Truto's browser SDK.
fn truto_error_type(error: &LinkError) -> &'static str {
    match error.code() {
        "unknown_link" | "expired" | "used" => "invalid_token",
        "other_provider" => "invalid_integration",
        "not_accepted" => "validation_error",
        _ => "connection_error",
    }
}
