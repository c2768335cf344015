//! The frame of the hosted directory view: branding, navigation among the pages of the session, security headers.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::visit::Visit;
use crate::domain::link_page::LinkPage;
use crate::domain::portal::PortalView;
use crate::domain::sealed::Digest;
use crate::http::console::layout::problem_page;
use crate::http::console::messages::message;
use crate::http::console::view::{PageError, PageResult};
use crate::http::html_page::{ICON, colors};
use crate::http::link::frame_ancestors;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Path and label of a page.
pub(super) fn entry(view: PortalView) -> (&'static str, &'static str) {
    match view {
        PortalView::Directory => ("/portal/directory", "Directory"),
        PortalView::Drift => ("/portal/drift", "Drift"),
        PortalView::AccessReview => ("/portal/access-review", "Access review"),
        PortalView::Sync => ("/portal/syncs", "Syncs"),
        PortalView::Reconciliation => ("/portal/reconciliations", "Reconciliations"),
    }
}

/// Returns a page within the frame, or the page of a problem.
pub(super) fn respond(visit: &Visit, result: PageResult) -> Response {
    let (status, page) = match result {
        Ok(page) => (StatusCode::OK, page),
        Err(PageError::NoAccount) => return ended(&visit.page),
        Err(PageError::Refused(status, page)) => (status, *page),
        Err(PageError::Failure(failure)) => (failure.status, problem_page(&failure.problem, None)),
    };
    let done = visit.view.query.get("done").and_then(message);
    let body = html! {
        a.skip href="#content" { "Skip to content" }
        div.portal {
            header.top { (brand(&visit.page)) (navigation(visit)) }
            main #content tabindex="-1" {
                @if let Some(text) = done { p.flash role="status" { (text) } }
                div.heading {
                    div { h1 { (page.title) } p.lead { (page.lead) } }
                    div.actions { (page.actions) }
                }
                (page.body)
            }
        }
    };
    render(status, &page.title, &body, &visit.page)
}

fn brand(page: &LinkPage) -> Markup {
    html! {
        p.brand {
            @if let Some(logo) = &page.logo_url { img src=(logo) alt="" height="28"; }
            strong { (page.name.as_deref().unwrap_or("Directory")) }
        }
    }
}

fn navigation(visit: &Visit) -> Markup {
    html! {
        nav aria-label="Pages" {
            ul {
                @for view in &visit.session.views {
                    @let (path, label) = entry(*view);
                    @let is_current = is_on(&visit.path, path);
                    li { a href=(path) aria-current=[is_current.then_some("page")] { (label) } }
                }
            }
        }
        form.inline method="post" action="/portal/end" {
            (visit.view.csrf_field())
            button.plain type="submit" { "End" }
        }
    }
}

/// Whether a path is that of a page of the navigation, or of an object of its list.
fn is_on(path: &str, page: &str) -> bool {
    let list = if path.starts_with("/portal/people/") { "/portal/directory" } else { path };
    list.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns a page before a session exists, in the branding of the environment.
pub(super) fn hosted(
    status: StatusCode,
    title: &str,
    content: &Markup,
    page: &LinkPage,
) -> Response {
    let body = html! { main.alone #content { (brand(page)) h1 { (title) } (content) } };
    render(status, title, &body, page)
}

/// Returns the page of a visitor without a session; `page` is the branding of the session that ended, if it is known.
pub(super) fn ended(page: &LinkPage) -> Response {
    let content = html! { p { "The view has ended, or was not opened in this browser. Open it again where you came from." } };
    hosted(StatusCode::UNAUTHORIZED, "The view has ended", &content, page)
}

/// Returns the branding of the link or session with the secret of a digest, valid or not.
pub(super) async fn known_branding(state: &AppState, digest: &Digest) -> LinkPage {
    let Ok(Some(environment_id)) = state.store.portal_environment(digest).await else {
        return LinkPage::default();
    };
    let db = state.store.tenant(environment_id);
    db.link_page_settings().await.unwrap_or_default()
}

/// Returns the page of a problem before the session is known.
pub(super) fn bare_problem(problem: &Problem) -> Response {
    bare(problem.kind().status(), &problem.to_json(""))
}

/// Returns the page of a problem of the API before the session is known.
pub(super) fn bare(status: StatusCode, problem: &Value) -> Response {
    let page = problem_page(problem, None);
    hosted(status, &page.title, &page.body, &LinkPage::default())
}

fn render(status: StatusCode, title: &str, body: &Markup, page: &LinkPage) -> Response {
    let style = page.accent_color.as_deref().map(colors).unwrap_or_default();
    let product = page.name.as_deref().unwrap_or("Directory");
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (product) }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="/console/console.css";
                @if !style.is_empty() { style { (PreEscaped(&style)) } }
                script src="/console/console.js" defer {}
            }
            body { (body) }
        }
    };
    let policy = format!(
        "default-src 'none'; style-src 'self' 'sha256-{}'; script-src 'self'; img-src 'self' https: data:; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {}",
        STANDARD.encode(Sha256::digest(&style)),
        frame_ancestors(page),
    );
    let mut response = (status, Html(document.into_string())).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // Browsers send `Origin` with forms only if the page has a referrer.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
