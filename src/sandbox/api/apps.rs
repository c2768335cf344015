//! `/_sandbox/apps`: the app settings that developers edit on Slack's website.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin::{LenientJson, ready};
use crate::sandbox::{Redirects, Sandbox, SlackApp};

/// `POST /_sandbox/apps`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterAppRequest {
    client_id: String,
    client_secret: String,
    name: String,
    #[serde(default)]
    redirect_urls: Option<Vec<String>>,
    #[serde(default)]
    token_rotation: Option<bool>,
    #[serde(default)]
    pkce_enabled: Option<bool>,
}

/// Returns all apps.
pub(super) fn list(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    let apps: Vec<Value> = sandbox.apps().iter().map(app_json).collect();
    ready(Json(json!({"apps": apps})))
}

/// Registers an app, or replaces the settings of a registered one.
pub(super) fn register(
    State(sandbox): State<Sandbox>,
    LenientJson(request): LenientJson<RegisterAppRequest>,
) -> std::future::Ready<Response> {
    let refuse = |text: &str| ready((StatusCode::BAD_REQUEST, Json(json!({"error": text}))));
    if [&request.client_id, &request.client_secret, &request.name]
        .iter()
        .any(|text| text.trim().is_empty())
    {
        return refuse("client_id, client_secret and name must not be empty");
    }
    let known = sandbox.app(&request.client_id);
    let rotation = request.token_rotation.unwrap_or(true);
    let public = request.pkce_enabled.unwrap_or(false);
    if known.as_ref().is_some_and(|known| known.rotation && !rotation) {
        return refuse("token_rotation cannot be disabled once enabled");
    }
    if known.is_some_and(|known| known.public && !public) {
        return refuse("pkce_enabled cannot be disabled once enabled");
    }
    let app = SlackApp {
        redirects: request.redirect_urls.map_or(Redirects::Loopback, Redirects::Listed),
        rotation,
        public,
        ..SlackApp::new(&request.client_id, &request.client_secret, &request.name)
    };
    let body = app_json(&app);
    sandbox.register_app(app);
    ready((StatusCode::CREATED, Json(body)))
}

/// Returns an app as JSON, without its client secret.
fn app_json(app: &SlackApp) -> Value {
    let redirects = match &app.redirects {
        Redirects::Loopback => None,
        Redirects::Listed(list) => Some(list),
    };
    json!({
        "client_id": app.client_id,
        "app_id": app.app_id,
        "name": app.name,
        "redirect_urls": redirects,
        "token_rotation": app.rotation,
        "pkce_enabled": app.public,
    })
}
