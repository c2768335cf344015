//! HTTP client for the processes that a test has started.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;

/// An HTTP client.
#[derive(Debug, Clone)]
pub(super) struct Client(reqwest::Client);

/// A response with its body.
#[derive(Debug, Clone)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    /// `null` if it is not JSON.
    pub(super) body: Value,
    pub(super) retry_after: Option<String>,
}

impl HttpResponse {
    /// Returns the body of a success.
    pub(super) fn ok(self) -> anyhow::Result<Value> {
        anyhow::ensure!((200..300).contains(&self.status), "{self:?}");
        Ok(self.body)
    }
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "a stranger's client, not the gateway's")]
    pub(super) fn new() -> anyhow::Result<Self> {
        // The crypto provider may be installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(40));
        Ok(Self(client.build()?))
    }

    /// Sends a request with headers and an optional JSON body.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<HttpResponse> {
        let mut request = self.0.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(HttpResponse { status, body, retry_after })
    }

    /// Sends GET without a key; returns the JSON.
    pub(super) async fn read(&self, url: &str) -> anyhow::Result<String> {
        Ok(self.0.get(url).send().await?.text().await?)
    }

    /// Sends GET without a key.
    pub(super) async fn get(&self, url: &str) -> anyhow::Result<HttpResponse> {
        self.send(Method::GET, url, &[], None).await
    }
}

/// Returns the text at a JSON pointer.
pub(super) fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no text at {pointer} of {value}"))?.to_owned())
}

/// Returns the number at a JSON pointer.
pub(super) fn number(value: &Value, pointer: &str) -> anyhow::Result<u64> {
    let found = value.pointer(pointer).and_then(Value::as_u64);
    found.with_context(|| format!("no number at {pointer} of {value}"))
}

/// Returns the list at a JSON pointer.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a [Value]> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    Ok(found.with_context(|| format!("no list at {pointer} of {value}"))?)
}
