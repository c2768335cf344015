//! `/batch`: up to 1,000 operations in one request, each a request of its own to the same router.

mod operation;
mod order;
mod run;

use axum::extract::State;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use self::operation::{Common, Operation};
use self::run::{OperationAnswer, Room};
use crate::http::extract::{Access, AccountQuery, Body, Write, connection};
use crate::http::idempotency;
use crate::http::openapi::Problems;
use crate::http::operations::Operations;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;

/// The most operations of a batch.
const MOST: usize = 1_000;
/// How many run at once when nothing is said.
const USUAL_CONCURRENCY: usize = 4;
/// How many can run at once.
const MOST_AT_ONCE: usize = 16;

/// A batch.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"operations": [{"id": "first", "method": "GET", "path": "/users/U0EXAMPLE"}, {"id": "second", "method": "PATCH", "path": "/users/U0EXAMPLE", "body": {"title": "Engineer"}}]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Batch {
    /// What to do, in order.
    #[schema(value_type = Vec<Operation>, max_items = 1000)]
    operations: Vec<Value>,
    /// How many operations on different things run at once.
    #[serde(default = "usual_concurrency")]
    #[schema(default = 4, minimum = 1, maximum = 16)]
    concurrency: usize,
}

fn usual_concurrency() -> usize {
    USUAL_CONCURRENCY
}

/// What came of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct BatchAnswer {
    /// What came of each operation, in their order.
    result: Vec<OperationAnswer>,
    /// How many were answered with a status below 400.
    succeeded: usize,
    /// How many were not.
    failed: usize,
}

/// Does many things in one request. Each operation is a request of its own: it has its own scope, limit, audit and answer, and one that fails stops no other. Operations on the same thing run in order, those on different things at once. Costs what its operations cost.
#[utoipa::path(post, path = "/batch", tag = "Batch", params(AccountQuery), request_body = Batch,
    responses((status = 200, description = "What came of each operation", body = BatchAnswer), Problems))]
pub(in crate::http) async fn run_batch(
    State(state): State<AppState>,
    Extension(Operations(router)): Extension<Operations>,
    access: Access<Write>,
    account: AccountQuery,
    headers: HeaderMap,
    extensions: Extensions,
    Body(batch): Body<Batch>,
) -> Result<Json<BatchAnswer>, Problem> {
    check(&batch, &headers)?;
    account.id(&headers)?;
    let common = Common::of(&headers, account, access.request(), connection(&extensions));
    let Batch { operations, concurrency } = batch;
    let room = Room::of(state.memory.hold(access.caller.environment_id));
    let (result, held) = run::run(&router, operations, concurrency, room, &common).await;
    access.request().hold(held);
    let succeeded = result.iter().filter(|one| one.status < 400).count();
    Ok(Json(BatchAnswer { failed: result.len() - succeeded, succeeded, result }))
}

fn check(batch: &Batch, headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |pointer: &str, message: String| {
        let detail = "The batch is not what this route wants.";
        Err(Problem::new(ProblemKind::InvalidBody, detail).at(pointer, message))
    };
    if batch.operations.len() > MOST {
        return refused("/operations", format!("must have {MOST} entries at most"));
    }
    if !(1..=MOST_AT_ONCE).contains(&batch.concurrency) {
        return refused("/concurrency", format!("must be between 1 and {MOST_AT_ONCE}"));
    }
    let key = headers.get(idempotency::HEADER).map_or(0, HeaderValue::len);
    // Each operation has a key of its own, made of this one and of its place.
    let most = idempotency::LONGEST_KEY - ":999".len();
    if key > most {
        let detail = format!("The key of a batch has {most} characters at most.");
        return Err(Problem::new(ProblemKind::IdempotencyKeyInvalid, detail));
    }
    Ok(())
}
