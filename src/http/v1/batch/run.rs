//! Runs the operations of a batch: as many at once as were asked for, in the order that their things
//! allow.

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

use super::operation::{Common, Operation};
use super::order::Order;
use crate::http::problem::{Problem, ProblemKind};
use crate::limit::HeldBytes;

/// What came of an operation.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct OperationAnswer {
    /// The operation's `id`.
    id: Option<String>,
    /// Its place in the batch, from 0.
    index: usize,
    /// The HTTP status that it would have had alone.
    pub(super) status: u16,
    /// The body that it would have had alone: a problem when it failed.
    #[schema(value_type = Object)]
    body: Box<RawValue>,
    /// When to come back, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

/// When the answers have so many bytes together, nothing more is begun.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// The memory for the answers of a batch. They count as bytes in flight of the environment until all of them are sent.
pub(super) struct Room {
    held: HeldBytes,
    bytes: usize,
    is_full: bool,
}

impl Room {
    /// Room that counts as this.
    pub(super) fn of(held: HeldBytes) -> Self {
        Self { held, bytes: 0, is_full: false }
    }

    /// Takes an answer, which is there already.
    fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_full |= self.held.grow(bytes).is_err() || self.bytes >= MOST_BYTES;
    }
}

/// An operation that waits for its turn.
struct Job {
    index: usize,
    id: Option<String>,
    request: Request,
}

/// Runs every operation; the answers come in their order, with what holds their memory.
pub(super) async fn run(
    router: &Router,
    operations: Vec<Value>,
    concurrency: usize,
    mut room: Room,
    common: &Common,
) -> (Vec<OperationAnswer>, HeldBytes) {
    let (mut answers, mut touches, mut waiting) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (index, value) in operations.into_iter().enumerate() {
        let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
        match Operation::read(index, value).and_then(|one| one.prepare(index, common)) {
            Ok((touch, request)) => {
                touches.push(touch);
                waiting.push(Some(Job { index, id, request }));
            }
            Err(problem) => {
                answers.insert(index, failure(index, id, &problem, common));
            }
        }
    }
    let mut order = Order::of(&touches);
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < concurrency && !room.is_full {
            let Some(place) = order.take() else { break };
            let Some(job) = waiting.get_mut(place).and_then(Option::take) else { break };
            let answer = answer(router.clone(), job);
            running.push(async move { (place, answer.await) });
        }
        let Some((place, answer)) = running.next().await else { break };
        order.finish(place);
        room.take(answer.body.get().len());
        answers.insert(answer.index, answer);
    }
    for Job { index, id, .. } in waiting.into_iter().flatten() {
        let detail = "The answers of this batch have grown too large to begin this operation.";
        let problem = Problem::new(ProblemKind::BatchTooLarge, detail);
        answers.insert(index, failure(index, id, &problem, common));
    }
    (answers.into_values().collect(), room.held)
}

async fn answer(router: Router, job: Job) -> OperationAnswer {
    let Job { index, id, request } = job;
    let Ok(response) = router.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let retry_after = parts.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_s = retry_after.and_then(|seconds| seconds.parse().ok());
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    // Only an answer without a body is no JSON.
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| RawValue::NULL.to_owned());
    OperationAnswer { id, index, status: parts.status.as_u16(), body, retry_after_s }
}

/// The answer to an operation that is not begun.
fn failure(
    index: usize,
    id: Option<String>,
    problem: &Problem,
    common: &Common,
) -> OperationAnswer {
    let body = to_raw_value(&problem.to_json(&common.request_id(index)));
    OperationAnswer {
        id,
        index,
        status: problem.kind().status().as_u16(),
        body: body.unwrap_or_else(|_| RawValue::NULL.to_owned()),
        retry_after_s: None,
    }
}
