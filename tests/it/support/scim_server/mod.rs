//! A SCIM 2.0 server with its state in memory: users, groups, filters, pages, PATCH, PUT and `ETag`s, as its options say.
//! A test changes the options at any time, and adds hooks that respond in its place or change its responses.
//!
//! It is written from RFC 7643 and RFC 7644 and shares no code with the connector.

mod directory;
mod filter;
mod options;
mod patch;
mod requests;
mod schemas;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use url::form_urlencoded::{self, Serializer};

use self::directory::{Directory, Kind};
pub(crate) use self::options::{OAuthGrant, ScimOptions};
pub(crate) use self::requests::ScimRequest;
pub(crate) use self::schemas::{ENTERPRISE, attribute, schema};
use super::{Browser, TestApp, link_url};

/// Path of the server's base URL.
const BASE_PATH: &str = "/scim/v2";
/// Path of its token endpoint.
const TOKEN_PATH: &str = "/oauth/token";

/// A bearer token that a new server accepts.
pub(crate) const SCIM_TOKEN: &str = "scim-token-1";

/// Responds in place of the server, unless it returns `None`.
type Hook = Arc<dyn Fn(&ScimRequest) -> Option<Response> + Send + Sync>;
/// Changes the JSON of a response whose path begins with the text.
type Change = (String, Arc<dyn Fn(&mut Value) + Send + Sync>);

/// The server.
#[derive(Clone)]
pub(crate) struct ScimServer {
    /// Its base URL, without a trailing slash.
    pub(crate) url: String,
    /// URL of its token endpoint.
    pub(crate) token_url: String,
    inner: Arc<Inner>,
}

struct Inner {
    options: Mutex<ScimOptions>,
    directory: Mutex<Directory>,
    hooks: Mutex<Vec<Hook>>,
    changes: Mutex<Vec<Change>>,
    requests: Mutex<Vec<ScimRequest>>,
    /// Tokens that the token endpoint issued.
    issued: Mutex<Vec<String>>,
}

