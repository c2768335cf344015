//! Extracts the body of a Truto request after authentication, within the size and time limits.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use super::TrutoState;
use super::loopback::ApiResponse;
use super::response::error_response;
use crate::http::extract::{authenticate, connection, read_whole};
use crate::http::middleware::RequestLog;

/// The route label of requests that are rejected here.
const REJECTED_ROUTE: &str = "refused";

/// The complete body of an authenticated request.
#[derive(Debug)]
pub(super) struct AuthenticatedBody(pub(super) Bytes);

impl FromRequest<TrutoState> for AuthenticatedBody {
    type Rejection = Response;

    async fn from_request(request: Request, compat: &TrutoState) -> Result<Self, Response> {
        let services = &compat.services;
        let peer = connection(request.extensions()).map(|peer| peer.0);
        let passage = RequestLog::start(services, &request, peer);
        let (parts, body) = request.into_parts();
        let read = async {
            authenticate(&parts.headers, services, passage.context()).await?;
            read_whole(body, services, passage.context()).await
        };
        match read.await {
            Ok(body) => Ok(Self(body)),
            Err(problem) => {
                let mut response = problem.into_response();
                passage.finish(services, REJECTED_ROUTE, &parts.uri, &mut response);
                Err(error_response(&ApiResponse::read(response).await))
            }
        }
    }
}
