//! `/webhooks/{id}/deliveries` and the deliveries that a caller requests: resends, replays, tests.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::{IntoParams, ToSchema};

use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use super::webhook_input::SettingsCheck;
use super::webhooks::{find, lock, not_found};
use crate::domain::event::{Event, EventKind};
use crate::domain::ids::{DeliveryId, EventId, ReplayId, WebhookId};
use crate::domain::page::Page;
use crate::domain::timestamp::Timestamp;
use crate::domain::webhook::{Delivery, DeliveryAttempt, DeliveryStatus, TEST_EVENT};
use crate::http::cursor::Cursors;
use crate::http::extract::{
    Access, Admin, JsonBody, NoQuery, PageQuery, Params, invalid_parameter,
};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::{
    DeliveryFilter, MAX_REPLAYS, NewReplay, NotReplayable, NotResendable, WebhookLock,
};
use crate::upstream::USER_AGENT;

type WebhookDeliveryDetailsResponse = EnvelopeSchema<ItemResponse<DeliveryDetails>>;
type WebhookDeliveryList = EnvelopeSchema<ListResponse<DeliveryView>>;
type WebhookDeliveryResponse = EnvelopeSchema<ItemResponse<DeliveryView>>;
type WebhookReplayResponse = EnvelopeSchema<ItemResponse<WebhookReplay>>;

/// The delivery of an event to a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(in crate::http) struct DeliveryView {
    /// Id.
    id: DeliveryId,
    /// Event; also the header `webhook-id`.
    event_id: EventId,
    /// Type of the event; `webhook.test` for a test.
    #[schema(example = "user.updated")]
    event_type: String,
    /// Status.
    status: DeliveryStatus,
    /// Number of attempts; since the last resend, if there was one.
    #[schema(example = 1)]
    attempt_count: i32,
    /// The last attempts, oldest first.
    attempts: Vec<DeliveryAttempt>,
    /// Time of the next attempt; `null` if there is none.
    #[schema(required = true)]
    #[serde(with = "time::serde::rfc3339::option")]
    next_attempt_at: Option<OffsetDateTime>,
    /// Creation time.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            event_id: delivery.event_id,
            event_type: delivery.event_type,
            status: delivery.status,
            attempt_count: delivery.attempt_count,
            attempts: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at,
            created_at: delivery.created_at,
        }
    }
}

/// Filter of the deliveries.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Status.
    status: Option<DeliveryStatus>,
    /// Event.
    #[param(value_type = Option<String>)]
    event_id: Option<EventId>,
    /// Type of the event, such as `user.updated` or `webhook.test`.
    event_type: Option<String>,
}

impl FilterQuery {
    fn take(params: &mut Params) -> Result<DeliveryFilter, Problem> {
        let Self { status, event_id, event_type } = Self {
            status: params.parse("status")?,
            event_id: params.parse("event_id")?,
            event_type: params.take("event_type")?,
        };
        if let Some(text) = event_type.as_deref().filter(|text| *text != TEST_EVENT) {
            text.parse::<EventKind>().map_err(|error| invalid_parameter("event_type", error))?;
        }
        Ok(DeliveryFilter { status, event_id, event_type })
    }
}

/// List deliveries
///
/// Returns the deliveries of the last 30 days, newest first.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", tag = "Webhooks",
    params(("id" = WebhookId, Path, description = "The webhook's id"), PageQuery, FilterQuery),
    responses((status = 200, description = "A page of deliveries", body = WebhookDeliveryList), Problems))]
pub(in crate::http) async fn list_webhook_deliveries(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<ListResponse<DeliveryView>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let filter = FilterQuery::take(&mut params)?;
    params.finish()?;
    let webhook = find(&access, &id).await?;
    let list = (webhook.id, &filter);
    let cursors = Cursors::of(&state.cursors, &access.caller, "webhook-deliveries", &list);
    let before = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let most = i64::from(page.limit) + 1;
    let mut items = access.db.webhook_deliveries(webhook.id, &filter, before, most).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    let items = items.into_iter().map(DeliveryView::from).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// A delivery with its request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDeliveryDetails)]
pub(in crate::http) struct DeliveryDetails {
    /// The delivery.
    #[serde(flatten)]
    delivery: DeliveryView,
    /// The request of its last attempt; before the first attempt, that of the next one.
    request: DeliveryRequest,
}

/// The request of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDeliveryRequest)]
pub(in crate::http) struct DeliveryRequest {
    /// URL of the webhook.
    #[schema(example = "https://hooks.example.com/switchboard")]
    url: String,
    /// Headers. The signatures are not stored.
    #[schema(value_type = Object, example = json!({"content-type": "application/json",
        "webhook-id": "evt_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "webhook-timestamp": "1768469400",
        "webhook-signature": "v1,[redacted]"}))]
    headers: BTreeMap<&'static str, String>,
    /// Body: the event. `null` if it is no longer stored, or was sent by a test.
    #[schema(required = true)]
    body: Option<Event>,
}

