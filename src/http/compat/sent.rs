//! What a caller of the other API sends: read when its key is good, in time and within its size.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use super::Compat;
use super::answer::failed;
use super::ask::Said;
use crate::http::edge::Passage;
use crate::http::extract::{authenticate, connection, read_whole};

/// How requests are counted that come no further.
const ROUTE: &str = "refused";

/// The whole body of a request whose key is good.
#[derive(Debug)]
pub(super) struct Sent(pub(super) Bytes);

impl FromRequest<Compat> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, compat: &Compat) -> Result<Self, Response> {
        let services = &compat.services;
        let peer = connection(request.extensions()).map(|peer| peer.0);
        let passage = Passage::enter(services, &request, peer);
        let (parts, body) = request.into_parts();
        let read = async {
            authenticate(&parts.headers, services, passage.current()).await?;
            read_whole(body, services, passage.current()).await
        };
        match read.await {
            Ok(body) => Ok(Self(body)),
            Err(problem) => {
                let mut response = problem.into_response();
                passage.leave(services, ROUTE, &parts.uri, &mut response);
                Err(failed(&Said::read(response).await))
            }
        }
    }
}
