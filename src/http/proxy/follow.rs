//! `?paginate=true`: a provider's list over all its pages, as NDJSON. One page is in memory at a time.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{Extensions, HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use crate::connectors::paging::Trail;
use crate::http::extract::{Account, Head, Proxy};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::unified::passthrough::{PagedCall, Rows};

/// A list on its way.
pub(super) struct List {
    state: AppState,
    account: Account<Proxy>,
    uri: Uri,
    headers: HeaderMap,
    path: String,
    trail: Trail,
}

impl List {
    /// The list at the provider's `path` that a request is for.
    pub(super) fn new(
        state: AppState,
        account: Account<Proxy>,
        (uri, headers): (&Uri, &HeaderMap),
        path: &str,
    ) -> Self {
        let (uri, headers, path) = (uri.clone(), headers.clone(), path.to_owned());
        Self { state, account, uri, headers, path, trail: Trail::default() }
    }

    async fn page(&mut self, query: Option<&str>) -> Result<Rows, Problem> {
        let allowed = self.account.allowed_methods();
        let call = PagedCall { path: &self.path, query, allowed, trail: &mut self.trail };
        Ok(self.account.directory(&self.state, false).raw_page(call).await?)
    }

    /// A page behind the first one. What the key may, and whether the account is connected, is asked anew: the list may take
    /// longer than both last.
    async fn next_page(&mut self, query: &str) -> Result<Rows, Problem> {
        let extensions = Extensions::new();
        let head = Head { uri: &self.uri, headers: &self.headers, extensions: &extensions };
        let request = self.account.request().unproven();
        let account = Account::<Proxy>::of(head, &self.state, request).await?;
        if account.id() != self.account.id() {
            let detail =
                "The account that the list belongs to is no longer the one that the request names.";
            return Err(Problem::new(ProblemKind::AccountNotFound, detail));
        }
        self.account = account;
        self.page(Some(query)).await
    }

    /// The line that tells of a failure on the way.
    fn failure(&self, problem: &Problem) -> Bytes {
        problem.log(self.account.request_id());
        let mut line = json!({ "error": problem.to_json(self.account.request_id()) }).to_string();
        line.push('\n');
        line.into()
    }

    /// Answers the rows of the list. The first page is read before anything is answered, so that what can't be
    /// followed at all is a problem like any other.
    pub(super) async fn follow(mut self, query: Option<String>) -> Result<Response, Problem> {
        let first = self.page(query.as_deref()).await?;
        let lines = stream::unfold((Some(first), self), |(page, mut list)| async move {
            let Rows { lines, next } = page?;
            let lines = Bytes::from(lines);
            let Some(next) = next else { return Some((lines, (None, list))) };
            Some(match list.next_page(&next).await {
                Ok(page) => (lines, (Some(page), list)),
                Err(problem) => {
                    let lines = [lines, list.failure(&problem)].concat();
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
