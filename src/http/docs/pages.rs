//! Serves the pages with their style sheet and script. All are rendered for the first request.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use tokio::sync::OnceCell;

use super::assets::Assets;
use super::document::{groups, slug};
use super::frame::{self, Page};
use super::{overview, tag_page};
use crate::http::html_page;
use crate::http::openapi::ServedDocument;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::served_text::ServedText;
use crate::http::state::AppState;

/// Content security policy: nothing inline, nothing from elsewhere, and no form is ever submitted.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; connect-src 'self'; \
    form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// The pages change with the program: browsers ask each time whether they did.
const CACHED_PAGE: HeaderValue = HeaderValue::from_static("no-cache");
/// The address of style sheet and script has their digest.
const CACHED_ASSET: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Everything that is served, by the last segment of its address; the overview has an empty one.
struct Rendered {
    pages: BTreeMap<String, ServedText>,
    assets: Assets,
}

/// The reference; it is rendered for the first request.
#[derive(Clone, Default)]
struct ApiReference(Arc<OnceCell<Rendered>>);

/// Returns the routes of the reference. They need the document as an extension.
pub(in crate::http) fn routes() -> Router<AppState> {
    Router::new()
        .route("/docs", get(show_overview))
        .route("/docs/docs.css", get(show_style))
        .route("/docs/docs.js", get(show_script))
        .route("/docs/{tag}", get(show_tag))
        .layer(Extension(ApiReference::default()))
}

impl Rendered {
    /// Renders all pages.
    fn new(document: &ServedDocument) -> Self {
        let document = document.parse();
        let groups = groups(&document);
        let assets = Assets::new();
        let render =
            |page: &Page<'_>| ServedText::new(&frame::render(&document, &groups, &assets, page));
        let overview = Page { tag: None, content: overview::content(&groups) };
        let tags = groups.iter().map(|group| {
            let content = tag_page::content(&document, group);
            (slug(group.tag), render(&Page { tag: Some(group.tag), content }))
        });
        let pages = tags.chain([(String::new(), render(&overview))]).collect();
        Self { pages, assets }
    }
}

impl ApiReference {
    /// Returns what is served, and renders it before the first request.
    async fn rendered(&self, document: &ServedDocument) -> Result<&Rendered, Problem> {
        let render = || {
            let document = document.clone();
            tokio::task::spawn_blocking(move || Rendered::new(&document))
        };
        self.0.get_or_try_init(render).await.map_err(|error| {
            tracing::error!(%error, "the API reference was not rendered");
            Problem::new(ProblemKind::Internal, "The API reference is not available.")
        })
    }
}

async fn show_overview(
    Extension(reference): Extension<ApiReference>,
    Extension(document): Extension<ServedDocument>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    show_page(&reference, &document, "", &headers).await
}

async fn show_tag(
    Extension(reference): Extension<ApiReference>,
    Extension(document): Extension<ServedDocument>,
    Path(tag): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    show_page(&reference, &document, &tag, &headers).await
}

async fn show_page(
    reference: &ApiReference,
    document: &ServedDocument,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let Some(page) = reference.rendered(document).await?.pages.get(name) else {
        if html_page::is_requested(headers) {
            return Ok(html_page::not_found());
        }
        let detail = "The API reference has no such page. /docs lists all operations.";
        return Err(Problem::new(ProblemKind::RouteNotFound, detail));
    };
    let mut response = page.respond(headers, "text/html; charset=utf-8", CACHED_PAGE);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    Ok(response)
}

async fn show_style(
    Extension(reference): Extension<ApiReference>,
    Extension(document): Extension<ServedDocument>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let style = &reference.rendered(&document).await?.assets.style;
    Ok(style.respond(&headers, "text/css; charset=utf-8", CACHED_ASSET))
}

async fn show_script(
    Extension(reference): Extension<ApiReference>,
    Extension(document): Extension<ServedDocument>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let script = &reference.rendered(&document).await?.assets.script;
    Ok(script.respond(&headers, "text/javascript; charset=utf-8", CACHED_ASSET))
}
