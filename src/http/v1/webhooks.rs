//! `/webhooks`: the endpoints that receive events. A secret is returned once, when it is created or rotated.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use super::webhook_input::SettingsCheck;
use crate::domain::ids::{IntegratedAccountId, WebhookId};
use crate::domain::page::Page;
use crate::domain::patch::PatchField;
use crate::domain::webhook::{EventTypePattern, SECRET_OVERLAP, Webhook};
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, Admin, JsonBody, NoQuery, PageQuery, Params};
use crate::http::idempotency::SecretShownOnce;
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::{StoreError, WEBHOOK_ACCOUNT_CONSTRAINT, WebhookLock};
use crate::vault::IssuedSecret;

type CreatedWebhookResponse = EnvelopeSchema<ItemResponse<CreatedWebhook>>;
type RotatedWebhookSecretResponse = EnvelopeSchema<ItemResponse<RotatedWebhookSecret>>;
type WebhookList = EnvelopeSchema<ListResponse<WebhookView>>;
type WebhookResponse = EnvelopeSchema<ItemResponse<WebhookView>>;

/// An endpoint that receives events, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(in crate::http) struct WebhookView {
    /// Id.
    id: WebhookId,
    /// URL that events are sent to.
    #[schema(example = "https://hooks.example.com/switchboard")]
    url: String,
    /// Types of events that it receives: `*`, a resource with `.*`, or a type.
    #[schema(example = json!(["user.*", "role_assignment.granted"]))]
    event_types: Vec<String>,
    /// Account whose events it receives; `null` for all events of the environment.
    #[schema(required = true)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// Description.
    #[schema(example = "Provisioning")]
    description: String,
    /// Whether events are delivered.
    #[schema(example = true)]
    is_active: bool,
    /// Time at which the gateway disabled it: it had failed for 72 hours, or returned 410 Gone.
    #[schema(required = true)]
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
    /// Why it was disabled.
    #[schema(required = true)]
    disabled_reason: Option<String>,
    /// Time of the first failure after the last success; `null` while it works.
    #[schema(required = true)]
    #[serde(with = "time::serde::rfc3339::option")]
    failing_since: Option<OffsetDateTime>,
    /// Time until which the previous secret signs deliveries too; `null` without a previous secret.
    #[schema(required = true)]
    #[serde(with = "time::serde::rfc3339::option")]
    previous_secret_until: Option<OffsetDateTime>,
    /// Creation time.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Time of the last change of its settings.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl WebhookView {
    fn of(webhook: Webhook, now: OffsetDateTime) -> Self {
        let event_types = webhook.event_types.iter().map(|one| one.as_str().to_owned()).collect();
        Self {
            id: webhook.id,
            url: webhook.url,
            event_types,
            integrated_account_id: webhook.integrated_account_id,
            description: webhook.description,
            is_active: webhook.is_active,
            disabled_at: webhook.disabled_at,
            disabled_reason: webhook.disabled_reason,
            failing_since: webhook.failing_since,
            previous_secret_until: webhook.previous_secret_until.filter(|until| *until > now),
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }
}

/// List webhooks
///
/// Returns the endpoints of the environment, oldest first.
#[utoipa::path(get, path = "/webhooks", tag = "Webhooks", params(PageQuery),
    responses((status = 200, description = "A page of webhooks", body = WebhookList), Problems))]
pub(in crate::http) async fn list_webhooks(
    State(state): State<AppState>,
    access: Access<Admin>,
    uri: Uri,
) -> Result<Json<ListResponse<WebhookView>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    params.finish()?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "webhooks", &());
    let after = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let mut items = access.db.webhooks(after, i64::from(page.limit) + 1).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    let now = state.clock.now();
    let items = items.into_iter().map(|webhook| WebhookView::of(webhook, now)).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Get a webhook
#[utoipa::path(get, path = "/webhooks/{id}", tag = "Webhooks",
    params(("id" = WebhookId, Path, description = "The webhook's id")),
    responses((status = 200, description = "The webhook", body = WebhookResponse), Problems))]
pub(in crate::http) async fn get_webhook(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<WebhookView>>, Problem> {
    let webhook = find(&access, &id).await?;
    Ok(Json(ItemResponse::of(WebhookView::of(webhook, state.clock.now()))))
}

/// Request body for creating a webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"url": "https://hooks.example.com/switchboard", "event_types": ["user.*", "role_assignment.granted"], "description": "Provisioning"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateWebhookRequest {
    /// URL that events are sent to. It begins with `https://`, leads to a public address, and has neither credentials
    /// nor a fragment.
    #[schema(max_length = 2048)]
    url: String,
    /// Types of events: `*`, all of a resource such as `user.*`, or a type such as `user.updated`; by default all.
    #[schema(min_items = 1, max_items = 100)]
    event_types: Option<Vec<String>>,
    /// Account whose events it receives; by default all events of the environment.
    integrated_account_id: Option<IntegratedAccountId>,
    /// Description.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Whether events are delivered; by default `true`.
    is_active: Option<bool>,
}

