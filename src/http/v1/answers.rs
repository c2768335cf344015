//! The envelopes of every answer.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::input::Done;
use crate::domain::page::Page;
use crate::http::idempotency::ReadAgain;
use crate::http::pieces;
use crate::http::problem::Problem;
use crate::unified::mapping::Warning;
use crate::unified::{Changed, MatchedBy, Part, Shown};

/// What a row takes, about, in bytes.
const ROW: usize = 1_024;
/// So many rows are sent in one piece.
const MANY: usize = 100;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct List<T> {
    /// The rows. A page may be short, or empty, and still have a `next_cursor`.
    pub result: Vec<T>,
    /// Ask for the next page with it; `null` at the end.
    pub next_cursor: Option<String>,
    /// Always `null`: providers page forward only.
    pub prev_cursor: Option<String>,
    /// The most rows that were asked for.
    pub limit: u16,
    /// How many rows there are in this page.
    pub result_count: usize,
    /// The provider's rows that could not be read and are left out, and the custom fields that could not be computed;
    /// absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A single thing.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Item<T> {
    /// The thing.
    pub result: T,
    /// The provider's rows that could not be read and are left out, and the custom fields that could not be computed;
    /// absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl<T> Item<T> {
    /// A thing in its envelope.
    pub(in crate::http) fn of(result: T) -> Self {
        Self { result, warnings: Vec::new() }
    }
}

impl Item<Box<RawValue>> {
    /// A thing of a directory in its envelope.
    pub(in crate::http) fn shown(Shown { thing, warnings }: Shown) -> Self {
        Self { result: thing, warnings }
    }
}

/// What came of a change that leaves nothing to show.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Written {
    /// What was changed.
    pub id: String,
    /// Whether it was done now or was so already.
    pub outcome: Done,
}

/// An object after a change of several steps, and what came of each.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Composed<T> {
    /// The object as it is now; `null` when it could not be read after the change, which a warning says:
    /// the steps tell what was done all the same.
    #[schema(required = true)]
    pub result: Option<T>,
    /// By which field an existing user was matched; absent for everything else.
    #[schema(example = "email")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched_by: Option<&'static str>,
    /// The steps. With status 207 some of them failed, or the object could not be read.
    pub parts: Vec<PartAnswer>,
    /// The custom fields that could not be computed, and `result` when the object could not be read
    /// after the change; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// One step of a change.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PartAnswer {
    /// What was done: `account`, `workspace`, `expiry`, `role`, `sessions`, `setting`, …
    #[schema(example = "workspace")]
    pub part: &'static str,
    /// What it was done with, by id: the account, the workspace, the role.
    pub id: Option<String>,
    /// Where, by id.
    pub place_id: Option<String>,
    /// Whether it was done now, was so already, failed, or may have been done.
    pub outcome: PartOutcome,
    /// Why it failed.
    #[schema(value_type = Option<crate::http::problem::ProblemBody>)]
    pub problem: Option<serde_json::Value>,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum PartOutcome {
    /// It was done.
    Done,
    /// It was so already.
    Already,
    /// It failed; `problem` says why.
    Failed,
    /// It may or may not have been done; `problem` says why.
    Unknown,
}

impl PartAnswer {
    /// A step in a response.
    pub(in crate::http) fn of(part: Part, request_id: &str) -> Self {
        let Part { name, id, place_id, outcome } = part;
        let (outcome, problem) = match outcome {
            Ok(Done::Done) => (PartOutcome::Done, None),
            Ok(Done::Already) => (PartOutcome::Already, None),
            Err(error) => {
                let is_unknown = error.is_outcome_unknown();
                let outcome = if is_unknown { PartOutcome::Unknown } else { PartOutcome::Failed };
                (outcome, Some(Problem::from(error).to_json(request_id)))
            }
        };
        Self { part: name, id, place_id, outcome, problem }
    }
}

impl Composed<Box<RawValue>> {
    /// The response to a change of an object at `path`. Its status is `whole` when no step failed and the
    /// object was read. That the object could not be read is a warning, and no failure of the change: a
    /// replay reads it again.
    pub(in crate::http) fn of(
        changed: Changed,
        path: &str,
        request_id: &str,
        whole: StatusCode,
    ) -> Response {
        let Changed { id, object, made: _, matched_by, parts } = changed;
        let parts: Vec<_> =
            parts.into_iter().map(|part| PartAnswer::of(part, request_id)).collect();
        let is_whole = parts
            .iter()
            .all(|part| matches!(part.outcome, PartOutcome::Done | PartOutcome::Already));
        let status = if is_whole { whole } else { StatusCode::MULTI_STATUS };
        let matched_by = matched_by.map(|MatchedBy::Email| "email");
        match object {
            Ok(Shown { thing, warnings }) => {
                let body = Self { result: Some(thing), matched_by, parts, warnings };
                (status, Json(body)).into_response()
            }
            Err(error) => {
                let problem = Problem::from(error);
                problem.log(request_id);
                let message = format!(
                    "The change is as `parts` says; what it changed could not be read afterwards: {} Read \
                     it with GET {path}.",
                    problem.detail()
                );
                let warnings =
                    vec![Warning { field: "result".to_owned(), id, message, index: None }];
                let body = Self { result: None, matched_by, parts, warnings };
                let again = ReadAgain { path: path.to_owned(), status };
                (StatusCode::MULTI_STATUS, Extension(again), Json(body)).into_response()
            }
        }
    }
}

impl<T> List<T> {
    /// A page in its envelope.
    pub(in crate::http) fn of(page: Page<T, String>, limit: u16) -> Self {
        Self {
            result_count: page.items.len(),
            result: page.items,
            next_cursor: page.next,
            prev_cursor: None,
            limit,
            warnings: Vec::new(),
        }
    }
}

impl<T: Serialize + Send + 'static> List<T> {
    /// The page as an answer. A short one is written at once, into room for all of it.
    pub(in crate::http) fn written(self) -> Response {
        if self.result_count > MANY {
            return pieces::json(self);
        }
        let mut text = Vec::with_capacity((self.result_count + 1) * ROW);
        match serde_json::to_writer(&mut text, &self) {
            Ok(()) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Err(_) => Problem::internal().into_response(),
        }
    }
}
