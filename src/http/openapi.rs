//! `/openapi.json`: OpenAPI 3.1, made from the handlers themselves.

use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, OpenApi, PathItem, RefOr, Required, Response, ResponseBuilder,
};
use utoipa::{IntoResponses, Modify, OpenApi as _, ToSchema as _};

use super::idempotency::LONGEST_KEY;
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
    super::router::api().1
}

/// Adds the header `Idempotency-Key` to every route that changes something.
pub(super) fn describe_idempotency(document: &mut OpenApi) {
    let header = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "Makes the change once, however often it is asked for: for 24 hours the same request with \
             the same key gets the same answer, marked `Idempotency-Replayed: true`.",
        ))
        .required(Required::False)
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(1))
                .max_length(Some(LONGEST_KEY))
                .pattern(Some("^[!-~]+$")),
        ))
        .build();
    for item in document.paths.paths.values_mut() {
        let PathItem { post, put, patch, delete, .. } = item;
        for operation in [post, put, patch, delete].into_iter().flatten() {
            operation.parameters.get_or_insert_default().push(header.clone().into());
        }
    }
}

/// The frame that the router starts from.
pub(super) fn frame() -> OpenApi {
    let mut frame = Frame::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut frame.info.version);
    frame
}
