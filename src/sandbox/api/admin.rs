//! `/_sandbox`: the control API of the sandbox, without a counterpart at Slack.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use time::Duration;

use super::web::list_methods;
use crate::sandbox::org::Actor;
use crate::sandbox::{Fault, Sandbox};

/// Maximum clock advance per request in seconds: 100 years.
const MAX_CLOCK_ADVANCE_S: f64 = 3_155_760_000.0;
/// Maximum delay of audit log entries in seconds: one week.
const MAX_AUDIT_DELAY_S: u32 = 604_800;

/// `POST /_sandbox/advance-clock`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdvanceClockRequest {
    seconds: f64,
}

/// `POST /_sandbox/limits`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetLimitsRequest {
    enabled: bool,
}

/// `POST /_sandbox/audit-log`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditLogSettings {
    delay_s: u32,
}

/// `POST /_sandbox/organization`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenameOrganizationRequest {
    name: String,
}

/// `GET /_sandbox/requests`
#[derive(Debug, Deserialize)]
pub(super) struct RequestLogQuery {
    method: Option<String>,
}

/// Returns the counters.
pub(super) fn show_state(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    ready(Json(sandbox.stats()))
}

/// Returns the supported Web API methods with rate limit, scope and arguments.
pub(super) fn show_methods() -> std::future::Ready<Response> {
    ready(Json(list_methods()))
}

/// Returns the uploaded files with size and digest.
pub(super) fn list_files(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    ready(Json(json!({"files": sandbox.files()})))
}

/// Resets the organization; grants stay.
pub(super) fn reset(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    sandbox.reset();
    ready(Json(sandbox.stats()))
}

/// Advances the provider's clock.
pub(super) fn advance_clock(
    State(sandbox): State<Sandbox>,
    LenientJson(advance): LenientJson<AdvanceClockRequest>,
) -> std::future::Ready<Response> {
    if !advance.seconds.is_finite() || advance.seconds.abs() > MAX_CLOCK_ADVANCE_S {
        return ready((
            StatusCode::BAD_REQUEST,
            Json(json!({"error": "seconds must be finite and within ±3155760000 (100 years)"})),
        ));
    }
    sandbox.advance_clock(Duration::seconds_f64(advance.seconds));
    ready(Json(sandbox.stats()))
}

/// Returns the request log.
pub(super) fn list_requests(
    State(sandbox): State<Sandbox>,
    Query(query): Query<RequestLogQuery>,
) -> std::future::Ready<Response> {
    ready(Json(sandbox.requests(query.method.as_deref())))
}

/// Returns the pending faults.
pub(super) fn list_faults(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    ready(Json(json!({"faults": sandbox.faults()})))
}

/// Adds a fault.
pub(super) fn add_fault(
    State(sandbox): State<Sandbox>,
    LenientJson(fault): LenientJson<Fault>,
) -> std::future::Ready<Response> {
    let id = sandbox.add_fault(fault);
    ready((StatusCode::CREATED, Json(json!({"id": id}))))
}

/// Removes all faults.
pub(super) fn clear_faults(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    sandbox.clear_faults();
    ready(Json(json!({"faults": []})))
}

/// Enables or disables the rate limits.
pub(super) fn set_limits(
    State(sandbox): State<Sandbox>,
    LenientJson(switch): LenientJson<SetLimitsRequest>,
) -> std::future::Ready<Response> {
    sandbox.set_limits(switch.enabled);
    ready(Json(json!({"enabled": sandbox.limits_enabled()})))
}

/// Returns the settings of the audit log.
pub(super) fn show_audit_log(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    ready(Json(json!({"delay_s": sandbox.audit_delay()})))
}

/// Sets the delay of audit log entries.
pub(super) fn set_audit_log(
    State(sandbox): State<Sandbox>,
    LenientJson(settings): LenientJson<AuditLogSettings>,
) -> std::future::Ready<Response> {
    if settings.delay_s > MAX_AUDIT_DELAY_S {
        let error = "delay_s must be at most 604800 (one week)";
        return ready((StatusCode::BAD_REQUEST, Json(json!({"error": error}))));
    }
    sandbox.set_audit_delay(settings.delay_s);
    ready(Json(json!({"delay_s": sandbox.audit_delay()})))
}

/// Renames the organization as its primary owner. Slack has no method for it.
pub(super) fn rename_organization(
    State(sandbox): State<Sandbox>,
    LenientJson(request): LenientJson<RenameOrganizationRequest>,
) -> std::future::Ready<Response> {
    let owner = sandbox.with_org(|org| {
        let owner = org.primary_owner().and_then(|person| org.find(&person.id));
        owner.map_or(Actor::Provider, |(index, _)| Actor::Person(index))
    });
    if sandbox.change_org(owner, |edit| edit.rename_organization(&request.name)).is_err() {
        let error = "name must not be empty";
        return ready((StatusCode::BAD_REQUEST, Json(json!({"error": error}))));
    }
    let (id, name) = sandbox.with_org(|org| (org.id.clone(), org.name.clone()));
    ready(Json(json!({"id": id, "name": name})))
}

/// Extracts a JSON body regardless of its content type, so that a bare `curl -d` works.
pub(super) struct LenientJson<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for LenientJson<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body =
            Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            let body = Json(json!({"error": error.to_string()}));
            (StatusCode::BAD_REQUEST, body).into_response()
        })
    }
}

/// Returns a future that is ready with the response.
pub(super) fn ready(response: impl IntoResponse) -> std::future::Ready<Response> {
    std::future::ready(response.into_response())
}
