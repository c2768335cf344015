//! A SCIM account has a static token: a 401 invalidates it only if the token check on the known path confirms it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::future::try_join_all;
use http::{StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use url::form_urlencoded::Serializer;

use crate::support::{Browser, TestApp, link_url};

/// A response: its status, its challenge, its content type and its body.
type Reply = (u16, &'static str, &'static str, &'static str);

const LIST: Reply = (200, "", "application/scim+json", r#"{"totalResults":0,"Resources":[]}"#);
const ERROR: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"401"}"#;
const PAGE: &str = "<html>Blocked by policy</html>";
const REJECTED: Reply = (401, "", "application/scim+json", ERROR);

/// Responses of the known path that invalidate an account, with the response to the call.
const INVALID: &[(Reply, Reply)] = &[
    (REJECTED, REJECTED),
    (REJECTED, (401, "", "", "")),
    (REJECTED, (401, "Bearer", "", "")),
    (REJECTED, (401, "", "application/json", r#"{"detail":"Unauthorized"}"#)),
    ((401, "", "text/html", PAGE), (401, "Bearer error=\"invalid_token\"", "text/html", PAGE)),
];
/// Responses of the known path that don't, with the response to the call.
const NO_EVIDENCE: &[(Reply, Reply)] = &[
    (REJECTED, LIST),
    ((401, "Bearer error=\"invalid_token\"", "", ""), LIST),
    ((401, "", "text/html", PAGE), (401, "", "text/html", PAGE)),
    (REJECTED, (401, "Basic realm=\"proxy\"", "", "")),
    (REJECTED, (401, "", "text/plain", "Access denied")),
    (REJECTED, (403, "", "application/scim+json", ERROR)),
    (REJECTED, (404, "", "application/scim+json", ERROR)),
    (REJECTED, (500, "", "application/scim+json", ERROR)),
    (REJECTED, (429, "", "", "")),
    (REJECTED, (200, "", "text/html", PAGE)),
    (REJECTED, (200, "", "application/json", "{}")),
    ((403, "", "application/scim+json", ERROR), REJECTED),
];

/// The server's responses to the bearer of a token: to calls, and on the known path.
type Script = Arc<Mutex<HashMap<String, (Reply, Reply)>>>;

async fn respond(State(script): State<Script>, request: Request) -> Response {
    let bearer = request.headers().get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = bearer.trim_start_matches("Bearer ");
    let (call, known) = script
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(token)
        .copied()
        .unwrap_or((LIST, LIST));
    let is_known = request.uri().path() == "/Users" && request.uri().query() == Some("count=1");
    let (status, challenge, kind, body) = if is_known { known } else { call };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in [(header::WWW_AUTHENTICATE, challenge), (header::CONTENT_TYPE, kind)] {
        if !value.is_empty() {
            response.headers_mut().insert(name, http::HeaderValue::from_static(value));
        }
    }
    response
}

async fn status(app: &TestApp, tenant: &str) -> anyhow::Result<(String, Value)> {
    let path = format!("integrated-accounts?tenant_id={tenant}");
    let list = app.home.api.get(&path).await?.success()?;
    let id = list.pointer("/result/0/id").and_then(Value::as_str).context("no account")?;
    Ok((id.to_owned(), list.pointer("/result/0/status").cloned().unwrap_or_default()))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_401_invalidates_a_scim_account_only_if_the_token_check_confirms_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let base_url = format!("http://{}/", listener.local_addr()?);
    let script = Script::default();
    let router = Router::new().fallback(respond).with_state(Arc::clone(&script));
    TaskTracker::new().spawn(axum::serve(listener, router).into_future());
    let app =
        TestApp::with(pool, |setup| setup.config.upstream.allow_private_addresses = true).await?;
    let rows = INVALID.iter().map(|row| (row, "needs_reauth"));
    let rows = rows.chain(NO_EVIDENCE.iter().map(|row| (row, "active"))).enumerate();
    let (app, base_url, script) = (&app, &base_url, &script);
    try_join_all(rows.map(|(number, (row, expected))| async move {
        let token = format!("token-{number}");
        let body = json!({"tenant_id": token, "provider": "scim"});
        let mut form = Serializer::new(String::new());
        form.extend_pairs([("provider", "scim"), ("base_url", base_url), ("token", &token)]);
        let link = link_url(&app.home, &body).await?;
        let page = Browser::new()?.post(&link, &form.finish()).await?;
        ensure!(page.status == 200, "{}", page.text);
        script.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), *row);
        let (id, _) = status(app, &token).await?;
        let api = app.client_for(&id)?;
        for _ in 0..2 {
            let called = api.get("proxy/Secret").await?.status;
            let passed = if expected == "active" { row.0.0 } else { 409 };
            ensure!(called == passed, "{row:?}: {called}");
        }
        let (_, now) = status(app, &token).await?;
        ensure!(now == expected, "{row:?}: {now}");
        let refresh = format!("integrated-accounts/{id}/refresh");
        if expected == "active" {
            let users = api.get("users?limit=5").await?;
            if row.0.0 == 401 {
                users.problem(403, "provider_forbidden");
            }
            app.home.api.post(&refresh, &json!({})).await?.problem(409, "not_refreshable");
            ensure!(status(app, &token).await?.1 == "active", "{row:?}: by a refresh");
        } else {
            app.home.api.post(&refresh, &json!({})).await?.problem(409, "account_needs_reauth");
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(())
}