/// Locks a part of the server's state, also after a panic of another test thread.
fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ScimServer {
    /// Starts a server without users.
    pub(crate) async fn start(options: ScimOptions) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let inner = Arc::new(Inner {
            options: Mutex::new(options),
            directory: Mutex::default(),
            hooks: Mutex::default(),
            changes: Mutex::default(),
            requests: Mutex::default(),
            issued: Mutex::default(),
        });
        let router = Router::new().fallback(respond).with_state(Arc::clone(&inner));
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        let (url, token_url) = (format!("{origin}{BASE_PATH}"), format!("{origin}{TOKEN_PATH}"));
        Ok(Self { url, token_url, inner })
    }

    /// Changes its options.
    pub(crate) fn set(&self, change: impl FnOnce(&mut ScimOptions)) {
        change(&mut lock(&self.inner.options));
    }

    /// Adds a user as it is; returns its id, which is that of the user or a new one.
    pub(crate) fn add_user(&self, user: Value) -> String {
        lock(&self.inner.directory).insert(Kind::Users, user)
    }

    /// Adds a group as it is; returns its id.
    pub(crate) fn add_group(&self, group: Value) -> String {
        lock(&self.inner.directory).insert(Kind::Groups, group)
    }

    /// Replaces a user at the time of the server's clock.
    pub(crate) fn replace_user(&self, id: &str, user: Value) {
        lock(&self.inner.directory).replace(Kind::Users, id, user);
    }

    /// Replaces a group at the time of the server's clock.
    pub(crate) fn replace_group(&self, id: &str, group: Value) {
        lock(&self.inner.directory).replace(Kind::Groups, id, group);
    }

    /// Removes a user.
    pub(crate) fn remove_user(&self, id: &str) {
        lock(&self.inner.directory).remove(Kind::Users, id);
    }

    /// Sets the server's clock: the time of its next change.
    pub(crate) fn set_time(&self, next: OffsetDateTime) {
        lock(&self.inner.directory).set_time(next);
    }

    /// Adds users `user0` … with names, addresses and a department; returns their ids.
    pub(crate) fn add_users(&self, count: usize) -> Vec<String> {
        let user = |number: usize| {
            json!({
                "schemas": [schemas::USER, ENTERPRISE],
                "userName": format!("user{number}"),
                "externalId": format!("ext-{number}"),
                "name": {"givenName": format!("First{number}"), "familyName": format!("Last{number}")},
                "emails": [{"value": format!("user{number}@example.com"), "type": "work", "primary": true}],
                "active": number % 5 != 4,
                (ENTERPRISE): {"department": format!("Department {}", number % 3)},
            })
        };
        (0..count).map(|number| self.add_user(user(number))).collect()
    }

    /// Returns a user as stored; `None` when there is none.
    pub(crate) fn user(&self, id: &str) -> Option<Value> {
        lock(&self.inner.directory).get(Kind::Users, id).cloned()
    }

    /// Returns a group as stored; `None` when there is none.
    pub(crate) fn group(&self, id: &str) -> Option<Value> {
        lock(&self.inner.directory).get(Kind::Groups, id).cloned()
    }

    /// Returns all users as stored.
    pub(crate) fn users(&self) -> Vec<Value> {
        lock(&self.inner.directory).all(Kind::Users).to_vec()
    }

    /// Returns all groups as stored.
    pub(crate) fn groups(&self) -> Vec<Value> {
        lock(&self.inner.directory).all(Kind::Groups).to_vec()
    }

    /// Adds a hook that responds in place of the server, unless it returns `None`. The latest hook comes first.
    pub(crate) fn hook(
        &self,
        hook: impl Fn(&ScimRequest) -> Option<Response> + Send + Sync + 'static,
    ) {
        lock(&self.inner.hooks).insert(0, Arc::new(hook));
    }

    /// Responds to all requests whose path below the base URL begins with `path` by this response.
    pub(crate) fn respond(
        &self,
        path: &'static str,
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: impl Into<Vec<u8>>,
    ) {
        let body = body.into();
        self.hook(move |request| {
            request.is_below(path).then(|| raw_response(status, headers, body.clone()))
        });
    }

    /// Changes the JSON of all responses whose path below the base URL begins with `path`.
    pub(crate) fn rewrite(&self, path: &str, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        lock(&self.inner.changes).push((path.to_owned(), Arc::new(change)));
    }

    /// Removes all hooks and rewrites.
    pub(crate) fn clear(&self) {
        lock(&self.inner.hooks).clear();
        lock(&self.inner.changes).clear();
    }

    /// Returns the requests since the start or since [`Self::forget_requests`], oldest first.
    pub(crate) fn requests(&self) -> Vec<ScimRequest> {
        lock(&self.inner.requests).clone()
    }

    /// Forgets the requests.
    pub(crate) fn forget_requests(&self) {
        lock(&self.inner.requests).clear();
    }

    /// Returns the number of requests with this method whose path begins with `path`.
    pub(crate) fn calls(&self, method: &str, path: &str) -> usize {
        let requests = lock(&self.inner.requests);
        let is_one = |request: &&ScimRequest| request.method == method && request.is_below(path);
        requests.iter().filter(is_one).count()
    }

    /// Revokes all tokens that the token endpoint issued; returns how many there were.
    pub(crate) fn revoke_issued_tokens(&self) -> usize {
        std::mem::take(&mut *lock(&self.inner.issued)).len()
    }

    /// Links the server as an account of this tenant with the token [`SCIM_TOKEN`]; returns the account's id. The
    /// gateway must allow private addresses: [`open_app`].
    pub(crate) async fn link(&self, app: &TestApp, tenant_id: &str) -> anyhow::Result<String> {
        self.link_with(app, tenant_id, &[("token", SCIM_TOKEN)]).await
    }

    /// Links the server with these fields of the form beside its base URL; returns the account's id.
    pub(crate) async fn link_with(
        &self,
        app: &TestApp,
        tenant_id: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let (status, page) = self.submit(app, tenant_id, fields).await?;
        anyhow::ensure!(status == 200, "{status}: {page}");
        let path = format!("integrated-accounts?provider=scim&tenant_id={tenant_id}");
        let accounts = app.home.api.get(&path).await?.success()?;
        let account = accounts.pointer("/result/0/id").and_then(Value::as_str);
        Ok(account.context("no account was linked")?.to_owned())
    }

    /// Submits the form of a new link of this tenant; returns status and text of the page.
    pub(crate) async fn submit(
        &self,
        app: &TestApp,
        tenant_id: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<(u16, String)> {
        let body = json!({"tenant_id": tenant_id, "provider": "scim"});
        let link = link_url(&app.home, &body).await?;
        let mut form = Serializer::new(String::new());
        form.append_pair("provider", "scim");
        if !fields.iter().any(|(name, _)| *name == "base_url") {
            form.append_pair("base_url", &self.url);
        }
        form.extend_pairs(fields);
        let page = Browser::new()?.post(&link, &form.finish()).await?;
        Ok((page.status, page.text))
    }
}

