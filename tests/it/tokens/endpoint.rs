//! A provider of the test in the place of Slack, with a scripted token endpoint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State as Shared};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::{Url, form_urlencoded};

use crate::support::{Browser, Setup, TestApp, link_url};

/// Status of a response that never arrives.
pub(crate) const NEVER_RESPONDS: u16 = 0;

/// A scripted response.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// Its content type; empty for none.
    pub(crate) kind: &'static str,
    /// Its body.
    pub(crate) body: String,
}

impl Reply {
    /// Creates a JSON response.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self { status, kind: "application/json", body: body.to_string() }
    }
}

#[derive(Default)]
struct State {
    /// Responses by authorization code or refresh token.
    replies: HashMap<String, Reply>,
    /// Codes and refresh tokens whose responses are delayed.
    delayed: HashMap<String, DelayedResponse>,
    /// Received codes and refresh tokens, oldest first.
    received: Vec<String>,
}

/// A delayed response.
#[derive(Clone, Default)]
pub(crate) struct DelayedResponse {
    requested: CancellationToken,
    released: CancellationToken,
}

impl DelayedResponse {
    /// Waits for the request.
    pub(crate) async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Sends the response.
    pub(crate) fn release(&self) {
        self.released.cancel();
    }
}

/// The provider.
#[derive(Clone, Default)]
pub(crate) struct Endpoint(Arc<Mutex<State>>);

impl Endpoint {
    /// Starts a gateway with this provider as Slack.
    pub(crate) async fn start(pool: PgPool) -> anyhow::Result<(TestApp, Self)> {
        Self::start_with(pool, |_| {}).await
    }

    /// Starts it with other settings.
    pub(crate) async fn start_with(
        pool: PgPool,
        change: impl FnOnce(&mut Setup),
    ) -> anyhow::Result<(TestApp, Self)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let endpoint = Self::default();
        let router = Router::new().fallback(respond).with_state(endpoint.clone());
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        let app = TestApp::with(pool, |setup| {
            setup.config.slack_enterprise.web_url.clone_from(&url);
            change(setup);
        });
        Ok((app.await?, endpoint))
    }

    /// Scripts the response to a code or a refresh token.
    pub(crate) fn script(&self, key: &str, reply: Reply) {
        self.inside(|inside| inside.replies.insert(key.to_owned(), reply));
    }

    /// Delays the responses to a code or a refresh token.
    pub(crate) fn delay(&self, key: &str) -> DelayedResponse {
        let delayed = DelayedResponse::default();
        self.inside(|inside| inside.delayed.insert(key.to_owned(), delayed.clone()));
        delayed
    }

    /// Returns how often a code or a refresh token was received.
    pub(crate) fn count(&self, key: &str) -> usize {
        self.inside(|inside| inside.received.iter().filter(|received| *received == key).count())
    }

    fn inside<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn token_response(&self, body: &[u8]) -> Reply {
        let form: HashMap<_, _> = form_urlencoded::parse(body).into_owned().collect();
        let key = form.get("code").or_else(|| form.get("refresh_token")).cloned();
        let key = key.unwrap_or_default();
        let (reply, delayed) = self.inside(|inside| {
            inside.received.push(key.clone());
            (inside.replies.get(&key).cloned(), inside.delayed.get(&key).cloned())
        });
        if let Some(delayed) = delayed {
            delayed.requested.cancel();
            delayed.released.cancelled().await;
        }
        reply.unwrap_or_else(|| Reply::json(200, &pair(&key)))
    }
}

/// Returns a valid response: the names of the tokens contain what they were issued for.
pub(crate) fn pair(key: &str) -> Value {
    json!({
        "ok": true, "team": null, "is_enterprise_install": true,
        "enterprise": {"id": "E1", "name": "Org"},
        "authed_user": {"id": "U1", "token_type": "user", "scope": "admin", "expires_in": 43_200,
            "access_token": format!("access-{key}"), "refresh_token": format!("refresh-{key}")},
    })
}

async fn respond(Shared(endpoint): Shared<Endpoint>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let bearer = request.headers().get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 64 * 1024).await.unwrap_or(Bytes::new());
    let reply = match path.as_str() {
        "/api/oauth.v2.access" => endpoint.token_response(&body).await,
        "/api/auth.test" => {
            Reply::json(200, &json!({"ok": true, "user_id": "U1", "enterprise_id": "E1"}))
        }
        _ => Reply::json(200, &json!({"ok": true, "bearer": bearer})),
    };
    if reply.status == NEVER_RESPONDS {
        return std::future::pending().await;
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::IM_A_TEAPOT);
    if reply.kind.is_empty() {
        return (status, reply.body.into_bytes()).into_response();
    }
    (status, [(header::CONTENT_TYPE, reply.kind)], reply.body).into_response()
}

/// Returns to the callback of a new link with `code`; returns the customer's page.
pub(crate) async fn return_to_callback(
    app: &TestApp,
    tenant: &str,
    code: &str,
) -> anyhow::Result<u16> {
    let link = link_url(&app.home, &json!({"tenant_id": tenant})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&link).await?;
    let state = consent.query_pairs().find(|(name, _)| name == "state").context("no state")?.1;
    let mut back: Url = app.base_url.join("oauth/callback")?;
    back.query_pairs_mut().extend_pairs([("code", code), ("state", &*state)]);
    Ok(browser.get(&back).await?.status)
}

/// Returns a tenant's account.
pub(crate) async fn account(app: &TestApp, tenant: &str) -> anyhow::Result<Value> {
    let list =
        app.home.api.get(&format!("integrated-accounts?tenant_id={tenant}")).await?.success()?;
    list.pointer("/result/0").cloned().with_context(|| format!("{tenant} has no account"))
}

/// Returns the access token that a tenant's calls send.
pub(crate) async fn token_in_use(app: &TestApp, account: &Value) -> anyhow::Result<String> {
    let id = account.get("id").and_then(Value::as_str).context("no id")?;
    let echo = app.client_for(id)?.get("proxy/api/team.info").await?.success()?;
    let bearer = echo.get("bearer").and_then(Value::as_str).context("no bearer")?;
    Ok(bearer.trim_start_matches("Bearer ").to_owned())
}
