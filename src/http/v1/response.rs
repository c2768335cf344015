//! The response envelopes, and their schemas.

use std::borrow::Cow;
use std::marker::PhantomData;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::domain::page::Page;
use crate::domain::patch::WriteOutcome;
use crate::http::idempotency::ReadResourceAgain;
use crate::http::json_stream;
use crate::http::problem::Problem;
use crate::unified::mapping::Warning;
use crate::unified::{ChangeResult, ChangeStep, MatchedBy, Rendered};

/// Estimated size of a row in bytes.
const ROW_SIZE_ESTIMATE: usize = 1_024;
/// Lists with more rows than this are streamed.
const STREAMING_THRESHOLD: usize = 100;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ListResponse<T> {
    /// The rows. A page can be short or empty and still have a `next_cursor`.
    pub result: Vec<T>,
    /// Cursor of the next page; `null` at the end.
    #[schema(example = "eyJhZnRlciI6IlUwRVhBTVBMRSJ9")]
    pub next_cursor: Option<String>,
    /// Always `null`: providers page forward only.
    pub prev_cursor: Option<String>,
    /// Maximum number of rows of the page.
    #[schema(example = 100)]
    pub limit: u16,
    /// Number of rows in this page.
    #[schema(example = 1)]
    pub result_count: usize,
    /// Number of all matching rows, on request; at most 1000 for a search. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 200)]
    pub total_count: Option<i64>,
    /// For rows of the synced copy: they are at least as recent as this. Absent for rows of the provider.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub synced_at: Option<OffsetDateTime>,
    /// Rows of the provider that could not be parsed and are omitted, and custom fields that could not be computed;
    /// absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A single resource.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ItemResponse<T> {
    /// The resource.
    pub result: T,
    /// For a resource of the synced copy: it is at least as recent as this. Absent for one of the provider.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub synced_at: Option<OffsetDateTime>,
    /// Rows of the provider that could not be parsed and are omitted, and custom fields that could not be computed;
    /// absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// The schema of an envelope, for `body = …` in the description of an operation.
///
/// utoipa would name it `List_User` and repeat the schema of `User` inside of it, so that client generators make a
/// class of each copy. This type names it `UserList` and refers to the schema of `User`. It takes an alias, as in
/// `type UserList = EnvelopeSchema<List<User>>`: utoipa's macros compose a name wherever they see type arguments.
pub(in crate::http) struct EnvelopeSchema<E>(PhantomData<E>);

/// An envelope around a resource.
pub(in crate::http) trait Envelope: ToSchema {
    /// The resource.
    type Resource: ToSchema;
    /// The end of the schema's name, behind that of the resource.
    const SUFFIX: &'static str;
}

impl<T: ToSchema> Envelope for ListResponse<T> {
    type Resource = T;
    const SUFFIX: &'static str = "List";
}

impl<T: ToSchema> Envelope for ItemResponse<T> {
    type Resource = T;
    const SUFFIX: &'static str = "Response";
}

impl<T: ToSchema> Envelope for MultiStepResponse<T> {
    type Resource = T;
    const SUFFIX: &'static str = "ChangeResponse";
}

impl<E: Envelope> PartialSchema for EnvelopeSchema<E> {
    // Without schemas of its type arguments the derived schema refers to them by name.
    fn schema() -> RefOr<Schema> {
        E::schema()
    }
}

impl<E: Envelope> ToSchema for EnvelopeSchema<E> {
    fn name() -> Cow<'static, str> {
        format!("{}{}", E::Resource::name(), E::SUFFIX).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((E::Resource::name().into_owned(), E::Resource::schema()));
        E::schemas(schemas);
    }
}

impl<T> ItemResponse<T> {
    /// Returns the resource in its envelope.
    pub(in crate::http) fn of(result: T) -> Self {
        Self { result, synced_at: None, warnings: Vec::new() }
    }
}

impl ItemResponse<Box<RawValue>> {
    /// Returns a resource of a directory in its envelope.
    pub(in crate::http) fn rendered(Rendered { resource, warnings }: Rendered) -> Self {
        Self { result: resource, synced_at: None, warnings }
    }
}

/// Result of a change that returns no resource.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct WriteResult {
    /// Id of the changed resource.
    #[schema(example = "U0EXAMPLE")]
    pub id: String,
    /// Whether the change was applied, or the requested state existed before.
    pub outcome: WriteOutcome,
}

/// A resource after a change of several steps, and the result of each step.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MultiStepResponse<T> {
    /// The resource after the change; `null` if it could not be read back, which a warning explains. `parts` is
    /// complete in either case.
    #[schema(required = true)]
    pub result: Option<T>,
    /// Field by which an existing user was matched; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_by: Option<MatchedField>,
    /// The steps. With status 207, at least one failed, or the resource could not be read back.
    pub parts: Vec<StepResult>,
    /// Custom fields that could not be computed, and `result` if the resource could not be read back; absent if
    /// there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// Field by which an existing user was matched.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum MatchedField {
    /// The e-mail address.
    Email,
}