/// A new webhook. The secret is returned once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CreatedWebhook {
    /// The secret that signs deliveries.
    #[schema(value_type = String, example = "whsec_EXAMPLE")]
    secret: IssuedSecret,
    /// The webhook, as later reads return it.
    #[serde(flatten)]
    details: WebhookView,
}

/// Create a webhook
///
/// Adds an endpoint. It receives the events that happen from now on, each as a POST request signed according to
/// Standard Webhooks. The secret is returned once.
#[utoipa::path(post, path = "/webhooks", tag = "Webhooks", request_body = CreateWebhookRequest,
    responses((status = 201, description = "The webhook with its secret", body = CreatedWebhookResponse), Problems))]
pub(in crate::http) async fn create_webhook(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    JsonBody(body): JsonBody<CreateWebhookRequest>,
) -> Result<Response, Problem> {
    let mut check = SettingsCheck::new(state.webhooks.allows_private_addresses());
    let event_types = body.event_types.unwrap_or_else(|| vec!["*".to_owned()]);
    let now = state.clock.now();
    let webhook = Webhook {
        id: WebhookId::generate(&*state.clock, &*state.entropy),
        url: check.url(&body.url),
        event_types: check.event_types(&event_types),
        integrated_account_id: body.integrated_account_id,
        description: check.description(body.description.unwrap_or_default()),
        is_active: body.is_active.unwrap_or(true),
        disabled_at: None,
        disabled_reason: None,
        failing_since: None,
        previous_secret_until: None,
        created_at: now,
        updated_at: now,
    };
    check.finish()?;
    let secret = state.vault.new_webhook_secret();
    let environment_id = access.db.environment_id();
    let sealed = state.vault.seal_webhook_secrets(environment_id, webhook.id, &secret, None)?;
    let subject = webhook.id.text();
    let about = (webhook.integrated_account_id, Some(subject.as_str()));
    let entry = access.audit_entry(&state, "webhook.created", about);
    access.db.insert_webhook(&webhook, &sealed, &entry).await.map_err(account_problem)?;
    let shown_once = Extension(SecretShownOnce(subject));
    let secret = IssuedSecret::from(&secret);
    let created = CreatedWebhook { secret, details: WebhookView::of(webhook, now) };
    Ok((StatusCode::CREATED, shown_once, Json(ItemResponse::of(created))).into_response())
}

/// Request body for updating a webhook. Absent fields are unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"event_types": ["*"], "integrated_account_id": null, "is_active": true}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateWebhookRequest {
    /// URL that events are sent to. With another URL the delivery begins anew, as after `is_active`.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Types of events.
    #[schema(min_items = 1, max_items = 100)]
    event_types: Option<Vec<String>>,
    /// Account whose events it receives; `null` for all events of the environment.
    #[serde(default)]
    #[schema(value_type = Option<IntegratedAccountId>)]
    integrated_account_id: PatchField<IntegratedAccountId>,
    /// Description.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Whether events are delivered. `true` activates an inactive or disabled webhook: every delivery that is pending
    /// or has failed since the outage began is attempted again, and the events since then follow.
    is_active: Option<bool>,
}

/// Update a webhook
///
/// Changes settings. While a webhook is inactive, its events remain in the feed for 30 days; it receives them when it is
/// active again.
#[utoipa::path(patch, path = "/webhooks/{id}", tag = "Webhooks", request_body = UpdateWebhookRequest,
    params(("id" = WebhookId, Path, description = "The webhook's id")),
    responses((status = 200, description = "The updated webhook", body = WebhookResponse), Problems))]