impl DeliveryRequest {
    fn of(delivery: &Delivery, url: String, body: Option<Event>) -> Self {
        let mut headers = BTreeMap::from([
            ("content-type", "application/json".to_owned()),
            ("user-agent", USER_AGENT.to_owned()),
            ("webhook-id", delivery.event_id.text()),
            ("webhook-signature", "v1,[redacted]".to_owned()),
        ]);
        if let Some(last) = delivery.attempts.last() {
            headers.insert("webhook-timestamp", last.at.unix_timestamp().to_string());
        }
        Self { url, headers, body }
    }
}

/// Get a delivery
///
/// Returns the delivery with its request and the responses to its attempts.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries/{delivery_id}", tag = "Webhooks",
    params(("id" = WebhookId, Path, description = "The webhook's id"),
        ("delivery_id" = DeliveryId, Path, description = "The delivery's id")),
    responses((status = 200, description = "The delivery", body = WebhookDeliveryDetailsResponse), Problems))]
pub(in crate::http) async fn get_webhook_delivery(
    access: Access<Admin>,
    Path((id, delivery_id)): Path<(String, String)>,
    _: NoQuery,
) -> Result<Json<ItemResponse<DeliveryDetails>>, Problem> {
    let webhook = find(&access, &id).await?;
    let delivery_id = delivery_id.parse().map_err(|_| delivery_not_found())?;
    let delivery = access.db.webhook_delivery(webhook.id, delivery_id).await?;
    let delivery = delivery.ok_or_else(delivery_not_found)?;
    let position = delivery.position.as_slice();
    let mut events = access.db.events_at(position).await?.into_iter().map(|(_, event)| event);
    let event = events.find(|event| event.id == delivery.event_id);
    let request = DeliveryRequest::of(&delivery, webhook.url, event);
    Ok(Json(ItemResponse::of(DeliveryDetails { delivery: delivery.into(), request })))
}

/// Resend a delivery
///
/// Attempts the delivery again, now, whether it has succeeded or not. Failed attempts are repeated as for a new event.
#[utoipa::path(post, path = "/webhooks/{id}/deliveries/{delivery_id}/resend", tag = "Webhooks",
    params(("id" = WebhookId, Path, description = "The webhook's id"),
        ("delivery_id" = DeliveryId, Path, description = "The delivery's id")),
    responses((status = 202, description = "The pending delivery", body = WebhookDeliveryResponse), Problems))]
pub(in crate::http) async fn resend_webhook_delivery(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path((id, delivery_id)): Path<(String, String)>,
    _: NoQuery,
) -> Result<(StatusCode, Json<ItemResponse<DeliveryView>>), Problem> {
    let lock = lock_active(&access, &id).await?;
    let delivery_id: DeliveryId = delivery_id.parse().map_err(|_| delivery_not_found())?;
    let subject = delivery_id.text();
    let about = (lock.webhook().integrated_account_id, Some(subject.as_str()));
    let entry = access.audit_entry(&state, "webhook_delivery.resent", about);
    let resent = lock.resend(delivery_id, state.clock.now(), &entry).await?;
    let delivery = resent.map_err(resend_problem)?;
    Ok((StatusCode::ACCEPTED, Json(ItemResponse::of(delivery.into()))))
}

/// Request body for replaying events.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"from": "2026-01-15T09:30:00Z", "event_types": ["user.*"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReplayWebhookRequest {
    /// Time of the first event, inclusive (RFC 3339); at most 30 days ago.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// Time of the last event, inclusive (RFC 3339); by default all events until now.
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Types of events, among those of the webhook; by default all of these.
    #[schema(min_items = 1, max_items = 100)]
    event_types: Option<Vec<String>>,
}

/// A replay of events.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct WebhookReplay {
    /// Id.
    id: ReplayId,
    /// Number of events that are delivered.
    #[schema(example = 42)]
    events: i64,
}

