//! `/problems` and `/problems/{name}`: the HTML reference of the problem types.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use maud::html;

use super::{Problem, ProblemKind};
use crate::http::html_page;

/// Serves the page of a problem type.
pub(in crate::http) async fn show_problem(
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let kind = ProblemKind::ALL.iter().find(|kind| kind.name() == name);
    if kind.is_none() && html_page::is_requested(&headers) {
        return Ok(html_page::not_found());
    }
    let kind = kind.ok_or_else(|| {
        Problem::new(
            ProblemKind::RouteNotFound,
            "No such problem type exists. /problems lists them.",
        )
    })?;
    let body = html! {
        p.eyebrow { "Problem " code { "/problems/" (kind.name()) } " · HTTP " (kind.status().as_u16()) }
        h1 { (kind.title()) }
        p { (html_page::prose(kind.advice())) }
        p { a href="/problems" { "All problems" } }
    };
    Ok(html_page::plain(kind.title(), &body).into_response())
}

/// Serves the list of problem types.
pub(in crate::http) async fn list_problems() -> Response {
    let body = html! {
        h1 { "Problems" }
        p { "Every error of this API is an RFC 9457 problem of one of these types." }
        ul {
            @for kind in ProblemKind::ALL {
                li {
                    a href={ "/problems/" (kind.name()) } { code { (kind.name()) } }
                    " · " (kind.status().as_u16()) " · " (kind.title())
                }
            }
        }
    };
    html_page::plain("Problems", &body).into_response()
}