pub(in crate::http) async fn update_webhook(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(change): JsonBody<UpdateWebhookRequest>,
) -> Result<Json<ItemResponse<WebhookView>>, Problem> {
    let mut check = SettingsCheck::new(state.webhooks.allows_private_addresses());
    let url = change.url.map(|url| check.url(&url));
    let event_types: Option<Vec<EventTypePattern>> =
        change.event_types.map(|types| check.event_types(&types));
    let description = change.description.map(|text| check.description(text));
    check.finish()?;
    let lock = lock(&access, &id).await?;
    let now = state.clock.now();
    let before = lock.webhook().clone();
    let webhook = Webhook {
        url: url.unwrap_or(before.url),
        event_types: event_types.unwrap_or(before.event_types),
        integrated_account_id: match change.integrated_account_id {
            PatchField::Absent => before.integrated_account_id,
            PatchField::Clear => None,
            PatchField::Set(account_id) => Some(account_id),
        },
        description: description.unwrap_or(before.description),
        is_active: change.is_active.unwrap_or(before.is_active),
        updated_at: now,
        ..before
    };
    let subject = webhook.id.text();
    let about = (webhook.integrated_account_id, Some(subject.as_str()));
    let entry = access.audit_entry(&state, "webhook.changed", about);
    let webhook = lock.update(webhook, &entry).await.map_err(account_problem)?;
    Ok(Json(ItemResponse::of(WebhookView::of(webhook, now))))
}

/// Delete a webhook
///
/// Deletes the endpoint with its deliveries. Deliveries in progress are not cancelled.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "Webhooks",
    params(("id" = WebhookId, Path, description = "The webhook's id")),
    responses((status = 200, description = "The deleted webhook", body = WebhookResponse), Problems))]
pub(in crate::http) async fn delete_webhook(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<WebhookView>>, Problem> {
    let lock = lock(&access, &id).await?;
    let subject = lock.webhook().id.text();
    let about = (lock.webhook().integrated_account_id, Some(subject.as_str()));
    let entry = access.audit_entry(&state, "webhook.deleted", about);
    let webhook = lock.delete(&entry).await?;
    Ok(Json(ItemResponse::of(WebhookView::of(webhook, state.clock.now()))))
}

/// A new secret of a webhook. It is returned once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RotatedWebhookSecret {
    /// The new secret that signs deliveries.
    #[schema(value_type = String, example = "whsec_EXAMPLE")]
    secret: IssuedSecret,
    /// Time until which the previous secret signs deliveries too.
    #[serde(with = "time::serde::rfc3339")]
    previous_secret_until: OffsetDateTime,
}

/// Rotate the secret of a webhook
///
/// For 24 hours each delivery is signed with both secrets. An older secret ends immediately. The new one is returned
/// once.
#[utoipa::path(post, path = "/webhooks/{id}/rotate-secret", tag = "Webhooks",
    params(("id" = WebhookId, Path, description = "The webhook's id")),
    responses((status = 200, description = "The new secret", body = RotatedWebhookSecretResponse), Problems))]
pub(in crate::http) async fn rotate_webhook_secret(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let mut lock = lock(&access, &id).await?;
    let (environment_id, webhook_id) = (access.db.environment_id(), lock.webhook().id);
    let account_id = lock.webhook().integrated_account_id;
    let sealed = lock.secrets().await?;
    let (previous, _) = state.vault.open_webhook_secrets(environment_id, webhook_id, &sealed)?;
    let secret = state.vault.new_webhook_secret();
    // Both are sealed again: they share the row's data key.
    let sealed =
        state.vault.seal_webhook_secrets(environment_id, webhook_id, &secret, Some(&previous))?;
    let subject = webhook_id.text();
    let entry = access.audit_entry(&state, "webhook.rotated", (account_id, Some(&subject)));
    let previous_secret_until = state.clock.now() + SECRET_OVERLAP;
    lock.rotate(&sealed, previous_secret_until, &entry).await?;
    let shown_once = Extension(SecretShownOnce(subject));
    let rotated =
        RotatedWebhookSecret { secret: IssuedSecret::from(&secret), previous_secret_until };
    Ok((shown_once, Json(ItemResponse::of(rotated))).into_response())
}

/// Returns the webhook; fails if it does not exist.
pub(super) async fn find(access: &Access<Admin>, id: &str) -> Result<Webhook, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    access.db.webhook(id).await?.ok_or_else(not_found)
}

/// Locks the webhook for a change; fails if it does not exist.
pub(super) async fn lock(access: &Access<Admin>, id: &str) -> Result<WebhookLock, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    access.db.lock_webhook(id).await?.ok_or_else(not_found)
}

/// Returns the problem of a webhook that does not exist.
pub(super) fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "No such webhook exists in this environment.")
}

/// Returns `account_not_found` where the account of a webhook is not in the environment.
fn account_problem(error: StoreError) -> Problem {
    if matches!(&error, StoreError::Conflict(constraint) if constraint == WEBHOOK_ACCOUNT_CONSTRAINT)
    {
        let detail = "No such account exists in this environment.";
        return Problem::new(ProblemKind::AccountNotFound, detail)
            .with_error("/integrated_account_id", "is not an account of this environment");
    }
    error.into()
}