/// Replay events
///
/// Delivers the events of a span of time once more, with the same ids as before: those that match the webhook's types
/// and account.
#[utoipa::path(post, path = "/webhooks/{id}/replay", tag = "Webhooks", request_body = ReplayWebhookRequest,
    params(("id" = WebhookId, Path, description = "The webhook's id")),
    responses((status = 202, description = "The replay and the number of its events", body = WebhookReplayResponse),
        Problems))]
pub(in crate::http) async fn replay_webhook(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(body): JsonBody<ReplayWebhookRequest>,
) -> Result<(StatusCode, Json<ItemResponse<WebhookReplay>>), Problem> {
    let (now, from, to) = (state.clock.now(), body.from.utc(), body.to.map(Timestamp::utc));
    let mut check = SettingsCheck::new(false);
    for (pointer, time) in [("/from", Some(from)), ("/to", to)] {
        if time.is_some_and(|time| time > now) {
            check.reject(pointer, "must not be in the future");
        }
    }
    if to.is_some_and(|to| to < from) {
        check.reject("/to", "must not be before `from`");
    }
    let event_types = body.event_types.unwrap_or_else(|| vec!["*".to_owned()]);
    let event_types = check.event_types(&event_types);
    check.finish()?;
    let lock = lock_active(&access, &id).await?;
    let replay_id = ReplayId::generate(&*state.clock, &*state.entropy);
    let new = NewReplay { id: replay_id, from, to, event_types: &event_types };
    let subject = lock.webhook().id.text();
    let about = (lock.webhook().integrated_account_id, Some(subject.as_str()));
    let entry = access.audit_entry(&state, "webhook.replayed", about);
    let requested = lock.request_replay(&new, now, &entry).await?;
    let events = requested.map_err(replay_problem)?;
    Ok((StatusCode::ACCEPTED, Json(ItemResponse::of(WebhookReplay { id: replay_id, events }))))
}

/// Send a test event
///
/// Sends an event of the type `webhook.test` once, also to an inactive webhook, and returns the delivery with the
/// response. The request ends after at most 15 seconds.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "Webhooks",
    params(("id" = WebhookId, Path, description = "The webhook's id")),
    responses((status = 200, description = "The delivery; `failed` if the webhook did not accept it",
        body = WebhookDeliveryResponse), Problems))]
pub(in crate::http) async fn test_webhook(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<DeliveryView>>, Problem> {
    let webhook = find(&access, &id).await?;
    let subject = webhook.id.text();
    let about = (webhook.integrated_account_id, Some(subject.as_str()));
    access.db.audit(&access.audit_entry(&state, "webhook.tested", about)).await?;
    let sending = state.webhooks.send_test(access.db.environment_id(), webhook.id);
    let delivery = Box::pin(sending).await?.ok_or_else(not_found)?;
    Ok(Json(ItemResponse::of(delivery.into())))
}

/// Locks a webhook; fails if it does not exist or is inactive.
async fn lock_active(access: &Access<Admin>, id: &str) -> Result<WebhookLock, Problem> {
    let lock = lock(access, id).await?;
    if lock.webhook().is_active {
        return Ok(lock);
    }
    let detail = match &lock.webhook().disabled_reason {
        Some(reason) => format!("The webhook is disabled: {reason}. Activate it first."),
        None => "The webhook is inactive. Activate it first.".to_owned(),
    };
    Err(Problem::new(ProblemKind::WebhookInactive, detail))
}

fn delivery_not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "The webhook has no such delivery.")
}

fn resend_problem(refusal: NotResendable) -> Problem {
    match refusal {
        NotResendable::NotFound => delivery_not_found(),
        NotResendable::Test => Problem::new(
            ProblemKind::TestNotResendable,
            "The delivery is a test, whose event is not stored. Send another test.",
        ),
        NotResendable::EventExpired => Problem::new(
            ProblemKind::EventExpired,
            "The event of this delivery is older than 30 days and no longer stored.",
        ),
    }
}

fn replay_problem(refusal: NotReplayable) -> Problem {
    match refusal {
        NotReplayable::Expired { oldest } => {
            let oldest = oldest.format(&Rfc3339).unwrap_or_default();
            let detail =
                format!("Events before {oldest} are no longer stored. Replay from that time on.");
            Problem::new(ProblemKind::EventExpired, detail)
                .with_error("/from", format!("must not be before {oldest}"))
        }
        NotReplayable::TooMany => {
            let detail = format!("The webhook has {MAX_REPLAYS} replays that have not ended.");
            Problem::new(ProblemKind::TooManyReplays, detail)
        }
    }
}
