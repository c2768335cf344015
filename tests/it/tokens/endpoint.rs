//! A provider of the test's own in the place of Slack, whose token endpoint answers what the test scripts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::{Url, form_urlencoded};

use crate::support::{Browser, Setup, TestApp, link_url};

/// The status of a response that never comes.
pub(crate) const HANGS: u16 = 0;

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
    /// A response in JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self { status, kind: "application/json", body: body.to_string() }
    }
}

#[derive(Default)]
struct Inside {
    /// By the code or the refresh token that they answer.
    replies: HashMap<String, Reply>,
    /// Those whose responses are held back.
    held: HashMap<String, Held>,
    /// The codes and refresh tokens that came, oldest first.
    asked: Vec<String>,
}

/// A response that is held back.
#[derive(Clone, Default)]
pub(crate) struct Held {
    came: CancellationToken,
    released: CancellationToken,
}

impl Held {
    /// Waits for the request.
    pub(crate) async fn came(&self) {
        self.came.cancelled().await;
    }

    /// Lets the response go.
    pub(crate) fn release(&self) {
        self.released.cancel();
    }
}

/// The provider.
#[derive(Clone, Default)]
pub(crate) struct Endpoint(Arc<Mutex<Inside>>);

impl Endpoint {
    /// A gateway whose Slack this provider is.
    pub(crate) async fn start(pool: PgPool) -> anyhow::Result<(TestApp, Self)> {
        Self::start_with(pool, |_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn start_with(
        pool: PgPool,
        change: impl FnOnce(&mut Setup),
    ) -> anyhow::Result<(TestApp, Self)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let endpoint = Self::default();
        let router = Router::new().fallback(answer).with_state(endpoint.clone());
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

    /// Holds back the responses to a code or a refresh token.
    pub(crate) fn hold(&self, key: &str) -> Held {
        let held = Held::default();
        self.inside(|inside| inside.held.insert(key.to_owned(), held.clone()));
        held
    }

    /// How often a code or a refresh token came.
    pub(crate) fn count(&self, key: &str) -> usize {
        self.inside(|inside| inside.asked.iter().filter(|asked| *asked == key).count())
    }

    fn inside<T>(&self, work: impl FnOnce(&mut Inside) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn token_response(&self, body: &[u8]) -> Reply {
        let form: HashMap<_, _> = form_urlencoded::parse(body).into_owned().collect();
        let key = form.get("code").or_else(|| form.get("refresh_token")).cloned();
        let key = key.unwrap_or_default();
        let (reply, held) = self.inside(|inside| {
            inside.asked.push(key.clone());
            (inside.replies.get(&key).cloned(), inside.held.get(&key).cloned())
        });
        if let Some(held) = held {
            held.came.cancel();
            held.released.cancelled().await;
        }
        reply.unwrap_or_else(|| Reply::json(200, &pair(&key)))
    }
}

/// The response of a provider that is as it should be: the names of the tokens tell what they were made for.
pub(crate) fn pair(key: &str) -> Value {
    json!({
        "ok": true, "team": null, "is_enterprise_install": true,
        "enterprise": {"id": "E1", "name": "Org"},
        "authed_user": {"id": "U1", "token_type": "user", "scope": "admin", "expires_in": 43_200,
            "access_token": format!("access-{key}"), "refresh_token": format!("refresh-{key}")},
    })
}

async fn answer(State(endpoint): State<Endpoint>, request: Request) -> Response {
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
    if reply.status == HANGS {
        return std::future::pending().await;
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::IM_A_TEAPOT);
    if reply.kind.is_empty() {
        return (status, reply.body.into_bytes()).into_response();
    }
    (status, [(header::CONTENT_TYPE, reply.kind)], reply.body).into_response()
}

/// Comes back from the consent page of a new link with `code`; gives the page that the customer sees.
pub(crate) async fn come_back(app: &TestApp, tenant: &str, code: &str) -> anyhow::Result<u16> {
    let link = link_url(&app.home, &json!({"tenant_id": tenant})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.leave(&link).await?;
    let state = consent.query_pairs().find(|(name, _)| name == "state").context("no state")?.1;
    let mut back: Url = app.base_url.join("oauth/callback")?;
    back.query_pairs_mut().extend_pairs([("code", code), ("state", &*state)]);
    Ok(browser.get(&back).await?.status)
}

/// A tenant's account.
pub(crate) async fn account(app: &TestApp, tenant: &str) -> anyhow::Result<Value> {
    let list =
        app.home.api.get(&format!("integrated-accounts?tenant_id={tenant}")).await?.okay()?;
    list.pointer("/result/0").cloned().with_context(|| format!("{tenant} has no account"))
}

/// The access token that a tenant's calls carry.
pub(crate) async fn token_in_use(app: &TestApp, account: &Value) -> anyhow::Result<String> {
    let id = account.get("id").and_then(Value::as_str).context("no id")?;
    let echo = app.on(id)?.get("proxy/api/team.info").await?.okay()?;
    let bearer = echo.get("bearer").and_then(Value::as_str).context("no bearer")?;
    Ok(bearer.trim_start_matches("Bearer ").to_owned())
}
