//! `/openapi.json`: OpenAPI 3.1, made from the handlers themselves.

use std::collections::BTreeMap;

use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{OneOfBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response,
    ResponseBuilder,
};
use utoipa::{IntoResponses, Modify, OpenApi as _, ToSchema as _};

use super::idempotency::LONGEST_KEY;
use super::problem::{ProblemBody, ProblemKind};
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
    modifiers(&Key, &Failures),
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
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let each = by_status().into_keys();
        each.map(|status| (status.to_string(), Ref::from_response_name(named(status)).into()))
            .collect()
    }
}

/// The kinds of problem of each status.
fn by_status() -> BTreeMap<u16, Vec<ProblemKind>> {
    let mut all: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in ProblemKind::ALL {
        all.entry(kind.status().as_u16()).or_default().push(*kind);
    }
    all
}

fn named(status: u16) -> String {
    format!("Problem{status}")
}

/// Describes the problems of each status once, for all routes.
struct Failures;

impl Modify for Failures {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for (status, kinds) in by_status() {
            let lines = kinds.iter().map(|kind| format!("`{}`: {}.", kind.name(), kind.title()));
            let schema = Ref::from_schema_name(ProblemBody::name());
            let content = ContentBuilder::new().schema(Some(schema)).build();
            let response = ResponseBuilder::new()
                .description(lines.collect::<Vec<_>>().join(" "))
                .content("application/problem+json", content)
                .build();
            components.responses.insert(named(status), response.into());
        }
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

/// Describes the result of a change of several steps as nullable: it is null when it could not be read after the change.
/// The derived schema of a generic `Option` loses that.
pub(super) fn describe_unread_results(document: &mut OpenApi) {
    let schemas = document.components.iter_mut().flat_map(|components| &mut components.schemas);
    for (_, schema) in schemas.filter(|(name, _)| name.starts_with("Composed_")) {
        let RefOr::T(Schema::Object(composed)) = schema else { continue };
        let Some(result) = composed.properties.get_mut("result") else { continue };
        let null = ObjectBuilder::new().schema_type(Type::Null).build();
        let object = std::mem::replace(result, RefOr::T(null.clone().into()));
        let nullable = OneOfBuilder::new().item(object).item(null).build();
        *result = RefOr::T(Schema::OneOf(nullable));
    }
}

/// The frame that the router starts from.
pub(super) fn frame() -> OpenApi {
    let mut frame = Frame::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut frame.info.version);
    frame
}
