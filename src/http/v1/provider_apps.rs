//! `/provider-apps`: the environment's OAuth clients at providers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answers::Item;
use crate::domain::ids::ProviderAppId;
use crate::domain::provider::Provider;
use crate::http::extract::{Access, Admin, Body, NoQuery};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{NewProviderApp, Outcome, ProviderApp};
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
}

/// An OAuth client, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ShownApp {
    /// Its id here.
    pub id: ProviderAppId,
    /// The provider it is registered with.
    pub provider: Provider,
    /// Its id there.
    pub client_id: String,
    /// The scopes a link asks for.
    pub scopes: Vec<String>,
    /// The redirect URI to register at the provider.
    pub redirect_uri: String,
}

/// Adds an OAuth client. New links use the newest one of their provider.
#[utoipa::path(post, path = "/provider-apps", tag = "Linking", request_body = NewApp,
    responses((status = 201, description = "The app, without its secret", body = Item<ShownApp>),
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
    // Anybody could sign with an empty one.
    if wish.signing_secret.as_ref().is_some_and(String::is_empty) {
        return Err(Problem::new(ProblemKind::InvalidBody, "The signing secret is empty.")
            .at("/signing_secret", "must not be empty"));
    }
    let id = ProviderAppId::generate(&*state.clock, &*state.entropy);
    let secret = ClientSecret::from(wish.client_secret);
    let environment_id = access.caller.environment_id;
    let signing_secret = wish.signing_secret.map(SigningSecret::from);
    let sealed = state.vault.seal_app(environment_id, id, &secret, signing_secret.as_ref())?;
    let link = state.registry.connector(wish.provider).link();
    let scopes = wish
        .scopes
        .unwrap_or_else(|| link.default_scopes().iter().map(ToString::to_string).collect());
    let now = state.clock.now();
    let app = ProviderApp {
        id,
        provider: wish.provider,
        client_id: wish.client_id,
        data_key: sealed.data_key,
        client_secret: sealed.client_secret,
        signing_secret: sealed.signing_secret,
        scopes,
        updated_at: now,
    };
    access.db.insert_provider_app(&NewProviderApp { app: &app, now }).await?;
    access
        .audit(&state, "provider_app.created", (None, Some(&id.to_string())), Outcome::Done)
        .await?;
    let result = ShownApp {
        id,
        provider: app.provider,
        client_id: app.client_id,
        scopes: app.scopes,
        redirect_uri: state.links.redirect_uri()?.into(),
    };
    Ok((StatusCode::CREATED, Json(Item::of(result))))
}
