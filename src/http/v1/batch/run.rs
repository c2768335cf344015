//! Runs the operations of a batch with the requested concurrency, in the order that their dependencies permit.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tower::ServiceExt as _;
use utoipa::ToSchema;

use super::operation::{BatchContext, BatchOperation};
use super::order::OperationOrder;
use crate::http::problem::{Problem, ProblemKind};
use crate::limit::ByteReservation;

/// Result of an operation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "first", "index": 0, "status": 200, "body": {"result": {"id": "U0EXAMPLE"}}}))]
pub(in crate::http) struct BatchOperationResult {
    /// `id` of the operation.
    id: Option<String>,
    /// Index in the batch, from 0.
    index: usize,
    /// HTTP status of the operation.
    pub(super) status: u16,
    /// Response body of the operation; a problem if it failed.
    #[schema(value_type = Object)]
    body: Box<RawValue>,
    /// Seconds until the next attempt; the same as `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

/// Total size of responses from which no further operation is started, in bytes.
const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;

/// The memory for the responses of a batch. They count as bytes in flight of the environment until all are sent.
pub(super) struct ResponseBudget {
    held: ByteReservation,
    bytes: usize,
    is_full: bool,
}

impl ResponseBudget {
    /// Returns an empty budget that counts against `held`.
    pub(super) fn of(held: ByteReservation) -> Self {
        Self { held, bytes: 0, is_full: false }
    }

    /// Counts a response that has been received.
    fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_full |= self.held.grow(bytes).is_err() || self.bytes >= MAX_RESPONSE_BYTES;
    }
}

/// An operation that has not started.
struct PendingOperation {
    index: usize,
    id: Option<String>,
    request: Request,
}

/// Runs every operation. Returns the results in the order of the request, with the guard of their memory.
pub(super) async fn run(
    router: &Router,
    operations: Vec<Value>,
    concurrency: usize,
    mut room: ResponseBudget,
    common: &BatchContext,
) -> (Vec<BatchOperationResult>, ByteReservation) {
    let (mut results, mut touches, mut waiting) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (index, value) in operations.into_iter().enumerate() {
        let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
        match BatchOperation::read(index, value).and_then(|one| one.prepare(index, common)) {
            Ok((touch, request)) => {
                touches.push(touch);
                waiting.push(Some(PendingOperation { index, id, request }));
            }
            Err(problem) => {
                results.insert(index, failure(index, id, &problem, common));
            }
        }
    }
    let mut order = OperationOrder::of(&touches);
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < concurrency && !room.is_full {
            let Some(place) = order.take() else { break };
            let Some(job) = waiting.get_mut(place).and_then(Option::take) else { break };
            let result = execute(router.clone(), job);
            running.push(async move { (place, result.await) });
        }
        let Some((place, result)) = running.next().await else { break };
        order.finish(place);
        room.add(result.body.get().len());
        results.insert(result.index, result);
    }
    for PendingOperation { index, id, .. } in waiting.into_iter().flatten() {
        let detail =
            "The responses of this batch exceed the size limit; this operation was not started.";
        let problem = Problem::new(ProblemKind::BatchTooLarge, detail);
        results.insert(index, failure(index, id, &problem, common));
    }
    (results.into_values().collect(), room.held)
}

async fn execute(router: Router, job: PendingOperation) -> BatchOperationResult {
    let PendingOperation { index, id, request } = job;
    let Ok(response) = router.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let retry_after = parts.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_s = retry_after.and_then(|seconds| seconds.parse().ok());
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    // Only a response without a body is not JSON.
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| RawValue::NULL.to_owned());
    BatchOperationResult { id, index, status: parts.status.as_u16(), body, retry_after_s }
}

/// Returns the result of an operation that was not started.
fn failure(
    index: usize,
    id: Option<String>,
    problem: &Problem,
    common: &BatchContext,
) -> BatchOperationResult {
    let body = to_raw_value(&problem.to_json(&common.request_id(index)));
    BatchOperationResult {
        id,
        index,
        status: problem.kind().status().as_u16(),
        body: body.unwrap_or_else(|_| RawValue::NULL.to_owned()),
        retry_after_s: None,
    }
}
