//! `/_sandbox/apps`: what a developer does on an app's settings pages at Slack.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin::{Told, answer};
use crate::sandbox::{App, Redirects, Sandbox};

/// `POST /_sandbox/apps`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApp {
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

/// The apps.
pub(super) fn list(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    let apps: Vec<Value> = sandbox.apps().iter().map(shown).collect();
    answer(Json(json!({"apps": apps})))
}

/// One more app, or new settings for one that is known.
pub(super) fn register(
    State(sandbox): State<Sandbox>,
    Told(wish): Told<NewApp>,
) -> std::future::Ready<Response> {
    let refuse = |text: &str| answer((StatusCode::BAD_REQUEST, Json(json!({"error": text}))));
    if [&wish.client_id, &wish.client_secret, &wish.name].iter().any(|text| text.trim().is_empty())
    {
        return refuse("client_id, client_secret and name may not be empty");
    }
    let known = sandbox.app(&wish.client_id);
    let rotation = wish.token_rotation.unwrap_or(true);
    let public = wish.pkce_enabled.unwrap_or(false);
    if known.as_ref().is_some_and(|known| known.rotation && !rotation) {
        return refuse("token rotation cannot be turned off once it is on");
    }
    if known.is_some_and(|known| known.public && !public) {
        return refuse("PKCE cannot be turned off once it is on");
    }
    let app = App {
        redirects: wish.redirect_urls.map_or(Redirects::Loopback, Redirects::Listed),
        rotation,
        public,
        ..App::new(&wish.client_id, &wish.client_secret, &wish.name)
    };
    let body = shown(&app);
    sandbox.register_app(app);
    answer((StatusCode::CREATED, Json(body)))
}

/// An app without its secret.
fn shown(app: &App) -> Value {
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