/// Links a SCIM server by the form with a bearer token; returns the account's id.
pub(crate) async fn link_server(
    app: &TestApp,
    tenant_id: &str,
    base_url: &str,
    token: &str,
) -> anyhow::Result<String> {
    let body = json!({"tenant_id": tenant_id, "provider": "scim"});
    let link = link_url(&app.home, &body).await?;
    let mut form = Serializer::new(String::new());
    form.extend_pairs([("provider", "scim"), ("base_url", base_url), ("token", token)]);
    let page = Browser::new()?.post(&link, &form.finish()).await?;
    anyhow::ensure!(page.status == 200, "{}", page.text);
    let path = format!("integrated-accounts?tenant_id={tenant_id}");
    let accounts = app.home.api.get(&path).await?.success()?;
    let id = accounts.pointer("/result/0/id").and_then(Value::as_str).context("no account")?;
    Ok(id.to_owned())
}

/// Starts a gateway that connects to loopback addresses, as an operator may allow it.
pub(crate) async fn open_app(pool: sqlx::PgPool) -> anyhow::Result<TestApp> {
    TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        (setup.sandbox.users, setup.sandbox.workspaces) = (5, 1);
    })
    .await
}

/// Builds a response of these bytes.
pub(crate) fn raw_response(status: u16, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap_or_default(), body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in headers {
        let name = header::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, header::HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Builds a response with this JSON, as a SCIM server sends it.
pub(crate) fn json_response(status: u16, body: &Value) -> Response {
    let headers = [("content-type", "application/scim+json")];
    raw_response(status, &headers, body.to_string().into_bytes())
}

async fn respond(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body).into_owned();
    let pairs = |text: &str| -> Vec<(String, String)> {
        form_urlencoded::parse(text.as_bytes()).into_owned().collect()
    };
    let path = head.uri.path();
    if path == TOKEN_PATH {
        let request = ScimRequest::new(head.method, "oauth/token", Vec::new(), head.headers, text);
        lock(&inner.requests).push(request.clone());
        if let Some(response) = hooked(&inner, &request) {
            return response;
        }
        let grant = lock(&inner.options).oauth.clone();
        let (status, body) = requests::token_response(grant.as_ref(), &request);
        let token = body.get("access_token").and_then(Value::as_str);
        lock(&inner.issued).extend(token.map(str::to_owned));
        return raw_response(
            status,
            &[("content-type", "application/json")],
            body.to_string().into_bytes(),
        );
    }
    let Some(below) = path.strip_prefix(BASE_PATH) else {
        return raw_response(404, &[("content-type", "text/html")], b"<html>not here".to_vec());
    };
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let segments: Vec<String> =
        below.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let query = pairs(head.uri.query().unwrap_or_default());
    let mut request = ScimRequest::new(head.method, &segments.join("/"), query, head.headers, text);
    request.segments = segments;
    lock(&inner.requests).push(request.clone());
    if let Some(response) = hooked(&inner, &request) {
        return response;
    }
    let options = lock(&inner.options).clone();
    if !options.delay.is_zero() {
        tokio::time::sleep(options.delay).await;
    }
    let issued = lock(&inner.issued).clone();
    let response = match requests::check_credentials(&options, &issued, &request) {
        Err(refused) => refused,
        Ok(()) => requests::response(&options, &mut lock(&inner.directory), &request),
    };
    changed(&inner, &request, response).into_response(options.media_type)
}

fn hooked(inner: &Inner, request: &ScimRequest) -> Option<Response> {
    let hooks = lock(&inner.hooks).clone();
    hooks.iter().find_map(|hook| hook(request))
}

fn changed(
    inner: &Inner,
    request: &ScimRequest,
    mut response: requests::ScimResponse,
) -> requests::ScimResponse {
    let changes = lock(&inner.changes).clone();
    for (_, change) in changes.iter().filter(|(path, _)| request.is_below(path)) {
        if let Some(body) = &mut response.body {
            change(body);
        }
    }
    response
}
