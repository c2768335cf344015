//! `/openapi.json`: OpenAPI 3.1, made from the handlers themselves.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi as _, ToSchema as _};

use super::problem::ProblemBody;
use crate::domain::filter::Expansion;
use crate::unified::ResponseFormat;

/// The frame of the document; the router adds every path and every shape in it.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Switchboard",
        description = "One integration, every customer's directory. Lists answer `{result, next_cursor, …}`, \
                       single things `{result}`, failures are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    security(("key" = [])),
    components(schemas(Expansion, ProblemBody, ResponseFormat)),
    modifiers(&Key),
)]
pub(super) struct Frame;

struct Key;

impl Modify for Key {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("key", scheme);
    }
}

/// What every route may answer instead.
pub(super) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Response>> {
        let schema = utoipa::openapi::Ref::from_schema_name(ProblemBody::name());
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new()
            .description("A problem: its `type` tells which")
            .content("application/problem+json", content)
            .build();
        [("default".to_owned(), response.into())].into()
    }
}

/// The document of the whole API.
#[must_use]
pub fn document() -> OpenApi {
    let (_, document) = super::router::routes().split_for_parts();
    document
}

/// The frame that the router starts from.
pub(super) fn frame() -> OpenApi {
    let mut frame = Frame::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut frame.info.version);
    frame
}
