//! The console and the hosted directory view through the front door: sessions, forms, permissions, headers, texts of
//! providers.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

mod forms;
mod headers;
mod pages;
mod plans;
mod portal;
mod portal_plans;
mod rule_sets;
mod scripts;
mod sessions;

use anyhow::Context as _;
use http::Method;
use serde_json::json;
use switchboard::domain::access::Scope;
use url::form_urlencoded;

use crate::support::{ApiResponse, Client, Tenant, TestApp};

/// Content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// A browser that is signed in.
#[derive(Clone)]
pub(super) struct SignedIn {
    /// Sends the cookie, and the origin of the gateway.
    pub(super) client: Client,
    /// The secret of the session.
    pub(super) secret: String,
}

/// Returns a new key of an environment, with its id.
pub(super) async fn key(home: &Tenant, scopes: &[Scope]) -> anyhow::Result<(String, String)> {
    let body = json!({"name": "console", "scopes": scopes});
    let created = home.admin.post("api-keys", &body).await?.created()?;
    let text = |name: &str| created["result"][name].as_str().map(str::to_owned);
    Ok((text("key").context("no key")?, text("id").context("no id")?))
}

/// Returns the origin of a gateway.
pub(super) fn origin(app: &TestApp) -> String {
    app.base_url.as_str().trim_end_matches('/').to_owned()
}

/// Encodes fields.
pub(super) fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Sends a form.
pub(super) async fn send(
    client: &Client,
    path: &str,
    fields: &[(&str, &str)],
) -> anyhow::Result<ApiResponse> {
    client.send(Method::POST, path, Some((FORM, &encoded(fields)))).await
}

/// Returns the value of a cookie that a response sets.
pub(super) fn cookie(response: &ApiResponse, name: &str) -> anyhow::Result<String> {
    let lines = response.headers.get_all("set-cookie").iter();
    let mut values = lines.filter_map(|line| {
        let (pair, _) = line.to_str().ok()?.split_once(';')?;
        Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned())
    });
    values
        .next()
        .with_context(|| format!("{name} is not set: {} {}", response.status, response.text))
}

/// Signs in with a key.
pub(super) async fn sign_in(app: &TestApp, key: &str) -> anyhow::Result<SignedIn> {
    let client = app.anonymous()?.with("origin", &origin(app))?;
    let response = send(&client, "console/sign-in", &[("key", key)]).await?;
    assert_eq!(response.status, 303, "{}", response.text);
    let secret = cookie(&response, "sb_console")?;
    let client = client.with("cookie", &format!("sb_console={secret}"))?;
    Ok(SignedIn { client, secret })
}

/// Signs in with a new key of an environment with these scopes.
pub(super) async fn signed_in(
    app: &TestApp,
    home: &Tenant,
    scopes: &[Scope],
) -> anyhow::Result<SignedIn> {
    sign_in(app, &key(home, scopes).await?.0).await
}

/// Returns the CSRF token of a page.
pub(super) fn csrf(page: &ApiResponse) -> anyhow::Result<String> {
    let (_, rest) = page.text.split_once("name=\"csrf\" value=\"").context("no token")?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

impl SignedIn {
    /// Returns a page.
    pub(super) async fn page(&self, path: &str) -> anyhow::Result<ApiResponse> {
        let page = self.client.get(path).await?;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        Ok(page)
    }

    /// Sends a form with the session's token.
    pub(super) async fn send(
        &self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<ApiResponse> {
        let token = csrf(&self.client.get("console").await?)?;
        send(&self.client, path, &[&[("csrf", token.as_str())], fields].concat()).await
    }
}
