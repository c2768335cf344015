//! `/problems` and `/problems/{name}`: what each kind of problem means and what to do.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use maud::html;

use super::{Problem, ProblemKind};
use crate::http::page;

/// Shows the page of a kind.
pub(in crate::http) async fn show_problem(Path(name): Path<String>) -> Result<Response, Problem> {
    let kind = ProblemKind::ALL.iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| {
        Problem::new(ProblemKind::RouteNotFound, "There is no such problem. /problems lists them.")
    })?;
    let body = html! {
        p.eyebrow { "Problem " code { "/problems/" (kind.name()) } " · HTTP " (kind.status().as_u16()) }
        h1 { (kind.title()) }
        p { (kind.advice()) }
        p { a href="/problems" { "All problems" } }
    };
    Ok(page::plain(kind.title(), &body).into_response())
}

/// Lists every kind.
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
    page::plain("Problems", &body).into_response()
}
