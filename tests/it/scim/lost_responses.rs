//! Changes whose response was lost: the gateway reads back what the server has.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use url::Url;

use super::writes::{id, outcomes, set};
use crate::support::scim_server::{
    SCIM_TOKEN, ScimOptions, ScimServer, attribute, open_app, schema,
};
use crate::support::{Client, TestApp};

/// Headers that the proxy forwards.
const HEADERS: [&str; 3] = ["authorization", "content-type", "if-match"];

/// A proxy that breaks off the response to the next request with some method, after it was applied.
#[derive(Clone)]
struct LossyProxy {
    url: String,
    server: Client,
    lost: Arc<Mutex<Option<Method>>>,
}

impl LossyProxy {
    async fn start(server: &ScimServer) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let target = Url::parse(&server.url)?;
        let url = format!("http://{}{}", listener.local_addr()?, target.path());
        let proxy = Self { url, server: Client::new(target)?, lost: Arc::default() };
        let router = Router::new().fallback(respond).with_state(proxy.clone());
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        Ok(proxy)
    }

    fn lose(&self, method: Method) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(method);
    }

    /// Whether the response of a method is to be lost; not the next one.
    fn take(&self, method: &Method) -> bool {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.take_if(|lost| lost == method).is_some()
    }

    /// Whether no response is to be lost any more.
    fn is_done(&self) -> bool {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

async fn respond(State(proxy): State<LossyProxy>, request: Request) -> Response {
    forward(&proxy, request).await.unwrap_or_else(|error| {
        (StatusCode::BAD_GATEWAY, format!("proxy: {error:#}")).into_response()
    })
}

async fn forward(proxy: &LossyProxy, request: Request) -> anyhow::Result<Response> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await?;
    let text = String::from_utf8(body.to_vec())?;
    let mut server = proxy.server.clone();
    for name in HEADERS {
        if let Some(value) = head.headers.get(name) {
            server = server.with(name, value.to_str()?)?;
        }
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let media_type = "application/scim+json";
    let body = (!text.is_empty()).then_some((media_type, text.as_str()));
    let answer = server.send(head.method.clone(), path, body).await?;
    if proxy.take(&head.method) {
        let pieces = [Ok("{"), Err(std::io::Error::other("lost"))];
        return Ok(Body::from_stream(stream::iter(pieces)).into_response());
    }
    let status = StatusCode::from_u16(answer.status)?;
    let mut response = (status, answer.text.clone()).into_response();
    *response.headers_mut() = answer.headers.clone();
    response.headers_mut().remove("transfer-encoding");
    Ok(response)
}

/// Links the server through a proxy; returns the proxy and a client of the account.
async fn linked(
    app: &TestApp,
    tenant: &str,
    server: &ScimServer,
) -> anyhow::Result<(LossyProxy, Client)> {
    let proxy = LossyProxy::start(server).await?;
    let fields = [("base_url", proxy.url.as_str()), ("token", SCIM_TOKEN)];
    let account = server.link_with(app, tenant, &fields).await?;
    Ok((proxy, app.client_for(&account)?))
}

/// Removes the times of all resources: those of the server are long past, and a new user would seem to be an old one.
fn remove_times(body: &mut Value) {
    if let Some(object) = body.as_object_mut() {
        object.remove("meta");
    }
    for row in body.get_mut("Resources").and_then(Value::as_array_mut).into_iter().flatten() {
        remove_times(row);
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reads_back_every_change_whose_response_was_lost(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let put = ScimOptions { patch: false, etag: true, ..ScimOptions::default() };
    for (mode, options) in [("patch", ScimOptions::default()), ("put", put)] {
        let change = if options.patch { Method::PATCH } else { Method::PUT };
        let server = ScimServer::start(options).await?;
        server.rewrite("", remove_times);
        let (proxy, api) = linked(&app, mode, &server).await?;
        let user = server.add_user(json!({"userName": "ada", "active": true}));
        let group = server.add_group(json!({"displayName": "Crew", "members": [{"value": "x"}]}));
        let (user_path, group_path) = (format!("users/{user}"), format!("groups/{group}"));
        let role = json!({"user_id": user, "role_id": "roles:admin"});
        let (patch, delete) = (Method::PATCH, Method::DELETE);
        for (lost, verb, path, body, status) in [
            (&Method::POST, &Method::POST, "users", json!({"email": "eve@example.com"}), 201),
            (&Method::POST, &Method::POST, "groups", json!({"name": "Made Once"}), 201),
            (&change, &patch, &*user_path, json!({"title": "Countess"}), 200),
            (&change, &patch, &*group_path, json!({"add_member_ids": [user]}), 200),
            (&change, &Method::POST, "role-assignments", role, 201),
            (&change, &delete, &*user_path, Value::Null, 200),
            (&delete, &delete, &*group_path, Value::Null, 200),
        ] {
            let text = body.to_string();
            let sent = (!body.is_null()).then_some(("application/json", text.as_str()));
            proxy.lose(lost.clone());
            let response = api.send(verb.clone(), path, sent).await?;
            assert_eq!(response.status, status, "{mode}: {verb} {path}: {}", response.text);
            assert!(proxy.is_done(), "{mode}: {verb} {path} sent no {lost}");
            let result = response.body["result"]["outcome"].as_str();
            let all: Vec<&str> = result.into_iter().chain(outcomes(&response.body)).collect();
            assert!(all.iter().all(|outcome| *outcome == "applied"), "{mode}: {}", response.text);
        }
        assert_eq!((server.users().len(), server.groups().len()), (2, 1), "{mode}");

        set(&app, mode, &json!({"delete_user": "delete"})).await?;
        proxy.lose(Method::DELETE);
        let removed = api.delete(&user_path).await?.success()?;
        assert_eq!((outcomes(&removed), id(&removed)?), (vec!["applied"], user), "{mode}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_new_user_without_addresses_is_found_by_its_username(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let attributes = [attribute("userName", "string", "readWrite", &[])];
    let user = schema("urn:ietf:params:scim:schemas:core:2.0:User", &attributes);
    let options = ScimOptions { schemas: vec![user], groups: false, ..ScimOptions::default() };
    let server = ScimServer::start(options).await?;
    server.rewrite("", remove_times);
    server.add_user(json!({"userName": "ada@example.com"}));
    let (proxy, api) = linked(&app, "acme", &server).await?;
    proxy.lose(Method::POST);
    let created = api.post("users", &json!({"email": "eve@example.com"})).await?.created()?;
    assert_eq!(outcomes(&created), ["applied"], "{created}");
    assert_eq!(created["result"]["username"], "eve@example.com", "{created}");
    assert!(proxy.is_done());
    assert_eq!(server.users().len(), 2);
    Ok(())
}
