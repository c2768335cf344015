//! `/provider-apps`: the environment's OAuth clients at providers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::answers::{Item, List};
use crate::admin::{self, AdminError};
use crate::domain::ids::ProviderAppId;
use crate::domain::input::Field;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::provider::Provider;
use crate::http::extract::{Access, Admin, Body, NoQuery};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{ProviderApp, ProviderAppLock, StoreError};
use crate::vault::secret::{ClientSecret, SigningSecret};

/// An OAuth client to be added.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"provider": "slack_enterprise", "client_id": "1234.5678", "client_secret": "example-secret"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewApp {
    /// The provider it is registered with.
    provider: Provider,
    /// Its id there.
    client_id: String,
    /// Its secret there. It is stored encrypted and never shown.
    client_secret: String,
    /// What the provider signs its own requests with: with it `/events/slack` hears of grants that are gone. It is stored encrypted and never shown.
    signing_secret: Option<String>,
    /// The scopes a link asks for; what the unified API needs, when nothing is said.
    scopes: Option<Vec<String>>,
    /// Whether the app is registered for PKCE there (at Slack for good: a public client, whose refresh tokens end after 30 days). A link's code is then exchanged with a verifier and without the secret.
    #[serde(default)]
    pkce: bool,
}

/// An OAuth client, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderApp)]
pub(in crate::http) struct ShownApp {
    /// Its id here.
    pub id: ProviderAppId,
    /// The provider it is registered with.
    pub provider: Provider,
    /// Its id there.
    pub client_id: String,
    /// Whether it has what the provider signs its own requests with.
    pub has_signing_secret: bool,
    /// The scopes a link asks for.
    pub scopes: Vec<String>,
    /// Whether the app is registered for PKCE there.
    pub pkce: bool,
    /// The redirect URI to register at the provider.
    pub redirect_uri: String,
    /// When it was made or last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl ShownApp {
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

/// Scopes, each once. Text with several, as OAuth writes them (RFC 6749 §3.3) or as Slack does, is split.
fn scopes(listed: &[String]) -> Result<Vec<String>, Problem> {
    let mut scopes: Vec<String> = Vec::new();
    for (number, text) in listed.iter().enumerate() {
        let mut parts = text.split([' ', ',']).filter(|part| !part.is_empty()).peekable();
        if parts.peek().is_none() || text.contains(char::is_control) {
            return Err(Problem::new(ProblemKind::InvalidBody, "A scope can't be used.")
                .at(format!("/scopes/{number}"), "must be the name of a scope"));
        }
        for part in parts {
            if !scopes.iter().any(|known| known == part) {
                scopes.push(part.to_owned());
            }
        }
    }
    Ok(scopes)
}

/// Adds an OAuth client. New links use the newest one of their provider.
#[utoipa::path(post, path = "/provider-apps", tag = "Linking", request_body = NewApp,
    responses((status = 201, description = "The app, without its secrets", body = Item<ShownApp>),
        Problems))]
pub(in crate::http) async fn create_provider_app(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    Body(wish): Body<NewApp>,
) -> Result<(StatusCode, Json<Item<ShownApp>>), Problem> {
    if wish.client_id.is_empty() || wish.client_secret.is_empty() {
        return Err(Problem::new(ProblemKind::InvalidBody, "The client has no id or no secret.")
            .at("/client_id", "must not be empty")
            .at("/client_secret", "must not be empty"));
    }
    check_secret("/signing_secret", wish.signing_secret.as_deref())?;
    let new = admin::NewApp {
        provider: wish.provider,
        client_id: wish.client_id,
        client_secret: ClientSecret::from(wish.client_secret),
        signing_secret: wish.signing_secret.map(SigningSecret::from),
        scopes: wish.scopes.as_deref().map(scopes).transpose()?,
        pkce: wish.pkce,
    };
    let app = access.administrator(&state).create_app(new, &state.vault, &state.registry).await?;
    Ok((StatusCode::CREATED, Json(Item::of(ShownApp::of(app, &state)?))))
}

