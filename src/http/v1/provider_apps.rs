//! `/provider-apps`: the environment's OAuth clients at providers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::admin::{self, AdminError};
use crate::domain::ids::ProviderAppId;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::patch::PatchField;
use crate::domain::provider::Provider;
use crate::http::extract::{Access, Admin, JsonBody, NoQuery};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::{ProviderApp, ProviderAppLock, StoreError};
use crate::vault::secret::{ClientSecret, SigningSecret};

type ProviderAppList = EnvelopeSchema<ListResponse<ProviderAppView>>;
type ProviderAppResponse = EnvelopeSchema<ItemResponse<ProviderAppView>>;

/// Request body for creating a provider app.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"provider": "slack_enterprise", "client_id": "1234.5678", "client_secret": "example-secret"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateProviderAppRequest {
    /// Provider that the client is registered with.
    provider: Provider,
    /// Client id.
    #[schema(example = "1234.5678")]
    client_id: String,
    /// Client secret. It is stored encrypted and never returned.
    client_secret: String,
    /// Signing secret of the provider's webhooks; `/events/slack` requires it to learn of revoked grants. It is stored
    /// encrypted and never returned.
    signing_secret: Option<String>,
    /// Scopes that links request; by default those that the unified API needs.
    scopes: Option<Vec<String>>,
    /// Whether the client is registered for PKCE (RFC 7636). At Slack this is permanent and makes it a public client,
    /// whose refresh tokens expire after 30 days. Codes are then exchanged with a verifier and without the secret.
    #[serde(default)]
    pkce: bool,
}

/// An OAuth client, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderApp)]
pub(in crate::http) struct ProviderAppView {
    /// Id.
    pub id: ProviderAppId,
    /// Provider that the client is registered with.
    pub provider: Provider,
    /// Client id.
    #[schema(example = "1234.5678")]
    pub client_id: String,
    /// Whether it has a signing secret.
    pub has_signing_secret: bool,
    /// Scopes that links request.
    #[schema(example = json!(["admin", "users:read"]))]
    pub scopes: Vec<String>,
    /// Whether the client is registered for PKCE.
    pub pkce: bool,
    /// Redirect URI to register at the provider.
    #[schema(example = "https://gateway.example.com/link/callback")]
    pub redirect_uri: String,
    /// Time of the last change.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl ProviderAppView {
    fn of(app: ProviderApp, state: &AppState) -> Result<Self, Problem> {
        Ok(Self {
            id: app.id,
            provider: app.provider,
            client_id: app.client_id,
            has_signing_secret: app.signing_secret.is_some(),
            scopes: app.scopes,
            pkce: app.pkce,
            redirect_uri: state.links.redirect_uri()?.into(),
            updated_at: app.updated_at,
        })
    }
}

/// Returns the scopes without duplicates. Splits lists in one string, as in OAuth (RFC 6749 §3.3) and at Slack.
fn scopes(listed: &[String]) -> Result<Vec<String>, Problem> {
    let mut scopes: Vec<String> = Vec::new();
    for (number, text) in listed.iter().enumerate() {
        let mut parts = text.split([' ', ',']).filter(|part| !part.is_empty()).peekable();
        if parts.peek().is_none() || text.contains(char::is_control) {
            return Err(Problem::new(ProblemKind::InvalidBody, "A scope of the app is invalid.")
                .with_error(
                    format!("/scopes/{number}"),
                    "must be the name of a scope, without control characters",
                ));
        }
        for part in parts {
            if !scopes.iter().any(|known| known == part) {
                scopes.push(part.to_owned());
            }
        }
    }
    Ok(scopes)
}

/// Create a provider app
///
/// Adds an OAuth client. New links use the newest one of their provider.
#[utoipa::path(post, path = "/provider-apps", tag = "Linking", request_body = CreateProviderAppRequest,
    responses((status = 201, description = "The app, without its secrets", body = ProviderAppResponse),
        Problems))]
pub(in crate::http) async fn create_provider_app(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    JsonBody(body): JsonBody<CreateProviderAppRequest>,
) -> Result<(StatusCode, Json<ItemResponse<ProviderAppView>>), Problem> {
    if body.client_id.is_empty() || body.client_secret.is_empty() {
        return Err(Problem::new(
            ProblemKind::InvalidBody,
            "The client id or the client secret is empty.",
        )
        .with_error("/client_id", "must not be empty")
        .with_error("/client_secret", "must not be empty"));
    }
    check_secret("/signing_secret", body.signing_secret.as_deref())?;
    let new = admin::CreateProviderApp {
        provider: body.provider,
        client_id: body.client_id,
        client_secret: ClientSecret::from(body.client_secret),
        signing_secret: body.signing_secret.map(SigningSecret::from),
        scopes: body.scopes.as_deref().map(scopes).transpose()?,
        pkce: body.pkce,
    };
    let app = access
        .administrator(&state)
        .create_provider_app(new, &state.vault, &state.registry)
        .await?;
    Ok((StatusCode::CREATED, Json(ItemResponse::of(ProviderAppView::of(app, &state)?))))
}

/// List provider apps
///
/// Returns the OAuth clients of the environment, oldest first.
#[utoipa::path(get, path = "/provider-apps", tag = "Linking",
    responses((status = 200, description = "All apps, without their secrets", body = ProviderAppList), Problems))]
