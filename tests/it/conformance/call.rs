//! Caller of the sandbox's routes.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::Request;
use serde_json::Value;
use switchboard::domain::clock::SystemClock;
use switchboard::sandbox::{DEFAULT_CLIENT_ID, Sandbox, SandboxOptions, SlackApp, router};
use tower::ServiceExt as _;

/// A sandbox without limits, and a client for it.
pub(crate) struct Caller {
    pub(crate) sandbox: Sandbox,
}

impl Caller {
    /// Creates one for an organization of `users` accounts.
    pub(crate) fn new(users: usize) -> anyhow::Result<Self> {
        let options = SandboxOptions { users, enforce_limits: false, ..SandboxOptions::default() };
        let sandbox = Sandbox::new(options, Arc::new(SystemClock))?;
        // Its tokens do not expire, so that the clock can be advanced.
        sandbox.register_app(SlackApp { rotation: false, ..SlackApp::default_app() });
        Ok(Self { sandbox })
    }

    /// Returns a token of the primary owner with these scopes.
    pub(crate) fn token(&self, scopes: &[&str]) -> anyhow::Result<String> {
        Ok(self.sandbox.install(DEFAULT_CLIENT_ID, scopes)?.access_token)
    }

    /// Calls a method of the Web API with form arguments.
    pub(crate) async fn web(
        &self,
        token: &str,
        method: &str,
        args: &[(String, String)],
    ) -> anyhow::Result<Value> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(args).finish();
        let request = Request::post(format!("/api/{method}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form))?;
        Ok(self.send(request).await?.1)
    }

    /// Calls SCIM; returns the status and the body, null if there is none.
    pub(crate) async fn scim(
        &self,
        token: &str,
        verb: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let request = Request::builder()
            .method(verb)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
        self.send(request).await
    }

    /// Reads from the sandbox's control API.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.send(Request::get(path).body(Body::empty())?).await?.1)
    }

    async fn send(&self, request: Request<Body>) -> anyhow::Result<(u16, Value)> {
        let response = router(self.sandbox.clone()).oneshot(request).await?;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await?;
        let json = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        Ok((status, json))
    }
}

/// Returns the value at a JSON pointer, or null.
pub(crate) fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}
