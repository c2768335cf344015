//! A reconciliation as the API returns it.

use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::gateway_client::{GatewayClient, GatewayError};
use crate::domain::reconciliation::{
    PlanSummary, ReconciliationStatus, RemovalLimit, RowError, StepCounts,
};
use crate::domain::sync_run::SyncProblem;

/// The fields that the commands use.
#[derive(Debug, Deserialize)]
pub(super) struct PlanView {
    pub(super) id: String,
    pub(super) status: ReconciliationStatus,
    pub(super) hash: Option<String>,
    pub(super) summary: PlanSummary,
    pub(super) counts: StepCounts,
    pub(super) removals: Option<RemovalLimit>,
    pub(super) row_errors: Vec<RowError>,
    pub(super) problem: Option<SyncProblem>,
    pub(super) eta_s: Option<u64>,
}

/// A step that was not carried out.
#[derive(Debug, Deserialize)]
pub(super) struct StepView {
    pub(super) n: u64,
    pub(super) subject: StepSubjectView,
    pub(super) detail: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StepSubjectView {
    pub(super) key: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) result: T,
}

/// Returns a reconciliation.
pub(super) async fn read(client: &GatewayClient, id: &str) -> Result<PlanView, GatewayError> {
    let path = format!("/reconciliations/{id}");
    let found: Envelope<PlanView> = client.fetch(Method::GET, &path, &[], None).await?;
    Ok(found.result)
}

/// Returns a reconciliation as the gateway wrote it.
pub(super) async fn read_json(client: &GatewayClient, id: &str) -> Result<String, GatewayError> {
    let path = format!("/reconciliations/{id}");
    let found: Envelope<Box<RawValue>> = client.fetch(Method::GET, &path, &[], None).await?;
    Ok(found.result.get().to_owned())
}

/// Returns the first steps with an outcome.
pub(super) async fn steps_with(
    client: &GatewayClient,
    id: &str,
    (outcome, limit): (&str, &str),
) -> Result<Vec<StepView>, GatewayError> {
    let path = format!("/reconciliations/{id}/steps");
    let query = [("outcome", outcome), ("limit", limit)];
    let found: Envelope<Vec<StepView>> = client.fetch(Method::GET, &path, &query, None).await?;
    Ok(found.result)
}
