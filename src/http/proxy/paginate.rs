//! `?paginate=true`: streams all pages of a provider's list as NDJSON, with one page in memory at a time.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{Extensions, HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use crate::connectors::paging::PageHistory;
use crate::http::extract::{Account, Proxy, RequestHead};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::unified::passthrough::{PageCall, PageLines};

/// A list that is being streamed.
pub(super) struct PaginatedList {
    state: AppState,
    account: Account<Proxy>,
    uri: Uri,
    headers: HeaderMap,
    path: String,
    trail: PageHistory,
}

impl PaginatedList {
    /// Creates the list at the provider's `path`.
    pub(super) fn new(
        state: AppState,
        account: Account<Proxy>,
        (uri, headers): (&Uri, &HeaderMap),
        path: &str,
    ) -> Self {
        let (uri, headers, path) = (uri.clone(), headers.clone(), path.to_owned());
        Self { state, account, uri, headers, path, trail: PageHistory::default() }
    }

    async fn page(&mut self, query: Option<&str>) -> Result<PageLines, Problem> {
        let allowed = self.account.allowed_methods();
        let call = PageCall { path: &self.path, query, allowed, history: &mut self.trail };
        Ok(self.account.directory(&self.state, false).raw_page(call).await?)
    }

    /// Fetches a page after the first one. Permissions and the account's status are checked again: the list may outlast
    /// both.
    async fn next_page(&mut self, query: &str) -> Result<PageLines, Problem> {
        let extensions = Extensions::new();
        let head = RequestHead { uri: &self.uri, headers: &self.headers, extensions: &extensions };
        let request = self.account.request().unauthenticated();
        let account = Account::<Proxy>::resolve(head, &self.state, request).await?;
        if account.id() != self.account.id() {
            let detail = "The account of the list is no longer the one that the request selects.";
            return Err(Problem::new(ProblemKind::AccountNotFound, detail));
        }
        self.account = account;
        self.page(Some(query)).await
    }

    /// Returns the line that reports a failure after the first page.
    fn failure_line(&self, problem: &Problem) -> Bytes {
        problem.log(self.account.request_id());
        let mut line = json!({ "error": problem.to_json(self.account.request_id()) }).to_string();
        line.push('\n');
        line.into()
    }

    /// Streams the rows. The first page is fetched before the response starts, so that its failure is a normal problem.
    pub(super) async fn stream(mut self, query: Option<String>) -> Result<Response, Problem> {
        let first = self.page(query.as_deref()).await?;
        let lines = stream::unfold((Some(first), self), |(page, mut list)| async move {
            let PageLines { lines, next } = page?;
            let lines = Bytes::from(lines);
            let Some(next) = next else { return Some((lines, (None, list))) };
            Some(match list.next_page(&next).await {
                Ok(page) => (lines, (Some(page), list)),
                Err(problem) => {
                    let lines = [lines, list.failure_line(&problem)].concat();
                    (lines.into(), (None, list))
                }
            })
        });
        let lines = futures_util::StreamExt::map(lines, Ok::<Bytes, Infallible>);
        let mut response = Response::new(Body::from_stream(lines));
        let kind = HeaderValue::from_static("application/x-ndjson");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(response)
    }
}
