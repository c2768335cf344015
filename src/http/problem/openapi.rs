//! The problem responses in the OpenAPI document: described once for each status, referred to by every operation.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, ToSchema as _};

use super::{ProblemBody, ProblemKind};

/// The problem responses that an operation may return, for `responses(…)`.
pub(in crate::http) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let statuses = by_status().into_keys();
        statuses
            .map(|status| {
                (status.to_string(), Ref::from_response_name(response_name(status)).into())
            })
            .collect()
    }
}

/// Adds a response component for each status.
pub(in crate::http) struct ProblemResponses;

impl Modify for ProblemResponses {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        for (status, kinds) in by_status() {
            let lines = kinds.iter().map(|kind| format!("`{}`: {}.", kind.name(), kind.title()));
            let schema = Ref::from_schema_name(ProblemBody::name());
            let examples = kinds.iter().map(|kind| {
                let example =
                    ExampleBuilder::new().summary(kind.title()).value(Some(example(*kind)));
                (kind.name(), example.build())
            });
            let content =
                ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
            let response = ResponseBuilder::new()
                .description(lines.collect::<Vec<_>>().join(" "))
                .content("application/problem+json", content)
                .build();
            components.responses.insert(response_name(status), response.into());
        }
    }
}

/// Returns the problem types of each status.
fn by_status() -> BTreeMap<u16, Vec<ProblemKind>> {
    let mut all: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in ProblemKind::ALL {
        all.entry(kind.status().as_u16()).or_default().push(*kind);
    }
    all
}

/// Returns the name of the response component of a status.
fn response_name(status: u16) -> String {
    format!("Problem{status}")
}

fn example(kind: ProblemKind) -> Value {
    json!({
        "type": format!("/problems/{}", kind.name()),
        "title": kind.title(),
        "status": kind.status().as_u16(),
        "detail": kind.advice(),
        "request_id": "req_01J8ZQ5V9Y3M7T2K4N6P8R0S1T",
    })
}
