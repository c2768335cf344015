//! `?paginate=true`: a provider's list over all its pages, as NDJSON. One page is in memory at a time.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;

use crate::http::extract::{Account, Proxy};
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::unified::passthrough::{PagedCall, PassthroughError, Rows};

/// A list on its way.
struct List {
    state: AppState,
    account: Account<Proxy>,
    path: String,
}

impl List {
    async fn page(&self, query: Option<&str>) -> Result<Rows, PassthroughError> {
        let allowed = self.account.allowed_methods();
        let call = PagedCall { path: &self.path, query, allowed };
        self.account.directory(&self.state, false).raw_page(&call).await
    }

    /// The line that tells of a failure on the way.
    fn failure(&self, error: PassthroughError) -> Bytes {
        let problem = Problem::from(error);
        problem.log(self.account.request_id());
        let mut line = json!({ "error": problem.to_json(self.account.request_id()) }).to_string();
        line.push('\n');
        line.into()
    }
}

/// Answers the rows of a list. The first page is read before anything is answered, so that what can't be
/// followed at all is a problem like any other.
pub(super) async fn follow(
    state: AppState,
    account: Account<Proxy>,
    path: String,
    query: Option<String>,
) -> Result<Response, Problem> {
    let list = List { state, account, path };
    let first = list.page(query.as_deref()).await?;
    let lines = stream::unfold((Some(first), list), |(page, list)| async move {
        let Rows { lines, next } = page?;
        let lines = Bytes::from(lines);
        let Some(next) = next else { return Some((lines, (None, list))) };
        Some(match list.page(Some(&next)).await {
            Ok(page) => (lines, (Some(page), list)),
            Err(error) => {
                let lines = [lines, list.failure(error)].concat();
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