pub(in crate::http) async fn list_provider_apps(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
) -> Result<Json<ListResponse<ProviderAppView>>, Problem> {
    let apps = access.db.provider_apps().await?.into_iter();
    let items = apps.map(|app| ProviderAppView::of(app, &state)).collect::<Result<_, _>>()?;
    Ok(Json(ListResponse::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Get a provider app
#[utoipa::path(get, path = "/provider-apps/{id}", tag = "Linking",
    params(("id" = ProviderAppId, Path, description = "The app's id")),
    responses((status = 200, description = "The app, without its secrets", body = ProviderAppResponse), Problems))]
pub(in crate::http) async fn get_provider_app(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<ProviderAppView>>, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    let app = access.db.provider_app(id).await?.ok_or_else(not_found)?;
    Ok(Json(ItemResponse::of(ProviderAppView::of(app, &state)?)))
}

/// Request body for updating a provider app. Absent fields are unchanged.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"client_secret": "example-secret", "signing_secret": null, "scopes": ["admin", "users:read"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateProviderAppRequest {
    /// New client secret. It is stored encrypted and never returned.
    client_secret: Option<String>,
    /// New signing secret; `null` removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    signing_secret: PatchField<String>,
    /// Scopes that new links request.
    scopes: Option<Vec<String>>,
    /// Whether the client is registered for PKCE.
    pkce: Option<bool>,
}

/// Update a provider app
///
/// Changes secrets or scopes. Linked accounts are not affected; refreshes that the provider rejected because of the
/// client secret are retried immediately.
#[utoipa::path(patch, path = "/provider-apps/{id}", tag = "Linking", request_body = UpdateProviderAppRequest,
    params(("id" = ProviderAppId, Path, description = "The app's id")),
    responses((status = 200, description = "The updated app", body = ProviderAppResponse), Problems))]
pub(in crate::http) async fn update_provider_app(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(change): JsonBody<UpdateProviderAppRequest>,
) -> Result<Json<ItemResponse<ProviderAppView>>, Problem> {
    check_secret("/client_secret", change.client_secret.as_deref())?;
    check_secret("/signing_secret", change.signing_secret.value().map(String::as_str))?;
    let scopes = change.scopes.as_deref().map(scopes).transpose()?;
    let lock = lock(&access, &id).await?;
    let (app, environment_id) = (lock.app(), access.caller.environment_id);
    let client_secret = match change.client_secret {
        Some(secret) => secret.into(),
        None => state.vault.open_client_secret(environment_id, app)?,
    };
    let signing_secret = match change.signing_secret {
        PatchField::Absent => state.vault.open_signing_secret(environment_id, app)?,
        PatchField::Clear => None,
        PatchField::Set(secret) => Some(secret.into()),
    };
    // Both secrets are sealed again: they share the row's data key.
    let sealed =
        state.vault.seal_app(environment_id, app.id, &client_secret, signing_secret.as_ref())?;
    let changed = ProviderApp {
        data_key: sealed.data_key,
        client_secret: sealed.client_secret,
        signing_secret: sealed.signing_secret,
        scopes: scopes.unwrap_or_else(|| app.scopes.clone()),
        pkce: change.pkce.unwrap_or(app.pkce),
        updated_at: state.clock.now(),
        ..app.clone()
    };
    let entry = access.audit_entry(&state, "provider_app.changed", (None, Some(&id)));
    lock.update(&changed, &entry).await?;
    Ok(Json(ItemResponse::of(ProviderAppView::of(changed, &state)?)))
}

/// Delete a provider app
///
/// Fails while accounts linked through the app exist. Link tokens created for it are revoked.
#[utoipa::path(delete, path = "/provider-apps/{id}", tag = "Linking",
    params(("id" = ProviderAppId, Path, description = "The app's id")),
    responses((status = 200, description = "The deleted app", body = ProviderAppResponse), Problems))]
pub(in crate::http) async fn delete_provider_app(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<ProviderAppView>>, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    let deleted = access.administrator(&state).delete_provider_app(id).await;
    let app = deleted.map_err(|error| match error {
        AdminError::Store(StoreError::Conflict(_)) => Problem::new(
            ProblemKind::ProviderAppInUse,
            "The app is in use: accounts of this environment were linked through it.",
        ),
        error @ (AdminError::NotFound(_)
        | AdminError::Revoked
        | AdminError::NoOAuth
        | AdminError::RefreshTooSoon { .. }
        | AdminError::Connector(_)
        | AdminError::Token(_)
        | AdminError::Cipher(_)
        | AdminError::Store(_)) => error.into(),
    })?;
    Ok(Json(ItemResponse::of(ProviderAppView::of(app, &state)?)))
}

async fn lock(access: &Access<Admin>, id: &str) -> Result<ProviderAppLock, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    access.db.lock_provider_app(id).await?.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "No such app exists in this environment.")
}

/// Fails on an empty secret: anyone could sign or authenticate with it.
fn check_secret(pointer: &str, secret: Option<&str>) -> Result<(), Problem> {
    if secret.is_some_and(str::is_empty) {
        return Err(Problem::new(ProblemKind::InvalidBody, "The secret is empty.")
            .with_error(pointer, "must not be empty"));
    }
    Ok(())
}
