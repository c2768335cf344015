//! Several organizations behind one SCIM URL: a link replaces one by another only if the customer confirms it.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::extract::{Request, State};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use url::form_urlencoded::Serializer;

use crate::support::{Browser, TestApp, link_url};

/// Tokens and the users that each can list.
type Tokens = Arc<Mutex<Vec<(&'static str, Vec<&'static str>)>>>;

async fn respond(State(tokens): State<Tokens>, request: Request) -> (StatusCode, Json<Value>) {
    let bearer = request.headers().get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
    let known = tokens.iter().find(|(token, _)| bearer == format!("Bearer {token}"));
    let Some((token, users)) = known else {
        return (StatusCode::UNAUTHORIZED, Json(json!({"status": "401"})));
    };
    if *token == "strict" && request.uri().query() != Some("count=1") {
        return (StatusCode::BAD_REQUEST, Json(json!({"status": "400"})));
    }
    let users: Vec<Value> = users.iter().map(|id| json!({"id": id, "userName": id})).collect();
    (StatusCode::OK, Json(json!({"totalResults": users.len(), "Resources": users})))
}

struct Shared {
    app: TestApp,
    base_url: String,
}

impl Shared {
    async fn start(pool: PgPool) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base_url = format!("http://{}/", listener.local_addr()?);
        let tokens: Tokens = Arc::new(Mutex::new(vec![
            ("first", vec!["ann", "ben"]),
            ("second", vec!["ben", "cem"]),
            ("other", vec!["dora", "emil"]),
            ("empty", vec![]),
            ("strict", vec!["zoe"]),
        ]));
        let router = Router::new().fallback(respond).with_state(tokens);
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        let private = |setup: &mut crate::support::Setup| {
            setup.config.upstream.allow_private_addresses = true;
        };
        Ok(Self { app: TestApp::with(pool, private).await?, base_url })
    }

    /// Submits the form of a link from this body.
    async fn link(
        &self,
        body: &Value,
        token: &str,
        more: &[(&str, &str)],
    ) -> anyhow::Result<(u16, String)> {
        let url = link_url(&self.app.home, body).await?;
        let mut form = Serializer::new(String::new());
        let fields = [("provider", "scim"), ("base_url", &*self.base_url), ("token", token)];
        form.extend_pairs(fields.iter().chain(more));
        let page = Browser::new()?.post(&url, &form.finish()).await?;
        Ok((page.status, page.text))
    }

    async fn users(&self, account: &str) -> anyhow::Result<Vec<Value>> {
        let users = self.app.client_for(account)?.get("users").await?.success()?;
        let users = users.get("result").and_then(Value::as_array).context("no list")?;
        Ok(users.iter().filter_map(|user| user.get("id").cloned()).collect())
    }

    async fn only_account(&self) -> anyhow::Result<String> {
        let list = self.app.home.api.get("integrated-accounts").await?.success()?;
        let id = list.pointer("/result/0/id").and_then(Value::as_str);
        Ok(id.context("no account")?.to_owned())
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_that_sees_other_users_at_the_same_address_is_stored_only_when_confirmed(
    pool: PgPool,
) -> anyhow::Result<()> {
    let shared = Shared::start(pool).await?;
    let new = json!({"tenant_id": "acme", "provider": "scim"});
    assert_eq!(shared.link(&new, "first", &[]).await?.0, 200);
    let id = shared.only_account().await?;
    let again = json!({"tenant_id": "acme", "integrated_account_id": id});
    let confirmed = [("same_organization", "yes")];
    for (body, token) in [(&again, "other"), (&new, "other"), (&again, "empty")] {
        let (status, text) = shared.link(body, token, &[]).await?;
        assert_eq!(status, 409, "{text}");
        assert!(text.contains(r#"name="same_organization""#), "{text}");
        assert!(text.contains("same organization?"), "{text}");
        assert_eq!(shared.users(&id).await?, ["ann", "ben"], "{token}");
    }
    // One user in common is enough, and the next link is compared with this one.
    let (status, text) = shared.link(&again, "second", &[]).await?;
    assert_eq!(status, 200, "{text}");
    assert!(!text.contains("same_organization"), "{text}");
    assert_eq!(shared.users(&id).await?, ["ben", "cem"]);
    // The customer confirms it, and the audit log records it. Its entries are in the order of their times.
    shared.app.clock.advance(time::Duration::seconds(1));
    assert_eq!(shared.link(&again, "other", &confirmed).await?.0, 200);
    assert_eq!(shared.users(&id).await?, ["dora", "emil"]);
    let log = "audit-log?action=integrated_account.relinked";
    let log = shared.app.home.admin.get(log).await?.success()?;
    let subjects: Vec<_> =
        log["result"].as_array().context("no log")?.iter().map(|entry| &entry["subject"]).collect();
    assert_eq!(subjects, [&json!("confirmed_by_customer"), &Value::Null]);
    // Another tenant has a separate account, and a disconnected one blocks no other.
    let other = json!({"tenant_id": "globex", "provider": "scim"});
    assert_eq!(shared.link(&other, "first", &[]).await?.0, 200);
    shared
        .app
        .home
        .admin
        .delete(&format!("integrated-accounts/{id}?force=true"))
        .await?
        .success()?;
    assert_eq!(shared.link(&new, "first", &[]).await?.0, 200);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn links_a_server_whose_users_can_not_be_sampled(pool: PgPool) -> anyhow::Result<()> {
    let shared = Shared::start(pool).await?;
    let new = json!({"tenant_id": "acme", "provider": "scim"});
    assert_eq!(shared.link(&new, "strict", &[]).await?.0, 200);
    // It has no sample of users yet.
    assert_eq!(shared.link(&new, "first", &[]).await?.0, 200);
    assert_eq!(shared.link(&new, "strict", &[]).await?.0, 409);
    Ok(())
}
