//! `/batch`: up to 1,000 operations in one request, each sent to the same router as a request of its own.

mod operation;
mod order;
mod run;

use axum::extract::State;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use self::operation::{BatchContext, BatchOperation};
use self::run::{BatchOperationResult, ResponseBudget};
use crate::http::extract::{Access, AccountQuery, JsonBody, Write, connection};
use crate::http::idempotency;
use crate::http::internal_router::InternalRouter;
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;

/// Maximum number of operations of a batch.
const MAX_OPERATIONS: usize = 1_000;
/// Default number of concurrent operations.
const DEFAULT_CONCURRENCY: usize = 4;
/// Maximum number of concurrent operations.
const MAX_CONCURRENCY: usize = 16;

/// Request body of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"operations": [{"id": "first", "method": "GET", "path": "/users/U0EXAMPLE"}, {"id": "second", "method": "PATCH", "path": "/users/U0EXAMPLE", "body": {"title": "Engineer"}}]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct BatchRequest {
    /// Operations, in order.
    #[schema(value_type = Vec<BatchOperation>, max_items = 1000)]
    operations: Vec<Value>,
    /// Number of operations on different resources that run concurrently.
    #[serde(default = "default_concurrency")]
    #[schema(default = 4, minimum = 1, maximum = 16)]
    concurrency: usize,
}

fn default_concurrency() -> usize {
    DEFAULT_CONCURRENCY
}

/// Results of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct BatchResponse {
    /// Result of each operation, in the order of the request.
    result: Vec<BatchOperationResult>,
    /// Number of operations with a status below 400.
    #[schema(example = 1)]
    succeeded: usize,
    /// Number of the other operations.
    failed: usize,
}

/// Run a batch of operations
///
/// Each operation is a request of its own, with its own scope, rate limit, audit entry and response; a failed
/// operation stops no other. Operations on the same resource run in order, others concurrently. Costs the sum of the
/// operations' costs.
#[utoipa::path(post, path = "/batch", tag = "Batch", params(AccountQuery), request_body = BatchRequest,
    responses((status = 200, description = "Result of each operation", body = BatchResponse), Problems))]
pub(in crate::http) async fn run_batch(
    State(state): State<AppState>,
    Extension(InternalRouter(router)): Extension<InternalRouter>,
    access: Access<Write>,
    account: AccountQuery,
    headers: HeaderMap,
    extensions: Extensions,
    JsonBody(batch): JsonBody<BatchRequest>,
) -> Result<Json<BatchResponse>, Problem> {
    check(&batch, &headers)?;
    account.id(&headers)?;
    let common = BatchContext::of(&headers, account, access.request(), connection(&extensions));
    let BatchRequest { operations, concurrency } = batch;
    let room = ResponseBudget::of(state.memory.reserve(access.caller.environment_id));
    let (result, held) = run::run(&router, operations, concurrency, room, &common).await;
    access.request().reserve_bytes(held);
    let succeeded = result.iter().filter(|one| one.status < 400).count();
    Ok(Json(BatchResponse { failed: result.len() - succeeded, succeeded, result }))
}

fn check(batch: &BatchRequest, headers: &HeaderMap) -> Result<(), Problem> {
    let invalid = |pointer: &str, message: String| {
        let detail = "The batch is invalid; see `errors`.";
        Err(Problem::new(ProblemKind::InvalidBody, detail).with_error(pointer, message))
    };
    if batch.operations.len() > MAX_OPERATIONS {
        return invalid("/operations", format!("must have at most {MAX_OPERATIONS} entries"));
    }
    if !(1..=MAX_CONCURRENCY).contains(&batch.concurrency) {
        return invalid("/concurrency", format!("must be between 1 and {MAX_CONCURRENCY}"));
    }
    let key = headers.get(idempotency::HEADER).map_or(0, HeaderValue::len);
    // Each operation has its own key, composed of this one and its index.
    let most = idempotency::MAX_KEY_CHARS - ":999".len();
    if key > most {
        let detail = format!("The idempotency key of a batch can have at most {most} characters.");
        return Err(Problem::new(ProblemKind::IdempotencyKeyInvalid, detail));
    }
    Ok(())
}