/// Lists the OAuth clients of the environment, the oldest first.
#[utoipa::path(get, path = "/provider-apps", tag = "Linking",
    responses((status = 200, description = "All apps, without their secrets", body = List<ShownApp>), Problems))]
pub(in crate::http) async fn list_provider_apps(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
) -> Result<Json<List<ShownApp>>, Problem> {
    let apps = access.db.provider_apps().await?.into_iter();
    let items = apps.map(|app| ShownApp::of(app, &state)).collect::<Result<_, _>>()?;
    Ok(Json(List::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Reads one OAuth client of the environment.
#[utoipa::path(get, path = "/provider-apps/{id}", tag = "Linking",
    params(("id" = ProviderAppId, Path, description = "The app's id")),
    responses((status = 200, description = "The app, without its secrets", body = Item<ShownApp>), Problems))]
pub(in crate::http) async fn get_provider_app(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<ShownApp>>, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    let app = access.db.provider_app(id).await?.ok_or_else(not_found)?;
    Ok(Json(Item::of(ShownApp::of(app, &state)?)))
}

/// A change of an OAuth client; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"client_secret": "example-secret", "signing_secret": null, "scopes": ["admin", "users:read"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AppChange {
    /// Its new secret at the provider. It is stored encrypted and never shown.
    client_secret: Option<String>,
    /// What the provider signs its own requests with from now on; `null` removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    signing_secret: Field<String>,
    /// The scopes that links ask for from now on.
    scopes: Option<Vec<String>>,
    /// Whether the app is registered for PKCE from now on.
    pkce: Option<bool>,
}

/// Changes the secrets or the scopes of an OAuth client. Accounts that were linked through it go on; refreshes that the provider refused because of its secret are tried again at once.
#[utoipa::path(patch, path = "/provider-apps/{id}", tag = "Linking", request_body = AppChange,
    params(("id" = ProviderAppId, Path, description = "The app's id")),
    responses((status = 200, description = "The app as it is now", body = Item<ShownApp>), Problems))]
pub(in crate::http) async fn change_provider_app(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    Body(change): Body<AppChange>,
) -> Result<Json<Item<ShownApp>>, Problem> {
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
        Field::Keep => state.vault.open_signing_secret(environment_id, app)?,
        Field::Clear => None,
        Field::Set(secret) => Some(secret.into()),
    };
    // Both anew: they share the row's key.
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
    let entry = access.entry(&state, "provider_app.changed", (None, Some(&id)));
    lock.change(&changed, &entry).await?;
    Ok(Json(Item::of(ShownApp::of(changed, &state)?)))
}

/// Removes an OAuth client that no account was linked through. Link tokens that were made for it end.
#[utoipa::path(delete, path = "/provider-apps/{id}", tag = "Linking",
    params(("id" = ProviderAppId, Path, description = "The app's id")),
    responses((status = 200, description = "The app that was", body = Item<ShownApp>), Problems))]
pub(in crate::http) async fn delete_provider_app(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<ShownApp>>, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    let deleted = access.administrator(&state).delete_app(id).await;
    let app = deleted.map_err(|error| match error {
        AdminError::Store(StoreError::Conflict(_)) => Problem::new(
            ProblemKind::ProviderAppInUse,
            "Accounts of this environment were linked through the app.",
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
    Ok(Json(Item::of(ShownApp::of(app, &state)?)))
}

async fn lock(access: &Access<Admin>, id: &str) -> Result<ProviderAppLock, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    access.db.lock_provider_app(id).await?.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is no such app in this environment.")
}

/// Anybody could sign, or log in, with an empty one.
fn check_secret(pointer: &str, secret: Option<&str>) -> Result<(), Problem> {
    if secret.is_some_and(str::is_empty) {
        return Err(Problem::new(ProblemKind::InvalidBody, "The secret is empty.")
            .at(pointer, "must not be empty"));
    }
    Ok(())
}