/// Result of one step of a change.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct StepResult {
    /// Kind of the step: `account`, `workspace`, `expiry`, `role`, `sessions`, …
    #[schema(example = "workspace")]
    pub part: &'static str,
    /// Id of the affected resource: user, workspace or role.
    #[schema(example = "T0EXAMPLE")]
    pub id: Option<String>,
    /// Id of the workspace or channel, for a role.
    pub place_id: Option<String>,
    /// Outcome of the step.
    pub outcome: ChangeStepOutcome,
    /// The problem, if the step failed or its outcome is unknown.
    #[schema(value_type = Option<crate::http::problem::ProblemBody>)]
    pub problem: Option<serde_json::Value>,
}

/// Outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum ChangeStepOutcome {
    /// The change was applied.
    Applied,
    /// The requested state existed before.
    Unchanged,
    /// The step failed; see `problem`.
    Failed,
    /// The change may or may not have been applied; see `problem`.
    Unknown,
}

impl StepResult {
    /// Returns the step as it is in a response.
    pub(in crate::http) fn of(part: ChangeStep, request_id: &str) -> Self {
        let ChangeStep { name, id, place_id, outcome } = part;
        let (outcome, problem) = match outcome {
            Ok(WriteOutcome::Applied) => (ChangeStepOutcome::Applied, None),
            Ok(WriteOutcome::Unchanged) => (ChangeStepOutcome::Unchanged, None),
            Err(error) => {
                let is_unknown = error.is_outcome_unknown();
                let outcome =
                    if is_unknown { ChangeStepOutcome::Unknown } else { ChangeStepOutcome::Failed };
                (outcome, Some(Problem::from(error).to_json(request_id)))
            }
        };
        Self { part: name, id, place_id, outcome, problem }
    }
}

impl MultiStepResponse<Box<RawValue>> {
    /// Returns the response to a change of the resource at `path`. Its status is `whole` if no step failed and the
    /// resource was read back. A failed read-back is a warning, not a failure of the change: a replay reads it again.
    pub(in crate::http) fn of(
        changed: ChangeResult,
        path: &str,
        request_id: &str,
        whole: StatusCode,
    ) -> Response {
        let ChangeResult { id, object, origin: _, matched_by, steps: parts } = changed;
        let parts: Vec<_> =
            parts.into_iter().map(|part| StepResult::of(part, request_id)).collect();
        let is_whole = parts.iter().all(|part| {
            matches!(part.outcome, ChangeStepOutcome::Applied | ChangeStepOutcome::Unchanged)
        });
        let status = if is_whole { whole } else { StatusCode::MULTI_STATUS };
        let matched_by = matched_by.map(|MatchedBy::Email| MatchedField::Email);
        match object {
            Ok(Rendered { resource, warnings }) => {
                let body = Self { result: Some(resource), matched_by, parts, warnings };
                (status, Json(body)).into_response()
            }
            Err(error) => {
                let problem = Problem::from(error);
                problem.log(request_id);
                let message = format!(
                    "`parts` has the results of the change; the resource could not be read back: {} Read it \
                     with GET {path}.",
                    problem.detail()
                );
                let warnings =
                    vec![Warning { field: "result".to_owned(), id, message, index: None }];
                let body = Self { result: None, matched_by, parts, warnings };
                let again = ReadResourceAgain { path: path.to_owned(), status };
                (StatusCode::MULTI_STATUS, Extension(again), Json(body)).into_response()
            }
        }
    }
}

impl<T> ListResponse<T> {
    /// Returns the page in its envelope.
    pub(in crate::http) fn of(page: Page<T, String>, limit: u16) -> Self {
        Self {
            result_count: page.items.len(),
            result: page.items,
            next_cursor: page.next,
            prev_cursor: None,
            limit,
            total_count: None,
            synced_at: None,
            warnings: Vec::new(),
        }
    }
}

impl<T: Serialize + Send + 'static> ListResponse<T> {
    /// Returns the page as a response. A short page is serialized in one buffer, a long one is streamed.
    pub(in crate::http) fn into_json_response(self) -> Response {
        if self.result_count > STREAMING_THRESHOLD {
            return json_stream::stream_json(self);
        }
        let mut text = Vec::with_capacity((self.result_count + 1) * ROW_SIZE_ESTIMATE);
        match serde_json::to_writer(&mut text, &self) {
            Ok(()) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Err(_) => Problem::internal().into_response(),
        }
    }
}
